"""`llmsync bier`: the BIER data plane by hand.

Each sub-command is a module `toolkit.cli.bier_<name>` with `configure(parser)` and `run(args)`; its
line in `SUBCOMMANDS` is all that this file knows of it.  The first example of each is one of the
group's.
"""

from __future__ import annotations

import argparse
import importlib

SUBCOMMANDS: dict[str, str] = {
    "decode": "Explain a BIER packet, or every one in a capture",
    "ping": "Ask BFERs over BIER whether packets reach them, in the laboratory or for real",
    "trace": "See the tree that BIER packets take, hop by hop, in the laboratory or for real",
    "forward": "Be a BFR on real interfaces, by a BIFT document",
    "program": "Print the BIFT document of one router of a plan",
    "lsdb": "Read the BFRs of a live network, their BIRTs and problems from a capture of its IGP",
    "vectors": "The conformance suite of the data plane: list, export or run its vectors",
}
"""Name -> one line of help."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier`."""
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    examples: list[str] = []
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
        lines = (sub.epilog or "").splitlines()
        examples += [line for line in lines if line.startswith("  llmsync bier")][:1]
    parser.epilog = "\n".join(["examples:", *examples])


def run(args: argparse.Namespace) -> int:
    """Run the sub-command."""
    return int(args.run_bier(args))
