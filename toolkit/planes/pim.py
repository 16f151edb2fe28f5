"""What the planes of a network are to PIM: interfaces, neighbors, and the way to a source or an RP.

RFC 7761 sections 4.3 (neighbors) and 4.1.2 (RPF).  Law: the RPF interface is that of the first
equal-cost next hop, as unicast packets go; two routers are PIM neighbors where PIM runs at both
ends of a link that is up.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from toolkit.pim.domain import Around, Domain
from toolkit.pim.igmp import SOURCE_SPECIFIC, link_local
from toolkit.pim.surroundings import Port, Rpf, Surroundings
from toolkit.state.model import (
    End,
    Interface,
    IpAddress,
    NetworkState,
    PimRouting,
)

if TYPE_CHECKING:
    from toolkit.planes.plane import Plane


PMSI: Final = "pmsi"
"""Where a VPN's packets enter and leave the source trees of the core (RFC 6513 section 3.1): no
interface of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PimPlane:
    """PIM in one router: its configuration, and its interfaces that are up."""

    routing: PimRouting
    ports: Mapping[str, Port]
    own: IpAddress | None
    """Where Register messages come from: a host route's address, the loopback."""


def pim_plane(
    state: NetworkState,
    router: str,
    up: Mapping[str, Interface],
    far: Callable[[End], End | None],
) -> PimPlane | None:
    """Return a router's PIM; `up`: its interfaces that are up, `far`: the end of a cable that is.

    None where it runs none.
    """
    routing = state.routers[router].pim
    if routing is None:
        return None
    ports = {
        name: _with_neighbor(state, _port(interface), far(End(router, name)))
        for name, interface in up.items()
    }
    addresses = [address for interface in up.values() for address in interface.addresses]
    best = max(addresses, key=lambda a: (a.network.prefixlen, -int(a.ip)), default=None)
    return PimPlane(routing=routing, ports=ports, own=None if best is None else best.ip)


def _port(interface: Interface) -> Port:
    address = next((link_local(a.ip) for a in interface.addresses), None)
    return Port(
        name=interface.name,
        address=address,
        pim=interface.pim,
        membership=interface.membership if address is not None else None,
        ttl_threshold=interface.ttl_threshold,
    )


def _with_neighbor(state: NetworkState, port: Port, far: End | None) -> Port:
    if far is None or far.node in state.hosts or not port.pim or port.address is None:
        return port
    other = state.routers.get(far.node)
    if other is None or other.pim is None:
        return port
    theirs = other.interfaces.get(far.port)
    if theirs is None or not theirs.enabled or not theirs.pim or not theirs.addresses:
        return port
    return replace(
        port,
        neighbor=far.node,
        neighbor_port=far.port,
        neighbor_address=link_local(theirs.addresses[0].ip),
    )


def surroundings(plane: Plane) -> Surroundings | None:
    """Return what PIM knows of its router; None where the router runs none."""
    if plane.pim is None:
        return None
    known: dict[IpAddress, Rpf] = {}

    def rpf(address: IpAddress) -> Rpf:
        if address not in known:
            known[address] = _rpf(plane, address)
        return known[address]

    ports = plane.pim.ports
    if plane.vpn is not None and (plane.vpn.tunnel is not None or plane.vpn.tunnels):
        ports = {**ports, PMSI: Port(name=PMSI, pim=True)}
    return Surroundings(
        router=plane.router,
        routing=plane.pim.routing,
        addresses=plane.addresses,
        ports=ports,
        own=plane.pim.own,
        rpf=rpf,
    )


def _rpf(plane: Plane, address: IpAddress) -> Rpf:
    tunnel = None if plane.vpn is None else plane.vpn.tunnel
    if tunnel is not None and address == tunnel.source:
        return Rpf(interface=PMSI)
    if address in plane.addresses:
        return Rpf(ours=True)
    route = plane.fib.lookup(address)
    if route is None or not route.next_hops:
        return Rpf()
    hop = route.next_hops[0]
    return Rpf(interface=hop.interface, router=hop.router)


def around_of(plane: Callable[[str], Plane | None]) -> Around:
    """Return what a domain asks for; `plane`: router -> its plane, None where it has failed."""

    def around(name: str) -> Surroundings | None:
        found = plane(name)
        return None if found is None else surroundings(found)

    return around


def trees(plane: Callable[[str], Plane | None]) -> Domain:
    """Return the PIM domain of a network, before anybody has joined."""
    return Domain(around_of(plane))


def join(domain: Domain, end: End, group: IpAddress, source: IpAddress | None) -> str:
    """Let the host behind a router's `end` join; return why it cannot, empty where it can."""
    router = domain.router(end.node)
    port = None if router is None else router.around.ports.get(end.port)
    if port is None:
        return "down"
    reason = membership_gap(port, source)
    if not reason:
        domain.member(end.node, end.port, group, source)
    return reason


def membership_gap(port: Port, source: IpAddress | None) -> str:
    """Say why hosts behind a port cannot join: `missing`, `version`; empty where they can."""
    if port.membership is None or port.address is None:
        return "missing"
    if source is not None and port.membership < SOURCE_SPECIFIC[port.address.version]:
        return "version"
    return ""
