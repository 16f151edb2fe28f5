"""`llmsync push`: bring all routers to the plan in one network-wide transaction."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.judging import payloads_of
from toolkit.cli.transport import add_transport
from toolkit.errors import DeviceError, ExitCode, ToolkitError, UnreachableError, UsageError

if TYPE_CHECKING:
    from toolkit.netconf.push import Change, Outcome, PushReport, Target
    from toolkit.plan.model import Plan

_SHOWN = 12
"""Changes of a router that a person is shown; -o json has them all."""

EXAMPLE = """\
examples:
  llmsync push inventories/demo --check             what would change; exit 3 if anything would
  llmsync push inventories/demo --yes               change it; a second run changes nothing
  llmsync push inventories/demo --limit ams1,lon1 --yes
  llmsync push inventories/demo --payloads DIR --yes  what `llmsync render -o DIR` wrote
  llmsync push inventories/demo --resume JOURNAL    finish a push that was killed
  llmsync push inventories/demo --abort JOURNAL     or undo it

All routers are prepared (locked, edited, validated, read back); then they commit, egress before
transit before ingress, are read back, and are confirmed.  The first failure gives the change up
everywhere.  Where P2MP trees change that are in use, this is done in three stages: the new trees
are made beside the old, the roots switch to them, the old ones go.  A push that is killed or ends
in doubt leaves a journal; an unconfirmed change reverts by itself after --confirm-timeout."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync push`."""
    parser.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 3 when something would change"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before changing")
    parser.add_argument("--limit", default="", metavar="NAME,...", help="only these routers")
    parser.add_argument(
        "--management", type=Path, metavar="FILE",
        help="how routers are reached, over what the inventory says",
    )  # fmt: skip
    parser.add_argument(
        "--payloads", type=Path, metavar="DIR", help="push DIR/NAME.xml instead of rendering"
    )
    parser.add_argument(
        "--confirm-timeout", type=int, default=120, metavar="S",
        help="seconds after which an unconfirmed change reverts (default 120)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S",
        help="seconds that one answer of a router may take (default 30)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=16, metavar="N", help="routers at a time (default 16)"
    )
    parser.add_argument(
        "--profile", metavar="NAME",
        help="how the servers differ from RFC 6241: reference, yuma (default: reference)",
    )  # fmt: skip
    parser.add_argument(
        "--journal", type=Path, default=None, metavar="DIR",
        help="folder for journals (default: llmsync in the user's state folder)",
    )  # fmt: skip
    recovery = parser.add_mutually_exclusive_group()
    recovery.add_argument("--resume", type=Path, metavar="JOURNAL", help="finish a killed push")
    recovery.add_argument("--abort", type=Path, metavar="JOURNAL", help="undo a killed push")
    add_transport(parser)
    add_output(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Push, or finish or undo an earlier push, and report."""
    if not 1 <= args.confirm_timeout <= 86400:
        raise UsageError(f"--confirm-timeout {args.confirm_timeout} is not 1..86400 seconds")
    if args.timeout <= 0 or args.workers < 1:
        raise UsageError("--timeout and --workers are greater than zero")

    report: PushReport | None = None
    with _interruptible():
        try:
            report = _report(args)
            if args.format == "json":
                print_data(_document(report), "json")
            else:
                _tell(report)
            for line in _remarks(report):
                say(f"llmsync: {line}")
        except KeyboardInterrupt as interrupt:
            say(f"llmsync: interrupted: {_truth(interrupt, report, args.resume or args.abort)}")
            return ExitCode.INTERRUPTED
    return int(report.exit_code)


def _report(args: argparse.Namespace) -> PushReport:
    """Return what came of it."""
    from toolkit.cli.loading import load_plan
    from toolkit.cli.management import make_targets, read_overlay

    if (args.resume or args.abort) is not None:
        from toolkit.netconf.journal import read_journal

        read_journal(args.resume or args.abort)  # what is wrong with it is said before all else
    inventory, plan, _ = load_plan(args.inventory, args.transport)
    chosen = _chosen(args.limit, list(inventory.routers))
    overlay = read_overlay(args.management) if args.management is not None else {}
    targets = make_targets(
        [inventory.routers[name] for name in chosen], overlay, profile=args.profile
    )
    return _push(args, plan, chosen, targets)


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


def _truth(interrupt: BaseException, report: PushReport | None, journal: Path | None) -> str:
    """Return how the routers stand after an interrupt.

    `report`: of the push, if it had ended; `journal`: the one to recover from, if any.
    """
    from toolkit.netconf.journal import InterruptedPush, Standing

    changed = 0
    if report is not None:
        journal = report.journal
        if report.state.exit_code is ExitCode.OK:
            changed = sum(map(bool, report.changes.values()))
    elif isinstance(interrupt, InterruptedPush):
        journal = interrupt.journal
        changed = interrupt.count if interrupt.standing is Standing.NEW else 0
    if journal is not None:
        return f"in doubt: see {journal}; finish with --resume or undo with --abort"
    if changed:
        return f"all {_routers(changed)} were changed" if changed > 1 else "the router was changed"
    return "nothing was changed"


def _routers(count: int) -> str:
    return f"{count} router{'s' if count != 1 else ''}"


def _push(
    args: argparse.Namespace, plan: Plan, chosen: Sequence[str], targets: Sequence[Target]
) -> PushReport:
    common = {
        "confirm_timeout": args.confirm_timeout,
        "workers": args.workers,
        "timeout": args.timeout,
    }
    journal = args.resume or args.abort
    if journal is not None:
        from toolkit.netconf.recovery import recover

        return recover(journal, targets, resume=args.resume is not None, **common)
    from toolkit.cli.staging import push_in_stages
    from toolkit.plan.order import order

    return push_in_stages(
        targets,
        payloads_of(plan, args.payloads, chosen),
        check=args.check,
        order=order(plan),
        approve=None if args.yes else _ask,
        journal=args.journal or _state_folder(),
        **common,
    )


def _chosen(limit: str, known: Sequence[str]) -> list[str]:
    wanted = [name.strip() for name in limit.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"no router {', '.join(unknown)}; there are {', '.join(known)}")
    return [name for name in known if name in wanted] if wanted else list(known)


def _state_folder() -> Path:
    """Return where journals go (XDG Base Directory: state)."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "llmsync"


def _ask(changes: Mapping[str, tuple[Change, ...]]) -> bool:
    """Show what would change and ask; without a terminal nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("changes need --yes where nobody can be asked (--check shows them)")
    for line in _listed(changes):
        say(line)
    say("")
    sys.stderr.write("Change this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _listed(changes: Mapping[str, tuple[Change, ...]]) -> list[str]:
    lines: list[str] = []
    for device, found in changes.items():
        lines += [f"{device} {change}" for change in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{device} ... {len(found) - _SHOWN} more (-o json shows all)")
    return lines


def _tell(report: PushReport) -> None:
    from toolkit.netconf.push import PushState

    if report.state is PushState.PENDING:
        print("\n".join(_listed(report.changes)))
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


def _remarks(report: PushReport) -> list[str]:
    """Return what a person must be told beside the table."""
    from toolkit.netconf.push import PushState
    from toolkit.netconf.transaction import State

    lines = [
        line
        for outcome in report.outcomes
        if outcome.error is not None
        for line in str(outcome.error).splitlines()
    ]
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
            f"stage {number} of {len(report.stages)}, {words}: {_routers(count)}"
            for number, (words, count) in enumerate(report.stages, 1)
        ]
    lines.append(
        {
            PushState.UNCHANGED: "nothing to change",
            PushState.PENDING: f"{_routers(changed)} would change",
            PushState.COMMITTED: f"{_routers(changed)} changed",
            PushState.ROLLED_BACK: "given up: every router is as it was",
            PushState.UNREACHABLE: "nothing was changed",
            PushState.UNSAVED: "changed, but not every startup holds it: a restart would undo it",
            PushState.IN_DOUBT: "in doubt: not all routers have the same version",
        }[report.state]
    )
    if report.journal is not None:
        lines.append(f"finish it with --resume {report.journal}, or undo it with --abort")
    return lines


def _document(report: PushReport) -> dict[str, Any]:
    return {
        "txid": report.txid,
        "state": report.state.value,
        "exit_code": int(report.exit_code),
        "routers": [
            {
                "name": outcome.device,
                "outcome": _word(outcome),
                "error": _error(outcome.error),
                "changes": [
                    {"path": c.path, "before": c.before, "after": c.after}
                    for c in report.changes.get(outcome.device, ())
                ],
            }
            for outcome in report.outcomes
        ],
        "stages": [{"stage": words, "routers": count} for words, count in report.stages],
        "objection": str(report.objection) if report.objection is not None else None,
        "journal": str(report.journal) if report.journal is not None else None,
    }


def _error(error: Exception | None) -> dict[str, str] | None:
    if error is None:
        return None
    if isinstance(error, DeviceError):
        return {"tag": error.tag, "message": error.message, "path": error.path}
    if isinstance(error, UnreachableError):
        return {"tag": "unreachable", "message": error.reason, "remedy": error.remedy}
    return {
        "tag": "lost" if not isinstance(error, ToolkitError) else "failed",
        "message": str(error),
    }
