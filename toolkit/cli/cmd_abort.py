"""`llmsync abort TXID`: undo a push that was killed or is in doubt."""

from __future__ import annotations

import argparse

from toolkit.cli import recovering

EXAMPLE = """\
examples:
  llmsync status                                    which transactions are there
  llmsync abort TXID                                all routers get back what they had before

What is pending is cancelled; where the change was confirmed already, what ran before is pushed, in
one transaction.  TXID may be cut short.  It can be repeated until it succeeds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync abort`."""
    recovering.configure(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Abort the transaction, and report."""
    return recovering.run(args, resume=False)
