"""One packet of a delivery over SR-P2MP, followed label by label.

RFC 9524 section 2 (replication), RFC 8660 section 2 (node SIDs, PHP), RFC 3443 (TTL).  Law: the
walk takes what the planes say, not what the plan hopes; every copy ends as an arrival or as a loss
with its place and reason; it ends on any tables, loops included (`_MOST` copies).  Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from ipaddress import ip_address

from toolkit.inet import udp
from toolkit.inet.ip import header_size
from toolkit.plan.model import FlowPlan
from toolkit.planes.plane import Plane
from toolkit.planes.srdomain import InstanceKey, SrGapReason
from toolkit.srp2mp.engine import TTL
from toolkit.srp2mp.table import Cause, Hop, Segment
from toolkit.srp2mp.wire import ENTRY
from toolkit.state.model import Cable, End, IpAddress
from toolkit.verify import places
from toolkit.verify.below import Below
from toolkit.verify.ground import Arrival, Ground, Loss, Walk, refused_source, vpn_label

_MOST = 4096
"""Copies that are followed: what loops and multiplies is plain by then."""
_CAUSES = {
    Cause.NODE_SID_CLASH: "node-sid-clash",
    Cause.NODE_SID_MISSING: "node-sid-missing",
    Cause.NO_MPLS: "mpls-missing",
    Cause.UNREACHABLE: "downstream-unreachable",
}
_GAPS = {
    SrGapReason.SID_CLASH: "sid-clash",
    SrGapReason.SID_OUTSIDE_SRLB: "sid-outside-srlb",
}
_IMPOSITION = {
    "no-tree-flow": ("tree-flow-missing", "puts {flow} on no tree"),
    "no-policy": ("root-mismatch", "has no policy of its own that {flow} is to go on"),
    "no-instance": ("instance-missing", "has no replication segment of any instance of its policy"),
}


@dataclass(frozen=True, slots=True)
class _Packet:
    end: End
    """Where it came in."""
    stack: tuple[int, ...]
    """Labels, the outermost first."""
    ttl: int
    node: str
    """Address of the downstream node that it is for."""
    parent: str
    """Router that made the copy."""
    path: tuple[str, ...]
    seen: frozenset[tuple[str, tuple[int, ...]]]
    """Routers that it was at with the same labels, on its own way."""
    looping: bool = False


def walk_sr(ground: Ground, flow: FlowPlan, instance_id: int | None = None) -> Walk:
    """Return where one packet of `flow` goes.

    `instance_id`: on this instance of its tree, not on that of the candidate path in use.
    """
    return _Walker(ground, flow).run(instance_id)


class _Walker:
    def __init__(self, ground: Ground, flow: FlowPlan) -> None:
        self._ground, self._flow = ground, flow
        self._walk = Walk()
        self._queue: deque[_Packet] = deque()
        self._inner = flow.payload + udp.HEADER + header_size(flow.source_address)
        self._lost: list[tuple[Loss, str | None]] = []
        """Losses, and below which router clouds lose by them (address; None: all clouds)."""
        self._parents: dict[str, list[str]] = {}
        """Router -> who made the copies that came to its segment."""
        self._leaves: set[str] = set()
        self._key: InstanceKey | None = None

    def run(self, instance_id: int | None) -> Walk:
        host = self._ground.plan.hosts[self._flow.source]
        end = End(host.router, host.router_port)
        root = self._ground.plane(host.router)
        if root is None or end.port not in root.edge_interfaces:
            text = f"{host.router} is down" if root is None else f"{host.router} {end.port} is down"
            self._lose(host.name, "dropped", text, ())
        elif self._cross(end, self._inner, (), None):
            self._walk.touched_routers.add(host.router)
            if root.takes_source(end.port, self._flow.source_address):
                self._impose(root, instance_id)
            else:
                self._lost.append((refused_source(self._flow, host.router, end.port), None))
        for _ in range(_MOST):
            if not self._queue:
                break
            self._arrive(self._queue.popleft())
        self._name_clouds()
        return self._walk

    def _impose(self, root: Plane, instance_id: int | None) -> None:
        flow, name = self._flow, root.router
        at = places.tree_flow(flow.source_address, flow.group)
        replication = root.replication
        segment: Segment | str = "no-tree-flow"
        if replication is not None:
            segment = replication.imposed(flow.source_address, flow.group)
            if instance_id is not None and isinstance(segment, Segment):
                key = _key(segment)
                found = replication.own_segment((key[0], key[1], instance_id))
                segment = "no-instance" if found is None else found
        if isinstance(segment, str):
            kind, words = _IMPOSITION[segment]
            text = f"{name} {words.format(flow=flow.delivery)}"
            self._lose(name, "dropped", text, (name,), kind=kind, at=at)
            return
        self._key = _key(segment)
        self._touch_tree(self._key)
        here = frozenset({(name, (segment.sid,))})
        self._replicate(root, segment, TTL + 1, (name,), here)

    def _arrive(self, packet: _Packet) -> None:
        """Find what the outermost label means where a packet came in."""
        name = packet.end.node
        plane = self._ground.plane(name)
        replication = None if plane is None else plane.replication
        if plane is None or replication is None or packet.end.port not in replication.accepts:
            text = f"{name} {packet.end.port} takes no labelled packets"
            at = places.mpls_interface(packet.end.port)
            self._lose(name, "refused", text, packet.path, packet.node, kind="mpls-missing", at=at)
            return
        self._walk.touched_routers.add(name)
        if (name, packet.stack) in packet.seen and not packet.looping:
            self._loop(packet)
            packet = replace(packet, looping=True)
        label = packet.stack[0]
        entry = replication.entry(label)
        if entry is None:
            self._unknown(plane, packet)
        elif isinstance(entry, Hop):
            self._follow(plane, entry, packet)
        elif len(packet.stack) > 1:
            text = f"label {label} of a node SID is a replication SID at {name}"
            self._lose(name, "dropped", text, packet.path, packet.node, kind="segment-missing")
        else:
            if not packet.looping:
                self._parents.setdefault(name, []).append(packet.parent)
            seen = packet.seen | {(name, packet.stack)}
            self._replicate(plane, entry, packet.ttl, packet.path, seen, looping=packet.looping)

    def _unknown(self, plane: Plane, packet: _Packet) -> None:
        name, label = plane.router, packet.stack[0]
        if len(packet.stack) > 1:
            text = f"{name} knows no node SID with label {label}"
            self._lose(name, "dropped", text, packet.path, packet.node, kind="node-sid-missing")
            return
        kind, text, at = "segment-missing", f"{name} has no segment with SID {label}", places.P2MP
        replication = plane.replication
        for gap in replication.domain.gaps if replication is not None else ():
            if gap.router == name and gap.number == label and gap.key is not None:
                kind = _GAPS.get(gap.reason, kind)
                text = f"{name} does not install replication SID {label}: {gap.reason}"
                at = f"{places.segment(*gap.key)}/replication-sid"
        self._lose(name, "dropped", text, packet.path, packet.node, kind=kind, at=at)

    def _follow(self, plane: Plane, hop: Hop, packet: _Packet) -> None:
        """Swap or take off a node SID."""
        name = plane.router
        if packet.ttl <= 1:
            self._expire(name, packet.path, packet.node, looping=packet.looping)
            return
        rest = packet.stack[1:]
        if hop.label is None and not rest:
            text = f"{name} takes label {packet.stack[0]} off, and there is none beneath"
            self._lose(name, "dropped", text, packet.path, packet.node, kind="segment-missing")
            return
        stack = rest if hop.label is None else (hop.label, *rest)
        self._send(
            plane, hop.port,
            replace(
                packet, stack=stack, ttl=packet.ttl - 1, seen=packet.seen | {(name, packet.stack)}
            ),
        )  # fmt: skip

    def _replicate(
        self,
        plane: Plane,
        segment: Segment,
        ttl: int,
        path: tuple[str, ...],
        seen: frozenset[tuple[str, tuple[int, ...]]],
        *,
        looping: bool = False,
    ) -> None:
        name = plane.router
        if segment.leaf:
            self._deliver(plane, path)
        for lost in segment.lost:
            kind = _CAUSES[lost.cause]
            at = places.mpls_interface(lost.port) if lost.port else places.segment(*_key(segment))
            text = f"no copy leaves {name} for {lost.node}: {lost.why}"
            self._lose(name, "dropped", text, path, lost.node, kind=kind, at=at)
        for branch in segment.branches:
            if ttl <= 1:
                self._expire(name, path, branch.node, looping=looping)
                continue
            packet = _Packet(
                End(name, ""), branch.labels, ttl - 1, branch.node, name, path, seen, looping
            )
            self._send(plane, branch.port, packet)

    def _send(self, plane: Plane, port: str, packet: _Packet) -> None:
        """Carry a packet over a cable and let it arrive."""
        end = End(plane.router, port)
        size = self._inner + vpn_label(self._ground.plan) + ENTRY * len(packet.stack)
        if not self._cross(end, size, packet.path, packet.node):
            return
        far = self._ground.far(end)
        if far is None or far.node in self._ground.plan.hosts:
            text = f"{plane.router} {port} leads to no router"
            self._lose(plane.router, "dropped", text, packet.path, packet.node)
            return
        self._queue.append(replace(packet, end=far, path=(*packet.path, far.node)))

    def _deliver(self, plane: Plane, path: tuple[str, ...]) -> None:
        """Hand the packet to the overlay of a leaf."""
        flow, name = self._flow, plane.router
        self._leaves.add(name)
        egress = plane.egress_flows.get((flow.source_address, flow.group))
        if egress is None:
            text = f"{name} has no egress flow for ({flow.source_address}, {flow.group})"
            self._lose(name, "dropped", text, path, name)
            return
        for port in egress.interfaces:
            host = plane.edge_interfaces.get(port)
            if host is None:
                self._lose(
                    name, "dropped", f"{name} {port} is down or leads to no host", path, name
                )
            elif self._cross(End(name, port), self._inner, path, name):
                self._walk.arrivals.append(Arrival(host, path))

    # ----- cables, and what a walk stands on

    def _cross(self, end: End, size: int, path: tuple[str, ...], below: str | None) -> bool:
        """Carry `size` bytes over the cable at `end`; False: it does not fit or there is none."""
        cable = self._ground.cables.get(end)
        if cable is None:
            return self._lose(end.node, "dropped", f"{end.node} {end.port} is down", path, below)
        self._walk.touched_links.add(cable.link)
        self._walk.links[cable] = max(size, self._walk.links.get(cable, 0))
        mtus = [m for m in (self._ground.mtu(cable.a), self._ground.mtu(cable.b)) if m is not None]
        if mtus and size > min(mtus):
            text = f"{size} bytes do not fit the MTU of {min(mtus)} bytes of {cable.link}"
            return self._lose(end.node, "mtu", text, path, below, cable)
        return True

    def _touch_tree(self, key: InstanceKey) -> None:
        """Note what the choice of this instance, and the ways of its copies, stand on."""
        root = self._ground.plane(self._flow.bfir)
        if root is None or root.replication is None:
            return
        for parent, branch, owner in root.replication.edges(key):
            self._walk.touched_routers |= {parent} if owner is None else {parent, owner}
            plane = self._ground.plane(parent)
            if plane is None or plane.replication is None:
                continue
            if plane.replication.adjacent(branch) is None:
                self._touch_routes(plane, branch.node)
            else:
                cable = self._ground.cables.get(End(parent, branch.interface or ""))
                self._walk.touched_links |= set() if cable is None else {cable.link}

    def _touch_routes(self, plane: Plane, destination: IpAddress) -> None:
        """Note every router and link of all equal-cost routes to a node."""
        queue, known = [plane], {plane.router}
        while queue:
            here = queue.pop()
            self._walk.touched_routers.add(here.router)
            route = here.fib.lookup(destination)
            for hop in route.next_hops if route is not None else ():
                cable = self._ground.cables.get(End(here.router, hop.interface))
                if cable is not None:
                    self._walk.touched_links.add(cable.link)
                if hop.router and hop.router not in known:
                    known.add(hop.router)
                    following = self._ground.plane(hop.router)
                    queue += [] if following is None else [following]

    # ----- losses

    def _lose(
        self, router: str, reason: str, text: str, path: tuple[str, ...],
        below: str | None = None, link: Cable | None = None, *, kind: str = "", at: str = "",
    ) -> bool:  # fmt: skip
        loss = Loss(router, reason, text, path, link=link, kind=kind, at=at)
        self._lost.append((loss, below))
        return False

    def _loop(self, packet: _Packet) -> None:
        name = packet.end.node
        text = f"{name} sees the packet again"
        at = places.P2MP if self._key is None else places.segment(*self._key)
        self._lost.append(
            (Loss(name, "loop", text, packet.path, kind="replication-loop", at=at), "")
        )

    def _expire(self, name: str, path: tuple[str, ...], node: str, *, looping: bool) -> None:
        if not looping:
            self._lose(name, "ttl", f"the TTL has run out at {name}", path, node)

    def _name_clouds(self) -> None:
        """Say of each loss which clouds lose by it, and of each lost cloud why."""
        below = Below(self._ground, self._flow, self._key)
        missing = frozenset(self._flow.clouds) - self._walk.reached
        named: set[str] = set()
        for loss, node in self._lost:
            clouds = missing if node is None else missing & below.clouds(node)
            named |= clouds
            self._walk.losses.append(replace(loss, clouds=frozenset(clouds)))
        for cloud in sorted(missing - named):
            visited = {self._flow.bfir, *self._parents}
            self._walk.losses.append(below.why(cloud, visited, self._leaves))
        for name, parents in self._parents.items():
            if len(parents) > 1 or name == self._flow.bfir:
                text = f"{name} gets the packets from {' and '.join(sorted(parents))}"
                at = places.P2MP if self._key is None else places.segment(*self._key)
                self._walk.losses.append(
                    Loss(name, "joined", text, (), kind="tree-two-parents", at=at)
                )


def _key(segment: Segment) -> InstanceKey:
    return ip_address(segment.root), segment.tree_id, segment.instance_id
