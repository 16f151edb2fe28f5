"""Takes BIER out of the tunnels that end here.  RFC 8279 section 6.9.

GRE (RFC 2784, RFC 4023), VXLAN (RFC 7348), our own SIDs above a BIER label (RFC 8660).  Law: only
what is addressed to us is looked into, and BIER in it counts only where a known BFR sent it.  The
outer TTL and traffic class say nothing about those of BIER (pipe).  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from toolkit.bier.bift import Hop
from toolkit.bier.birt import Tunnel, TunnelKind
from toolkit.bier.frames import ETHERTYPE, NodeReason
from toolkit.bier.program import IpAddress, Program, Termination
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet import ethernet, gre, ip, udp, vxlan

ENCAPSULATION: Final = {int(kind): encapsulation for encapsulation, kind in ETHERTYPE.items()}
_GRE: Final = bytes((gre.PROTOCOL,))
_CARRIERS: Final = frozenset({gre.PROTOCOL, udp.PROTOCOL})


class Inner(NamedTuple):
    """BIER that was in a tunnel."""

    packet: bytes
    encapsulation: Encapsulation


class Tunnels:
    """All tunnels that end at one BFR: those of its neighbors and those it is told of."""

    def __init__(self, program: Program) -> None:
        ends = [*program.terminations, *map(_other_way, _tunnels(program))]
        self._gre: set[tuple[IpAddress, IpAddress]] = set()
        """<our address, theirs>."""
        self._vxlan: set[tuple[IpAddress, IpAddress, int]] = set()
        self.labels: frozenset[int] = frozenset().union(*(end.labels for end in ends))
        """Our own SIDs."""
        for end in ends:
            for ours in end.addresses:
                for theirs in end.sources:
                    if end.kind is TunnelKind.GRE:
                        self._gre.add((ours, theirs))
                    elif end.kind is TunnelKind.VXLAN:
                        self._vxlan.add((ours, theirs, end.vni))
        self._ours = frozenset(a.packed for end in ends for a in end.addresses)
        self.families = frozenset(len(address) for address in self._ours)
        """Octets of an address of each family that tunnels end in."""

    def ends_here(self, packet: bytes) -> bool:
        """Say whether an IP packet is to an address that tunnels end at."""
        destination = packet[16:20] if packet[:1] < b"\x50" else packet[24:40]
        return destination in self._ours

    def open(self, packet: bytes) -> Inner | NodeReason | None:
        """Return the BIER in an IP packet that `ends_here`; None where there is none in it.

        Then it is a matter of the host: we are a guest on its addresses.
        """
        protocol = packet[9] if packet[:1] < b"\x50" else packet[6]
        if protocol not in _CARRIERS:
            return None
        try:
            outer, offset = ip.parse(packet)
            if outer.fragment:
                return None  # tunnels are atomic (RFC 7588 section 3.3): not ours
            if protocol == gre.PROTOCOL:
                return self._open_gre(outer, packet[offset : outer.end])
            if packet[offset + 2 : offset + 4] != vxlan.PORT.to_bytes(2, "big"):
                return None
            return self._open_vxlan(outer, _udp_payload(packet, outer, offset))
        except WireError:
            return NodeReason.MALFORMED

    def _open_gre(self, outer: ip.Header, payload: bytes) -> Inner | NodeReason | None:
        kind, offset = gre.parse(payload)
        encapsulation = ENCAPSULATION.get(kind)
        if encapsulation is None:
            return None
        if (outer.destination, outer.source) not in self._gre:
            return NodeReason.UNKNOWN_TUNNEL
        return Inner(payload[offset:], encapsulation)

    def _open_vxlan(self, outer: ip.Header, payload: bytes) -> Inner | NodeReason | None:
        vni, offset = vxlan.parse(payload)
        inner, start = ethernet.parse(payload[offset:])
        encapsulation = ENCAPSULATION.get(inner.ethertype)
        if encapsulation is None:
            return None
        if (outer.destination, outer.source, vni) not in self._vxlan:
            return NodeReason.UNKNOWN_TUNNEL
        return Inner(payload[offset + start :], encapsulation)

    def pop(self, packet: bytes) -> bytes:
        """Take our own SIDs off the top of a label stack; the BIER label stays."""
        offset = 0
        while (
            len(packet) >= offset + 4
            and not packet[offset + 2] & 1
            and int.from_bytes(packet[offset : offset + 3], "big") >> 4 in self.labels
        ):
            offset += 4
        return packet[offset:] if offset else packet


def _udp_payload(packet: bytes, outer: ip.Header, offset: int) -> bytes:
    """Return a datagram's payload; over IPv6 a missing checksum is a tunnel's right (RFC 6935)."""
    length = int.from_bytes(packet[offset + 4 : offset + 6], "big")
    if outer.source.version == 6 and packet[offset + 6 : offset + 8] == b"\0\0":
        if not udp.HEADER <= length <= outer.end - offset:
            raise WireError(f"UDP: length {length} does not fit {outer.end - offset} octets")
        return packet[offset + udp.HEADER : offset + length]
    return udp.parse(packet, outer, offset)[1]


def _tunnels(program: Program) -> Iterator[Tunnel]:
    hops: set[Hop] = set()
    for routes in program.routes.values():
        for ways in routes.ways.values():
            hops.update(ways.hops, ways.backup)
    found = {hop.neighbor.tunnel for hop in hops}
    for bift in program.rows.values():
        for entry in bift.entries.values():
            neighbors = [entry.neighbor, *(way.hop.neighbor for way in entry.others)]
            found |= {n.tunnel for n in neighbors if n is not None}
    if program.following is not None:
        found |= {peer.tunnel for peer in program.following.peers.values()}
    yield from (tunnel for tunnel in found if tunnel is not None)


def _other_way(tunnel: Tunnel) -> Termination:
    """A tunnel to a neighbor is one from it too; its SIDs are the neighbor's, not ours."""
    return Termination(
        kind=tunnel.kind,
        addresses=frozenset({tunnel.local}),
        sources=frozenset({tunnel.remote}),
        vni=tunnel.vni,
    )
