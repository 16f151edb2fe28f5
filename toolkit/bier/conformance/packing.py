"""Fields to octets, without any of the code that the vectors test.

RFC 8296 figure 1 (the BIER header, bit by bit), RFC 8279 section 3 (bit positions); Ethernet, IPv4
(RFC 791), IPv6 (RFC 8200), UDP (RFC 768), GRE (RFC 2784), VXLAN (RFC 7348).  Law: nothing of
toolkit.bier or toolkit.inet is imported here, and no value is refused: a vector may say what no
sender should.  A test holds this packer to vectors packed by hand.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

LAYOUT: Final = (
    ("bift_id", 20),
    ("tc", 3),
    ("s", 1),
    ("ttl", 8),
    ("nibble", 4),
    ("ver", 4),
    ("bsl", 4),
    ("entropy", 20),
    ("oam", 2),
    ("rsv", 2),
    ("dscp", 6),
    ("proto", 6),
    ("bfir_id", 16),
)
"""RFC 8296 figure 1: the fields before the BitString, in their order, with their widths."""
CODES: Final = {64: 1, 128: 2, 256: 3, 512: 4, 1024: 5, 2048: 6, 4096: 7}
"""RFC 8296 section 2.1.2: what the BSL field says for a BitString of that many bits."""
ETHERTYPES: Final = {"mpls": 0x8847, "non-mpls": 0xAB37}
GRE: Final = 47
UDP: Final = 17
VXLAN_PORT: Final = 4789


def pack(fields: Iterable[tuple[int, int]]) -> bytes:
    """Write (value, width in bits) one after the other, the most significant bit first."""
    number = total = 0
    for value, width in fields:
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits")
        number, total = number << width | value, total + width
    if total % 8:
        raise ValueError(f"{total} bits are no whole octets")
    return number.to_bytes(total // 8, "big")


def bit_string(positions: Iterable[int], bits: int) -> bytes:
    """Return a BitString of `bits` bits: position 1 is the last bit of the last octet."""
    octets = bytearray(bits // 8)
    for position in positions:
        if not 1 <= position <= bits:
            raise ValueError(f"a BitString of {bits} bits has no position {position}")
        octets[len(octets) - 1 - (position - 1) // 8] |= 1 << (position - 1) % 8
    return bytes(octets)


def bier(fields: Mapping[str, int], positions: Iterable[int], bits: int) -> bytes:
    """Return a BIER header: the fields of LAYOUT, and a BitString of `bits` bits."""
    return pack((fields[name], width) for name, width in LAYOUT) + bit_string(positions, bits)


def label(value: int, *, tc: int = 0, bottom: int = 0, ttl: int = 255) -> bytes:
    """Return an MPLS label stack entry (RFC 3032 section 2.1)."""
    return pack(((value, 20), (tc, 3), (bottom, 1), (ttl, 8)))


def mac(text: str) -> bytes:
    """Return the octets of `02:00:00:00:00:01`."""
    return bytes.fromhex(text.replace(":", ""))


def ethernet(destination: bytes, source: bytes, kind: int) -> bytes:
    return destination + source + pack(((kind, 16),))


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071, the slow way."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(padded[at] << 8 | padded[at + 1] for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total ^ 0xFFFF


def ip(source: str, destination: str, protocol: int, payload: bytes, ttl: int, dscp: int) -> bytes:
    """Return an IPv4 packet (DF, Identification 0) or an IPv6 packet (no flow label)."""
    left, right = ip_address(source), ip_address(destination)
    if isinstance(left, IPv6Address):
        words = ((6, 4), (dscp, 6), (0, 2), (0, 20), (len(payload), 16), (protocol, 8), (ttl, 8))
        return pack(words) + left.packed + right.packed + payload
    head = (
        (4, 4), (5, 4), (dscp, 6), (0, 2), (20 + len(payload), 16), (0, 16), (2, 3), (0, 13),
        (ttl, 8), (protocol, 8),
    )  # fmt: skip
    addresses = left.packed + right.packed
    check = internet_checksum(pack((*head, (0, 16))) + addresses)
    return pack((*head, (check, 16))) + addresses + payload


def udp(
    source: str, source_port: int, destination: str, port: int, payload: bytes, *, checked: bool
) -> bytes:
    """Return a UDP datagram; without `checked` its checksum field is 0."""
    length = 8 + len(payload)
    ports = pack(((source_port, 16), (port, 16), (length, 16)))
    check = 0
    if checked:
        ends = ip_address(source).packed + ip_address(destination).packed
        pseudo = ends + pack(((length, 32), (0, 24), (UDP, 8)))
        check = internet_checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF
    return ports + pack(((check, 16),)) + payload


def gre(kind: int) -> bytes:
    return pack(((0, 13), (0, 3), (kind, 16)))


def vxlan(vni: int) -> bytes:
    return pack(((0x08, 8), (0, 24), (vni, 24), (0, 8)))


def group_mac(group: str) -> bytes:
    """Return the Ethernet address of an IP multicast group (RFC 1112 section 6.4, RFC 2464)."""
    address = ip_address(group)
    if isinstance(address, IPv4Address):
        return b"\x01\x00\x5e" + pack(((0, 1), (int(address) & 0x7FFFFF, 23)))
    return b"\x33\x33" + address.packed[-4:]
