"""The way of a BIER packet in a tunnel, and why there is none.  RFC 8279 section 6.9.

GRE and VXLAN follow unicast routes, a node SID the labels of the routers on the way; a router that
does no segment routing ends it.  The law of `toolkit.verify.walk_bier` holds: what planes say, not
what the plan hopes.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.inet import ethernet, gre, udp, vxlan
from toolkit.inet.ip import header_size
from toolkit.planes.paths import Paths
from toolkit.planes.plane import Plane
from toolkit.srp2mp.table import Hop, Lost
from toolkit.srp2mp.wire import ENTRY
from toolkit.state.model import Cable, End
from toolkit.verify.ground import Ground

WORDS: Final[Mapping[TunnelKind, str]] = {
    TunnelKind.GRE: "GRE",
    TunnelKind.VXLAN: "VXLAN",
    TunnelKind.SR_MPLS: "SR",
}
"""What a kind is called."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a packet in a tunnel went."""

    steps: tuple[tuple[Cable, str, int], ...]
    """Cable, the router that it leaves, bytes from the network-layer header on."""
    nodes: tuple[str, ...]
    arrived: End | None
    """Where BIER comes out; None: nowhere."""
    reason: str = ""


def overhead(tunnel: Tunnel) -> int:
    """Return the bytes that a tunnel puts before BIER."""
    match tunnel.kind:
        case TunnelKind.SR_MPLS:
            return ENTRY * len(tunnel.labels)
        case TunnelKind.VXLAN:
            inside = udp.HEADER + vxlan.HEADER + ethernet.HEADER
            return header_size(tunnel.remote) + inside
        case TunnelKind.GRE:
            return header_size(tunnel.remote) + gre.HEADER


def passage(ground: Ground, router: str, neighbor: Neighbor, tunnel: Tunnel, size: int) -> Passage:
    """Return the way of a BIER packet of `size` bytes from a router through a tunnel."""
    if tunnel.kind is TunnelKind.SR_MPLS:
        return _labelled(ground, router, neighbor, tunnel, size)
    paths: Paths = ground.paths
    start = End(router, neighbor.interface if neighbor.pinned else "")
    way = paths.path(start, tunnel.remote)
    whole = size + overhead(tunnel)
    steps = tuple((c, n, whole) for c, n in zip(way.cables, way.nodes, strict=False))
    return Passage(steps, way.nodes, way.arrived, way.reason)


def _labelled(
    ground: Ground, router: str, neighbor: Neighbor, tunnel: Tunnel, size: int
) -> Passage:
    """Follow a node SID: swapped on the way, taken off before its owner (RFC 8660, PHP)."""
    steps: list[tuple[Cable, str, int]] = []
    nodes = [router]
    at, stack = End(router, neighbor.interface), list(tunnel.labels)
    while True:
        cable, far = ground.cables.get(at), ground.far(at)
        if cable is None or far is None:
            return Passage(tuple(steps), tuple(nodes), None, f"{at.node} {at.port} is down")
        steps.append((cable, at.node, size + ENTRY * len(stack)))
        nodes.append(far.node)
        plane = ground.plane(far.node)
        if not stack:
            return Passage(tuple(steps), tuple(nodes), far)
        found = _next_label(plane, far, stack[0])
        if isinstance(found, str):
            return Passage(tuple(steps), tuple(nodes), None, found)
        if nodes.count(far.node) > 1:
            text = f"the labels of {tunnel.remote} loop at {far.node}"
            return Passage(tuple(steps), tuple(nodes), None, text)
        stack = stack[1:] if found.label is None else [found.label, *stack[1:]]
        at = End(far.node, found.port)


def _next_label(plane: Plane | None, end: End, label: int) -> Hop | str:
    """Return what a router does with a label that comes in at `end`, or why it does nothing."""
    name = end.node
    if plane is None:
        return f"{name} is no router that is up"
    if plane.replication is None or plane.replication.domain.state.routers[name].sr is None:
        return f"{name} does no segment routing"
    if any(b.number == label and b.encapsulation == "mpls" for b in plane.bift_ids):
        return f"label {label} is a BIFT-id at {name}"
    if end.port not in plane.replication.accepts:
        return f"{name} {end.port} carries no MPLS"
    entry = plane.replication.entry(label)
    if isinstance(entry, Hop):
        return entry
    domain = plane.replication.domain
    sr = domain.state.routers[name].sr
    prefix = None if sr is None else domain.prefixes.get(label - sr.srgb.lower)
    hop = None if prefix is None else plane.replication.node_hop(prefix)
    return hop.why if isinstance(hop, Lost) else f"{name} knows no node SID with label {label}"
