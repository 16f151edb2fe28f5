"""A delivery of an inventory: what `send` and `receive` would else be told in a dozen options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import say
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.delivery.burst import Burst
    from toolkit.plan.model import FlowPlan, Plan


def add_delivery(
    parser: argparse.ArgumentParser, inventory: str = "where --delivery is"
) -> argparse._ArgumentGroup:
    """Add `--delivery`, and `--inventory`, which has it."""
    group = parser.add_argument_group("from an inventory")
    group.add_argument("--inventory", type=Path, metavar="PATH", help=inventory)
    group.add_argument(
        "--delivery", metavar="NAME",
        help="a delivery of --inventory: group, ports, addresses, rate, packet size and TSI are "
        "those of its plan",
    )  # fmt: skip
    return group


def chosen(args: argparse.Namespace) -> tuple[Plan, FlowPlan] | None:
    """Return the plan and the delivery that was named; None where none was."""
    if args.delivery is None:
        return None
    if args.inventory is None:
        raise UsageError("--delivery: needs --inventory PATH, which has it")
    from toolkit.cli.loading import inventory_path, load_plan

    _, plan, _ = load_plan(inventory_path(args.inventory))
    for flow in plan.flows:
        if flow.delivery == args.delivery:
            return plan, flow
    names = ", ".join(flow.delivery for flow in plan.flows) or "none"
    raise UsageError(f"--delivery {args.delivery}: is not in {args.inventory} (it has {names})")


def fill_send(args: argparse.Namespace, plan: Plan, flow: FlowPlan) -> None:
    """Let the plan say what was not said."""
    named = args.to or flow.clouds
    args.to = [_located(plan, flow, text) if text in flow.clouds else text for text in named]
    args.interface = args.interface or str(flow.source_address)
    args.dscp = _marking(plan) if args.dscp is None else args.dscp
    args.group = args.group or _host_port(flow.group, flow.port)
    args.control = args.control or _host_port(flow.source_address, flow.control_port)
    args.rate = args.rate or str(flow.rate)
    args.payload = args.payload or flow.payload


def fill_receive(args: argparse.Namespace, plan: Plan, flow: FlowPlan) -> None:
    """The same for a receiver, which is a GPU cloud of the inventory."""
    _fill_cloud(args, plan, flow)
    own = plan.hosts[args.name].address.ip
    args.listen = args.listen or _host_port(own, flow.control_port)
    args.group = args.group or _host_port(flow.group, flow.port)


def _fill_cloud(args: argparse.Namespace, plan: Plan, flow: FlowPlan) -> None:
    if args.name not in flow.clouds:
        raise UsageError(
            f"--name {args.name}: delivery {flow.delivery} does not go there "
            f"(it goes to {', '.join(flow.clouds)})"
        )
    own = plan.hosts[args.name].address.ip
    args.sender = args.sender or _host_port(flow.source_address, flow.control_port)
    args.interface = args.interface or str(own)
    args.dscp = _marking(plan) if args.dscp is None else args.dscp


def fill_doctor(args: argparse.Namespace, plan: Plan, flow: FlowPlan) -> None:
    """The same for looking at a host: the GPU cloud that is named, else the sender's.

    Where the sender imposes BIER nothing leaves it to an IP multicast group: clouds are probed by
    unicast, which their reports take as well.
    """
    from toolkit.inventory.model import Imposition

    args.rate = args.rate or str(flow.rate)
    args.payload = args.payload or flow.payload
    if args.name is not None:
        _fill_cloud(args, plan, flow)
        args.role, args.group = "receive", args.group or [_host_port(flow.group, flow.port)]
        return
    args.role = "send"
    args.control = args.control or _host_port(flow.source_address, flow.control_port)
    args.interface = args.interface or str(flow.source_address)
    args.dscp = _marking(plan) if args.dscp is None else args.dscp
    if flow.imposition is not Imposition.HOST:
        args.group = args.group or [_host_port(flow.group, flow.port)]
    named = flow.clouds if args.to == ["all"] else args.to
    args.to = [_located(plan, flow, text) if text in flow.clouds else text for text in named]


def _located(plan: Plan, flow: FlowPlan, cloud: str) -> str:
    """A cloud as `--to` has it."""
    return f"{cloud}={_host_port(plan.hosts[cloud].address.ip, flow.control_port)}"


@contextmanager
def carrier(
    args: argparse.Namespace, plan: Plan, flow: FlowPlan, dscp: int | None, names: Sequence[str]
) -> Iterator[Callable[[Burst], int] | None]:
    """What puts packets onto the wire where this host imposes BIER; else None.

    `names`: bit i of a packet's mask is the i-th; more may be added meanwhile.  It returns the mask
    of those that the plan has no BFR-id for.
    """
    from toolkit.inventory.model import Imposition

    if flow.imposition is not Imposition.HOST:
        yield None
        return
    from toolkit.delivery.masks import bits
    from toolkit.inet import ethernet
    from toolkit.plan.imposition import imposed
    from toolkit.transport.neighbor import interface_address, neighbor_mac
    from toolkit.transport.packet import PacketCarrier, UdpFlow
    from toolkit.transport.segmentation import interface_of

    order = {cloud: i for i, cloud in enumerate(flow.clouds)}
    for stranger in (cloud for cloud in names if cloud not in order):
        raise UsageError(
            f"--to {stranger}: delivery {flow.delivery} does not go there "
            f"(it goes to {', '.join(flow.clouds)})"
        )
    host = plan.hosts[flow.source]
    name = interface_of(args.interface)
    if name is None:
        raise UsageError(
            f"--interface: no interface of this host has {args.interface} "
            "(name the one towards the edge router)"
        )
    far, own = neighbor_mac(name, host.gateway), interface_address(name)

    def fronts(mask: int) -> list[bytes]:
        clouds = sum(1 << order[names[i]] for i in bits(mask))
        return [
            ethernet.Header(far, own, front.ethertype).encode() + front.header
            for front in imposed(plan, flow, clouds, dscp or 0)
        ]

    made = PacketCarrier(
        name,
        UdpFlow(
            source=flow.source_address, source_port=flow.control_port, group=flow.group,
            port=flow.port, dscp=dscp or 0,
        ),
        fronts,
    )  # fmt: skip
    planned = 0
    """Those of `names` that have a BFR-id."""
    looked = 0

    def carry(burst: Burst) -> int:
        nonlocal planned, looked
        while looked < len(names):
            planned |= (names[looked] in order) << looked
            looked += 1
        mask = burst.mask & planned
        if mask:
            made.send(burst if mask == burst.mask else burst._replace(mask=mask))
        return burst.mask & ~planned

    say(f"BIER is imposed here: {name} to {host.gateway} ({far.hex(':')})")
    try:
        made.check(args.payload, (1 << len(names)) - 1)
        yield carry
    finally:
        made.close()


def _marking(plan: Plan) -> str | None:
    """The code point of the class that routers have for deliveries; None: they know of none."""
    return None if plan.qos is None else str(plan.qos.dscp)


def _host_port(address: object, port: int) -> str:
    text = str(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
