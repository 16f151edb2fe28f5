"""Sessions with many devices, opened, used and closed side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Protocol, TypeVar

from toolkit.errors import DeviceError, SchemaError, ToolkitError, UnreachableError, UsageError
from toolkit.netconf.compare import Change
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.dialect import dialect, namespaces_of
from toolkit.netconf.fetch import announced_by, text_of
from toolkit.netconf.names import YANG_LIBRARY
from toolkit.netconf.profiles import PROFILES
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.netconf.tree import Node, to_xml
from toolkit.yang.revisions import check_revisions, lacking_features

A = TypeVar("A")
B = TypeVar("B")


class Run(Protocol):
    """`map` that has ended when it returns."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> list[B]: ...


def side_by_side(workers: int) -> Run:
    """Return a `map` of `workers` threads; even when interrupted it waits for what has begun."""

    def run(function: Callable[[A], B], items: Iterable[A], /) -> list[B]:
        work = list(items)
        if not work:
            return []
        with ThreadPoolExecutor(max(1, min(workers, len(work)))) as pool:
            futures = [pool.submit(function, item) for item in work]
            wait(futures)
        return [future.result() for future in futures]

    return run


class Network:
    """The devices of one push; use in a `with` block."""

    def __init__(
        self,
        targets: Sequence[Target],
        intents: Mapping[str, Node],
        *,
        txid: str,
        confirm_timeout: int,
        timeout: float,
        run: Run,
        claims: Mapping[str, Sequence[Node]] = MappingProxyType({}),
        degraded: bool = False,
        revisions: bool = False,
    ) -> None:
        """`intents`: device -> what of ours it is to run.  Nothing is connected yet.

        `claims` and `degraded` as for `DeviceSession`; `revisions` has the devices' modules
        compared with those that the intents were proven by.  Raises UsageError for a profile that
        does not exist.
        """
        unknown = sorted({target.profile for target in targets} - set(PROFILES))
        if unknown:
            raise UsageError(
                f"no NETCONF profile {', '.join(unknown)}; there are {', '.join(PROFILES)}"
            )
        self.sessions: list[DeviceSession] = []
        """Devices that answered, in the order of the targets."""
        self.errors: dict[str, ToolkitError] = {}
        """Device -> why it cannot be used."""
        self._targets, self._intents, self._run = targets, intents, run
        self._claims, self._degraded, self._revisions = claims, degraded, revisions
        self._judged: dict[tuple[str, str, frozenset[str]], bool] = {}
        """Platform, content-id of a yang-library, namespaces -> they fit together."""
        self._txid, self._confirm_timeout, self._timeout = txid, confirm_timeout, timeout
        self._opened: list[DeviceSession] = []

    def __enter__(self) -> Network:
        try:
            begun = self._run(self._begin, self._targets)
        except BaseException:
            self.close()
            raise
        self.sessions = [session for session in begun if session is not None]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._run(DeviceSession.close, self._opened)
        self._opened.clear()

    def look(self) -> dict[str, tuple[Change, ...]]:
        """Return what each device's intent changes; devices that fail go to `errors`."""
        if self.errors:  # nothing will be done: what would change is of no interest
            return {}
        found = self._run(self._look, self.sessions)
        return {s.device: c for s, c in zip(self.sessions, found, strict=True)}

    def _begin(self, target: Target) -> DeviceSession | None:
        profile = PROFILES[target.profile]
        connect = partial(Connection, target, timeout=self._timeout, settle=profile.settle)
        intent = self._intents[target.device]
        spaces = namespaces_of(intent.children)
        try:
            session = DeviceSession(
                target.device,
                connect,
                intent,
                dialect=dialect(target.platform, target.device, lambda: spaces),
                profile=profile,
                txid=self._txid,
                confirm_timeout=self._confirm_timeout,
                claims=self._claims.get(target.device, ()),
                degraded=self._degraded,
            )
        except (UnreachableError, DeviceError) as error:
            self.errors[target.device] = error
            return None
        self._opened.append(session)
        if self._revisions:
            try:
                self._judge(target, session, spaces)
            except (SchemaError, DeviceError) as error:
                self.errors[target.device] = error
                return None
            except ConnectionError as error:
                reason = str(error).removeprefix(f"{target.device}: ")
                self.errors[target.device] = UnreachableError(target.device, reason)
                return None
        return session

    def _judge(self, target: Target, session: DeviceSession, spaces: frozenset[str]) -> None:
        """Raise SchemaError where the device has other modules than those that were proven by.

        Devices that announce the same yang-library are asked once.
        """
        channel = session.channel
        content = next((u for u in channel.capabilities if u.startswith(YANG_LIBRARY)), "")
        key = (target.platform, content, spaces)
        if content and self._judged.get(key):
            return
        announced = announced_by(channel)
        problems = check_revisions(target.device, announced, target.platform, spaces)
        schema = session.dialect.schema
        proven = () if schema is None else [m for m in schema.modules() if m.namespace in spaces]
        lacking = lacking_features(announced, proven)
        if (problems or lacking) and schema is not None:
            problems = check_revisions(
                target.device, announced, target.platform, spaces,
                tree=schema.parse_fragment(to_xml(session.intent.children), target.device),
                text_of=text_of(channel),
            )  # fmt: skip
        if problems:
            raise SchemaError(problems)
        self._judged[key] = not lacking  # whether one is used is each configuration's matter

    def _look(self, session: DeviceSession) -> tuple[Change, ...]:
        try:
            return session.look()
        except DeviceError as error:
            self.errors[session.device] = error
        except ConnectionError as error:
            reason = str(error).removeprefix(f"{session.device}: ")
            self.errors[session.device] = UnreachableError(session.device, reason)
        return ()
