"""What the TLVs of an LSP say about neighbors, prefixes and names.

RFC 5305 (22, 135), RFC 5308 (236), RFC 5120 (222, 235, 237: the same behind an MT-ID), RFC 5301
(137), ISO/IEC 10589 section 9.8 (1).  Law: readers yield entry by entry and raise WireError where
an entry does not fit, so what came before it is kept; sub-TLVs stay octets, since one that is
malformed harms nothing beside it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv

AREA_ADDRESSES: Final = 1
HOSTNAME: Final = 137
IS_REACHABILITY: Final = 22
MT_IS_REACHABILITY: Final = 222
PREFIXES: Final = {135: 4, 235: 4, 236: 6, 237: 6}
"""TLV type -> IP version."""
MULTI_TOPOLOGY: Final = frozenset({222, 235, 237})
"""TLVs that start with an MT-ID."""
MAX_TLV: Final = 255
_DOWN: Final = 0x80
_HAS_SUB: Final = {4: 0x40, 6: 0x20}
_EXTERNAL: Final = 0x40
"""Of IPv6 (RFC 5308); RFC 5305 has no such bit."""


@dataclass(frozen=True, slots=True)
class IsNeighbor:
    """One entry of TLV 22 or 222."""

    neighbor: bytes
    """System ID and pseudonode number: 7 octets."""
    metric: int
    sub: bytes = b""
    """Its sub-TLVs."""

    def __post_init__(self) -> None:
        if len(self.neighbor) != 7 or not 0 <= self.metric <= 0xFFFFFF or len(self.sub) > 242:
            raise ValueError("an IS neighbor does not fit TLV 22")

    def encode(self) -> bytes:
        return b"".join(
            (self.neighbor, self.metric.to_bytes(3, "big"), bytes((len(self.sub),)), self.sub)
        )


@dataclass(frozen=True, slots=True)
class Prefix:
    """One entry of TLV 135, 235, 236 or 237."""

    network: IPv4Network | IPv6Network
    metric: int
    down: bool = False
    """Leaked from a higher level."""
    external: bool = False
    sub: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.metric <= 0xFFFFFFFF or len(self.sub) > 230:
            raise ValueError(f"{self.network} does not fit a prefix TLV")
        if self.external and self.network.version == 4:
            raise ValueError("only IPv6 prefixes have an external bit")

    def encode(self) -> bytes:
        network, version = self.network, self.network.version
        length = network.prefixlen
        octets = network.network_address.packed[: (length + 7) // 8]
        control = _DOWN if self.down else 0
        control |= _HAS_SUB[version] if self.sub else 0
        sub = bytes((len(self.sub),)) + self.sub if self.sub else b""
        metric = self.metric.to_bytes(4, "big")
        if version == 4:
            return metric + bytes((control | length,)) + octets + sub
        control |= _EXTERNAL if self.external else 0
        return metric + bytes((control, length)) + octets + sub


def topology(tlv: Tlv) -> tuple[int, bytes]:
    """Return (MT-ID, what follows it) of any reachability TLV."""
    if tlv.type not in MULTI_TOPOLOGY:
        return 0, tlv.value
    if len(tlv.value) < 2:
        raise WireError(f"TLV {tlv.type} ends before its MT-ID")
    return int.from_bytes(tlv.value[:2], "big") & 0xFFF, tlv.value[2:]


def neighbors(tlv: Tlv) -> Iterator[IsNeighbor]:
    """Yield the entries of TLV 22 or 222."""
    _mt_id, data = topology(tlv)
    at = 0
    while at < len(data):
        end = at + 11
        if end > len(data) or end + data[end - 1] > len(data):
            raise WireError(f"TLV {tlv.type} ends inside a neighbor")
        end += data[end - 1]
        yield IsNeighbor(
            data[at : at + 7], int.from_bytes(data[at + 7 : at + 10], "big"), data[at + 11 : end]
        )
        at = end


def prefixes(tlv: Tlv) -> Iterator[Prefix]:
    """Yield the entries of TLV 135, 235, 236 or 237."""
    version = PREFIXES[tlv.type]
    _mt_id, data = topology(tlv)
    fixed = 5 if version == 4 else 6
    at = 0
    while at < len(data):
        if at + fixed > len(data):
            raise WireError(f"TLV {tlv.type} ends inside a prefix")
        control = data[at + 4]
        length = control & 0x3F if version == 4 else data[at + 5]
        if length > (32 if version == 4 else 128):
            raise WireError(f"TLV {tlv.type} has a prefix of {length} bits")
        start = at + fixed
        end = start + (length + 7) // 8
        sub_at, sub = end, b""
        if control & _HAS_SUB[version]:
            if end >= len(data):
                raise WireError(f"TLV {tlv.type} ends before the sub-TLVs of a prefix")
            sub_at = end + 1
            end = sub_at + data[sub_at - 1]
            sub = data[sub_at:end]
        if end > len(data):
            raise WireError(f"TLV {tlv.type} ends inside a prefix")
        stop = start + (length + 7) // 8
        yield Prefix(
            _network(version, data[start:stop], length),
            int.from_bytes(data[at : at + 4], "big"),
            bool(control & _DOWN),
            version == 6 and bool(control & _EXTERNAL),
            sub,
        )
        at = end


def _network(version: int, octets: bytes, length: int) -> IPv4Network | IPv6Network:
    """Bits beyond the length are ignored."""
    if version == 4:
        return IPv4Network((int.from_bytes(octets.ljust(4, b"\0"), "big"), length), strict=False)
    return IPv6Network((int.from_bytes(octets.ljust(16, b"\0"), "big"), length), strict=False)


def areas(tlv: Tlv) -> Iterator[str]:
    """Yield the area addresses of TLV 1 as text: 49.0001."""
    data, at = tlv.value, 0
    while at < len(data):
        octets = data[at + 1 : at + 1 + data[at]]
        if not data[at] or len(octets) < data[at]:
            raise WireError("TLV 1 ends inside an area address")
        text = octets[1:].hex()
        groups = (text[i : i + 4] for i in range(0, len(text), 4))
        yield ".".join((f"{octets[0]:02x}", *groups))
        at += 1 + data[at]


def hostname(tlv: Tlv) -> str:
    """Return the name of TLV 137, with what is no printable ASCII replaced."""
    return "".join(chr(o) if 0x21 <= o <= 0x7E else "?" for o in tlv.value)


def area_tlv(area: bytes) -> Tlv:
    """Return TLV 1 of one area address."""
    return Tlv(AREA_ADDRESSES, bytes((len(area),)) + area)


def neighbor_tlvs(entries: Iterable[IsNeighbor], mt_id: int = 0) -> list[Tlv]:
    """Return as many TLVs 22 (222 for an MT-ID) as the entries need."""
    kind = MT_IS_REACHABILITY if mt_id else IS_REACHABILITY
    return _packed(kind, mt_id, (entry.encode() for entry in entries))


def prefix_tlvs(entries: Iterable[Prefix], mt_id: int = 0) -> list[Tlv]:
    """Return as many TLVs 135 and 236 (235 and 237 for an MT-ID) as the entries need."""
    by_version: dict[int, list[bytes]] = {4: [], 6: []}
    for entry in entries:
        by_version[entry.network.version].append(entry.encode())
    return [
        *_packed(235 if mt_id else 135, mt_id, by_version[4]),
        *_packed(237 if mt_id else 236, mt_id, by_version[6]),
    ]


def _packed(kind: int, mt_id: int, entries: Iterable[bytes]) -> list[Tlv]:
    head = mt_id.to_bytes(2, "big") if mt_id else b""
    found: list[bytes] = []
    for entry in entries:
        if found and len(found[-1]) + len(entry) <= MAX_TLV:
            found[-1] += entry
        else:
            found.append(head + entry)
    return [Tlv(kind, value) for value in found]
