"""Bring configurations to routers in one network-wide transaction.

Look first (what would change where), then prepare everywhere, commit everywhere to be confirmed,
read back, confirm everywhere, and copy to startup where there is one.

The promise: no device is ever half changed; when this returns COMMITTED all have the new
configuration, when it returns ROLLED_BACK all have the old one (or revert to it by themselves), and
otherwise the report says which device is in doubt or unsaved, and the journal lets the push be
resumed or aborted.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from toolkit.errors import ExitCode, Place, Problem, SchemaError, ToolkitError, UnreachableError
from toolkit.netconf.compare import Change
from toolkit.netconf.devicesession import DeviceSession, DriftError
from toolkit.netconf.dialect import dialect_of_xml
from toolkit.netconf.journal import Entry, InterruptedPush, Journal, Standing
from toolkit.netconf.network import Network, side_by_side
from toolkit.netconf.records import path_of, prune, refuse_unfinished
from toolkit.netconf.rollout import Outcome, roll_out
from toolkit.netconf.runtime_ncclient import Target
from toolkit.netconf.transaction import State
from toolkit.netconf.tree import Node, to_xml

__all__ = ["Change", "Outcome", "Payload", "PushReport", "PushState", "Target", "push"]

CONFIRM_TIMEOUT: Final = 120
"""Seconds until an unconfirmed change reverts."""
TIMEOUT: Final = 30.0
"""Seconds that one answer of a device may take."""

Changes = Mapping[str, tuple[Change, ...]]
"""Device -> what its payload changes there."""


class Payload(Protocol):
    """What a device is to run; `toolkit.render.payload.Payload` is one."""

    @property
    def xml(self) -> str:
        """A <config> element, or what is in one."""
        ...


class PushState(Enum):
    """How a push ended for the network as a whole."""

    UNCHANGED = "unchanged"
    """Every device runs its payload already."""
    PENDING = "pending"
    """Something would change; nothing was (`check`, or not approved)."""
    COMMITTED = "committed"
    ROLLED_BACK = "rolled-back"
    """It failed, and every device runs what it ran before or returns to it by itself."""
    UNREACHABLE = "unreachable"
    """Devices could not be reached; nothing was touched."""
    UNSAVED = "unsaved"
    """Every device runs its payload for good, but the startup of some holds the old one."""
    IN_DOUBT = "in-doubt"
    """Some devices have changed and others not, or one cannot be asked: resume or abort."""

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self]


_EXIT_CODES: Final = {
    PushState.UNCHANGED: ExitCode.OK,
    PushState.PENDING: ExitCode.CHANGES_PENDING,
    PushState.COMMITTED: ExitCode.OK,
    PushState.ROLLED_BACK: ExitCode.ROLLED_BACK,
    PushState.UNREACHABLE: ExitCode.UNREACHABLE,
    PushState.UNSAVED: ExitCode.IN_DOUBT,
    PushState.IN_DOUBT: ExitCode.IN_DOUBT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What a push did."""

    txid: str
    state: PushState
    outcomes: tuple[Outcome, ...]
    """One per device, in the order of the targets; IDLE where nothing was done."""
    changes: Changes = field(default_factory=dict)
    texts: Mapping[str, tuple[Sequence[Node], Sequence[Node]]] = field(default_factory=dict)
    """Device that changes -> what is ours there before and after."""
    objection: ToolkitError | None = None
    """Why `verify` gave the change up."""
    journal: Path | None = None
    """The journal, where something is left to resume or abort."""
    stages: tuple[tuple[str, int], ...] = ()
    """What each stage does and how many devices it changes, where it takes more than one."""

    @property
    def exit_code(self) -> ExitCode:
        return self.state.exit_code


