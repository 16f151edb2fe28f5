"""What `llmsync resume` and `llmsync abort` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from toolkit.cli import pushing
from toolkit.cli.console import add_output

if TYPE_CHECKING:
    from toolkit.netconf.push import PushReport


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of both."""
    parser.add_argument("txid", metavar="TXID", help="the transaction, or how its name begins")
    pushing.add_confirm_timeout(parser)
    pushing.add_reach(parser)
    pushing.add_journal(parser)
    add_output(parser)


def run(args: argparse.Namespace, *, resume: bool) -> int:
    """Bring the routers of an earlier push to what it wanted, or back."""
    from toolkit.netconf.journal import read_journal
    from toolkit.netconf.records import find

    pushing.check_numbers(args)
    path = find(pushing.journal_folder(args), args.txid)
    entry = read_journal(path)

    def act() -> PushReport:
        from toolkit.netconf.recovery import recover

        targets = pushing.recorded_targets(args, entry)
        return recover(
            path, targets, resume=resume, confirm_timeout=args.confirm_timeout,
            workers=args.jobs, timeout=args.timeout,
        )  # fmt: skip

    return pushing.report_on(args, act, journal=entry.txid)
