"""IPv4 and IPv6 packets: build, parse, forward.  RFC 791, RFC 8200, RFC 6864, RFC 2474.

Law: `parse` trusts nothing it did not check (version, lengths, header checksum) and keeps the
addresses as values; a Template sends a whole flow from one header.  Multicast group to MAC address:
RFC 1112 section 6.4, RFC 2464 section 7.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet.checksum import checksum, ones_sum, updated

IpAddress = IPv4Address | IPv6Address

IPV4_HEADER: Final = 20
IPV6_HEADER: Final = 40
DEFAULT_TTL: Final = 64
"""What a packet starts with where nothing else is said (RFC 1700; RFC 1812 section 4.2.2.9)."""
_IPV4: Final = Struct("!BBHHHBBH4s4s")
_IPV6: Final = Struct("!IHBB16s16s")
_DONT_FRAGMENT: Final = 0x4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header of either family says."""

    source: IpAddress
    destination: IpAddress
    protocol: int
    """IPv4 Protocol or IPv6 Next Header (of the fixed header)."""
    ttl: int
    """TTL or Hop Limit."""
    dscp: int = 0
    ecn: int = 0
    fragment: bool = False
    """An IPv4 fragment: MF is set or the offset is not 0.  Its payload is not a whole datagram."""
    end: int = 0
    """Offset of the packet's end in what was parsed; what follows is link-layer padding."""


def parse(packet: bytes) -> tuple[Header, int]:
    """Return the header and the offset of the payload, which runs to `header.end`.

    WireError on a wrong version, length or header checksum.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        return _parse4(packet)
    if version == 6:
        return _parse6(packet)
    raise WireError(f"IP: version {version} is neither 4 nor 6" if packet else "IP: empty packet")


def _parse4(packet: bytes) -> tuple[Header, int]:
    if len(packet) < IPV4_HEADER:
        raise WireError(f"IPv4: {len(packet)} octets are less than {IPV4_HEADER}")
    first, tos, total, _id, fragment, ttl, protocol, _sum, source, destination = _IPV4.unpack_from(
        packet
    )
    size = (first & 0xF) * 4
    if size < IPV4_HEADER or size > total or total > len(packet):
        raise WireError(
            f"IPv4: header of {size} and total of {total} octets do not fit {len(packet)} octets"
        )
    if checksum(packet[:size]):
        raise WireError("IPv4: wrong header checksum")
    header = Header(
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        protocol=protocol,
        ttl=ttl,
        dscp=tos >> 2,
        ecn=tos & 3,
        fragment=bool(fragment & 0x3FFF),
        end=total,
    )
    return header, size


def _parse6(packet: bytes) -> tuple[Header, int]:
    if len(packet) < IPV6_HEADER:
        raise WireError(f"IPv6: {len(packet)} octets are less than {IPV6_HEADER}")
    first, length, protocol, hop_limit, source, destination = _IPV6.unpack_from(packet)
    if IPV6_HEADER + length > len(packet):
        raise WireError(f"IPv6: payload of {length} octets does not fit {len(packet)} octets")
    header = Header(
        source=IPv6Address(source),
        destination=IPv6Address(destination),
        protocol=protocol,
        ttl=hop_limit,
        dscp=first >> 22 & 0x3F,
        ecn=first >> 20 & 3,
        end=IPV6_HEADER + length,
    )
    return header, IPV6_HEADER


def header_size(address: IpAddress) -> int:
    """Return the octets of a header, without options, of the address's family."""
    return IPV4_HEADER if address.version == 4 else IPV6_HEADER


class Template:
    """Packets of one flow; the header is made once, `packet` fills in what changes."""

    __slots__ = ("_first", "_head", "_size", "_source", "_sum", "_tail", "destination", "source")

    def __init__(
        self,
        source: IpAddress,
        destination: IpAddress,
        protocol: int,
        *,
        ttl: int = DEFAULT_TTL,
        dscp: int = 0,
    ) -> None:
        """ValueError where a field does not fit, or the families differ.

        IPv4 packets are atomic: DF set and Identification 0 (RFC 6864 section 4.1).
        """
        if source.version != destination.version:
            raise ValueError(f"{source} and {destination} are of different families")
        for name, value, limit in (("protocol", protocol, 255), ("ttl", ttl, 255)):
            if not 0 <= value <= limit:
                raise ValueError(f"{name} {value} is not 0..{limit}")
        if not 0 <= dscp <= 63:
            raise ValueError(f"dscp {dscp} is not 0..63")
        self.source, self.destination = source, destination
        self._source = source.packed + destination.packed
        if source.version == 4:
            self._size = IPV4_HEADER
            self._head = bytes((0x45, dscp << 2))
            self._tail = _DONT_FRAGMENT.to_bytes(4, "big") + bytes((ttl, protocol))
            self._sum = ones_sum(self._head + self._tail + self._source)
        else:
            self._size = IPV6_HEADER
            self._head = (6 << 28 | dscp << 22).to_bytes(4, "big")
            self._tail = bytes((protocol, ttl))
            self._sum = 0

    @property
    def size(self) -> int:
        """Octets of the header."""
        return self._size

    @property
    def pseudo_sum(self) -> int:
        """One's complement sum of the two addresses, for the checksum of what is inside."""
        return ones_sum(self._source)

    def header(self, length: int) -> bytes:
        """Return the header of a packet with `length` octets of payload; ValueError above 65535."""
        if self._size == IPV6_HEADER:
            return b"".join((self._head, _length(length), self._tail, self._source))
        total = _length(IPV4_HEADER + length)
        check = checksum(total, self._sum).to_bytes(2, "big")
        return b"".join((self._head, total, self._tail, check, self._source))

    def packet(self, payload: bytes) -> bytes:
        return self.header(len(payload)) + payload


def _length(octets: int) -> bytes:
    if octets > 0xFFFF:
        raise ValueError(f"{octets} octets do not fit an IP packet")
    return octets.to_bytes(2, "big")


def decrement_ttl(packet: bytearray) -> bool:
    """Take one from TTL or Hop Limit in place; False, and nothing changed, where it has expired.

    A packet that arrives with 1 (or 0) must not be forwarded (RFC 1812 section 5.3.1, RFC 8200
    section 3).  The IPv4 header checksum is updated, not computed again (RFC 1624).
    """
    if packet[0] >> 4 == 6:
        if packet[7] <= 1:
            return False
        packet[7] -= 1
        return True
    if packet[8] <= 1:
        return False
    before = packet[8] << 8 | packet[9]
    check = updated(packet[10] << 8 | packet[11], before, before - 0x100)
    packet[8] -= 1
    packet[10:12] = check.to_bytes(2, "big")
    return True


def forwarded(packet: bytes) -> bytes | None:
    """Return the packet as it leaves a router, or None where its TTL has expired."""
    buffer = bytearray(packet)
    return bytes(buffer) if decrement_ttl(buffer) else None


def multicast_mac(group: IpAddress) -> bytes:
    """Return the MAC address of a group: its low 23 bits (IPv4) or low 32 bits (IPv6)."""
    if not group.is_multicast:
        raise ValueError(f"{group} is no multicast group")
    if group.version == 4:
        return (0x01005E000000 | int(group) & 0x7FFFFF).to_bytes(6, "big")
    return b"\x33\x33" + group.packed[-4:]
