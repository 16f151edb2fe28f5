"""Finish or undo a push that was killed, from its journal.

`resume` makes every device new: what is pending is confirmed, what has reverted is pushed again.
`abort` makes every device old: what is pending is cancelled, and where it was confirmed already,
what ran before is pushed.  Both end with startup as running is, and can be repeated until they
succeed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.errors import DeviceError, ToolkitError, UnreachableError, UsageError
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.journal import Entry, InterruptedPush, Standing, read_journal
from toolkit.netconf.network import Network, Run, side_by_side
from toolkit.netconf.push import (
    CONFIRM_TIMEOUT,
    TIMEOUT,
    Outcome,
    PushReport,
    PushState,
    Target,
    push,
)
from toolkit.netconf.transaction import State
from toolkit.yang.schema import Schema, reference_schema


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A payload out of the journal."""

    tree: Mapping[str, Any]


def recover(
    journal: Path,
    targets: Sequence[Target],
    *,
    resume: bool,
    confirm_timeout: int = CONFIRM_TIMEOUT,
    workers: int = 16,
    timeout: float = TIMEOUT,
    schema: Schema | None = None,
) -> PushReport:
    """Bring the journal's devices to the new configuration (`resume`) or back to the old one.

    `targets` are all devices that are known; those in the journal are used.  The journal is deleted
    when nothing is left to do.  Raises UsageError for a journal or targets that do not fit.
    """
    schema = schema or reference_schema()
    entry = read_journal(journal)
    wanted = _targets(entry, targets)
    texts = entry.after if resume else entry.before
    payloads = {device: _Recorded(schema.parse_xml(text, device)) for device, text in texts.items()}
    failures = _settle(entry, wanted, payloads, resume, workers, timeout, schema)
    if failures:
        return PushReport(
            txid=entry.txid,
            # An abort has cancelled on the others what it could.
            state=PushState.UNREACHABLE if resume else PushState.IN_DOUBT,
            outcomes=tuple(Outcome(t.device, State.IDLE, failures.get(t.device)) for t in wanted),
            journal=journal,
        )
    order = entry.waves if resume else tuple(reversed(entry.waves))
    try:
        report = push(
            wanted,
            payloads,
            order=order,
            confirm_timeout=confirm_timeout,
            workers=workers,
            timeout=timeout,
            schema=schema,
            journal=journal.parent,
            recovering=True,
        )
    except InterruptedPush as interrupt:
        if interrupt.standing is Standing.NEW:
            journal.unlink(missing_ok=True)
            raise
        # As before this push is as the killed one left it.
        left = interrupt.journal or journal
        raise InterruptedPush(Standing.DOUBT, interrupt.count, left) from None
    if report.state in (PushState.UNCHANGED, PushState.COMMITTED):
        unsaved = _save(wanted, payloads, workers, timeout, schema)
        if not unsaved:
            journal.unlink(missing_ok=True)
            return report
        outcomes = tuple(
            Outcome(o.device, State.UNSAVED, unsaved[o.device]) if o.device in unsaved else o
            for o in report.outcomes
        )
        report = replace(report, state=PushState.UNSAVED, outcomes=outcomes)
    return replace(report, journal=report.journal or journal)


def _targets(entry: Entry, targets: Sequence[Target]) -> list[Target]:
    known = {target.device: target for target in targets}
    missing = sorted(set(entry.after) - set(known))
    if missing:
        raise UsageError(f"the journal names devices that are not known: {', '.join(missing)}")
    return [known[device] for device in entry.after]


def _network(
    targets: Sequence[Target],
    payloads: Mapping[str, _Recorded],
    run: Run,
    timeout: float,
    schema: Schema,
    txid: str = "",
) -> Network:
    trees = {device: payload.tree for device, payload in payloads.items()}
    return Network(
        targets, trees, schema=schema, txid=txid, confirm_timeout=CONFIRM_TIMEOUT,
        timeout=timeout, run=run,
    )  # fmt: skip


def _settle(
    entry: Entry,
    targets: Sequence[Target],
    payloads: Mapping[str, _Recorded],
    resume: bool,  # noqa: FBT001 - private
    workers: int,
    timeout: float,
    schema: Schema,
) -> dict[str, ToolkitError]:
    """Confirm or cancel whatever is still pending.  Returns the devices that could not be asked."""
    run = side_by_side(workers)
    with _network(targets, payloads, run, timeout, schema, txid=entry.txid) as network:
        found = network.look()
        if network.errors and resume:
            return network.errors  # confirm everywhere or nowhere

        def settle(session: DeviceSession) -> None:
            if resume and found[session.device]:
                return  # it runs something else: nothing of ours is pending
            try:
                session.settle(confirm=resume)
            except ConnectionError as error:
                reason = str(error).removeprefix(f"{session.device}: ")
                network.errors[session.device] = UnreachableError(session.device, reason)

        run(settle, network.sessions)
    return network.errors


def _save(
    targets: Sequence[Target],
    payloads: Mapping[str, _Recorded],
    workers: int,
    timeout: float,
    schema: Schema,
) -> dict[str, ToolkitError]:
    """Copy running to startup where they differ.  Returns the devices where that failed."""
    run = side_by_side(workers)
    with _network(targets, payloads, run, timeout, schema) as network:

        def save(session: DeviceSession) -> None:
            try:
                session.save()
            except DeviceError as error:
                network.errors[session.device] = error
            except ConnectionError as error:
                reason = str(error).removeprefix(f"{session.device}: ")
                network.errors[session.device] = UnreachableError(session.device, reason)

        run(save, network.sessions)
    return network.errors
