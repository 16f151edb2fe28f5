"""What edge ports take from hosts, and which of them stand in the VPN.

Pure.  A host may send the multicast that a delivery has it send, and impose the BitStrings that its
deliveries have it impose; everything else that would reach the network's own multicast is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from toolkit.inventory.model import Imposition, Inventory, Transport
from toolkit.plan.model import FlowPlan, PortPlan
from toolkit.plan.mvpn import VPN, in_vpn
from toolkit.state.model import EdgeProtection


def edge_ports(
    inventory: Inventory,
    ports: Mapping[str, tuple[PortPlan, ...]],
    flows: Iterable[FlowPlan],
) -> dict[str, tuple[PortPlan, ...]]:
    """Return the ports of every router with protection and VPN filled in on those of hosts."""
    sent: defaultdict[str, list[FlowPlan]] = defaultdict(list)
    for flow in flows:
        sent[flow.source].append(flow)
    members = in_vpn(inventory)

    def filled(router: str, port: PortPlan) -> PortPlan:
        if not port.edge:
            return port
        guarded = inventory.routers[router].edge_protection
        return replace(
            port,
            protection=protection_of(port, sent[port.peer]) if guarded else None,
            vpn=VPN if router in members else "",
        )

    return {name: tuple(filled(name, port) for port in own) for name, own in ports.items()}


def protection_of(port: PortPlan, sent: Iterable[FlowPlan]) -> EdgeProtection:
    """Return what an edge port accepts of a host that sends these flows."""
    sent = list(sent)
    bits: dict[int, int] = {}
    for flow in sent:
        if flow.transport is Transport.BIER and flow.imposition is Imposition.HOST:
            for si, value in flow.bit_strings().items():
                bits[si] = bits.get(si, 0) | value
    return EdgeProtection(
        sources=(port.peer_address.ip,) if sent else (),
        bit_strings=dict(sorted(bits.items())),
    )
