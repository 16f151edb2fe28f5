"""`llmsync device`: routers of an inventory as NETCONF servers, embedded ones or one before FRR."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.device_access import host_keys, users
from toolkit.cli.embedded import add_flags, make_devices
from toolkit.errors import EnvironmentProblem, ExitCode, UsageError

if TYPE_CHECKING:
    from toolkit.inventory.model import Management
    from toolkit.netconf.device import DeviceFarm

EXAMPLE = """\
examples:
  llmsync device inventories/demo --write-management routers.yaml
  llmsync push inventories/demo --management routers.yaml --yes        (from another terminal)
  llmsync device inventories/demo --router ams1 --port-base 8300 --hold 60
  llmsync device inventories/demo --startup flash --read-only-user viewer
  llmsync device inventories/demo --flavour ams1/junos --flavour lon1/no-confirmed
  llmsync device inventories/demo --fault ams1/drop-after:commit#2 --fault slow:get-config=2.5
  llmsync device network.yaml --router r1 --backend frr --startup /var/lib/llmsync \
      --listen 192.0.2.1 --port-base 830 --host-key KEY --authorized-keys KEYS

The routers speak NETCONF 1.0 and 1.1 over SSH and implement the modules of their platforms.  They
start empty and forget everything when they stop, but for what --startup keeps: on Ctrl-C, SIGTERM,
or after --hold.  The file of --write-management appears when they are ready and goes when they
stop; it names a password that is made for each start."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync device`."""
    parser.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    parser.add_argument(
        "--router", action="append", default=[], metavar="NAME",
        help="only this router; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--port-base", type=int, default=0, metavar="N",
        help="ports N, N+1, ... in the order of the inventory; without it: any free ports",
    )  # fmt: skip
    parser.add_argument(
        "--write-management", type=Path, metavar="FILE",
        help="write how the routers are reached, for `llmsync push --management FILE`",
    )  # fmt: skip
    parser.add_argument(
        "--hold", type=float, metavar="SECONDS", help="stop after this time; without it: run on"
    )
    add_flags(parser)
    add_output(parser, formats=("table", "json", "jsonl"))
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Start the routers, say where they are, wait."""
    from toolkit.inventory.load import load_inventory

    inventory = load_inventory(args.inventory)
    names = list(dict.fromkeys(args.router)) or list(inventory.routers)
    unknown = [name for name in names if name not in inventory.routers]
    if unknown:
        known = ", ".join(inventory.routers)
        raise UsageError(f"no router {', '.join(unknown)} in {args.inventory}; there are {known}")
    if args.port_base and not 1 <= args.port_base <= 65536 - len(names):
        raise UsageError(f"--port-base {args.port_base} leaves no {len(names)} ports up to 65535")
    if args.hold is not None and args.hold < 0:
        raise UsageError(f"--hold {args.hold:g} is no time to wait")
    if args.write_management is not None:
        _refuse_inside(args.write_management, args.inventory)

    from toolkit.netconf.device import DeviceFarm

    devices = make_devices(args, names, {n: r.platform for n, r in inventory.routers.items()})
    ports = {name: args.port_base + n for n, name in enumerate(names)} if args.port_base else {}
    keys = host_keys(args, names)
    with DeviceFarm(
        devices, host=args.listen, ports=ports, users=users(args), host_keys=keys
    ) as farm:
        try:
            _announce(farm, args)
        finally:  # a router that stops has not been confirmed: what ran before runs again
            for device in devices:
                farm.call(partial(device.expire, math.inf))
    return ExitCode.OK


def _refuse_inside(file: Path, inventory: Path) -> None:
    """Raise UsageError when the inventory would hold `file`, which every later command would read.

    An inventory that is one file would even be overwritten.
    """
    from toolkit.inventory.load import SUFFIXES

    if inventory.is_dir():
        read = file.suffix in SUFFIXES and not file.name.startswith(".")
        inside = read and file.parent.resolve() == inventory.resolve()
    else:
        inside = file.resolve() == inventory.resolve()
    if inside:
        raise UsageError(
            f"--write-management {file}: it would become part of the inventory {inventory} "
            "(write it to another folder)"
        )


def _announce(farm: DeviceFarm, args: argparse.Namespace) -> None:
    """Print the routers' addresses and keep them up; what was written goes afterwards."""
    from toolkit.cli.management import write_overlay
    from toolkit.inventory.model import Management
    from toolkit.netconf.device import DEFAULT_USER

    entries = {
        name: Management(host=host, port=port, username=DEFAULT_USER, host_key=farm.host_keys[name])
        for name, (host, port) in farm.addresses.items()
    }
    written: tuple[Path, ...] = ()
    try:
        if args.write_management is not None:
            password = farm.users[DEFAULT_USER].password or ""
            try:
                written = write_overlay(args.write_management, entries, password)
            except OSError as error:
                file = args.write_management
                raise EnvironmentProblem(f"{file}: cannot be written: {error.strerror}") from None
        _print(entries, args.format)
        _wait(args.hold, len(entries))
    finally:
        for path in written:
            path.unlink(missing_ok=True)


def _print(entries: dict[str, Management], form: str) -> None:
    rows = [
        {"router": name, "host": e.host, "port": e.port, "username": e.username,
         "host_key": e.host_key}
        for name, e in entries.items()
    ]  # fmt: skip
    if form != "table":
        print_data(rows, form)
    else:
        print(
            table(("router", "host", "port"), [(r["router"], r["host"], r["port"]) for r in rows])
        )
    sys.stdout.flush()


def _wait(hold: float | None, count: int) -> None:
    """Return after `hold` seconds, or when the process is asked to end."""
    import signal
    import threading

    ended = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in signals}
    try:
        routers = f"{count} router{'s' if count != 1 else ''}"
        until = "Ctrl-C ends" if hold is None else f"for {hold:g} s"
        say(f"llmsync: {routers} up ({until})")
        ended.wait(hold)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
