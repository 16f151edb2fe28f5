"""IGMP and MLD packets: queries and reports.  RFC 3376 section 4 (IGMPv3), RFC 2236 (IGMPv2), RFC
3810 section 5 (MLDv2), RFC 2710 (MLDv1).

    IGMPv3 report:  0x22 | 0 | checksum | 0 | records     record:  type | aux | sources | G | S ...
    MLDv2 report:    143 | 0 | checksum | 0 | records              (the same, addresses of 16)

Law: packets leave with TTL or Hop Limit 1 and the Router Alert option, and are refused with any
other TTL.  IPv4 and IPv6 say the same with other numbers, so one vocabulary serves both.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from toolkit.errors import WireError
from toolkit.inet import ip
from toolkit.inet.checksum import add, checksum, ones_sum
from toolkit.state.model import IpAddress

IGMP: Final = 2
ICMPV6: Final = 58
HOP_BY_HOP: Final = 0
HOSTS: Final[dict[int, IpAddress]] = {4: IPv4Address("224.0.0.1"), 6: IPv6Address("ff02::1")}
"""Where general queries go."""
REPORTS: Final[dict[int, IpAddress]] = {4: IPv4Address("224.0.0.22"), 6: IPv6Address("ff02::16")}
"""Where IGMPv3 and MLDv2 reports go; older ones go to the group itself."""
SOURCE_SPECIFIC: Final = {4: 3, 6: 2}
"""First version that can name sources."""
ROBUSTNESS: Final = 2
_ALERT4: Final = b"\x94\x04\0\0"
_ALERT6: Final = bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))
"""Hop-by-Hop header: Router Alert for MLD (RFC 2711), PadN."""
_NONE: Final[dict[int, IpAddress]] = {4: IPv4Address(0), 6: IPv6Address(0)}
_QUERY: Final = {4: 0x11, 6: 130}
_REPORT: Final = {4: 0x22, 6: 143}
_OLD: Final = {(4, 1): 0x12, (4, 2): 0x16, (6, 1): 131}
"""(family, version) -> type of a report that names a group alone."""
_LEAVE: Final = {4: 0x17, 6: 132}


class RecordType(IntEnum):
    """RFC 3376 section 4.2.12."""

    IS_INCLUDE = 1
    IS_EXCLUDE = 2
    TO_INCLUDE = 3
    TO_EXCLUDE = 4
    ALLOW = 5
    BLOCK = 6


@dataclass(frozen=True, slots=True)
class Record:
    kind: int
    group: IpAddress
    sources: tuple[IpAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a host has joined: IGMPv3, MLDv2."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class OldReport:
    """A host has joined, or leaves, a group, whatever the source: IGMPv1, IGMPv2, MLDv1."""

    group: IpAddress
    version: int
    leave: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A router asks what is joined."""

    version: int
    group: IpAddress | None = None
    """None: a general query."""
    interval: int = 125
    """Seconds between general queries, below 128 (QQIC)."""
    response: float = 10.0
    """Seconds in which hosts answer, below 12.8."""


Message = Report | OldReport | Query


def encode(message: Message, source: IpAddress) -> bytes:
    """Return the IP packet with this message from `source` (IPv6: a link-local address)."""
    family = source.version
    body, destination = _body(message, family)
    if family == 4:
        body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
        return _ipv4(source, destination, body)
    pseudo = add(ones_sum(source.packed + destination.packed), add(len(body), ICMPV6))
    body = body[:2] + checksum(body, pseudo).to_bytes(2, "big") + body[4:]
    whole = _ALERT6 + body
    return ip.Template(source, destination, HOP_BY_HOP, ttl=1).packet(whole)


def _ipv4(source: IpAddress, destination: IpAddress, body: bytes) -> bytes:
    total = 24 + len(body)
    head = bytes((0x46, 0xC0)) + total.to_bytes(2, "big") + b"\0\0\0\0" + bytes((1, IGMP))
    rest = source.packed + destination.packed + _ALERT4
    return head + checksum(head + rest).to_bytes(2, "big") + rest + body


def _body(message: Message, family: int) -> tuple[bytes, IpAddress]:
    """Return the message with a checksum of 0, and where it goes."""
    match message:
        case Report(records):
            count = len(records).to_bytes(2, "big")
            parts = [bytes((_REPORT[family], 0, 0, 0, 0, 0)), count]
            for record in records:
                parts.append(bytes((record.kind, 0)) + len(record.sources).to_bytes(2, "big"))
                parts += (a.packed for a in (record.group, *record.sources))
            return b"".join(parts), REPORTS[family]
        case OldReport(group, version, leave):
            kind = _LEAVE[family] if leave else _OLD[family, version]
            body = bytes((kind, 0, 0, 0)) + (b"" if family == 4 else bytes(4)) + group.packed
            routers = IPv4Address("224.0.0.2") if family == 4 else IPv6Address("ff02::2")
            return body, routers if leave else group
        case Query():
            return _query(message, family), message.group or HOSTS[family]


