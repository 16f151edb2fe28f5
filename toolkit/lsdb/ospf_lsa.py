"""Bodies of LSAs: Router, Network, Summary, and Extended Prefix (opaque type 7), both ways.

RFC 2328 appendix A.4.2 to A.4.4, RFC 4915 section 3.4 (metrics of topologies, in the place of
TOS), RFC 5250 (opaque LSAs), RFC 7684 section 2 (Extended Prefix).  Law: what does not fit raises
WireError; sub-TLVs of a prefix stay octets.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv, read_long, write_long

ROUTER, NETWORK, SUMMARY, OPAQUE_AREA = 1, 2, 3, 10
EXTENDED_PREFIX: Final = 7
"""Opaque type."""
POINT_TO_POINT, TRANSIT, STUB, VIRTUAL = 1, 2, 3, 4
INTRA_AREA, INTER_AREA = 1, 3
"""Route types of an Extended Prefix TLV."""
_LINK: Final = Struct("!4s4sBBH")
_TOPOLOGY: Final = Struct("!BxH")
_EXTENDED_PREFIX_TLV: Final = 1
_PREFIX: Final = Struct("!BBBB")


@dataclass(frozen=True, slots=True)
class RouterLink:
    """One link of a Router-LSA; what id and data mean hangs on the type."""

    type: int
    id: IPv4Address
    data: IPv4Address
    metric: int
    topologies: Mapping[int, int] = field(default_factory=dict)
    """MT-ID -> metric, without MT-ID 0."""


def parse_router(body: bytes) -> tuple[RouterLink, ...]:
    """Return the links of a Router-LSA."""
    if len(body) < 4:
        raise WireError("Router-LSA: less than 4 octets")
    count, at = int.from_bytes(body[2:4], "big"), 4
    links: list[RouterLink] = []
    for number in range(1, count + 1):
        if len(body) - at < _LINK.size:
            raise WireError(f"Router-LSA: link {number} of {count} is cut")
        link_id, data, kind, others, metric = _LINK.unpack_from(body, at)
        at += _LINK.size
        if len(body) - at < others * _TOPOLOGY.size:
            raise WireError(f"Router-LSA: the topologies of link {number} are cut")
        end = at + others * _TOPOLOGY.size
        topologies = {mt: m for mt, m in _TOPOLOGY.iter_unpack(body[at:end]) if mt}
        at = end
        links.append(RouterLink(kind, IPv4Address(link_id), IPv4Address(data), metric, topologies))
    return tuple(links)


def encode_router(links: Iterable[RouterLink]) -> bytes:
    """Return the body of a Router-LSA; ValueError for what does not fit its fields."""
    parts: list[bytes] = []
    links = tuple(links)
    for number, link in enumerate(links, 1):
        if not 0 <= link.metric <= 0xFFFF or len(link.topologies) > 255:
            raise ValueError(f"link {number} does not fit a Router-LSA")
        ids = link.id.packed, link.data.packed
        parts.append(_LINK.pack(*ids, link.type, len(link.topologies), link.metric))
        parts += (_TOPOLOGY.pack(mt, metric) for mt, metric in link.topologies.items())
    return b"\0\0" + len(links).to_bytes(2, "big") + b"".join(parts)


def parse_network(body: bytes) -> tuple[int, tuple[IPv4Address, ...]]:
    """Return (prefix length, attached routers) of a Network-LSA."""
    if len(body) < 4 or len(body) % 4:
        raise WireError(f"Network-LSA: {len(body)} octets")
    routers = tuple(IPv4Address(body[i : i + 4]) for i in range(4, len(body), 4))
    return _length(body[:4]), routers


def encode_network(length: int, routers: Iterable[IPv4Address]) -> bytes:
    """Return the body of a Network-LSA."""
    mask = IPv4Network((0, length)).netmask.packed
    return mask + b"".join(router.packed for router in routers)


def parse_summary(number: IPv4Address, body: bytes) -> tuple[IPv4Network, int]:
    """Return (prefix, metric) of a Summary-LSA with this Link State ID."""
    if len(body) < 8:
        raise WireError(f"Summary-LSA: {len(body)} octets are less than 8")
    network = IPv4Network((int(number), _length(body[:4])), strict=False)
    return network, int.from_bytes(body[5:8], "big")


def encode_summary(network: IPv4Network, metric: int) -> bytes:
    """Return the body of a Summary-LSA; its Link State ID is the network's address."""
    return network.netmask.packed + metric.to_bytes(4, "big")


def _length(mask: bytes) -> int:
    bits = int.from_bytes(mask, "big")
    length = bits.bit_count()
    if bits != (0xFFFFFFFF << 32 - length) & 0xFFFFFFFF:
        raise WireError(f"{IPv4Address(mask)} is no network mask")
    return length


@dataclass(frozen=True, slots=True)
class ExtendedPrefix:
    """One Extended Prefix TLV."""

    network: IPv4Network
    route_type: int = INTRA_AREA
    flags: int = 0x40
    """0x40: the prefix is a node's (N); 0x80: attached (A)."""
    sub_tlvs: bytes = b""

    def __post_init__(self) -> None:
        if not (0 <= self.route_type <= 255 and 0 <= self.flags <= 255):
            raise ValueError("route type or flags do not fit their octets")


def extended_prefixes(body: bytes) -> Iterator[ExtendedPrefix]:
    """Yield the prefixes of an Extended Prefix Opaque LSA, all IPv4 (address family 0)."""
    for _at, tlv in read_long(body):
        if tlv.type != _EXTENDED_PREFIX_TLV:
            continue
        if len(tlv.value) < _PREFIX.size:
            raise WireError("Extended Prefix TLV: less than 4 octets")
        route_type, length, family, flags = _PREFIX.unpack_from(tlv.value)
        if family:
            continue
        start = _PREFIX.size + 4  # 32 bits whatever the length (RFC 7684 section 2.1)
        if length > 32 or len(tlv.value) < start:
            raise WireError(
                f"Extended Prefix TLV: a prefix of {length} bits in {len(tlv.value)} octets"
            )
        address = int.from_bytes(tlv.value[_PREFIX.size : start], "big")
        network = IPv4Network((address, length), strict=False)
        yield ExtendedPrefix(network, route_type, flags, tlv.value[start:])


def encode_extended_prefixes(some: Iterable[ExtendedPrefix]) -> bytes:
    """Return the body of an Extended Prefix Opaque LSA."""
    return write_long(
        Tlv(
            _EXTENDED_PREFIX_TLV,
            _PREFIX.pack(one.route_type, one.network.prefixlen, 0, one.flags)
            + one.network.network_address.packed
            + one.sub_tlvs,
        )
        for one in some
    )


def opaque_id(number: int) -> IPv4Address:
    """Return the Link State ID of an Extended Prefix Opaque LSA with this opaque ID (24 bits)."""
    if not 0 <= number <= 0xFFFFFF:
        raise ValueError(f"opaque ID {number} does not fit 24 bits")
    return IPv4Address(EXTENDED_PREFIX << 24 | number)
