"""`llmsync yang`: the modules of platform `reference` as trees, and whether they are well made."""

from __future__ import annotations

import argparse
from pathlib import Path

from toolkit.cli.console import add_output, print_data, say
from toolkit.errors import ExitCode

EXAMPLE = """\
examples:
  llmsync yang tree                    all modules of our own
  llmsync yang tree llmsync-bier       one module
  llmsync yang lint                    pyang --lint over them; exit 1 with findings"""

TREE_EXAMPLE = """\
examples:
  llmsync yang tree
  llmsync yang tree llmsync-bier llmsync-isis
  llmsync yang tree ietf-interfaces"""

LINT_EXAMPLE = """\
examples:
  llmsync yang lint
  llmsync yang lint my-module.yang -o json

Rules: RFC 8407.  Modules that a file imports are searched for in our own folder and among the IETF
modules that pyang brings.  The exit status is 1 when anything is found, warnings too."""


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
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Run the sub-command."""
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
