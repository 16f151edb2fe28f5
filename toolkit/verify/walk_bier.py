"""One packet of a delivery over BIER, followed bit by bit.

RFC 8279 section 6.5 (forwarding), 6.9 (tunnels); RFC 8296 section 2.1.1 (TTL).  Law: the walk takes
what the planes say, not what the plan hopes; every bit that was imposed ends as an arrival or as a
loss with its place and reason; it ends on any tables, loops included.  Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from toolkit.bier.bift import BiftId, BiftKey, Copy
from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.bier.bitstring import bfr_id_at, positions, sets_of
from toolkit.bier.engine import Arrived
from toolkit.bier.entropy import entropy_of
from toolkit.bier.wire import FIXED, Encapsulation
from toolkit.inet import udp
from toolkit.inet.ip import header_size
from toolkit.inventory.model import Imposition
from toolkit.plan.model import FlowPlan
from toolkit.planes.plane import Plane
from toolkit.state.model import Cable, End, IpAddress
from toolkit.verify import places
from toolkit.verify.ground import (
    TTL,
    Arrival,
    Ground,
    Loss,
    Trail,
    Walk,
    refused_source,
    vpn_label,
)
from toolkit.verify.tunnels import WORDS, passage


@dataclass(frozen=True, slots=True)
class _Packet:
    router: str
    bift_id: int
    si: int
    """As imposed: what the bits mean where no BIFT says it."""
    bits: int
    ttl: int
    path: tuple[str, ...]
    seen: Mapping[str, int]
    """Router -> bits that this packet had there."""


def walk_bier(ground: Ground, flow: FlowPlan, only: Collection[int] | None = None) -> Walk:
    """Return where one packet of `flow`, addressed to all its clouds, goes.

    `only`: impose the bits of these BFR-ids, and no others.
    """
    return _Walker(ground, flow, only).run()


class _Walker:
    def __init__(self, ground: Ground, flow: FlowPlan, only: Collection[int] | None) -> None:
        self._ground, self._flow, self._only = ground, flow, only
        self._walk = Walk()
        self._trails: list[Trail] = []
        """Of the bits that are under way just now."""
        self._queue: deque[_Packet] = deque()
        self._inner = flow.payload + udp.HEADER + header_size(flow.source_address)
        self._bsl, self._encapsulation = flow.bsl, Encapsulation.MPLS
        self._entropy = entropy_of(flow.source_address, flow.group)
        self._chosen: dict[int, set[str]] = {}
        """BFR-id -> routers whose routes to its BFER are noted."""

    @property
    def _bier(self) -> int:
        """Bytes of a packet with its BIER header."""
        return self._inner + vpn_label(self._ground.plan) + FIXED + self._bsl // 8

    def run(self) -> Walk:
        host = self._ground.plan.hosts[self._flow.source]
        end = End(host.router, host.router_port)
        bfir = self._ground.plane(host.router)
        imposed = self._flow.imposition is Imposition.HOST
        if bfir is None or end.port not in bfir.edge_interfaces:
            text = f"{host.router} is down" if bfir is None else f"{host.router} {end.port} is down"
            self._lose(host.name, "dropped", text, (), self._all_ids())
            return self._walk
        self._follow(self._all_ids())
        if self._cross(end, self._bier if imposed else self._inner, (), self._all_ids()):
            self._touch(host.router)
            if imposed:
                self._impose_by_host(bfir, end.port)
            elif bfir.takes_source(end.port, self._flow.source_address):
                self._impose_by_router(bfir)
            else:
                loss = refused_source(self._flow, bfir.router, end.port)
                self._walk.losses.append(replace(loss, bfr_ids=self._all_ids()))
        while self._queue:
            self._arrive(self._queue.popleft())
        return self._walk

    def _impose_by_host(self, bfir: Plane, port: str) -> None:
        flow, name = self._flow, bfir.router
        if bfir.arrived(port) is Arrived.EDGE:
            text = f"{name} {port} takes no BIER from hosts"
            self._lose(name, "refused", text, (name,), self._all_ids())
            return
        part = next(
            (
                s
                for s in self._ground.plan.routers[name].sub_domains
                if s.sub_domain_id == flow.sub_domain_id and s.bsl == flow.bsl
            ),
            None,
        )
        if part is None:
            self._lose(name, "dropped", f"{name} is no BFR", (name,), self._all_ids())
            return
        self._encapsulation = Encapsulation(part.encapsulation.value)
        guard = bfir.protection.get(port)
        for si, asked in self._asked(flow.bit_strings(), flow.bsl).items():
            bits = asked if guard is None else asked & guard.bit_strings.get(si, 0)
            if bits != asked:
                text = f"{name} {port} does not let the host set these bits"
                lost = _ids(si, asked & ~bits, flow.bsl)
                at = places.protection(port)
                self._lose(name, "refused", text, (name,), lost, kind="edge-bits-refused", at=at)
            if not bits:
                continue
            packet = _Packet(name, part.bift_id_base + si, si, bits, TTL, (name,), {})
            self._queue.append(packet)

    def _impose_by_router(self, bfir: Plane) -> None:
        flow, name = self._flow, bfir.router
        ingress = bfir.ingress_flows.get((flow.source_address, flow.group))
        if ingress is None:
            text = f"{name} has no ingress flow for ({flow.source_address}, {flow.group})"
            self._lose(name, "dropped", text, (name,), self._all_ids())
            return
        if ingress.sub_domain_id not in bfir.bfr_ids:
            # RFC 8296 section 2.1.2: the header names the BFIR by its BFR-id.
            text = f"{name} has no BFR-id in sub-domain {ingress.sub_domain_id}, so it imposes none"
            self._lose(name, "dropped", text, (name,), self._all_ids())
            return
        self._bsl = ingress.bsl
        self._encapsulation = bfir.encapsulations.get(
            (ingress.sub_domain_id, ingress.bsl), Encapsulation.MPLS
        )  # as the Engine does
        missing = dict(self._asked(flow.bit_strings(), flow.bsl))
        for si, bits in self._asked(ingress.sets, ingress.bsl).items():
            missing[si] = missing.get(si, 0) & ~bits
            key = BiftKey(ingress.sub_domain_id, ingress.bsl, si)
            if key not in bfir.bifts:
                text = f"{name} has no BIFT for SI {si}"
                self._lose(name, "dropped", text, (name,), _ids(si, bits, ingress.bsl))
            else:
                # The first hop sees the TTL that is imposed, so none is taken off here.
                packet = _Packet(name, -1, si, bits, TTL + 1, (name,), {})
                self._forward(bfir, key, packet)
        for si, bits in missing.items():
            if bits:
                text = f"{name} does not set these bits"
                self._lose(name, "dropped", text, (name,), _ids(si, bits, flow.bsl))

    def _arrive(self, packet: _Packet) -> None:
        """Find the BIFT that a packet's BIFT-id selects."""
        plane = self._ground.plane(packet.router)
        if plane is None:
            self._lose(packet.router, "dropped", f"{packet.router} is down", packet.path)
            return
        key = plane.bift_ids.get(BiftId(self._encapsulation, packet.bift_id))
        if key is None:
            text = f"{packet.router} knows no {self._encapsulation} BIFT-id {packet.bift_id}"
            ids = _ids(packet.si, packet.bits, self._flow.bsl)
            self._lose(packet.router, "dropped", text, packet.path, ids)
            return
        if key.bsl != self._bsl:
            # RFC 8296 section 2.1.2: the length comes from the BIFT-id, and the field must agree.
            text = (
                f"{self._encapsulation} BIFT-id {packet.bift_id} means BSL {key.bsl} at "
                f"{packet.router}, and the packet has BSL {self._bsl}"
            )
            ids = _ids(packet.si, packet.bits, self._bsl)
            self._lose(packet.router, "dropped", text, packet.path, ids)
            return
        self._forward(plane, key, packet)

    def _forward(self, plane: Plane, key: BiftKey, packet: _Packet) -> None:
        name = plane.router
        bits = packet.bits
        self._follow(_ids(packet.si, bits, self._bsl))
        self._touch(name)
        again = bits & packet.seen.get(name, 0)
        if again:
            text = f"{name} sees the packet again"
            self._lose(name, "loop", text, packet.path, _ids(key.si, again, key.bsl))
            bits ^= again
        forwarding = plane.forward(key, bits, self._entropy)
        for lost, text in (
            (forwarding.unknown, f"{name} has no row for these bits"),
            (forwarding.null, f"{name} has no neighbor for these bits"),
            (forwarding.broken, f"the F-BM of these bits at {name} lacks the bit itself"),
        ):
            if lost:
                self._lose(name, "dropped", text, packet.path, _ids(key.si, lost, key.bsl))
        if forwarding.local:
            self._follow(_ids(packet.si, forwarding.local, self._bsl))
            self._deliver(plane, packet.path)
        for copy in forwarding.copies:
            ids = _ids(key.si, copy.bits, key.bsl)
            if packet.ttl <= 1:
                self._lose(name, "ttl", f"the TTL has run out at {name}", packet.path, ids)
                continue
            self._touch_choices(plane, key, packet.si, copy.bits)
            self._follow(_ids(packet.si, copy.bits, self._bsl))
            to = self._send(plane, copy, packet.path, ids)
            if to is not None:
                if plane.ways is not None:
                    self._walk.copies.append((name, key, copy))
                seen = {**packet.seen, name: packet.seen.get(name, 0) | copy.bits}
                self._queue.append(
                    _Packet(
                        router=to,
                        bift_id=copy.bift_id,
                        si=packet.si,
                        bits=copy.bits,
                        ttl=packet.ttl - 1,
                        path=(*packet.path, to),
                        seen=seen,
                    )
                )

    def _send(
        self, plane: Plane, copy: Copy, path: tuple[str, ...], ids: frozenset[int]
    ) -> str | None:
        """Carry a copy to its neighbor and return who took it; None: it was lost on the way."""
        neighbor, name = copy.neighbor, plane.router
        if neighbor.tunnel is not None:
            return self._tunnel(plane, neighbor, neighbor.tunnel, path, ids)
        end = End(name, neighbor.interface)
        far = self._ground.far(end)
        if far is None or far.node != neighbor.router:
            text = f"{name} {neighbor.interface} does not lead to {neighbor.router}"
            self._lose(name, "dropped", text, path, ids)
            return None
        if not self._cross(end, self._bier, path, ids):
            return None
        other = self._ground.plane(far.node)
        if other is None or other.arrived(far.port) is not Arrived.CORE:
            text = f"{far.node} {far.port} takes no BIER"
            self._lose(far.node, "refused", text, (*path, far.node), ids)
            return None
        return far.node

    def _tunnel(
        self, plane: Plane, neighbor: Neighbor, tunnel: Tunnel, path: tuple[str, ...],
        ids: frozenset[int],
    ) -> str | None:  # fmt: skip
        """Follow a packet in a tunnel (RFC 8279 section 6.9).

        Where another router owns the address of the neighbor too, that one gets the packet.
        """
        name, to = plane.router, neighbor.router
        self._touch_routes(plane, tunnel.remote)
        way = passage(self._ground, name, neighbor, tunnel, self._bier)
        for cable, router, size in way.steps:
            if not self._carry(cable, router, size, path, ids):
                return None
        end = None if way.arrived is None else self._ground.plane(way.arrived.node)
        last = way.nodes[-1]
        if way.arrived is None or end is None:
            text = f"the tunnel from {name} to {to} ends: {way.reason}"
            self._lose(last, "dropped", text, path, ids, kind="bier-tunnel-broken")
            return None
        self._walk.tunnels.append((name, way.nodes[1:-1], last))
        self._walk.tunnel_kinds.add((name, last, WORDS[tunnel.kind]))
        source = None if tunnel.kind is TunnelKind.SR_MPLS else tunnel.local
        if end.arrived(way.arrived.port, source) is not Arrived.CORE:
            what = f"from {tunnel.local}" if source else f"by {way.arrived.port}"
            self._lose(last, "refused", f"{last} takes no BIER {what}", (*path, last), ids)
            return None
        return last

    def _touch_choices(self, plane: Plane, key: BiftKey, si: int, bits: int) -> None:
        """Where entropy chooses, each way that it chooses among has a say: note them all."""
        if plane.ways is None or plane.ways.routing.maximum_paths == 1:
            return
        for position, prefix in plane.destinations(key, bits):
            bfr_id = bfr_id_at(si, position, self._bsl)
            self._follow({bfr_id})
            known = self._chosen.setdefault(bfr_id, set())
            if plane.router not in known:
                self._touch_routes(plane, prefix, known)

    def _touch_routes(
        self, plane: Plane, destination: IpAddress, known: set[str] | None = None
    ) -> None:
        """Note every router and link of all equal-cost routes: the tunnel depends on each of them,
        since which BFR is the next one follows from all shortest paths."""
        known = set() if known is None else known
        known.add(plane.router)
        queue = [plane]
        while queue:
            here = queue.pop()
            self._touch(here.router)
            route = here.fib.lookup(destination)
            for hop in route.next_hops if route is not None else ():
                cable = self._ground.cables.get(End(here.router, hop.interface))
                if cable is not None:
                    self._touch_link(cable.link)
                if hop.router and hop.router not in known:
                    known.add(hop.router)
                    following = self._ground.plane(hop.router)
                    queue += [] if following is None else [following]

    def _deliver(self, plane: Plane, path: tuple[str, ...]) -> None:
        """Hand the packet to the flow overlay of a BFER."""
        flow, name = self._flow, plane.router
        for trail in self._trails:
            trail.ended = True
        egress = plane.egress_flows.get((flow.source_address, flow.group))
        if egress is None:
            text = f"{name} has no egress flow for ({flow.source_address}, {flow.group})"
            self._lose(name, "dropped", text, path)
            return
        for port in egress.interfaces:
            host = plane.edge_interfaces.get(port)
            if host is None:
                self._lose(name, "dropped", f"{name} {port} is down or leads to no host", path)
            elif self._cross(End(name, port), self._inner, path, frozenset()):
                self._walk.arrivals.append(Arrival(host, path))
                for trail in self._trails:
                    trail.hosts.add(host)

    def _cross(self, end: End, size: int, path: tuple[str, ...], ids: frozenset[int]) -> bool:
        """Carry `size` bytes over the cable at `end`; False: it does not fit or there is none."""
        cable = self._ground.cables.get(end)
        if cable is None:
            return self._lose(end.node, "dropped", f"{end.node} {end.port} is down", path, ids)
        return self._carry(cable, end.node, size, path, ids)

    def _carry(
        self, cable: Cable, node: str, size: int, path: tuple[str, ...], ids: frozenset[int]
    ) -> bool:
        """Carry `size` bytes from `node` over `cable`; False: they do not fit."""
        self._touch_link(cable.link)
        self._walk.links[cable] = max(size, self._walk.links.get(cable, 0))
        mtus = [m for m in (self._ground.mtu(cable.a), self._ground.mtu(cable.b)) if m is not None]
        if mtus and size > min(mtus):
            text = f"{size} bytes do not fit the MTU of {min(mtus)} bytes of {cable.link}"
            return self._lose(node, "mtu", text, path, ids, cable)
        return True

    def _follow(self, ids: Collection[int]) -> None:
        """Say whose bits, as they were imposed, are under way from here on."""
        trails = self._walk.trails
        self._trails = [trails.setdefault(bfr_id, Trail()) for bfr_id in ids]

    def _touch(self, router: str) -> None:
        self._walk.touched_routers.add(router)
        for trail in self._trails:
            trail.routers.add(router)

    def _touch_link(self, link: str) -> None:
        self._walk.touched_links.add(link)
        for trail in self._trails:
            trail.links.add(link)

    def _lose(
        self, router: str, reason: str, text: str, path: tuple[str, ...],
        ids: frozenset[int] = frozenset(), link: Cable | None = None, *, kind: str = "",
        at: str = "",
    ) -> bool:  # fmt: skip
        self._walk.losses.append(Loss(router, reason, text, path, ids, link, kind=kind, at=at))
        return False

    def _all_ids(self) -> frozenset[int]:
        ids = frozenset(self._flow.bfr_ids.values())
        return ids if self._only is None else ids & frozenset(self._only)

    def _asked(self, sets: Mapping[int, int], bsl: int) -> Mapping[int, int]:
        """Return SI -> BitString value without the bits that are not asked for."""
        if self._only is None:
            return sets
        masks = sets_of(self._only, bsl)
        return {si: bits & masks[si] for si, bits in sets.items() if bits & masks.get(si, 0)}


def _ids(si: int, bits: int, bsl: int) -> frozenset[int]:
    return frozenset(bfr_id_at(si, position, bsl) for position in positions(bits))
