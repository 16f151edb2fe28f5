"""`llmsync inventory`: check or list an inventory, say what one may hold, import one, draw one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli import inventory_graph, inventory_import, inventory_list
from toolkit.cli.console import add_output, print_data, table
from toolkit.errors import ExitCode, InventoryError

if TYPE_CHECKING:
    from toolkit.inventory.model import Inventory

EXAMPLE = """\
examples:
  llmsync inventory check inventories/demo
  llmsync inventory list inventories/demo
  llmsync inventory schema > inventory.schema.json
  llmsync inventory import gml Geant2012.gml --output geant
  llmsync inventory graph inventories/demo --output demo.svg"""

CHECK_EXAMPLE = """\
examples:
  llmsync inventory check inventories/demo
  llmsync inventory check backbone.yaml -o json      problems too are JSON, on standard output

Every problem of every file is reported at once, with its file and line; the exit code is then 2."""

SCHEMA_EXAMPLE = """\
example:
  llmsync inventory schema > inventory.schema.json

An editor with a YAML language server uses it where a file begins with:
  # yaml-language-server: $schema=inventory.schema.json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the sub-commands of `llmsync inventory`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="read an inventory and report everything that is wrong with it",
        description="Read an inventory and report everything that is wrong with it.",
        epilog=CHECK_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("path", type=Path, metavar="PATH", help="a YAML file, or a folder of them")
    add_output(check)
    inventory_list.configure(
        actions.add_parser(
            "list",
            help="list routers and hosts, and how routers are reached",
            description="List routers and hosts, and how routers are reached.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema (draft 2020-12) of an inventory file",
        description="Print the JSON Schema (draft 2020-12) of an inventory file.",
        epilog=SCHEMA_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_output(schema, formats=("json",))
    inventory_import.configure(
        actions.add_parser(
            "import",
            help="make an inventory of a network that is written down elsewhere",
            description="Make an inventory of a network that is written down elsewhere.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    inventory_graph.configure(
        actions.add_parser(
            "graph",
            help="draw an inventory's network",
            description="Draw an inventory's network.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Run the sub-command."""
    if args.action == "schema":
        from toolkit.inventory.load import json_schema

        print_data(json_schema(), "json")
        return ExitCode.OK
    if args.action == "import":
        return inventory_import.run(args)
    if args.action == "list":
        return inventory_list.run(args)
    if args.action == "graph":
        return inventory_graph.run(args)
    return _check(args.path, args.format)


def _check(path: Path, form: str) -> int:
    from toolkit.cli.loading import inventory_path
    from toolkit.inventory.load import load_inventory

    try:
        inventory = load_inventory(inventory_path(path))
    except InventoryError as error:
        if form != "json":
            raise
        print_data({"valid": False, "problems": _problems(error)}, form)
        return ExitCode.INVALID
    if form == "json":
        print_data({"valid": True, "problems": [], **_summary(inventory)}, form)
    else:
        print(_table(inventory))
    return ExitCode.OK


def _problems(error: InventoryError) -> list[dict[str, Any]]:
    return [
        {
            "file": problem.place.file,
            "line": problem.place.line,
            "path": problem.place.path,
            "what": problem.what,
            "remedy": problem.remedy,
        }
        for problem in error.problems
    ]


def _summary(inventory: Inventory) -> dict[str, Any]:
    return {
        "name": inventory.name,
        "address_family": f"IPv{inventory.pools.loopbacks.version}",
        "bitstring_length": inventory.bier.bsl,
        "domains": len(inventory.domains),
        "routers": len(inventory.routers),
        "routers_without_bier": sum(not router.bier for router in inventory.routers.values()),
        "links": len(inventory.links),
        "repositories": len(inventory.repositories),
        "clouds": len(inventory.clouds),
        "gpus": sum(cloud.gpus for cloud in inventory.clouds.values()),
        "policies": len(inventory.policies),
        "deliveries": [
            {
                "name": delivery.name,
                "model": delivery.model,
                "from": delivery.source,
                "to": list(delivery.to),
                "gpus": sum(inventory.clouds[cloud].gpus for cloud in delivery.to),
                "rate": delivery.rate,
            }
            for delivery in inventory.deliveries.values()
        ],
    }


def _table(inventory: Inventory) -> str:
    from toolkit.inventory.quantity import format_rate

    summary = _summary(inventory)
    deliveries = summary.pop("deliveries")
    figures = [(key.replace("_", " "), value) for key, value in summary.items() if key != "name"]
    width = max(len(label) for label, _ in figures)
    lines = [f"{inventory.name}: no problems"]
    lines += [f"  {label.ljust(width)}  {value}" for label, value in figures]
    if deliveries:
        rows = [
            (d["name"], d["model"], d["from"], len(d["to"]), d["gpus"], format_rate(d["rate"]))
            for d in deliveries
        ]
        header = ("delivery", "model", "from", "clouds", "gpus", "rate")
        lines += ["", table(header, rows)]
    return "\n".join(lines)
