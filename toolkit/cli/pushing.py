"""What `push`, `diff`, `resume`, `abort` and `rollback` share: flags, interrupts, the report."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import print_data, say, table
from toolkit.errors import DeviceError, ExitCode, ToolkitError, UnreachableError, UsageError

if TYPE_CHECKING:
    from toolkit.netconf.compare import Change
    from toolkit.netconf.journal import Entry
    from toolkit.netconf.push import Outcome, PushReport, Target

_SHOWN = 12
"""Changes of a router that a person is shown; -o json has them all."""


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how routers are reached and how long they may take."""
    parser.add_argument(
        "--management", type=Path, metavar="FILE",
        help="how routers are reached, over what the inventory says",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S",
        help="seconds that one answer of a router may take (default 30)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=16, metavar="N", help="routers at a time (default 16)"
    )
    parser.add_argument(
        "--workers", dest="jobs", type=int, default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def add_confirm_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--confirm-timeout", type=int, default=120, metavar="S",
        help="seconds after which an unconfirmed change reverts (default 120)",
    )  # fmt: skip


def add_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--journal", type=Path, default=None, metavar="DIR",
        help="folder that remembers pushes (default: llmsync in the user's state folder)",
    )  # fmt: skip


def journal_folder(args: argparse.Namespace) -> Path:
    """Return where journals go (XDG Base Directory: state)."""
    if args.journal is not None:
        if args.journal.exists() and not args.journal.is_dir():
            raise UsageError(f"--journal {args.journal} is no folder")
        return Path(args.journal)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "llmsync"


def check_numbers(args: argparse.Namespace) -> None:
    """Raise UsageError for numbers that mean nothing."""
    if not 1 <= getattr(args, "confirm_timeout", 1) <= 86400:
        raise UsageError(f"--confirm-timeout {args.confirm_timeout} is not 1..86400 seconds")
    if not 0 < args.timeout <= 86400 or args.jobs < 1:
        raise UsageError("--timeout (up to 86400) and --jobs are greater than zero")


def chosen(limit: str | None, known: Sequence[str]) -> list[str]:
    """Return the routers that `--limit` names; all of them without one.

    One that names none, as an empty variable makes it, is refused: it does not mean all.
    """
    if limit is None:
        return list(known)
    wanted = [name.strip() for name in limit.split(",") if name.strip()]
    if not wanted:
        raise UsageError(f"--limit {limit!r} names no router; leave it out for all of them")
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"no router {', '.join(unknown)}; there are {', '.join(known)}")
    return [name for name in known if name in wanted]


def recorded_targets(args: argparse.Namespace, entry: Entry) -> list[Target]:
    """Return how the routers of an earlier push are reached: as then, but for `--management`."""
    from toolkit.cli.management import make_targets, read_overlay
    from toolkit.inventory.load import load_inventory

    path = entry.about.get("inventory", "")
    if not path:
        raise UsageError(f"{entry.txid}: its journal does not say which inventory it was for")
    inventory = load_inventory(Path(path))
    gone = [name for name in entry.after if name not in inventory.routers]
    if gone:
        raise UsageError(
            f"{entry.txid}: {', '.join(gone)} is no router of {path} any more "
            "(put it back until this is done)"
        )
    file = args.management or entry.about.get("management")
    overlay = read_overlay(Path(file)) if file else {}
    routers = [inventory.routers[name] for name in entry.after]
    return make_targets(routers, overlay, profile=entry.about.get("profile") or None)


