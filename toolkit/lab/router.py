"""A router of a laboratory: what its plane and its engines make of a frame.

It forwards IP by its FIB (RFC 1812 section 5.2), BIER by its BIFTs (RFC 8279 section 6.5), crosses
routers that are no BFRs in tunnels (section 6.9, `toolkit.lab.tunnels`), imposes BIER on (S,G)
flows as their BFIR and hands delivered packets to its edge interfaces as their BFER.  Labels that
are not BIER's go to `toolkit.lab.labels`, IP multicast over PIM to `toolkit.lab.pim_router`, BIER
OAM to `toolkit.lab.oam_router`.  Every packet that it does not pass on is counted with its reason.
Pure: frames in, frames out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from toolkit.bier.birt import Neighbor
from toolkit.bier.engine import IP, Arrived, Deliver, Engine, Output
from toolkit.bier.entropy import entropy_of
from toolkit.bier.oam_responder import Identity
from toolkit.bier.punt import Punt
from toolkit.bier.wire import Encapsulation, Proto
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp, vxlan
from toolkit.inet.ethernet import EtherType
from toolkit.lab.edge import MEMBERSHIP, refused
from toolkit.lab.labels import LabelSwitch
from toolkit.lab.links import header, mac
from toolkit.lab.oam_router import OamPart
from toolkit.lab.pim_router import PimPart, is_multicast
from toolkit.lab.tunnels import ETHERTYPE, opened, way_through
from toolkit.lab.vpn import VpnSwitch, inside
from toolkit.lab.wires import Emission
from toolkit.pim.wire import PROTOCOL as PIM
from toolkit.planes.pim import PMSI, surroundings
from toolkit.planes.plane import Plane

_BIER = {
    EtherType.MPLS.to_bytes(2, "big"): Encapsulation.MPLS,
    EtherType.BIER.to_bytes(2, "big"): Encapsulation.NON_MPLS,
}
_VXLAN = vxlan.PORT.to_bytes(2, "big")
_IP = {EtherType.IPV4.to_bytes(2, "big"), EtherType.IPV6.to_bytes(2, "big")}


class RouterNode:
    """One router; `plane` may be replaced at any time (`load`), counters go on."""

    def __init__(
        self,
        plane: Plane,
        far_ends: Mapping[tuple[str, str], tuple[str, str]],
        owners: Mapping[str, Collection[ip.IpAddress]],
        identity: Identity | None = None,
    ) -> None:
        """`far_ends`: (node, port) -> (node, port), for the destination MAC addresses.

        `owners`: node -> addresses that it answers for (RFC 826, RFC 4861).  `identity`: as whom it
        answers BIER OAM; None: not at all.
        """
        self._owners = owners
        self.name = plane.router
        self.oam = (
            None if identity is None
            else OamPart(identity, self._impose, self._out, lambda: self.plane.addresses)
        )  # fmt: skip
        """None: OAM is a Proto that nobody takes."""
        self.engine: Engine = plane.engine(IP if self.oam is None else IP | {Proto.OAM})
        self.drops: Counter[str] = Counter()
        """Packets other than BIER that went no further, by reason."""
        self._far_ends = far_ends
        self._labels = LabelSwitch(self._front, self._egress_of)
        self.load(plane)

    def load(self, plane: Plane) -> None:
        """Forward by this plane from now on."""
        self.plane = plane
        plane.reload(self.engine)
        self.vpn = None if plane.vpn is None else VpnSwitch(plane.vpn, self._out, self._hand)
        """Hosts in a VRF; None: there are none."""
        around = surroundings(plane)
        self.pim = None if around is None else PimPart(around, self._out, self._off_tree)
        """IP multicast; None: no PIM."""
        if self.pim is not None and plane.vpn is not None:
            self.pim.join((tree.source, tree.group) for tree in plane.vpn.tunnels)
        self._labels.load(plane)
        self._bift_labels = frozenset(
            i.number for i in plane.bift_ids if i.encapsulation is Encapsulation.MPLS
        )
        self._arrived = {
            port: plane.arrived(port) for port in plane.core_bier | plane.accept_host_bier
        }
        self._permitted = {port: plane.permitted(port) for port in plane.accept_host_bier}
        self._ways: dict[tuple[Neighbor, Encapsulation], Callable[[bytes], Iterable[Emission]]] = {}
        flows = set(plane.ingress_flows)
        if plane.replication is not None:
            flows |= plane.replication.flows
        if self.vpn is not None:
            flows |= self.vpn.wanted
        self._imposed = frozenset(source.packed + group.packed for source, group in flows)
        self._egress = {
            source.packed + group.packed: tuple(
                (port, ethernet.Header(
                    ip.multicast_mac(group), mac(self.name, port),
                    EtherType.IPV4 if group.version == 4 else EtherType.IPV6,
                ).encode())
                for port in flow.interfaces
                if port in plane.edge_interfaces
            )
            for (source, group), flow in plane.egress_flows.items()
        }  # fmt: skip

    @property
    def deadline(self) -> float | None:
        due = (None if part is None else part.deadline for part in (self.pim, self.oam))
        return min((at for at in due if at is not None), default=None)

    @property
    def counters(self) -> dict[str, int]:
        """Those of the BIER engine, and `dropped-ip-<reason>`."""
        return {
            **self.engine.counters,
            **self._labels.counters,
            **{f"dropped-ip-{reason}": n for reason, n in sorted(self.drops.items())},
            **({} if self.pim is None else self.pim.counters),
            **({} if self.oam is None else self.oam.counters),
        }

    def fail(self, port: str) -> bool:
        """Notice that the link at a port is dead: switch over, where there are backups for it.

        Until other tables are loaded (draft-ietf-bier-frr).  A second failure at one router finds
        the backups of the first in use, and these stay.
        """
        return self.engine.failed is None and self.engine.switch_over(port)

    def expire(self, now: float) -> Iterable[Emission]:
        return [e for part in (self.pim, self.oam) if part is not None for e in part.expire(now)]

    def receive(self, port: str, frame: bytes, now: float) -> Iterable[Emission]:
        kind = frame[12:14]
        encapsulation = _BIER.get(kind)
        if (
            encapsulation is Encapsulation.MPLS
            and self._labels.present
            and int.from_bytes(frame[14:17], "big") >> 4 not in self._bift_labels
        ):
            return self._labels.receive(port, frame[14:], now)
        if encapsulation is not None:
            arrived = self._arrived.get(port, Arrived.EDGE)
            permitted = self._permitted.get(port)
            out = self.engine.receive(frame[14:], encapsulation, arrived, now, permitted)
            return self._emit(out, port, now)
        if kind in _IP:
            return self._ip(port, frame[14:], now)
        return self._drop("ethertype")

    def _emit(self, outputs: Iterable[Output], port: str | None, now: float) -> list[Emission]:
        """`port`: by which the packet came in; None: it was imposed here."""
        emissions: list[Emission] = []
        for output in outputs:
            if isinstance(output, Deliver):
                emissions += self._egress_of(output.payload)
            elif isinstance(output, Punt):
                emissions += () if self.oam is None else self.oam.punted(output, port, now)
            else:
                key = output.neighbor, output.encapsulation
                way = self._ways.get(key)
                if way is None:
                    way = self._ways[key] = self._way_to(*key)
                emissions += way(output.packet)
        return emissions

    def _way_to(
        self, neighbor: Neighbor, encapsulation: Encapsulation
    ) -> Callable[[bytes], Iterable[Emission]]:
        """Return what puts a BIER packet on its way to a BFR-NBR: a frame, or a tunnel."""
        if neighbor.tunnel is not None:
            return way_through(self.name, neighbor, encapsulation, self._front, self._out)
        port = neighbor.interface
        front = self._front(port, ETHERTYPE[encapsulation])
        return lambda packet: ((port, front + packet),)

    def _egress_of(self, packet: bytes) -> list[Emission]:
        """As BFER, hand an (S,G) packet to the interfaces that the overlay names."""
        addresses = packet[12:20] if packet[:1] < b"\x50" else packet[8:40]
        ports = self._egress.get(addresses)
        if ports is None:
            self.drops["no-egress-flow"] += 1
            return []
        forwarded = ip.forwarded(packet)
        if forwarded is None:
            self.drops["ttl"] += 1
            return []
        return [(port, front + forwarded) for port, front in ports]

    def _ip(self, port: str, packet: bytes, now: float) -> Iterable[Emission]:
        if port in self.plane.protection or (self.vpn is not None and port in self.vpn.ports):
            return self._from_host(port, packet, now)
        return self._taken(port, packet, now)

    def _from_host(self, port: str, packet: bytes, now: float) -> Iterable[Emission]:
        """Take an IP packet by an edge port that is protected, or in a VRF."""
        try:
            outer, offset = ip.parse(packet)
        except WireError:
            return self._drop("malformed")
        protection = self.plane.protection.get(port)
        reason = "" if protection is None else refused(protection, outer)
        if reason:
            return self._drop(reason)
        if self.vpn is None or port not in self.vpn.ports:
            return self._taken(port, packet, now)
        if outer.destination.is_multicast:
            # What hosts join is the VPN's state already: their reports have told it.
            return () if outer.protocol in MEMBERSHIP else self._ingress(port, outer, packet, now)
        if outer.destination in self.plane.addresses:
            return self._ours(port, outer, packet, offset, now)
        way = self.vpn.unicast(port, outer, packet)
        return self._drop(way) if isinstance(way, str) else way

    def _taken(self, port: str, packet: bytes, now: float) -> Iterable[Emission]:
        if self.pim is not None and is_multicast(packet) and not self._is_ingress(packet):
            return self.pim.receive(port, packet, now)
        try:
            outer, offset = ip.parse(packet)
        except WireError:
            return self._drop("malformed")
        if outer.destination.is_multicast:
            return self._ingress(port, outer, packet, now)
        if outer.destination in self.plane.addresses:
            return self._ours(port, outer, packet, offset, now)
        forwarded = ip.forwarded(packet[: outer.end])
        return self._drop("ttl") if forwarded is None else self._out(outer.destination, forwarded)

    def _ours(
        self, port: str, outer: ip.Header, packet: bytes, offset: int, now: float
    ) -> Iterable[Emission]:
        if outer.protocol == PIM and self.pim is not None:
            return self.pim.ours(outer, packet[offset : outer.end], now)
        if (
            outer.protocol == udp.PROTOCOL
            and self.oam is not None
            and packet[offset + 2 : offset + 4] != _VXLAN
        ):
            return self._datagram(outer, packet, offset, now)
        if self.vpn is not None and port not in self.plane.edge_interfaces:
            inner = inside(outer, packet[offset : outer.end])
            if inner is not None:
                way = self.vpn.arrived(outer, inner)
                return self._drop(way) if isinstance(way, str) else way
        found = opened(outer, packet, offset)
        if isinstance(found, str):
            return self._drop(found)
        encapsulation, inner = found
        arrived = self.plane.arrived(port, outer.source)
        return self._emit(self.engine.receive(inner, encapsulation, arrived, now), port, now)

    def _datagram(
        self, outer: ip.Header, packet: bytes, offset: int, now: float
    ) -> Iterable[Emission]:
        try:
            ports, payload = udp.parse(packet, outer, offset)
        except WireError:
            return self._drop("malformed")
        if self.oam is None or not self.oam.wants(ports.destination_port):
            return self._drop("protocol")
        self.oam.replied(payload, outer.source, now)
        return ()

    def _impose(
        self,
        sub_domain: int,
        bsl: int,
        sets: Mapping[int, int],
        proto: int,
        payload: bytes,
        bfir_id: int,
        entropy: int,
        ttl: int,
        now: float,
    ) -> Iterable[Emission]:
        imposed = self.engine.impose(sub_domain, bsl, sets, proto, payload, bfir_id, entropy, ttl)
        return self._emit(imposed, None, now)

    def _is_ingress(self, packet: bytes) -> bool:
        """Say whether the packet is of an (S,G) that we impose BIER on, or put on a tree."""
        addresses = packet[12:20] if packet[:1] < b"\x50" else packet[8:40]
        return addresses in self._imposed

    def _ingress(
        self, port: str, outer: ip.Header, packet: bytes, now: float
    ) -> Iterable[Emission]:
        """As BFIR, impose the BitString of an (S,G) that came in from its own host."""
        flow = self.plane.ingress_flows.get((outer.source, outer.destination))
        key = outer.source, outer.destination
        on_tree = self.vpn is not None and key in self.vpn.wanted
        known = flow is not None or self._labels.present or on_tree or self._only_here(key)
        if port not in self.plane.edge_interfaces or not known:
            return self._drop("no-ingress-flow")
        forwarded = ip.forwarded(packet[: outer.end])
        if forwarded is None:
            return self._drop("ttl")
        if self.vpn is not None and (on_tree or self._only_here(key)):
            here = self._egress_of(forwarded) if key in self.plane.egress_flows else []
            return [*here, *self._onto_tree(forwarded, now)] if on_tree else here
        if flow is None:
            imposed = self._labels.impose(outer.source, outer.destination, forwarded)
            return self._drop(imposed) if isinstance(imposed, str) else imposed
        proto = Proto.IPV4 if outer.source.version == 4 else Proto.IPV6
        bfir_id = self.plane.bfr_ids.get(flow.sub_domain_id)
        if bfir_id is None:
            return self._drop("no-bfr-id")
        entropy = entropy_of(flow.source, flow.group)
        return self._impose(
            flow.sub_domain_id, flow.bsl, flow.sets, proto, forwarded, bfir_id, entropy, 64, now
        )

    def _only_here(self, flow: tuple[ip.IpAddress, ip.IpAddress]) -> bool:
        """Say whether a flow of the VPN, on source trees of the core, has members of ours."""
        part = self.plane.vpn
        return part is not None and part.tunnel is not None and flow in self.plane.egress_flows

    def _onto_tree(self, packet: bytes, now: float) -> list[Emission]:
        """Put a packet of the VPN on our source tree of the core."""
        if self.vpn is None or self.pim is None:
            self.drops["no-pim"] += 1
            return []
        return self.pim.receive(PMSI, self.vpn.on_tree(packet), now)

    def _off_tree(self, packet: bytes) -> list[Emission]:
        """Take a packet of the VPN off another router's source tree."""
        outer, offset = ip.parse(packet)
        inner = inside(outer, packet[offset : outer.end])
        if inner is None:
            self.drops["gre-protocol"] += 1
            return []
        return self._egress_of(inner)

    def _hand(self, port: str, destination: ip.IpAddress, packet: bytes) -> Iterable[Emission]:
        """Send an IP packet out of a port to a neighbor that answers for its destination."""
        far, _ = self._far_ends.get((self.name, port), ("", ""))
        if destination not in self._owners.get(far, ()):
            return self._drop("no-neighbor")
        kind = EtherType.IPV4 if destination.version == 4 else EtherType.IPV6
        return ((port, self._front(port, kind) + packet),)

    def _out(self, destination: ip.IpAddress, packet: bytes) -> Iterable[Emission]:
        """Send an IP packet by the FIB; of equal-cost next hops the first."""
        route = self.plane.fib.lookup(destination)
        if route is None or not route.next_hops:
            return self._drop("no-route")
        hop = route.next_hops[0]
        port = hop.interface
        if not hop.router:  # it is on the link itself: somebody there has to answer for it
            return self._hand(port, destination, packet)
        kind = EtherType.IPV4 if destination.version == 4 else EtherType.IPV6
        return ((port, self._front(port, kind) + packet),)

    def _front(self, port: str, ethertype: int) -> bytes:
        far = self._far_ends.get((self.name, port), ("", ""))
        return header(self.name, port, far, ethertype)

    def _drop(self, reason: str) -> tuple[Emission, ...]:
        self.drops[reason] += 1
        return ()