def push(
    targets: Sequence[Target],
    payloads: Mapping[str, Payload],
    *,
    check: bool = False,
    order: Sequence[Collection[str]] = (),
    confirm_timeout: int = CONFIRM_TIMEOUT,
    verify: Callable[[], None] | None = None,
    approve: Callable[[Changes], bool] | None = None,
    workers: int = 16,
    timeout: float = TIMEOUT,
    journal: Path | None = None,
    degraded: bool = False,
    revisions: bool = False,
    about: Mapping[str, str] = MappingProxyType({}),
) -> PushReport:
    """Bring every target to its payload, or leave every target as it was.

    `order`: device names in groups; all of a group run the change before the next group begins
    (devices that are in no group come last).  `verify` is asked while everything runs
    provisionally: a ToolkitError from it gives the change up.  `approve` is shown the changes and
    may decline.  `journal`: a folder for the journal, which remembers a push and lets a killed one
    be recovered; one that is there and unfinished for any target is refused with UnfinishedError.
    `degraded` allows ways to commit that keep less of the promise.  With `revisions`, devices that
    announce modules other than those that their payload was proven by are refused.  `about` goes to
    the journal.  Raises SchemaError or UsageError for payloads or targets that are wrong; what goes
    wrong on devices is in the report.  With a journal, an interrupt comes out as InterruptedPush.
    """
    if journal is not None:
        refuse_unfinished(journal, (target.device for target in targets))
    return carry_out(
        targets, intents(targets, payloads), check=check, order=order, verify=verify,
        confirm_timeout=confirm_timeout, approve=approve, workers=workers, timeout=timeout,
        journal=journal, degraded=degraded, about=about, revisions=revisions,
    )  # fmt: skip


def carry_out(
    targets: Sequence[Target],
    intents: Mapping[str, Node],
    *,
    check: bool = False,
    order: Sequence[Collection[str]] = (),
    confirm_timeout: int = CONFIRM_TIMEOUT,
    verify: Callable[[], None] | None = None,
    approve: Callable[[Changes], bool] | None = None,
    workers: int = 16,
    timeout: float = TIMEOUT,
    journal: Path | None = None,
    degraded: bool = False,
    revisions: bool = False,
    about: Mapping[str, str] = MappingProxyType({}),
    claims: Mapping[str, Sequence[Node]] = MappingProxyType({}),
    expected: Mapping[str, Node] = MappingProxyType({}),
) -> PushReport:
    """Push as `push` does what is known to be right, whatever has not ended.

    `claims` as for `DeviceSession`.  A device that does not run what of ours is `expected` of it is
    an error, and nothing is done.
    """
    txid = f"llmsync-{secrets.token_hex(8)}"
    run = side_by_side(workers)
    report = PushReport(
        txid=txid,
        state=PushState.UNCHANGED,
        outcomes=tuple(Outcome(target.device, State.IDLE) for target in targets),
    )
    network = Network(
        targets, intents, txid=txid, confirm_timeout=confirm_timeout, timeout=timeout, run=run,
        claims=claims, degraded=degraded, revisions=revisions,
    )  # fmt: skip
    path = path_of(journal, txid) if journal is not None else None
    book: Journal | None = None
    changing: list[DeviceSession] = []
    try:
        with network:
            found = network.look()
            network.errors |= _drifted(network.sessions, expected)
            if network.errors:
                return _unusable(report, network.errors)
            report = replace(report, changes=found, texts=_texts(network.sessions, found))
            changing = [session for session in network.sessions if found[session.device]]
            if not changing:
                return report
            if check or (approve is not None and not approve(found)):
                return replace(report, state=PushState.PENDING)
            waves = _waves(changing, order)
            if path is None:
                return _reported(report, *roll_out(waves, verify=verify, run=run), None)
            with Journal(path, _entry(txid, waves, about)) as book:
                outcomes, objection = roll_out(waves, verify=verify, run=run, record=book.record)
            prune(path.parent)
            return _reported(report, outcomes, objection, path)
    except KeyboardInterrupt:
        if path is None:
            raise
        # The journal is closed: nothing that it does not know of can go out any more.
        now = book.standing if book is not None else Standing.OLD
        left = path if now is Standing.DOUBT else None
        raise InterruptedPush(now, len(changing), left) from None


