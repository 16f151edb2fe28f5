"""What a roll-out asks of a device, as NETCONF operations on one connection after another.

What is ours is replaced or removed place by place, so that a second push changes nothing and
nothing stale stays; what is not ours is not written.  Whatever was written is read back and
compared: a server's <ok/> is not believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from toolkit.errors import DeviceError, UnreachableError
from toolkit.netconf import commits, names
from toolkit.netconf.commits import Way
from toolkit.netconf.compare import Change
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.dialect import NOTHING, Dialect, Reading
from toolkit.netconf.messages import Reply
from toolkit.netconf.profiles import Profile, Validation
from toolkit.netconf.transaction import Event, Request
from toolkit.netconf.tree import Node

_SETTLED: Final = frozenset({"invalid-value", "operation-failed", "data-missing"})
"""Refusals of a persist-id that mean: no such commit is pending.  Others leave it pending."""
_HELD: Final = frozenset({"in-use", "lock-denied"})
"""Refusals that a session of ours may cause whose end the server has not seen yet."""
_TRIES: Final = 20
_PAUSE: Final = 0.25
"""Seconds between them: a session that was given up may take that long together to end."""

T = TypeVar("T")


class Channel(Protocol):
    """A NETCONF session; `runtime_ncclient.Connection` is one."""

    @property
    def capabilities(self) -> frozenset[str]: ...
    def request(self, operation: str) -> Reply: ...
    def close(self) -> None: ...
    def leave(self) -> None: ...


class DriftError(DeviceError):
    """Somebody changed what is ours after it was looked at."""

    def __init__(self, device: str, changes: Sequence[Change], words: str = "") -> None:
        """`changes`: what they did."""
        usual = "its configuration was changed since this push looked at it; push again"
        super().__init__(device, "in-use", words or usual, changes[0].path)
        self.changes = tuple(changes)


class DeviceSession:
    """One device of a roll-out."""

    def __init__(
        self,
        device: str,
        connect: Callable[[], Channel],
        intent: Node,
        *,
        dialect: Dialect,
        profile: Profile,
        txid: str,
        confirm_timeout: int,
        claims: Sequence[Node] = (),
        degraded: bool = False,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect.  `intent` is a datastore of what is ours alone; `txid` becomes the persist-id.

        `claims` are other configurations whose places are ours as well; `degraded` allows weaker
        ways to commit than a confirmed commit with a persist-id.  Raises UnreachableError, and
        DeviceError where the server cannot do what is needed.
        """
        self._device, self._connect, self._wait = device, connect, wait
        self._intent, self._claims, self._dialect = intent, (intent, *claims), dialect
        self._profile, self._txid, self._confirm_timeout = profile, txid, confirm_timeout
        self._before = NOTHING
        self._last: tuple[Node, Reading] = EMPTY, NOTHING
        self._channel = connect()
        try:
            self.way = self._choose(degraded=degraded)
        except DeviceError:
            self._channel.leave()
            raise
        self._degraded = degraded
        self._requests: dict[Request, Callable[[], Event]] = {
            Request.LOCK: self._lock,
            Request.EDIT: self._edit,
            Request.VALIDATE: self._validate,
            Request.READ_CANDIDATE: self._read_candidate,
            Request.COMMIT: self._commit,
            Request.READ_RUNNING: lambda: self._read_back("running"),
            Request.CONFIRM: self._confirm,
            Request.DISCARD: self._discard,
            Request.CANCEL: self._cancel,
            Request.RECONFIRM: self._reconfirm,
            Request.RECANCEL: self._recancel,
            Request.RESOLVE: self._resolve,
            Request.SAVE: self._save,
            Request.RESAVE: lambda: self._again(self._save),
        }

    def _choose(self, *, degraded: bool) -> Way:
        """Return how this server is to take the change."""
        offered = self._channel.capabilities
        lacking = commits.missing(offered)
        way = commits.choose(offered, self._profile)
        if way is Way.PERSIST and not lacking:
            return way
        if way is not None and degraded:
            return way
        words = f"the server does not offer {', '.join(lacking)}"
        if way is Way.JUNOS:
            words = "Junos confirms no commit by persist-id"
        if way in commits.WEAKNESS:
            words += f"; --allow-degraded pushes all the same: {commits.WEAKNESS[way]}"
        elif way is not None:
            words += "; --allow-degraded pushes all the same, unvalidated"
        raise DeviceError(self._device, "operation-not-supported", words)

    @property
    def device(self) -> str:
        return self._device

    @property
    def reverts(self) -> bool:
        return self.way.reverts

    @property
    def before(self) -> Node:
        """What is ours as it ran when `look` read it."""
        return self._before.ours

    @property
    def intent(self) -> Node:
        """What is ours as it is to run."""
        return self._intent

    @property
    def channel(self) -> Channel:
        """The session that it has now."""
        return self._channel

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    def look(self) -> tuple[Change, ...]:
        """Read what runs and return what the intent changes."""
        self._before = self._read("running")
        return self._dialect.changes(self._before.ours, self._intent)

    def perform(self, request: Request) -> Event:
        return self._requests[request]()

    def settle(self, *, confirm: bool) -> None:
        """Confirm or cancel what an earlier push left pending under our txid, if anything.

        Raises ConnectionError when that cannot be found out.
        """
        if self.way is Way.JUNOS and confirm:
            try:
                self._confirm()
            except DeviceError as error:
                raise ConnectionError(str(error)) from None
        elif self.way is Way.PERSIST:
            with suppress(DeviceError):
                self._settling(self._confirm if confirm else self._cancel)

    def save(self) -> None:
        """Copy running to startup where what is ours in there is not what runs.

        Raises DeviceError and ConnectionError.
        """
        if names.STARTUP in self._channel.capabilities and self._dialect.changes(
            self._read("startup").ours, self._read("running").ours
        ):
            self._save()

    def close(self) -> None:
        self._channel.leave()

    # ----- the requests

    def _do(self, operation: str) -> Event:
        self._channel.request(operation)
        return Event.OK

    def _lock(self) -> Event:
        self._lock_stores(self._do)
        now = self._read("running").ours
        drift = self._dialect.changes(self._before.ours, now)
        if drift:
            raise DriftError(self._device, drift)
        return Event.OK

    def _lock_stores(self, do: Callable[[str], Event]) -> None:
        if self._profile.lock_running or not self.way.candidate:
            try:
                do("<lock><target><running/></target></lock>")
            except DeviceError as error:
                if error.tag != "operation-not-supported" or not self._degraded:
                    raise
        if self.way.candidate:
            do("<lock><target><candidate/></target></lock>")

    def _edit(self) -> Event:
        if not self.way.candidate:
            return Event.OK
        return self._do(self._edit_config(self._before, self._intent))

    def _validate(self) -> Event:
        offered = self._channel.capabilities
        if not self.way.candidate or self._profile.validation is Validation.TEST_ONLY:
            if names.VALIDATE not in offered:
                return Event.OK
            edit = self._edit_config(self._before, self._intent, test_option="test-only")
            return self._do(edit)
        if not names.validates(offered):
            return Event.OK
        return self._do("<validate><source><candidate/></source></validate>")

    def _edit_config(
        self, before: Reading, after: Node, *, test_option: str = "test-then-set"
    ) -> str:
        offered = self._channel.capabilities
        target = "candidate" if self.way.candidate else "running"
        test = f"<test-option>{test_option}</test-option>" if names.validates(offered) else ""
        safe = names.ROLLBACK_ON_ERROR in offered or self.way is Way.PERSIST
        error = "<error-option>rollback-on-error</error-option>" if safe else ""
        return (
            f"<edit-config><target><{target}/></target>"
            f"<default-operation>merge</default-operation>{test}{error}"
            f"<config>{self._dialect.edit(before, after)}</config></edit-config>"
        )

    def _read_candidate(self) -> Event:
        return self._read_back("candidate") if self.way.candidate else Event.OK

    def _commit(self) -> Event:
        if self.way.candidate:
            return self._do(commits.commit(self.way, self._confirm_timeout, self._txid))
        try:
            return self._do(self._edit_config(self._before, self._intent))
        except DeviceError as error:
            # All or nothing is what was asked for; it is looked for as well.
            if self._dialect.changes(self._before.ours, self._read("running").ours):
                raise ConnectionError(f"{error}; a part of it runs all the same") from None
            raise

    def _confirm(self) -> Event:
        operation = commits.confirm(self.way, self._txid)
        if not operation:
            return Event.OK
        try:
            return self._do(operation)
        except DeviceError as error:
            if self.way is not Way.PERSIST or error.tag not in _SETTLED:
                raise
            late = f"(did it take longer than --confirm-timeout, {self._confirm_timeout} s?)"
            raise DeviceError(
                self._device, error.tag, f"{error.message} {late}", error.path
            ) from None

    def _save(self) -> Event:
        if names.STARTUP not in self._channel.capabilities:
            return Event.OK  # what runs is what a restart finds
        return self._do(
            "<copy-config><target><startup/></target><source><running/></source></copy-config>"
        )

    def _discard(self) -> Event:
        return self._do("<discard-changes/>") if self.way.candidate else Event.OK

    def _cancel(self) -> Event:
        if self.way is Way.PERSIST:
            return self._settling(lambda: self._do(commits.cancel(self._txid)))
        return self._undo()

    def _undo(self) -> Event:
        """Make what ran before run again, by the reverse change, and for good."""
        if self.way.candidate:
            self._do("<discard-changes/>")
        now = self._read("running")
        if not self._dialect.changes(now.ours, self._before.ours):
            return Event.OK if self.way is not Way.JUNOS else self._do(commits.stay(self.way))
        self._do(self._edit_config(now, self._before.ours))
        return self._do(commits.stay(self.way)) if self.way.candidate else Event.OK

    def _reconfirm(self) -> Event:
        if self.way is Way.PERSIST:
            return self._again(self._confirm)
        self._renew()
        if self._dialect.changes(self._read("running").ours, self._intent):
            raise DeviceError(self._device, "operation-failed", "the change has been undone")
        return self._confirm() if self.way is Way.JUNOS else Event.OK

    def _recancel(self) -> Event:
        if self.way is Way.PERSIST:
            return self._again(self._cancel)
        self._renew()
        return Event.OK if self.way is Way.SESSION else self._undo()

    def _renew(self) -> None:
        """Connect anew and lock; a lock that is refused says that something is still pending."""
        self._reconnect()
        try:
            self._lock_stores(lambda lock: self._patiently(lambda: self._do(lock)))
        except DeviceError as error:
            raise ConnectionError(str(error)) from None

    def _again(self, act: Callable[[], Event]) -> Event:
        """Do `act` on a new session."""
        self._reconnect()
        return self._settling(act)

    def _settling(self, act: Callable[[], Event]) -> Event:
        """Do `act`; a refusal that leaves the commit pending tells as little as a lost session."""
        try:
            return self._patiently(act)
        except DeviceError as error:
            if error.tag in _SETTLED:
                raise
            raise ConnectionError(str(error)) from None

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do `act` when those locks have gone that a session of ours still holds."""
        for _ in range(_TRIES):
            try:
                return act()
            except DeviceError as error:
                if error.tag not in _HELD:
                    raise
            self._wait(_PAUSE)
        return act()

    def _resolve(self) -> Event:
        now = self._read("running").ours
        if not self._dialect.changes(now, self._intent):
            return Event.NEW
        if not self._dialect.changes(now, self._before.ours):
            return Event.OLD
        raise DeviceError(
            self._device, "operation-failed", "it runs neither the old nor the new configuration"
        )

    def _reconnect(self) -> None:
        self._channel.close()
        try:
            self._channel = self._connect()
        except UnreachableError as error:
            raise ConnectionError(str(error)) from None

    # ----- reading

    def _read_back(self, store: str) -> Event:
        differences = self._dialect.changes(self._intent, self._read(store).ours)
        if differences:
            raise DeviceError(
                self._device,
                "operation-failed",
                f"{store} is not what was written: {differences[0]} "
                f"({len(differences)} differences)",
                differences[0].path,
            )
        return Event.OK

    def _read(self, store: str) -> Reading:
        """Return what is ours in `store`."""
        reply = self._channel.request(
            f"<get-config><source><{store}/></source>"
            f'<filter type="subtree">{self._dialect.filter}</filter></get-config>'
        )
        data = next((node for node in reply.content if node.name == EMPTY.name), EMPTY)
        known, reading = self._last
        if data != known:  # most reads find what the one before found
            reading = self._dialect.read(data, (*self._claims, self._before.ours), self._device)
            self._last = data, reading
        return reading
