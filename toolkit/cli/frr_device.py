"""`llmsync device --backend frr`: the router is FRRouting on this host, our server before it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import say
from toolkit.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from toolkit.netconf.access import Access
    from toolkit.netconf.applier import Applier
    from toolkit.netconf.device import Device
    from toolkit.netconf.faults import Fault
    from toolkit.netconf.runtime_frr import Vtysh
    from toolkit.netconf.tree import Node
    from toolkit.yang.schema import Schema

_FLAGS = ("frr_vty_socket", "frr_pathspace", "frr_config_dir", "frr_namespace")


def add_frr_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is behind the server."""
    parser.add_argument(
        "--backend", choices=("embedded", "frr"), default="embedded",
        help="embedded: the router is this process (default); frr: one FRRouting on this host, to "
        "which each commit is applied",
    )  # fmt: skip
    parser.add_argument(
        "--frr-vty-socket", type=Path, metavar="DIR",
        help="where the FRR daemons' sockets are, if not in FRR's usual folder",
    )  # fmt: skip
    parser.add_argument(
        "--frr-pathspace", default="", metavar="NAME", help="the FRR that was started with -N NAME"
    )
    parser.add_argument(
        "--frr-config-dir", type=Path, metavar="DIR",
        help="where frr.conf is, if not in /etc/frr: a save of startup writes it (`write memory`)",
    )  # fmt: skip
    parser.add_argument(
        "--frr-namespace", default="", metavar="NETNS",
        help="the network namespace that FRR runs in, if not in this one",
    )  # fmt: skip


def check_flags(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Raise UsageError where the flags of a backend make no sense together."""
    if args.backend != "frr":
        for name in _FLAGS:
            if getattr(args, name):
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} is of no use without --backend frr")
        return
    if len(names) != 1:
        raise UsageError(
            f"--backend frr: one FRR is one router, not {len(names)} (name it: --router NAME)"
        )
    if args.startup is None:
        raise UsageError(
            "--backend frr: FRR keeps what it was told when this server stops, so the server has "
            "to remember it, too (--startup FOLDER)"
        )


def frr_device(
    args: argparse.Namespace,
    name: str,
    schema: Schema,
    *,
    file: Path,
    config: Mapping[str, Any],
    access: Access | None,
    faults: tuple[Fault, ...],
) -> Device:
    """Return router `name` in front of FRR, which now runs the startup configuration `config`.

    Raises EnvironmentProblem where there is no FRR, SchemaError where it does not take `config`.
    """
    from toolkit.cli.frr_engines import BiftFile, NoReplication
    from toolkit.netconf.applier import Chain
    from toolkit.netconf.backend_frr import FrrBackend
    from toolkit.netconf.backend_linux import LinuxBackend
    from toolkit.netconf.datastore import EMPTY
    from toolkit.netconf.device import Device
    from toolkit.netconf.names import Datastore
    from toolkit.netconf.runtime_frr import Vtysh, missing
    from toolkit.netconf.runtime_linux import LinuxKernel
    from toolkit.netconf.startupfile import write_startup
    from toolkit.render.frr import frr_text
    from toolkit.render.host import host_part

    if lacking := missing():
        raise EnvironmentProblem(f"--backend frr: {lacking}")
    frr = Vtysh(
        sockets=args.frr_vty_socket, pathspace=args.frr_pathspace, folder=args.frr_config_dir
    )
    if not file.exists():
        _refuse_orphans(frr, file)
        write_startup(file, EMPTY)
    kernel = LinuxKernel(args.frr_namespace)
    parts: list[Applier] = [
        NoReplication(name),
        FrrBackend(name, frr, partial(frr_text, name)),
        LinuxBackend(name, kernel, partial(host_part, name)),
        BiftFile(args.inventory, name, file.parent / f"{name}.bift.yaml"),
    ]
    chain = Chain(parts, {}, partial(_warn, name))
    chain.check(config)
    chain.apply(config)
    device = Device(
        name, schema, config=config, access=access, faults=faults, check=chain.check,
        on_commit=chain.apply, on_startup=lambda tree: save(tree),
    )  # fmt: skip

    def save(tree: Node) -> None:
        if tree == device.config(Datastore.RUNNING):  # FRR saves what runs, nothing else
            frr.save()
        write_startup(file, tree)

    return device


def _refuse_orphans(frr: Vtysh, file: Path) -> None:
    """Refuse to clear what an earlier server wrote, where nothing says what that was."""
    from toolkit.netconf.frr_text import owned, parse

    ours = sorted(map(str, owned(parse(frr.running()))))
    if ours:
        raise EnvironmentProblem(
            f"{file}: there is no such file, but FRR holds configuration of llmsync: "
            f"{'; '.join(ours[:3])}... (name the folder of then, or remove it in vtysh)"
        )


def _warn(name: str, message: str) -> None:
    say(f"llmsync: {name}: {message}")
