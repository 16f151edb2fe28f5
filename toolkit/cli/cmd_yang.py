"""`llmsync yang`: modules as trees and well made or not; those of platforms and of devices."""

from __future__ import annotations

import argparse
from pathlib import Path

from toolkit.cli.console import add_output, print_data, say
from toolkit.errors import ExitCode

EXAMPLE = """\
examples:
  llmsync yang tree                    all modules of our own
  llmsync yang tree llmsync-bier       one module
  llmsync yang lint                    pyang --lint over them; exit 1 with findings
  llmsync yang sets                    what configurations of each platform are proven by
  llmsync yang fetch INVENTORY --device NAME   a device's own modules, to prove its by those"""

TREE_EXAMPLE = """\
examples:
  llmsync yang tree
  llmsync yang tree llmsync-bier llmsync-isis
  llmsync yang tree ietf-interfaces"""

LINT_EXAMPLE = """\
examples:
  llmsync yang lint
  llmsync yang lint my-module.yang -o json

Rules: RFC 8407.  Modules that a file imports are searched for in our own folder, among the IETF
modules that pyang brings, and in LLMSYNC_YANG_PATH.  The exit status is 1 when anything is found,
warnings too."""

SETS_EXAMPLE = """\
examples:
  llmsync yang sets
  llmsync yang sets -o json

Standard and vendors' modules are not part of llmsync: LLMSYNC_YANG_PATH names folders that hold
them, as PATH does for programs.  What `llmsync yang fetch` stored of devices is listed too."""

FETCH_EXAMPLE = """\
examples:
  llmsync yang fetch inventories/demo --device ams1
  llmsync yang fetch inventories/demo --device ams1 --management FILE -o DIR

Reads the device's list of modules and gets each by get-schema (RFC 6022); all of them are stored or
none.  From then on the device's configuration is proven by its own modules.  With -o they go to a
folder of your own, which llmsync does not look into by itself."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the sub-commands of `llmsync yang`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    tree = actions.add_parser(
        "tree",
        help="print tree diagrams (RFC 8340)",
        description="Print tree diagrams (RFC 8340).",
        epilog=TREE_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tree.add_argument(
        "modules", nargs="*", metavar="MODULE", help="module names; all of our own without one"
    )
    add_output(tree, formats=("text", "json"))
    lint = actions.add_parser(
        "lint",
        help="check modules against RFC 8407 with pyang",
        description="Check modules against RFC 8407 with pyang.",
        epilog=LINT_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lint.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="module files; our own without one"
    )
    add_output(lint, formats=("text", "json"))
    sets = actions.add_parser(
        "sets",
        help="list what each platform's configurations are proven by",
        description="List what each platform's configurations are proven by.",
        epilog=SETS_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_output(sets)
    fetch = actions.add_parser(
        "fetch",
        help="store a device's own modules",
        description="Store a device's own YANG modules.",
        epilog=FETCH_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fetch.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    fetch.add_argument("--device", required=True, metavar="NAME", help="router of the inventory")
    fetch.add_argument(
        "--management", type=Path, metavar="FILE",
        help="how routers are reached, over what the inventory says",
    )  # fmt: skip
    fetch.add_argument(
        "--profile", metavar="NAME",
        help="how the server differs from RFC 6241 (default: its platform's)",
    )  # fmt: skip
    fetch.add_argument(
        "--timeout", type=float, default=30.0, metavar="S",
        help="seconds that one answer of the router may take (default 30)",
    )  # fmt: skip
    fetch.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="folder for the modules (default: the device's in the user's data folder)",
    )  # fmt: skip
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Run the sub-command."""
    if args.action in ("sets", "fetch"):
        from toolkit.cli import yang_modules

        return yang_modules.sets(args) if args.action == "sets" else yang_modules.fetch(args)
    return _tree(args) if args.action == "tree" else _lint(args)


def _tree(args: argparse.Namespace) -> int:
    from toolkit.yang.pyang_tool import tree_modules, trees

    if args.format == "json":
        print_data({name: trees([name]) for name in tree_modules(args.modules)}, "json")
    else:
        print(trees(args.modules), end="")
    return ExitCode.OK


def _lint(args: argparse.Namespace) -> int:
    from toolkit.yang.pyang_tool import lint

    findings = lint(args.files)
    if args.format == "json":
        print_data(
            [
                {
                    "file": found.place.file,
                    "line": found.place.line,
                    "severity": found.severity,
                    "message": found.what,
                }
                for found in findings
            ],
            "json",
        )
    else:
        for found in findings:
            print(found)
    if findings:
        say(f"llmsync: {len(findings)} finding{'s' if len(findings) > 1 else ''}")
        return ExitCode.FINDINGS
    if args.format == "text":
        say("llmsync: nothing found")
    return ExitCode.OK
