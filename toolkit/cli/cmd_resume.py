"""`llmsync resume TXID`: finish a push that was killed or is in doubt."""

from __future__ import annotations

import argparse

from toolkit.cli import recovering

EXAMPLE = """\
examples:
  llmsync status                                    which transactions are there
  llmsync resume TXID                               all routers get what was being pushed

What is pending is confirmed; routers that have reverted meanwhile are pushed to again, in one
transaction.  TXID may be cut short.  It can be repeated until it succeeds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync resume`."""
    recovering.configure(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Resume the transaction, and report."""
    return recovering.run(args, resume=True)
