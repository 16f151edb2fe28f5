"""Finish or undo a push, from its journal.

`resume` makes every device new: what is pending is confirmed, what has reverted is pushed again.
`abort` makes every device old: what is pending is cancelled, and where it was confirmed already,
what ran before is pushed.  Both end with startup as running is, and can be repeated until they
succeed: what an attempt that was killed itself left pending is settled by the next one.
`roll_back` undoes a push that has ended well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.errors import DeviceError, ToolkitError, UnreachableError, UsageError
from toolkit.netconf.commits import Way
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.dialect import dialect_of_xml
from toolkit.netconf.journal import Entry, InterruptedPush, Standing, read_journal, settle
from toolkit.netconf.network import Network, Run, side_by_side
from toolkit.netconf.push import (
    CONFIRM_TIMEOUT,
    TIMEOUT,
    Outcome,
    PushReport,
    PushState,
    Target,
    carry_out,
)
from toolkit.netconf.records import (
    RECOVERIES,
    recoveries,
    refuse_unfinished,
    to_recover,
)
from toolkit.netconf.transaction import State
from toolkit.netconf.tree import Node


@dataclass(frozen=True, slots=True)
class _Recovery:
    """What a journal says, for the devices in it."""

    entry: Entry
    targets: Sequence[Target]
    before: Mapping[str, Node]
    after: Mapping[str, Node]
    run: Run
    timeout: float

    @property
    def claims(self) -> dict[str, tuple[Node, ...]]:
        return {device: (self.before[device], self.after[device]) for device in self.after}

    @property
    def degraded(self) -> bool:
        """The push was allowed ways that keep less of the promise."""
        return bool(set(self.entry.ways.values()) - {Way.PERSIST.value})

    def network(self, intents: Mapping[str, Node], txid: str = "") -> Network:
        return Network(
            self.targets, intents, txid=txid, confirm_timeout=CONFIRM_TIMEOUT, run=self.run,
            timeout=self.timeout, claims=self.claims, degraded=self.degraded,
        )  # fmt: skip


def _recovery(journal: Path, targets: Sequence[Target], workers: int, timeout: float) -> _Recovery:
    entry = read_journal(journal)
    known = {target.device: target for target in targets}
    missing = sorted(set(entry.after) - set(known))
    if missing:
        raise UsageError(f"the journal names devices that are not known: {', '.join(missing)}")
    wanted = [
        replace(known[device], platform=entry.platforms.get(device, "reference"))
        for device in entry.after
    ]

    def nodes(texts: Mapping[str, str]) -> dict[str, Node]:
        return {
            t.device: dialect_of_xml(t.platform, t.device, texts[t.device]).recorded(
                texts[t.device], t.device
            )
            for t in wanted
        }

    before, after = nodes(entry.before), nodes(entry.after)
    return _Recovery(entry, wanted, before, after, side_by_side(workers), timeout)


def recover(
    journal: Path,
    targets: Sequence[Target],
    *,
    resume: bool,
    confirm_timeout: int = CONFIRM_TIMEOUT,
    workers: int = 16,
    timeout: float = TIMEOUT,
    about: Mapping[str, str] | None = None,
) -> PushReport:
    """Bring the journal's devices to the new configuration (`resume`) or back to the old one.

    `targets` are all devices that are known; those in the journal are used.  The journal is marked
    when nothing is left to do.  Raises UsageError for a journal or targets that do not fit.
    """
    work = _recovery(journal, targets, workers, timeout)
    entry = work.entry
    root = to_recover(journal.parent, entry)
    if root != entry.txid:
        raise UsageError(
            f"{entry.txid}: it was to settle {root}, which has not ended: `llmsync resume {root}` "
            f"or `llmsync abort {root}` settles both"
        )
    wanted = work.after if resume else work.before
    goal = Standing.NEW if resume else Standing.OLD
    act = "resumes" if resume else "aborts"
    earlier = [(r.path, r.entry) for r in recoveries(journal.parent, entry.txid) if r.entry]
    pending = {entry.txid: resume, **{e.txid: act in e.about for _, e in earlier}}
    for txid, confirm in pending.items():
        failures = _settle(work, wanted, txid, confirm=confirm)
        if not failures:
            continue
        return PushReport(
            txid=entry.txid,
            # An abort has cancelled on the others what it could.
            state=PushState.UNREACHABLE if resume else PushState.IN_DOUBT,
            outcomes=tuple(
                Outcome(t.device, State.IDLE, failures.get(t.device)) for t in work.targets
            ),
            journal=journal,
        )
    try:
        report = carry_out(
            work.targets,
            wanted,
            order=entry.waves if resume else tuple(reversed(entry.waves)),
            confirm_timeout=confirm_timeout,
            workers=workers,
            timeout=timeout,
            journal=journal.parent,
            degraded=work.degraded,
            claims=work.claims,
            about={
                **{key: text for key, text in entry.about.items() if key not in RECOVERIES},
                **(about or {}),
                act: entry.txid,
            },
        )
    except InterruptedPush as interrupt:
        if interrupt.standing is Standing.NEW:
            _end(journal, goal, earlier)
            raise
        # As before this push is as the killed one left it.
        raise InterruptedPush(Standing.DOUBT, interrupt.count, journal) from None
    if report.state in (PushState.UNCHANGED, PushState.COMMITTED):
        unsaved = _save(work, wanted)
        if not unsaved:
            _end(journal, goal, earlier)
            return report
        outcomes = tuple(
            Outcome(o.device, State.UNSAVED, unsaved[o.device]) if o.device in unsaved else o
            for o in report.outcomes
        )
        report = replace(report, state=PushState.UNSAVED, outcomes=outcomes)
    return replace(report, journal=journal)


def _end(journal: Path, goal: Standing, earlier: Iterable[tuple[Path, Entry]]) -> None:
    """Note that a push has been brought to `goal`, and how that ends earlier attempts at it."""
    act = "resumes" if goal is Standing.NEW else "aborts"
    for path, entry in earlier:
        settle(path, Standing.NEW if act in entry.about else Standing.OLD)
    settle(journal, goal)


def roll_back(
    journal: Path,
    targets: Sequence[Target],
    *,
    check: bool = False,
    confirm_timeout: int = CONFIRM_TIMEOUT,
    workers: int = 16,
    timeout: float = TIMEOUT,
) -> PushReport:
    """Undo a push that has ended well: push what ran before as a new transaction.

    A device whose configuration has drifted since is a DriftError in the report, and nothing is
    done.  Raises UsageError for a push that has not ended, or changed nothing.
    """
    work = _recovery(journal, targets, workers, timeout)
    entry = work.entry
    if entry.standing is not Standing.NEW:
        doubt = entry.standing is Standing.DOUBT
        raise UsageError(
            f"{entry.txid}: "
            + (
                f"it has not ended: `llmsync abort {entry.txid}` undoes it"
                if doubt
                else "it was given up and has changed nothing, so there is nothing to undo"
            )
        )
    refuse_unfinished(journal.parent, entry.after)
    return carry_out(
        work.targets,
        work.before,
        check=check,
        order=tuple(reversed(entry.waves)),
        confirm_timeout=confirm_timeout,
        workers=workers,
        timeout=timeout,
        journal=journal.parent,
        degraded=work.degraded,
        claims=work.claims,
        expected=work.after,
        about={**entry.about, "undoes": entry.txid},
    )


def _settle(
    work: _Recovery, wanted: Mapping[str, Node], txid: str, *, confirm: bool
) -> dict[str, ToolkitError]:
    """Confirm what is pending under `txid` where all of that is wanted, or cancel it.

    Returns the devices that could not be asked.
    """
    with work.network(wanted, txid) as network:
        found = network.look()
        if network.errors and confirm:
            return network.errors  # confirm everywhere or nowhere

        def act(session: DeviceSession) -> None:
            if confirm and found[session.device]:
                return  # it runs something else: nothing of ours is pending
            session.settle(confirm=confirm)

        _each(work.run, network, act, network.sessions)
    return network.errors


def _save(work: _Recovery, wanted: Mapping[str, Node]) -> dict[str, ToolkitError]:
    """Copy running to startup where they differ.  Returns the devices where that failed."""
    with work.network(wanted) as network:
        _each(work.run, network, DeviceSession.save, network.sessions)
    return network.errors


def _each(
    run: Run,
    network: Network,
    act: Callable[[DeviceSession], None],
    sessions: Iterable[DeviceSession],
) -> None:
    """Let `act` be done on each session; what goes wrong is among the network's errors."""

    def careful(session: DeviceSession) -> None:
        try:
            act(session)
        except DeviceError as error:
            network.errors[session.device] = error
        except ConnectionError as error:
            reason = str(error).removeprefix(f"{session.device}: ")
            network.errors[session.device] = UnreachableError(session.device, reason)

    run(careful, sessions)
