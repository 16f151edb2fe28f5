"""`llmsync bier`: the BIER data plane by hand.

Each sub-command is a module `toolkit.cli.bier_<name>` with `configure(parser)` and `run(args)`; its
line in `SUBCOMMANDS` is all that this file knows of it.
"""

from __future__ import annotations

import argparse
import importlib

SUBCOMMANDS: dict[str, str] = {
    "forward": "Be a BFR on real interfaces, by a BIFT document",
    "program": "Print the BIFT document of one router of a plan",
}
"""Name -> one line of help."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier`."""
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name, line in SUBCOMMANDS.items():
        sub = commands.add_parser(
            name,
            help=line,
            description=line + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module = importlib.import_module(f"toolkit.cli.bier_{name}")
        module.configure(sub)
        sub.set_defaults(run_bier=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the sub-command."""
    return int(args.run_bier(args))
