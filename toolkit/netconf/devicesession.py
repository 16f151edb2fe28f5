"""What a roll-out asks of a device, as NETCONF operations on one connection after another.

The payload replaces our top-level containers as a whole and removes those that it lacks, so that a
second push changes nothing and nothing stale stays; containers that are not ours are not read and
not written.  Whatever was written is read back and compared: a server's <ok/> is not believed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol
from xml.sax.saxutils import escape

from toolkit.errors import DeviceError, SchemaError, UnreachableError
from toolkit.netconf.compare import Change, changes
from toolkit.netconf.datastore import EMPTY, OPERATION
from toolkit.netconf.messages import Reply
from toolkit.netconf.names import BASE_NS, STARTUP
from toolkit.netconf.profiles import Profile, Validation
from toolkit.netconf.schema import SchemaTree
from toolkit.netconf.transaction import Event, Request
from toolkit.netconf.tree import Node, to_xml
from toolkit.yang.schema import Schema

_SETTLED: Final = frozenset({"invalid-value", "operation-failed", "data-missing"})
"""Refusals of a persist-id that mean: no such commit is pending.  Others leave it pending."""


class Channel(Protocol):
    """A NETCONF session; `runtime_ncclient.Connection` is one."""

    @property
    def capabilities(self) -> frozenset[str]: ...
    def request(self, operation: str) -> Reply: ...
    def close(self) -> None: ...
    def leave(self) -> None: ...


class DeviceSession:
    """One device of a roll-out."""

    def __init__(
        self,
        device: str,
        connect: Callable[[], Channel],
        intent: Node,
        *,
        schema: Schema,
        index: SchemaTree,
        profile: Profile,
        txid: str,
        confirm_timeout: int,
    ) -> None:
        """Connect.  `intent` is a datastore of our containers alone; `txid` becomes the persist-id.

        Raises UnreachableError, and DeviceError where the server cannot do what is needed.
        """
        self._device, self._connect = device, connect
        self._intent, self._schema, self._index = intent, schema, index
        self._profile, self._txid, self._confirm_timeout = profile, txid, confirm_timeout
        self._before = EMPTY
        self._channel = connect()
        missing = [c for c in profile.required if c not in self._channel.capabilities]
        if missing:
            self._channel.leave()
            raise DeviceError(
                device, "operation-not-supported", f"the server does not offer {', '.join(missing)}"
            )
        self._requests: dict[Request, Callable[[], Event]] = {
            Request.LOCK: self._lock,
            Request.EDIT: self._edit,
            Request.VALIDATE: self._validate,
            Request.READ_CANDIDATE: lambda: self._read_back("candidate"),
            Request.COMMIT: self._commit,
            Request.READ_RUNNING: lambda: self._read_back("running"),
            Request.CONFIRM: self._confirm,
            Request.DISCARD: lambda: self._do("<discard-changes/>"),
            Request.CANCEL: self._cancel,
            Request.RECONFIRM: lambda: self._again(self._confirm),
            Request.RECANCEL: lambda: self._again(self._cancel),
            Request.RESOLVE: self._resolve,
            Request.SAVE: self._save,
            Request.RESAVE: lambda: self._again(self._save),
        }

    @property
    def device(self) -> str:
        return self._device

    @property
    def before(self) -> Node:
        """Our containers as they ran when `look` read them."""
        return self._before

    @property
    def intent(self) -> Node:
        """Our containers as they are to run."""
        return self._intent

    def look(self) -> tuple[Change, ...]:
        """Read what runs and return what the intent changes."""
        self._before = self._read("running")
        return changes(self._index, self._before, self._intent)

    def perform(self, request: Request) -> Event:
        return self._requests[request]()

    def settle(self, *, confirm: bool) -> None:
        """Confirm or cancel what an earlier push left pending under our txid, if anything.

        Raises ConnectionError when that cannot be found out.
        """
        act = self._confirm if confirm else self._cancel
        with suppress(DeviceError):
            self._settling(act)

    def save(self) -> None:
        """Copy running to startup where our containers in there are not those that run.

        Raises DeviceError and ConnectionError.
        """
        if STARTUP in self._channel.capabilities and changes(
            self._index, self._read("startup"), self._read("running")
        ):
            self._save()

    def close(self) -> None:
        self._channel.leave()

    # ----- the requests

    def _do(self, operation: str) -> Event:
        self._channel.request(operation)
        return Event.OK

    def _lock(self) -> Event:
        for store in ("running", "candidate") if self._profile.lock_running else ("candidate",):
            self._do(f"<lock><target><{store}/></target></lock>")
        drift = changes(self._index, self._before, self._read("running"))
        if drift:
            raise DeviceError(
                self._device,
                "in-use",
                "its configuration was changed since this push looked at it; push again",
                drift[0].path,
            )
        return Event.OK

    def _edit(self) -> Event:
        return self._do(self._edit_config("test-then-set"))

    def _validate(self) -> Event:
        if self._profile.validation is Validation.TEST_ONLY:
            return self._do(self._edit_config("test-only"))
        return self._do("<validate><source><candidate/></source></validate>")

    def _edit_config(self, test_option: str) -> str:
        wanted = {node.name: node for node in self._intent.children}
        present = {node.name for node in self._before.children}
        parts = []
        for name in self._profile.owned:
            if name in wanted:
                attribute = ((OPERATION, "replace"),)
                parts.append(replace(wanted[name], attributes=attribute))
            elif name in present:
                parts.append(Node(name, attributes=((OPERATION, "remove"),)))
        return (
            "<edit-config><target><candidate/></target>"
            "<default-operation>merge</default-operation>"
            f"<test-option>{test_option}</test-option>"
            "<error-option>rollback-on-error</error-option>"
            f"<config>{to_xml(parts, inside=BASE_NS)}</config></edit-config>"
        )

    def _commit(self) -> Event:
        return self._do(
            f"<commit><confirmed/><confirm-timeout>{self._confirm_timeout}</confirm-timeout>"
            f"<persist>{escape(self._txid)}</persist></commit>"
        )

    def _confirm(self) -> Event:
        return self._do(f"<commit><persist-id>{escape(self._txid)}</persist-id></commit>")

    def _save(self) -> Event:
        if STARTUP not in self._channel.capabilities:
            return Event.OK  # what runs is what a restart finds
        return self._do(
            "<copy-config><target><startup/></target><source><running/></source></copy-config>"
        )

    def _cancel(self) -> Event:
        operation = f"<cancel-commit><persist-id>{escape(self._txid)}</persist-id></cancel-commit>"
        return self._settling(lambda: self._do(operation))

    def _again(self, act: Callable[[], Event]) -> Event:
        """Do `act` on a new session."""
        self._reconnect()
        return self._settling(act)

    def _settling(self, act: Callable[[], Event]) -> Event:
        """Do `act`; a refusal that leaves the commit pending tells as little as a lost session."""
        try:
            return act()
        except DeviceError as error:
            if error.tag in _SETTLED:
                raise
            raise ConnectionError(str(error)) from None

    def _resolve(self) -> Event:
        now = self._read("running")
        if not changes(self._index, now, self._intent):
            return Event.NEW
        if not changes(self._index, now, self._before):
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
        differences = changes(self._index, self._intent, self._read(store))
        if differences:
            raise DeviceError(
                self._device,
                "operation-failed",
                f"{store} is not what was written: {differences[0]} "
                f"({len(differences)} differences)",
                differences[0].path,
            )
        return Event.OK

    def _read(self, store: str) -> Node:
        """Return our containers in `store`, in canonical form where they fit the schema."""
        wanted = to_xml((Node(name) for name in self._profile.owned), inside=BASE_NS)
        reply = self._channel.request(
            f"<get-config><source><{store}/></source>"
            f'<filter type="subtree">{wanted}</filter></get-config>'
        )
        data = next((node for node in reply.content if node.name == EMPTY.name), EMPTY)
        ours = tuple(node for node in data.children if node.name in self._profile.owned)
        try:
            document = self._schema.parse_xml(to_xml(ours), self._device)
        except SchemaError:
            # Something in there that our modules do not know: it shows as a difference.
            return EMPTY.with_children(ours)
        return EMPTY.with_children(self._index.from_json(document))
