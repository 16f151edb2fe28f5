"""BGP MVPN: who speaks BGP with whom, and each edge router's part in the one VPN.

Pure.  RFC 6513, RFC 6514; over BIER RFC 8556.  Hosts are in a VRF and join by IGMP or MLD; edge
routers tell each other by BGP.  The core does what the tunnel needs and nothing for the VPN: PIM
runs there only where the tunnel is `pim-ssm`, and never on ports of the VRF.  Those are not in the
IGP either: their prefixes are VPN routes of the same sessions (RFC 4364), which the procedures for
the upstream router need anyway (RFC 6513 section 5.1).  Unicast packets of the VPN cross the core
by node SIDs where routers have them, else as MPLS in GRE between loopbacks (RFC 4023).

Tunnels are inclusive over BIER and PIM; over SR-P2MP each delivery has a tree of its own, which is
a selective tunnel (RFC 6513 section 2.1.1): the root is told which (S,G) goes on which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from toolkit.errors import Place, Problem
from toolkit.inventory.model import (
    Delivery,
    Imposition,
    Inventory,
    OverlaySignalling,
    Router,
    Transport,
)
from toolkit.plan.addresses import Pool
from toolkit.plan.ids import name_order
from toolkit.plan.model import FlowPlan, MvpnPlan, Plan, PortPlan, RouterPlan
from toolkit.plan.pim import MEMBERSHIP
from toolkit.plan.places import place_of
from toolkit.plan.ports import attached_hosts
from toolkit.plan.transports import in_use
from toolkit.state.model import BgpSpeaker, IpAddress, Mvpn, RouterState

VPN = "llmsync"
"""Name of the VRF."""
LARGEST_MESH = 128
"""Edge routers that may all have sessions with each other: each holds one less, and all of them
together change when one comes (RFC 4456 section 1)."""
TUNNELS: Mapping[Transport, str] = {
    Transport.BIER: "bier",
    Transport.SR_P2MP: "sr-p2mp",
    Transport.PIM_SSM: "pim-ssm",
}
"""What carries the VPN's multicast across the core (RFC 6514 section 5)."""


def signalled(inventory: Inventory) -> bool:
    """Tell whether the overlay is MVPN."""
    return inventory.overlay.signalling is OverlaySignalling.MVPN


def tunnel_of(inventory: Inventory) -> str:
    """Return the tunnel type of the VPN; `check_mvpn` has nothing to say."""
    return next(TUNNELS[transport] for transport in in_use(inventory) if transport in TUNNELS)


def in_vpn(inventory: Inventory) -> frozenset[str]:
    """Return the edge routers of the VPN: those with hosts that can end its tunnels."""
    if not signalled(inventory):
        return frozenset()
    used = in_use(inventory)
    return frozenset(
        host.router
        for host in attached_hosts(inventory)
        if _ends_tunnels(inventory.routers[host.router], used)
    )


def _ends_tunnels(router: Router, used: frozenset[Transport]) -> bool:
    able = {
        Transport.BIER: router.bier,
        Transport.SR_P2MP: router.replication,
        Transport.PIM_SSM: router.pim,
    }
    return all(able.get(transport, True) for transport in used)


def speaking(inventory: Inventory) -> frozenset[str]:
    """Return the routers that speak BGP: edge routers of the VPN and route reflectors."""
    if not signalled(inventory):
        return frozenset()
    return in_vpn(inventory) | frozenset(inventory.overlay.route_reflectors)


def check_mvpn(inventory: Inventory) -> Iterator[Problem]:
    """Name what MVPN cannot signal: mixed tunnels, BitStrings of hosts, any-source groups."""
    if not signalled(inventory):
        return
    for name in inventory.overlay.route_reflectors:
        if name not in inventory.routers:
            what = f"{name} is to reflect routes, and there is no such router"
            yield Problem(Place(path="overlay.route_reflectors"), what, "name a router")
    meshed = 0 if inventory.overlay.route_reflectors else len(in_vpn(inventory))
    if meshed > LARGEST_MESH:
        what = f"{meshed} edge routers are too many for sessions from each to each"
        yield Problem(
            Place(path="overlay.route_reflectors"), what, "name two or more routers that reflect"
        )
    deliveries = sorted(inventory.deliveries.values(), key=lambda d: name_order(d.name))
    first = next((d for d in deliveries if d.transport in TUNNELS), None)
    for delivery in deliveries:
        yield from _check_delivery(delivery, first)


