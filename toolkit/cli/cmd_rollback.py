"""`llmsync rollback TXID`: undo a push that has ended well."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.cli import pushing
from toolkit.cli.console import add_output

if TYPE_CHECKING:
    from toolkit.netconf.push import PushReport

EXAMPLE = """\
examples:
  llmsync status                                    which transactions are there
  llmsync rollback TXID --check --diff              what it would change
  llmsync rollback TXID

What ran before that push is pushed, as a transaction of its own, which can be undone likewise.
Where a router's configuration was changed since, the change is shown and nothing is done.  A push
in stages is rolled back stage by stage, the last one first."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync rollback`."""
    parser.add_argument("txid", metavar="TXID", help="the transaction, or how its name begins")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 3 when something would change"
    )
    parser.add_argument(
        "--diff", action="store_true", help="show configurations before and after, as a diff"
    )
    pushing.add_confirm_timeout(parser)
    pushing.add_reach(parser)
    pushing.add_journal(parser)
    add_output(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Undo the transaction, and report."""
    from toolkit.netconf.journal import read_journal
    from toolkit.netconf.records import find

    pushing.check_numbers(args)
    path = find(pushing.journal_folder(args), args.txid)
    entry = read_journal(path)

    def act() -> PushReport:
        from toolkit.netconf.recovery import roll_back

        targets = pushing.recorded_targets(args, entry)
        return roll_back(
            path, targets, check=args.check, confirm_timeout=args.confirm_timeout,
            workers=args.jobs, timeout=args.timeout,
        )  # fmt: skip

    return pushing.report_on(args, act, diff=args.diff)
