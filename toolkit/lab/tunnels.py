"""BIER in tunnels, as a router of a laboratory sends and takes it.

RFC 8279 section 6.9: GRE (RFC 2784, RFC 4023), VXLAN (RFC 7348), a node SID above the BIER label
(RFC 8660).  All are pipes: TTL and traffic class of BIER are those it went in with.  Pure: packets
in, frames out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet import ethernet, gre, ip, udp, vxlan
from toolkit.inet.ethernet import EtherType
from toolkit.lab.links import mac
from toolkit.lab.wires import Emission

ETHERTYPE: Final = {Encapsulation.MPLS: EtherType.MPLS, Encapsulation.NON_MPLS: EtherType.BIER}
_ENCAPSULATION: Final = {int(kind): encapsulation for encapsulation, kind in ETHERTYPE.items()}
_SEGMENT_TTL: Final = 255
"""Of a node SID: so BIER's own TTL is always the smaller one where the SID is taken off, and what
RFC 3443 section 5.4 makes of the two is BIER's."""

Way = Callable[[bytes], Iterable[Emission]]
"""Puts a BIER packet on its way."""


def way_through(
    router: str,
    neighbor: Neighbor,
    encapsulation: Encapsulation,
    front: Callable[[str, int], bytes],
    out: Callable[[ip.IpAddress, bytes], Iterable[Emission]],
) -> Way:
    """Return what sends BIER packets through the neighbor's tunnel; ValueError without one.

    `front`: what goes before a packet out of a port; `out`: sends an IP packet by the FIB.
    """
    tunnel, port = neighbor.tunnel, neighbor.interface
    if tunnel is None:
        raise ValueError(f"no tunnel leads to {neighbor.router}")
    if tunnel.kind is TunnelKind.SR_MPLS:
        words = (label << 12 | _SEGMENT_TTL for label in tunnel.labels)
        before = front(port, EtherType.MPLS) + b"".join(w.to_bytes(4, "big") for w in words)
        return lambda packet: ((port, before + packet),)
    wrap = _in_gre(tunnel, encapsulation)
    if tunnel.kind is TunnelKind.VXLAN:
        wrap = _in_vxlan(router, neighbor.router, tunnel, encapsulation)
    remote = tunnel.remote
    if not neighbor.pinned:
        return lambda packet: out(remote, wrap(packet))
    outside = front(port, EtherType.IPV4 if remote.version == 4 else EtherType.IPV6)
    return lambda packet: ((port, outside + wrap(packet)),)


def _in_gre(tunnel: Tunnel, encapsulation: Encapsulation) -> Callable[[bytes], bytes]:
    outer = ip.Template(tunnel.local, tunnel.remote, gre.PROTOCOL)
    shim = gre.header(ETHERTYPE[encapsulation])
    return lambda packet: outer.packet(shim + packet)


def _in_vxlan(
    router: str, far: str, tunnel: Tunnel, encapsulation: Encapsulation
) -> Callable[[bytes], bytes]:
    """The source port is the flow's (RFC 7348 section 5); over IPv4 without a UDP checksum."""
    inner = ethernet.Header(mac(far, "bier"), mac(router, "bier"), ETHERTYPE[encapsulation])
    shim = vxlan.header(tunnel.vni) + inner.encode()
    checked = tunnel.remote.version == 6
    templates: dict[int, udp.Template] = {}

    def wrap(packet: bytes) -> bytes:
        port = vxlan.source_port(int.from_bytes(packet[4:8], "big") & 0xFFFFF)
        outer = templates.get(port)
        if outer is None:
            outer = templates[port] = udp.Template(
                tunnel.local, port, tunnel.remote, vxlan.PORT, checked=checked
            )
        return outer.packet(shim + packet)

    return wrap


def opened(outer: ip.Header, packet: bytes, offset: int) -> tuple[Encapsulation, bytes] | str:
    """Return the BIER in an IP packet to us, whose payload starts at `offset`, or why there is
    none."""
    try:
        if outer.protocol == gre.PROTOCOL:
            kind, start = gre.parse(packet[offset : outer.end])
            begin, what = offset + start, "gre-protocol"
        elif outer.protocol == udp.PROTOCOL:
            ports, payload = udp.parse(packet, outer, offset)
            if ports.destination_port != vxlan.PORT:
                return "protocol"
            _vni, start = vxlan.parse(payload)
            inner, behind = ethernet.parse(payload[start:])
            kind, begin = inner.ethertype, offset + udp.HEADER + start + behind
            what = "vxlan-ethertype"
        else:
            return "protocol"
    except WireError:
        return "malformed"
    encapsulation = _ENCAPSULATION.get(kind)
    return what if encapsulation is None else (encapsulation, packet[begin : outer.end])