def _check_delivery(delivery: Delivery, first: Delivery | None) -> Iterator[Problem]:
    place, static = place_of(delivery), "set `overlay.signalling: static`"
    if delivery.transport not in TUNNELS:
        yield Problem(
            place,
            f"{delivery.name} goes over {delivery.transport}, which is no tunnel of MVPN here",
            f"set its `transport` to {', '.join(TUNNELS.values())}, or {static}",
        )
        return
    if delivery.transport is Transport.BIER and delivery.imposition is Imposition.HOST:
        yield Problem(
            place,
            f"the host imposes the BitStrings of {delivery.name}, and MVPN tells routers of them",
            f"set `imposition: router`, or {static}",
        )
    if first is not None and delivery.transport is not first.transport:
        yield Problem(
            place,
            f"{delivery.name} goes over {delivery.transport}, but {first.name} over"
            f" {first.transport}: one VPN has one kind of tunnel",
            f"use one transport for all deliveries, or {static}",
        )


def check_vpn_group(
    inventory: Inventory, groups: Pool, tsis: Mapping[str, int]
) -> Iterator[Problem]:
    """Say so where deliveries leave no group for the VPN's own tunnels (`pim-ssm`)."""
    if not signalled(inventory) or Transport.PIM_SSM not in in_use(inventory):
        return
    holder = next((n for n in inventory.deliveries if tsis[n] == groups.slots), None)
    if holder is not None:
        yield Problem(
            Place(path="pools.groups"),
            f"{groups.network} has no group left for the VPN: {holder} has the last",
            "use a larger pool",
        )


def plan_mvpn(
    inventory: Inventory,
    routers: Mapping[str, RouterPlan],
    flows: tuple[FlowPlan, ...],
    groups: Pool,
) -> MvpnPlan | None:
    """Return the VPN; None where the overlay is static.  `check_mvpn` has nothing to say."""
    if not signalled(inventory):
        return None
    edges = in_vpn(inventory)
    target = f"{inventory.overlay.as_number}:1"
    tunnel = tunnel_of(inventory)
    instances = {}
    for name in (name for name in routers if name in edges):
        router = routers[name]
        instances[name] = Mvpn(
            name=VPN,
            rd=f"{router.router_id}:1",
            route_target=target,
            tunnel=tunnel,
            interfaces=tuple(port.name for port in router.ports if port.edge),
            sub_domain_id=inventory.bier.sub_domain if tunnel == "bier" else None,
            policies=tuple(
                sorted(flow.delivery for flow in flows if flow.tree and flow.bfir == name)
            ),
            # The root's address tells the trees apart: all may have one group (RFC 4607).
            group=groups.address(groups.slots) if tunnel == "pim-ssm" else None,
        )
    return MvpnPlan(
        vpn=VPN,
        as_number=inventory.overlay.as_number,
        route_target=target,
        speakers=_speakers(inventory, routers),
        instances=instances,
    )


def _speakers(inventory: Inventory, routers: Mapping[str, RouterPlan]) -> dict[str, BgpSpeaker]:
    """Return the sessions: a full mesh, or from every edge router to every reflector."""
    speakers_at = speaking(inventory)
    reflectors = frozenset(inventory.overlay.route_reflectors)
    clients = speakers_at - reflectors

    def loopbacks(names: frozenset[str]) -> tuple[IpAddress, ...]:
        return tuple(sorted((routers[n].loopback.ip for n in names), key=int))

    speakers = {}
    for name in (name for name in routers if name in speakers_at):
        reflects = name in reflectors
        others = reflectors if reflectors and not reflects else speakers_at
        speakers[name] = BgpSpeaker(
            as_number=inventory.overlay.as_number,
            router_id=routers[name].router_id,
            neighbors=loopbacks(others - {name}),
            clients=loopbacks(clients) if reflects else (),
        )
    return speakers


def vpn_ports(plan: Plan, router: RouterPlan) -> tuple[tuple[PortPlan, int | None], ...]:
    """Return the ports in the VRF, each with the version of IGMP or MLD by which hosts join there.

    A cloud may join, a repository may not.
    """
    return tuple(
        (port, MEMBERSHIP[port.address.version] if plan.hosts[port.peer].kind == "cloud" else None)
        for port in router.ports
        if port.vpn
    )


def with_mvpn(plan: Plan, router: RouterPlan, state: RouterState) -> RouterState:
    """Return the intended state of a router with its part in MVPN."""
    if plan.mvpn is None:
        return state
    interfaces = dict(state.interfaces)
    for port, version in vpn_ports(plan, router):
        interfaces[port.name] = replace(
            interfaces[port.name], isis=None, ospf=None, pim=False, membership=version
        )
    instance = plan.mvpn.instances.get(router.name)
    return replace(
        state,
        interfaces=interfaces,
        bgp=plan.mvpn.speakers.get(router.name),
        mvpns=() if instance is None else (instance,),
    )
