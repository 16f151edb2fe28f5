"""`llmsync push`: bring all routers to the plan in one network-wide transaction."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli import pushing
from toolkit.cli.console import add_output, say
from toolkit.cli.judging import payloads_of
from toolkit.cli.transport import add_transport
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.netconf.push import Change, PushReport

EXAMPLE = """\
examples:
  llmsync push inventories/demo --check             what would change; exit 3 if anything would
  llmsync push inventories/demo --yes --diff        change it, and show the difference
  llmsync push inventories/demo --limit ams1,lon1 --yes
  llmsync push inventories/demo --payloads DIR --yes  what `llmsync render -o DIR` wrote
  llmsync status                                    what was pushed, and what has not ended
  llmsync resume TXID, llmsync abort TXID           finish or undo a push that was killed

All routers are prepared (locked, edited, validated, read back); then they commit, egress before
transit before ingress, are read back, and are confirmed.  The first failure gives the change up
everywhere.  Where P2MP trees change that are in use, this is done in three stages: the new trees
are made beside the old, the roots switch to them, the old ones go.  A journal remembers every push;
an unconfirmed change reverts by itself after --confirm-timeout."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync push`."""
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 3 when something would change"
    )
    parser.add_argument(
        "--diff", action="store_true", help="show configurations before and after, as a diff"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before changing")
    add_what(parser)
    pushing.add_confirm_timeout(parser)
    parser.epilog = EXAMPLE


def add_what(parser: argparse.ArgumentParser) -> None:
    """Add what `push` and `diff` have in common."""
    parser.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    parser.add_argument("--limit", metavar="NAME,...", help="only these routers")
    parser.add_argument(
        "--payloads", type=Path, metavar="DIR", help="DIR/NAME.xml instead of rendering"
    )
    parser.add_argument(
        "--profile", metavar="NAME",
        help="how the servers differ from RFC 6241: reference, yuma, junos, validate-broken, "
        "no-running-lock (default: that of the platform)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-degraded", action="store_true",
        help="also push to servers whose commits keep less of the promise: without persist-id, "
        "without confirmed commit, without candidate",
    )  # fmt: skip
    parser.add_argument(
        "--accept-revisions", action="store_true",
        help="also push to routers whose YANG modules are not those that their configuration was "
        "proven by",
    )  # fmt: skip
    pushing.add_reach(parser)
    pushing.add_journal(parser)
    add_transport(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Push, and report."""
    pushing.check_numbers(args)
    return pushing.report_on(args, lambda: carry_out(args), diff=args.diff)


def carry_out(args: argparse.Namespace) -> PushReport:
    """Push what `args` describe, or, with `check`, say what would change."""
    from toolkit.cli.loading import inventory_path, load_plan
    from toolkit.cli.management import make_targets, read_overlay
    from toolkit.cli.staging import push_in_stages
    from toolkit.plan.order import order

    inventory, plan, _ = load_plan(args.inventory, args.transport)
    names = pushing.chosen(args.limit, list(inventory.routers))
    overlay = read_overlay(args.management) if args.management is not None else {}
    targets = make_targets(
        [inventory.routers[name] for name in names], overlay, profile=args.profile
    )
    about = {
        "inventory": str(inventory_path(args.inventory).resolve()),
        "management": str(args.management.resolve()) if args.management is not None else "",
        "profile": args.profile or "",
    }
    return push_in_stages(
        targets,
        payloads_of(plan, args.payloads, names),
        check=args.check,
        order=order(plan),
        approve=None if args.yes else _ask,
        journal=pushing.journal_folder(args),
        degraded=args.allow_degraded,
        revisions=not args.accept_revisions,
        about=about,
        confirm_timeout=args.confirm_timeout,
        workers=args.jobs,
        timeout=args.timeout,
    )


def _ask(changes: Mapping[str, tuple[Change, ...]]) -> bool:
    """Show what would change and ask; without a terminal nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("changes need --yes where nobody can be asked (--check shows them)")
    for line in pushing.listed(changes):
        say(line)
    say("")
    sys.stderr.write("Change this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