def _texts(
    sessions: Iterable[DeviceSession], found: Changes
) -> dict[str, tuple[Sequence[Node], Sequence[Node]]]:
    return {
        s.device: (s.before.children, s.intent.children) for s in sessions if found.get(s.device)
    }


def _drifted(
    sessions: Iterable[DeviceSession], expected: Mapping[str, Node]
) -> dict[str, ToolkitError]:
    """Return the devices that do not run what is expected of them."""
    found: dict[str, ToolkitError] = {}
    for session in sessions:
        wanted = expected.get(session.device)
        changes = session.dialect.changes(wanted, session.before) if wanted is not None else ()
        if changes:
            words = "its configuration was changed since that push"
            found[session.device] = DriftError(session.device, changes, words)
    return found


def _entry(txid: str, waves: Sequence[Sequence[DeviceSession]], about: Mapping[str, str]) -> Entry:
    members = [session for wave in waves for session in wave]
    return Entry(
        txid=txid,
        before={s.device: to_xml(s.before.children) for s in members},
        after={s.device: to_xml(s.intent.children) for s in members},
        waves=tuple(tuple(s.device for s in wave) for wave in waves),
        platforms={s.device: s.dialect.platform for s in members},
        ways={s.device: s.way.value for s in members},
        began=time.time(),
        about=about,
    )


def _reported(
    report: PushReport,
    outcomes: Sequence[Outcome],
    objection: ToolkitError | None,
    journal: Path | None,
) -> PushReport:
    """Return `report` with what a roll-out did."""
    by_device = {outcome.device: outcome for outcome in outcomes}
    state, settled = summary(outcomes)
    return replace(
        report,
        state=state,
        outcomes=tuple(by_device.get(o.device, o) for o in report.outcomes),
        objection=objection,
        journal=None if settled else journal,
    )


def _unusable(report: PushReport, errors: Mapping[str, ToolkitError]) -> PushReport:
    """Return `report` with the devices that could not even be looked at."""
    unreachable = any(isinstance(error, UnreachableError) for error in errors.values())
    return replace(
        report,
        state=PushState.UNREACHABLE if unreachable else PushState.ROLLED_BACK,
        outcomes=tuple(replace(o, error=errors.get(o.device)) for o in report.outcomes),
    )


def summary(outcomes: Iterable[Outcome]) -> tuple[PushState, bool]:
    """Return how the network stands after a roll-out, and whether nothing is left to do."""
    states = {outcome.state for outcome in outcomes}
    if states <= {State.COMMITTED}:
        return PushState.COMMITTED, True
    if states <= {State.ROLLED_BACK}:
        return PushState.ROLLED_BACK, True
    if states <= {State.ROLLED_BACK, State.EXPIRING}:
        return PushState.ROLLED_BACK, False
    if states <= {State.COMMITTED, State.UNSAVED}:
        return PushState.UNSAVED, False
    return PushState.IN_DOUBT, False


def intents(targets: Sequence[Target], payloads: Mapping[str, Payload]) -> dict[str, Node]:
    """Return each target's payload in canonical form; every problem of every payload at once."""
    problems: list[Problem] = []
    found: dict[str, Node] = {}
    for target in targets:
        payload = payloads.get(target.device)
        if payload is None:
            problems.append(Problem(Place(target.device), "there is no payload for it"))
            continue
        try:
            language = dialect_of_xml(target.platform, target.device, payload.xml)
            found[target.device] = language.intent(payload.xml, target.device)
        except SchemaError as error:
            problems += error.problems
    if problems:
        raise SchemaError(problems)
    return found


def _waves(
    sessions: Sequence[DeviceSession], order: Sequence[Collection[str]]
) -> list[list[DeviceSession]]:
    named = [[s for s in sessions if s.device in group] for group in order]
    placed = {session.device for wave in named for session in wave}
    rest = [session for session in sessions if session.device not in placed]
    return [wave for wave in (*named, rest) if wave]
