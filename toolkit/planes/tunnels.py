"""Tunnels from one BFR to another, across routers that are no BFRs or around a failure.

RFC 8279 section 6.9; RFC 2784 (GRE), RFC 7348 (VXLAN), RFC 8660 (node SIDs).  Law: which kind is
the choice of the BFR that sends.  A tunnel follows unicast routes; one that repairs is pinned to
the interface that the repair leaves by, and follows unicast routes from the next router on.  A node
SID leads only where labels lead: the penultimate router takes it off (PHP), and what the far BFR
then sees is its own BIER label.  Pure.
"""

from __future__ import annotations

from typing import Final

from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.bier.wire import Encapsulation
from toolkit.planes.bfrs import Bfr
from toolkit.planes.replication import Replication
from toolkit.planes.underlay import Underlay
from toolkit.srp2mp.table import Hop

VNI: Final = 0
"""VXLAN Network Identifier: tunnels between BFRs are one segment, and BIER has its own EtherType
there."""
_KINDS: Final = {
    "gre": TunnelKind.GRE,
    "vxlan": TunnelKind.VXLAN,
    "sr": TunnelKind.SR_MPLS,
}


def tunnel_kind(underlay: Underlay, router: str) -> TunnelKind | None:
    """Return what a BFR is told to cross others by; None: it has no tunnels, either way."""
    return _KINDS.get(underlay.state.routers[router].bier.tunnel)


def unicast_tunnel(
    underlay: Underlay, own: Bfr, far: Bfr, first_hops: int, encapsulation: Encapsulation
) -> Neighbor | str:
    """Return the tunnel to `far` along unicast routes, or why there is none.

    `first_hops`: our outgoing edges that shortest paths to it start with.
    """
    if far.bfr_prefix.version != own.bfr_prefix.version:
        return (
            f"the BFR-prefix {own.bfr_prefix} of {own.router} and {far.bfr_prefix} of {far.router} "
            "are of different address families"
        )
    kind = tunnel_kind(underlay, own.router)
    if kind is None:
        return f"{own.router} sends BIER into no tunnel"
    if tunnel_kind(underlay, far.router) is None:
        return f"{far.router} takes BIER out of no tunnel"
    if kind is TunnelKind.SR_MPLS:
        if encapsulation is not Encapsulation.MPLS:
            return "a node SID carries BIER in MPLS only"
        hop = Replication(underlay.sr_domain, underlay, own.router).node_hop(far.bfr_prefix)
        if not isinstance(hop, Hop):
            return hop.why
        if hop.label is None:
            return f"{own.router} is next to {far.router}, where its node SID is taken off"
        address = underlay.ways(own.router)[hop.port][1].address.ip
        return Neighbor(far.router, hop.port, address, _tunnel(own, far, kind, (hop.label,)))
    hops = underlay.next_hops(own.router, first_hops)
    if not hops:
        return f"{own.router} has no route to {far.router}"
    return Neighbor(far.router, hops[0].interface, hops[0].address, _tunnel(own, far, kind))


def pinned_tunnel(
    underlay: Underlay, own: Bfr, far: Bfr, port: str, encapsulation: Encapsulation
) -> Neighbor | None:
    """Return a tunnel to `far` whose packets leave by `port`; None where none works."""
    kind = tunnel_kind(underlay, own.router)
    other_family = far.bfr_prefix.version != own.bfr_prefix.version
    if other_family or kind is None or tunnel_kind(underlay, far.router) is None:
        return None
    theirs = underlay.ways(own.router)[port][1]
    labels: tuple[int, ...] = ()
    if kind is TunnelKind.SR_MPLS:
        label = _pinned_label(underlay, own, far, port, theirs.end.node)
        if label is None or encapsulation is not Encapsulation.MPLS:
            return None
        labels = (label,)
    tunnel = _tunnel(own, far, kind, labels)
    return Neighbor(far.router, port, theirs.address.ip, tunnel, pinned=True)


def _tunnel(own: Bfr, far: Bfr, kind: TunnelKind, labels: tuple[int, ...] = ()) -> Tunnel:
    local, remote = own.bfr_prefix.network_address, far.bfr_prefix.network_address
    return Tunnel(local, remote, kind, labels, VNI)


def _pinned_label(underlay: Underlay, own: Bfr, far: Bfr, port: str, via: str) -> int | None:
    """Return the next router's label for the node SID of `far`, where labels lead all the way."""
    domain, prefix = underlay.sr_domain, far.bfr_prefix
    index, routers = domain.indices.get(prefix), underlay.state.routers
    sr = routers[via].sr
    if index is None or sr is None or domain.has(via, prefix.network_address):
        return None
    if not routers[own.router].interfaces[port].mpls or sr.srgb.lower + index > sr.srgb.upper:
        return None
    at = via
    for _ in underlay.graph.index:
        hop = Replication(domain, underlay, at).node_hop(prefix)
        if not isinstance(hop, Hop):
            return None
        theirs = underlay.ways(at)[hop.port][1].end
        side = routers[theirs.node].interfaces[theirs.port]
        if hop.label is None:
            return sr.srgb.lower + index if theirs.node == far.router and side.bier else None
        if not side.mpls:
            return None
        at = theirs.node
    return None
