"""What a BFR puts before a BIER packet so that a neighbor gets it: Ethernet, or a tunnel.

RFC 8296 section 3 (BIER-MTU) and 2.1.3, 2.2.3 (EtherTypes); RFC 8279 section 6.9 (neighbors across
routers that are no BFRs): GRE (RFC 2784), VXLAN (RFC 7348), a label stack above the BIER label
(RFC 8660).  Law: tunnels are pipes, their TTL and traffic class are their own; what does not fit
the interface is refused, never cut.  Pure: addresses are told, not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.bier.program import Interface, IpAddress
from toolkit.bier.wire import Encapsulation
from toolkit.inet import ethernet, gre, ip, udp, vxlan
from toolkit.inet.ethernet import EtherType

ETHERTYPE: Final = {Encapsulation.MPLS: EtherType.MPLS, Encapsulation.NON_MPLS: EtherType.BIER}
PIPE_TTL: Final = 255
"""Of labels above the BIER label (RFC 3443 section 3.1: a pipe's TTL is its own)."""
EVERYBODY: Final = b"\xff" * 6
"""Destination inside of VXLAN: the one BFR at the other end, whatever its address."""


class NodeReason(StrEnum):
    """Why a node passed a frame or a copy no further, besides `toolkit.bier.reason.Reason`."""

    SHORT_FRAME = "short-frame"
    """Less than an Ethernet header."""
    UNKNOWN_INTERFACE = "unknown-interface"
    """The program has no such interface, or it is down."""
    UNKNOWN_ETHERTYPE = "unknown-ethertype"
    """Neither BIER nor, where we have to do with it, IP."""
    OTHER_VLAN = "other-vlan"
    """A VLAN tag with a VLAN ID: its frames belong to an interface of their own."""
    OTHER_DESTINATION = "other-destination"
    """BIER to somebody else's MAC address."""
    UNKNOWN_TUNNEL = "unknown-tunnel"
    """BIER in a tunnel to us whose other end is no BFR that we know (RFC 8279 section 6.9)."""
    MALFORMED = "malformed-ip"
    """IP, UDP or GRE headers around or inside of BIER that are wrong."""
    IP_TTL = "ip-ttl-expired"
    """As BFIR or BFER: the IP packet may not go further."""
    WRONG_INTERFACE = "wrong-interface"
    """As BFIR: a flow's packet that came in where its source is not."""
    NO_BFR_ID = "no-bfr-id"
    """As BFIR: we have no BFR-id in the flow's sub-domain."""
    NO_EGRESS_FLOW = "no-egress-flow"
    """As BFER: delivered, but nobody here wants this (S,G)."""
    UNKNOWN_BFIR = "unknown-bfir"
    """As BFER: this (S,G) may not come from that BFIR.  Shares its counter with the engine's."""
    NO_MAC = "no-mac-address"
    """The neighbor's MAC address, or our own, is not known (yet): counted by copy."""
    MTU = "mtu-exceeded"
    """A copy is longer than the interface's MTU (RFC 8296 section 3, BIER-MTU)."""
    TUNNEL = "tunnel-encapsulation"
    """BIER without MPLS does not go below a label stack: counted by copy."""


class Port(NamedTuple):
    """What a host says of one interface of its own."""

    mac: bytes | None = None
    """6 octets; None: it has none (or nobody asked)."""
    mtu: int = 1500
    """Octets after the Ethernet header."""


class Send(NamedTuple):
    """Send a frame: `front` and `packet` one after the other, not joined yet."""

    interface: str
    front: bytes
    packet: bytes

    @property
    def frame(self) -> bytes:
        return self.front + self.packet


class Resolve(NamedTuple):
    """A copy was dropped since nobody told the MAC address of `address` on `interface`: ask."""

    interface: str
    address: IpAddress


Macs = Mapping[tuple[str, IpAddress], bytes]
"""<interface, address of a neighbor on it> -> its MAC address."""
Refused = tuple[NodeReason, Resolve | None]


class Way:
    """What goes before every copy to one neighbor, in one encapsulation."""

    __slots__ = ("_datagrams", "_room", "front", "interface", "neighbor", "shim", "template")

    def __init__(
        self, neighbor: Neighbor, encapsulation: Encapsulation, own: bytes, far: bytes, mtu: int
    ) -> None:
        self.neighbor = neighbor
        """Kept, so that its identity stays its own as long as this object lives."""
        self.interface = neighbor.interface
        self.template: ip.Template | None = None
        self.shim = b""
        self._datagrams: dict[int, udp.Template] = {}
        tunnel, overhead = neighbor.tunnel, 0
        kind: int = ETHERTYPE[encapsulation]
        if tunnel is not None and tunnel.kind is TunnelKind.SR_MPLS:
            self.shim = b"".join((n << 12 | PIPE_TTL).to_bytes(4, "big") for n in tunnel.labels)
        elif tunnel is not None:
            overhead = self._wrap(tunnel, kind, own)
            kind = EtherType.IPV4 if tunnel.remote.version == 4 else EtherType.IPV6
        self.front = ethernet.Header(far, own, kind).encode()
        self._room = min(mtu, 0xFFFF) - overhead - len(self.shim)

    def _wrap(self, tunnel: Tunnel, kind: int, own: bytes) -> int:
        """Prepare the headers of a tunnel over IP; return the octets of those before `shim`."""
        size = ip.header_size(tunnel.remote)
        if tunnel.kind is TunnelKind.GRE:
            self.template = ip.Template(tunnel.local, tunnel.remote, gre.PROTOCOL)
            self.shim = gre.header(kind)
            return size
        inner = ethernet.Header(EVERYBODY, own, kind).encode()
        self.shim = vxlan.header(tunnel.vni) + inner
        return size + udp.HEADER

    def send(self, packet: bytes) -> Send | NodeReason:
        """Return the frame with a BIER packet, or why there is none."""
        if len(packet) > self._room:
            return NodeReason.MTU
        front, shim = self.front, self.shim
        if not shim:
            return Send(self.interface, front, packet)
        if self.template is not None:
            front = front + self.template.header(len(shim) + len(packet)) + shim
        elif self.neighbor.tunnel is not None and self.neighbor.tunnel.kind is TunnelKind.VXLAN:
            packet = self._datagram(self.neighbor.tunnel, packet)
        else:
            front = front + shim
        return Send(self.interface, front, packet)

    def _datagram(self, tunnel: Tunnel, packet: bytes) -> bytes:
        """Return the outer IP packet of VXLAN; its source port follows from BIER's entropy.

        Over IPv4 without a UDP checksum (RFC 7348 section 5), over IPv6 with one (RFC 8200).
        """
        port = vxlan.source_port(int.from_bytes(packet[5:8], "big"))
        template = self._datagrams.get(port)
        if template is None:
            template = self._datagrams[port] = udp.Template(
                tunnel.local, port, tunnel.remote, vxlan.PORT, checked=tunnel.remote.version == 6
            )
        return template.packet(self.shim + packet)


class Framer:
    """Frames for copies: all ways of a BFR, made when first needed."""

    def __init__(
        self, interfaces: Mapping[str, Interface], ports: Mapping[str, Port], macs: Macs
    ) -> None:
        self._interfaces, self._ports, self._macs = interfaces, ports, macs
        self._ways: dict[Encapsulation, dict[int, Way]] = {e: {} for e in Encapsulation}

    def forget(self) -> None:
        """Make all ways anew: interfaces, neighbors or their addresses have changed."""
        for ways in self._ways.values():
            ways.clear()

    def own_mac(self, interface: str) -> bytes | None:
        """Our MAC address on an interface: the program's, else the host's."""
        said = self._interfaces.get(interface)
        if said is not None and said.mac is not None:
            return said.mac
        port = self._ports.get(interface)
        return None if port is None else port.mac

    def mtu(self, interface: str) -> int:
        port = self._ports.get(interface)
        return Port().mtu if port is None else port.mtu

    def send(
        self, neighbor: Neighbor, packet: bytes, encapsulation: Encapsulation
    ) -> Send | Refused:
        """Return the frame for a copy, or why there is none and what to ask for."""
        way = self._ways[encapsulation].get(id(neighbor))
        if way is None:
            made = self._make(neighbor, encapsulation)
            if not isinstance(made, Way):
                return made
            way = self._ways[encapsulation][id(neighbor)] = made
        sent = way.send(packet)
        return sent if isinstance(sent, Send) else (sent, None)

    def _make(self, neighbor: Neighbor, encapsulation: Encapsulation) -> Way | Refused:
        tunnel = neighbor.tunnel
        if (
            tunnel is not None
            and tunnel.kind is TunnelKind.SR_MPLS
            and encapsulation is not Encapsulation.MPLS
        ):
            return NodeReason.TUNNEL, None
        port = neighbor.interface
        if port not in self._interfaces:
            return NodeReason.UNKNOWN_INTERFACE, None
        own, far, address = self.own_mac(port), neighbor.mac, neighbor.address
        if far is None and address is not None:
            far = self._macs.get((port, address))
        if own is None or far is None:
            asked = far is None and address is not None
            return NodeReason.NO_MAC, Resolve(port, address) if asked and address else None
        return Way(neighbor, encapsulation, own, far, self.mtu(port))
