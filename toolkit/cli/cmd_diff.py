"""`llmsync diff`: what a push would change on each router."""

from __future__ import annotations

import argparse

from toolkit.cli import pushing
from toolkit.cli.cmd_push import add_what, carry_out

EXAMPLE = """\
examples:
  llmsync diff inventories/demo                     a unified diff for each router that differs
  llmsync diff inventories/demo --limit ams1 -o json

Compares what the plan asks for with what the routers run, of what is ours.  Exit 0: no difference,
3: a push would change something."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync diff`."""
    add_what(parser)
    parser.set_defaults(check=True, yes=True, confirm_timeout=120)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Look, and report."""
    pushing.check_numbers(args)
    return pushing.report_on(args, lambda: carry_out(args), diff=True)
