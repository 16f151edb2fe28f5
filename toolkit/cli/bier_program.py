"""`llmsync bier program`: the BIFT document of one router of an inventory's plan."""

from __future__ import annotations

import argparse
from pathlib import Path

from toolkit.cli.console import add_output, print_data
from toolkit.errors import ExitCode, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("inventory", type=Path, help="inventory: a file or a folder, or `demo`")
    parser.add_argument("router", help="name of the router")
    parser.add_argument(
        "--device", action="append", default=[], metavar="PORT=NAME",
        help="the router's PORT is called NAME on the host that forwards (repeat it)",
    )  # fmt: skip
    add_output(parser, formats=("yaml", "json"))
    parser.epilog = (
        "Other routers' tables follow from the same plan, so that every router of it may be a host "
        "that runs `llmsync bier forward`.\n\n"
        "examples:\n  llmsync bier program demo fra1 --device xe-0/0/1=eth1 > fra1.yaml"
    )


def run(args: argparse.Namespace) -> int:
    """Print the document."""
    from toolkit.bier.document_text import document
    from toolkit.cli.loading import load_plan
    from toolkit.plan.intended import intended_state
    from toolkit.planes.derive import Network
    from toolkit.planes.program import program_of

    _inventory, plan, _lock = load_plan(args.inventory)
    if args.router not in plan.routers:
        known = ", ".join(sorted(plan.routers))
        raise UsageError(f"no router {args.router} in {args.inventory}; there are {known}")
    plane = Network(intended_state(plan)).plane(args.router)
    if not plane.bfr:
        raise UsageError(f"{args.router} is no BFR: the plan gives it no BIER")
    devices = _devices(args.device)
    program = program_of(plane, devices)
    ports = {*plane.edge_interfaces, *plane.core_bier, *plane.accept_host_bier}
    for port in devices.keys() - ports:
        shown = ", ".join(sorted(ports))
        raise UsageError(f"--device {port}: {args.router} has no such port; it has {shown}")
    if len(program.interfaces) < len(ports):
        raise UsageError("--device: two ports have one name")
    print_data(document(program), args.format)
    return ExitCode.OK


def _devices(said: list[str]) -> dict[str, str]:
    devices: dict[str, str] = {}
    for text in said:
        port, equals, name = text.partition("=")
        if not equals or not port or not name:
            raise UsageError(f"--device {text}: is not PORT=NAME")
        devices[port] = name
    return devices