def _query(query: Query, family: int) -> bytes:
    group = query.group or _NONE[family]
    if family == 4:
        code = 0 if query.version == 1 else round(query.response * 10)
        body = bytes((_QUERY[4], code, 0, 0)) + group.packed
    else:
        code = round(query.response * 1000)
        body = bytes((_QUERY[6], 0, 0, 0)) + code.to_bytes(2, "big") + bytes(2) + group.packed
    if query.version < SOURCE_SPECIFIC[family]:
        return body
    return body + bytes((ROBUSTNESS, query.interval, 0, 0))


def parse(packet: bytes) -> Message:
    """Return the message in an IP packet; WireError where it is none, or came from afar."""
    outer, offset = ip.parse(packet)
    if outer.ttl != 1:
        raise WireError(f"IGMP: TTL {outer.ttl} is not 1")
    data = packet[offset : outer.end]
    family = outer.source.version
    if family == 4:
        if outer.protocol != IGMP:
            raise WireError(f"IGMP: protocol {outer.protocol} is not 2")
        check = checksum(data)
    else:
        if outer.protocol != HOP_BY_HOP or data[:1] != bytes((ICMPV6,)) or len(data) < 8:
            raise WireError("MLD: no Hop-by-Hop header with ICMPv6 in it")
        data = data[8 * (data[1] + 1) :]
        pseudo = ones_sum(outer.source.packed + outer.destination.packed)
        check = checksum(data, add(pseudo, add(len(data), ICMPV6)))
    if len(data) < 8 or check:
        raise WireError(f"IGMP: {len(data)} octets are too few, or the checksum is wrong")
    return _parse4(data) if family == 4 else _parse6(data)


def _parse4(data: bytes) -> Message:
    kind = data[0]
    if kind == _REPORT[4]:
        return Report(_records(data, 4))
    group = IPv4Address(data[4:8])
    if kind == _QUERY[4]:
        asked = group if int(group) else None
        if len(data) >= 12:
            return Query(3, asked, data[9], data[1] / 10)
        return Query(2 if data[1] else 1, asked, response=data[1] / 10)
    if kind == _LEAVE[4]:
        return OldReport(group, 2, leave=True)
    for (family, version), number in _OLD.items():
        if family == 4 and number == kind:
            return OldReport(group, version)
    raise WireError(f"IGMP: type {kind:#04x} is not known")


def _parse6(data: bytes) -> Message:
    kind = data[0]
    if kind == _REPORT[6]:
        return Report(_records(data, 16))
    if len(data) < 24:
        raise WireError(f"MLD: {len(data)} octets are less than 24")
    group = IPv6Address(data[8:24])
    if kind == _QUERY[6]:
        asked = group if int(group) else None
        response = int.from_bytes(data[4:6], "big") / 1000
        if len(data) >= 28:
            return Query(2, asked, data[25], response)
        return Query(1, asked, response=response)
    if kind in (_OLD[6, 1], _LEAVE[6]):
        return OldReport(group, 1, leave=kind == _LEAVE[6])
    raise WireError(f"MLD: type {kind} is not known")


def _records(data: bytes, size: int) -> tuple[Record, ...]:
    records, at = [], 8
    for _ in range(int.from_bytes(data[6:8], "big")):
        if at + 4 + size > len(data):
            raise WireError("IGMP: a group record is cut off")
        kind, auxiliary = data[at], data[at + 1]
        count = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
        end = at + size * (count + 1)
        if end + 4 * auxiliary > len(data):
            raise WireError("IGMP: a group record is cut off")
        found = [_address(data[i : i + size]) for i in range(at, end, size)]
        records.append(Record(kind, found[0], tuple(found[1:])))
        at = end + 4 * auxiliary
    return tuple(records)


def _address(octets: bytes) -> IpAddress:
    return IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)


def link_local(address: IpAddress) -> IpAddress:
    """Return the address that PIM and MLD packets of an interface come from.

    IPv4: its own; IPv6: fe80::/64 with the interface's low 64 bits (RFC 7761 section 4.3, RFC 3810
    section 5.2.13).
    """
    if address.version == 4:
        return address
    return IPv6Address(0xFE80 << 112 | int(address) & (1 << 64) - 1)