def report_on(
    args: argparse.Namespace,
    act: Callable[[], PushReport],
    *,
    diff: bool = False,
    journal: str = "",
) -> int:
    """Do what `act` does, say what came of it, and return the exit code.

    `journal`: the transaction that is being recovered, if any.
    """
    report: PushReport | None = None
    with _interruptible():
        try:
            report = act()
            if args.format == "json":
                print_data(document(report, diff=diff), "json")
            else:
                _tell(report, diff=diff)
            for line in remarks(report):
                say(f"llmsync: {line}")
        except KeyboardInterrupt as interrupt:
            say(f"llmsync: interrupted: {_truth(interrupt, report, journal)}")
            return ExitCode.INTERRUPTED
    return int(report.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM be as Ctrl-C, and what follows an interrupt wait for what is being undone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def interrupt(*_: object) -> None:
        nonlocal count
        count += 1
        if count != 2:  # the second is a person's impatience, the third is meant
            raise KeyboardInterrupt
        say("llmsync: undoing what was begun; another interrupt leaves it as it is")

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN  # as a shell asks of what is behind `&`
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _truth(interrupt: BaseException, report: PushReport | None, txid: str) -> str:
    """Return how the routers stand after an interrupt.

    `report`: of the push, if it had ended; `txid`: the transaction to recover, if any.
    """
    from toolkit.netconf.journal import InterruptedPush, Standing

    changed = 0
    if report is not None:
        txid = _txid(report.journal)
        if report.state.exit_code is ExitCode.OK:
            changed = sum(map(bool, report.changes.values()))
    elif isinstance(interrupt, InterruptedPush):
        txid = _txid(interrupt.journal)
        changed = interrupt.count if interrupt.standing is Standing.NEW else 0
    if txid:
        return f"in doubt: {_ways_out(txid)}"
    if changed:
        return f"all {routers(changed)} were changed" if changed > 1 else "the router was changed"
    return "nothing was changed"


def _txid(journal: Path | None) -> str:
    return journal.stem.removeprefix("push-") if journal is not None else ""


def _ways_out(txid: str) -> str:
    return f"finish it with `llmsync resume {txid}`, or undo it with `llmsync abort {txid}`"


def routers(count: int) -> str:
    return f"{count} router{'s' if count != 1 else ''}"


def listed(changes: Mapping[str, Sequence[Change]]) -> list[str]:
    """Return the changes of each device, a line each, not all of many."""
    lines: list[str] = []
    for device, found in changes.items():
        lines += [f"{device} {change}" for change in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{device} ... {len(found) - _SHOWN} more (-o json shows all)")
    return lines


def _tell(report: PushReport, *, diff: bool) -> None:
    from toolkit.cli.unified import unified
    from toolkit.netconf.push import PushState

    if diff:
        for text in unified(report.texts).values():
            print(text)
    if report.state is PushState.PENDING:
        if not diff:
            print("\n".join(listed(report.changes)))
        return
    if diff and report.state is PushState.UNCHANGED:
        return
    rows = [(o.device, _word(o), len(report.changes.get(o.device, ()))) for o in report.outcomes]
    print(table(("router", "outcome", "changes"), rows))


def _word(outcome: Outcome) -> str:
    from toolkit.netconf.transaction import State

    if outcome.state is not State.IDLE:
        return str(outcome.state.value)
    if isinstance(outcome.error, UnreachableError):
        return "unreachable"
    return "unusable" if outcome.error is not None else "untouched"


def remarks(report: PushReport) -> list[str]:
    """Return what a person must be told beside the table."""
    from toolkit.netconf.devicesession import DriftError
    from toolkit.netconf.push import PushState
    from toolkit.netconf.transaction import State

    lines = [
        line
        for outcome in report.outcomes
        if outcome.error is not None
        for line in str(outcome.error).splitlines()
    ]
    drift = {o.device: o.error.changes for o in report.outcomes if isinstance(o.error, DriftError)}
    lines += [f"meanwhile: {line}" for line in listed(drift)]
    if report.objection is not None:
        lines += str(report.objection).splitlines()
    lines += [
        f"{o.device}: out of reach; it returns to its old configuration by itself"
        for o in report.outcomes
        if o.state is State.EXPIRING
    ]
    changed = sum(map(bool, report.changes.values()))
    if report.state is PushState.PENDING:
        lines += [
            f"stage {number} of {len(report.stages)}, {words}: {routers(count)}"
            for number, (words, count) in enumerate(report.stages, 1)
        ]
    lines.append(
        {
            PushState.UNCHANGED: "nothing to change",
            PushState.PENDING: f"{routers(changed)} would change",
            PushState.COMMITTED: f"{routers(changed)} changed",
            PushState.ROLLED_BACK: "given up: every router is as it was",
            PushState.UNREACHABLE: "nothing was changed",
            PushState.UNSAVED: "changed, but not every startup holds it: a restart would undo it",
            PushState.IN_DOUBT: "in doubt: not all routers have the same version",
        }[report.state]
    )
    if report.journal is not None:
        lines.append(_ways_out(_txid(report.journal)))
    elif report.state is PushState.COMMITTED:
        lines.append(f"`llmsync rollback {report.txid}` undoes it")
    return lines


def document(report: PushReport, *, diff: bool = False) -> dict[str, Any]:
    """Return the report for scripts."""
    from toolkit.cli.unified import unified

    texts = unified(report.texts) if diff else {}
    return {
        "txid": report.txid,
        "state": report.state.value,
        "exit_code": int(report.exit_code),
        "routers": [
            {
                "name": outcome.device,
                "outcome": _word(outcome),
                "error": _error(outcome.error),
                "changes": [_change(c) for c in report.changes.get(outcome.device, ())],
                **({"diff": texts.get(outcome.device, "")} if diff else {}),
            }
            for outcome in report.outcomes
        ],
        "stages": [{"stage": words, "routers": count} for words, count in report.stages],
        "objection": str(report.objection) if report.objection is not None else None,
        "journal": str(report.journal) if report.journal is not None else None,
    }


def _change(change: Change) -> dict[str, str | None]:
    return {"path": change.path, "before": change.before, "after": change.after}


def _error(error: Exception | None) -> dict[str, Any] | None:
    from toolkit.netconf.devicesession import DriftError

    if error is None:
        return None
    if isinstance(error, DeviceError):
        drift = [_change(c) for c in error.changes] if isinstance(error, DriftError) else []
        return {
            "tag": error.tag, "message": error.message, "path": error.path,
            **({"changes": drift} if drift else {}),
        }  # fmt: skip
    if isinstance(error, UnreachableError):
        return {"tag": "unreachable", "message": error.reason, "remedy": error.remedy}
    return {
        "tag": "lost" if not isinstance(error, ToolkitError) else "failed",
        "message": str(error),
    }
