"""`llmsync inventory list`: routers and hosts, as people and other tools want to see them.

The JSON is what the Ansible inventory plugin of `llmsync.multicast` reads.  No secret is in it,
only where one is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import add_output, print_data, table
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.inventory.model import Cloud, Inventory, Management, Repository, Secret

EXAMPLE = """\
examples:
  llmsync inventory list inventories/demo
  llmsync inventory list inventories/demo -o json | jq '.routers[] | select(.edge) | .name'
  llmsync inventory list backbone --management routers.yaml -o json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync inventory list`."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a YAML file, or a folder of them")
    parser.add_argument(
        "--management", type=Path, metavar="FILE",
        help="how routers are reached, over what the inventory says",
    )  # fmt: skip
    add_output(parser, formats=("table", "json", "yaml"))
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Print every router, repository and cloud."""
    from toolkit.cli.loading import inventory_path
    from toolkit.cli.management import read_overlay
    from toolkit.inventory.load import load_inventory

    inventory = load_inventory(inventory_path(args.path))
    overlay = {}
    if args.management is not None:
        overlay = {name: entry for name, (entry, _) in read_overlay(args.management).items()}
    document = _document(inventory, overlay)
    if args.format != "table":
        print_data(document, args.format)
        return ExitCode.OK
    rows = [
        (r["name"], r["platform"], r["domain"], r["region"] or "-", ", ".join(r["hosts"]) or "-",
         f"{r['management']['host']}:{r['management']['port']}" if r["management"] else "-")
        for r in document["routers"]
    ]  # fmt: skip
    print(table(("router", "platform", "domain", "region", "hosts", "management"), rows))
    return ExitCode.OK


def _document(inventory: Inventory, overlay: dict[str, Management]) -> dict[str, Any]:
    hosts: dict[str, list[str]] = {name: [] for name in inventory.routers}
    attached: tuple[Repository | Cloud, ...]
    attached = (*inventory.repositories.values(), *inventory.clouds.values())
    for host in attached:
        hosts[host.router].append(host.name)
    return {
        "name": inventory.name,
        "routers": [
            {
                "name": router.name,
                "platform": router.platform.value,
                "domain": router.domain,
                "region": router.region,
                "edge": bool(hosts[router.name]),
                "hosts": hosts[router.name],
                "management": _management(overlay.get(router.name, router.management)),
            }
            for router in inventory.routers.values()
        ],
        "repositories": [
            {"name": r.name, "router": r.router} for r in inventory.repositories.values()
        ],
        "clouds": [
            {"name": c.name, "router": c.router, "region": c.region, "gpus": c.gpus}
            for c in inventory.clouds.values()
        ],
    }


def _management(entry: Management | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "host": entry.host,
        "port": entry.port,
        "username": entry.username,
        "password": _where(entry.password),
        "key": _where(entry.key),
        "host_key": entry.host_key,
    }


def _where(secret: Secret | None) -> dict[str, str] | None:
    return None if secret is None else {"kind": secret.kind, "name": secret.name}
