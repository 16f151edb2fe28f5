"""`llmsync verify`: is the network right, and does it stay so when something fails?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say
from toolkit.cli.judging import ask_batfish, judge, payloads_of, state_of, unanswered
from toolkit.cli.transport import add_transport
from toolkit.errors import EnvironmentProblem, ExitCode

if TYPE_CHECKING:
    from toolkit.plan.model import Plan
    from toolkit.report.verification import Verification
    from toolkit.state.model import NetworkState

EXAMPLE = """\
examples:
  llmsync verify inventories/demo                           the plan, configurations, policies
  llmsync verify inventories/demo --payloads payloads       configurations edited by hand
  llmsync verify inventories/demo --break lon1-mad1,dal1    who is lost when these fail
  llmsync verify inventories/demo --batfish localhost       and what Batfish says of the underlay
  llmsync verify inventories/demo -o sarif > verify.sarif   for a code host's annotations

Findings are explained in docs/reference/findings.md.  Errors end with exit code 1; warnings and
notes do not.  A check that could not be made says `not run` and why."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync verify`."""
    parser.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    parser.add_argument(
        "--payloads", type=Path, metavar="DIR",
        help="judge DIR/NAME.xml (see `llmsync render -o DIR`) instead of rendering",
    )  # fmt: skip
    parser.add_argument(
        "--break", dest="down", default="", metavar="LINK,...|NODE,...",
        help="links (a-b) and nodes that have failed: say who is lost",
    )  # fmt: skip
    parser.add_argument(
        "--batfish", metavar="HOST[:PORT]", help="ask this Batfish service about the underlay"
    )
    parser.add_argument(
        "--snapshot", type=Path, metavar="DIR",
        help="only write the snapshot that Batfish would be shown to this folder",
    )  # fmt: skip
    add_transport(parser)
    add_output(parser, formats=("table", "json", "jsonl", "junit", "sarif", "md"))
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Verify, print, and say by the exit code whether there are errors."""
    from toolkit.cli.loading import load_plan
    from toolkit.planes.adjacency import NO_FAILURES
    from toolkit.report.verification import Verification
    from toolkit.verify.coverage import not_modelled
    from toolkit.verify.failures import named_failures
    from toolkit.verify.proof import planned_parts, proof, unproven

    inventory, plan, _ = load_plan(args.inventory, args.transport)
    down = named_failures(plan, args.down) if args.down else NO_FAILURES
    payloads = payloads_of(plan, args.payloads, partial=True)
    state = state_of(plan, payloads)
    if args.snapshot is not None:
        return _write_snapshot(plan, state, args.snapshot)
    report = judge(inventory, plan, state)
    if args.down:
        from toolkit.verify.whatif import break_report

        # Who is lost comes first: it is what was asked.
        report = break_report(plan, state, down, inventory=inventory) + report
    report += proof(payloads.values())
    report += ask_batfish(args.batfish, plan, state)
    verification = Verification(
        plan=plan,
        report=report,
        source=state.source,
        what="" if args.payloads is None else f"the payloads in {args.payloads}",
        down=down,
        not_modelled=not_modelled(plan, state),
        unproven=unproven(payloads.values()),
        planned=planned_parts(plan),
    )
    _print(verification, args.format)
    if verification.failed:
        return ExitCode.FINDINGS
    return ExitCode.UNREACHABLE if unanswered(args.batfish, report) else ExitCode.OK


def _write_snapshot(plan: Plan, state: NetworkState, folder: Path) -> int:
    from toolkit.verify.projection import write_snapshot

    try:
        written = write_snapshot(plan, state, folder)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {folder}: {error.strerror}") from error
    except ValueError as error:
        raise EnvironmentProblem(f"no snapshot: {error}") from error
    for path in written:
        print(path)
    say(f"llmsync: {len(written)} files in {folder}")
    return ExitCode.OK


def _print(verification: Verification, form: str) -> None:
    from toolkit.report import verification as writer

    match form:
        case "json":
            print_data(writer.document(verification), "json")
        case "jsonl":
            print_data(writer.lines(verification), "jsonl")
        case "junit":
            from toolkit.report.junit import junit

            print(
                junit(verification.report, suite=f"llmsync verify {verification.plan.name}"), end=""
            )
        case "sarif":
            from toolkit.report.sarif import sarif

            print_data(sarif(verification.report), "json")
        case "md":
            print(writer.markdown(verification), end="")
        case _:
            encoding = (sys.stdout.encoding or "ascii").lower()
            print(writer.text(verification, ascii_only=not encoding.startswith("utf")))
