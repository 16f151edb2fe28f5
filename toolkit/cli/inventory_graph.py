"""`llmsync inventory graph`: draw what an inventory declares."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, say
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.report.declared import DeclaredNetwork

EXAMPLE = """\
examples:
  llmsync inventory graph inventories/demo --output demo.svg
  llmsync inventory graph inventories/demo -o dot | dot -Tpdf > demo.pdf

Links without a way around them (bridges) have a colour and a sign of their own. Above 100 nodes
routers are dots, and a name that finds no room shows on hover."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync inventory graph`."""
    parser.epilog = EXAMPLE
    parser.add_argument(
        "path", type=Path, metavar="INVENTORY", help="a YAML file, or a folder of them"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write it there (default: standard output)"
    )
    add_output(parser, formats=("svg", "dot", "mermaid", "json"))


def run(args: argparse.Namespace) -> int:
    """Draw one inventory."""
    from toolkit.cli.loading import inventory_path
    from toolkit.inventory.load import load_inventory
    from toolkit.render.folder import write_files
    from toolkit.report.declared import declared_network

    text = _text(declared_network(load_inventory(inventory_path(args.path))), args.format)
    if args.output is None:
        print(text, end="")
        return ExitCode.OK
    write_files(args.output.parent, {args.output.name: text})
    say(f"{args.output} written")
    return ExitCode.OK


def _text(network: DeclaredNetwork, form: str) -> str:
    from toolkit.report import graph_text
    from toolkit.report.inventory_map import inventory_svg

    match form:
        case "dot":
            return graph_text.dot(network)
        case "mermaid":
            return graph_text.mermaid(network)
        case "json":
            return json.dumps(graph_text.as_data(network), indent=2, ensure_ascii=False) + "\n"
    return inventory_svg(network)
