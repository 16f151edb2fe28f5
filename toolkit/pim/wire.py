"""PIM messages: bytes to values and back.  RFC 7761 sections 4.9 (header, checksum), 4.9.1 (encoded
addresses), 4.9.3 (Register), 4.9.4 (Register-Stop), 4.9.5 (Join/Prune).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+---------------+-------------------------------+
    |Ver = 2| Type  |   Reserved    |           Checksum            |
    +-------+-------+---------------+-------------------------------+
    |B|N|               Reserved (Register only)                    |
    +---------------------------------------------------------------+

The checksum of a Register covers its 8 octets alone, so that a data packet is not summed twice.
Pure.  `parse` raises WireError on what the RFC forbids and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from toolkit.errors import WireError
from toolkit.inet.checksum import add, checksum, ones_sum
from toolkit.state.model import IpAddress

PROTOCOL: Final = 103
"""PIM in the IP header's protocol field."""
ROUTERS: Final[dict[int, IpAddress]] = {4: IPv4Address("224.0.0.13"), 6: IPv6Address("ff02::d")}
"""ALL-PIM-ROUTERS."""
REGISTER_HEADER: Final = 8
_VERSION: Final = 2
_FAMILY: Final = {4: 1, 6: 2}
_SIZE: Final = {1: 4, 2: 16}
_SPARSE, _WILDCARD, _RPT = 0x04, 0x02, 0x01


class Type(IntEnum):
    REGISTER = 1
    REGISTER_STOP = 2
    JOIN_PRUNE = 3


@dataclass(frozen=True, slots=True, order=True)
class Selection:
    """One address of a Join/Prune: what is joined or pruned of a group."""

    address: IpAddress
    """S; of (*,G) the RP."""
    wildcard: bool = False
    """(*,G): with `rpt`."""
    rpt: bool = False
    """Alone: (S,G,rpt)."""


@dataclass(frozen=True, slots=True)
class GroupSet:
    group: IpAddress
    joins: tuple[Selection, ...] = ()
    prunes: tuple[Selection, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinPrune:
    upstream: IpAddress
    """The neighbor that it is meant for."""
    holdtime: int
    """Seconds."""
    groups: tuple[GroupSet, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.holdtime <= 0xFFFF or len(self.groups) > 0xFF:
            raise ValueError("a Join/Prune has 16 bits of holdtime and 8 bits of groups")


@dataclass(frozen=True, slots=True)
class Register:
    null: bool
    """A Null-Register probes: it carries no packet to forward."""
    packet: bytes
    border: bool = False


@dataclass(frozen=True, slots=True)
class RegisterStop:
    group: IpAddress
    source: IpAddress


Message = JoinPrune | Register | RegisterStop


def encode(message: Message, source: IpAddress, destination: IpAddress) -> bytes:
    """Return a PIM message; the addresses are those of the IP header, for the checksum of IPv6."""
    match message:
        case Register():
            flags = message.border << 31 | message.null << 30
            head = _sealed(Type.REGISTER, flags.to_bytes(4, "big"), source, destination)
            return head + message.packet
        case RegisterStop():
            body = _group(message.group) + _unicast(message.source)
            return _sealed(Type.REGISTER_STOP, body, source, destination)
        case JoinPrune():
            parts = [_unicast(message.upstream), bytes((0, len(message.groups)))]
            parts.append(message.holdtime.to_bytes(2, "big"))
            for entry in message.groups:
                parts.append(_group(entry.group))
                parts += (len(s).to_bytes(2, "big") for s in (entry.joins, entry.prunes))
                parts += (_selection(s) for s in (*entry.joins, *entry.prunes))
            return _sealed(Type.JOIN_PRUNE, b"".join(parts), source, destination)


def _sealed(kind: Type, body: bytes, source: IpAddress, destination: IpAddress) -> bytes:
    head = bytes((_VERSION << 4 | kind, 0))
    pseudo = _pseudo(source, destination, 4 + len(body))
    check = checksum(head + b"\0\0" + body, pseudo).to_bytes(2, "big")
    return head + check + body


def _pseudo(source: IpAddress, destination: IpAddress, length: int) -> int:
    """RFC 7761 section 4.9: IPv6 adds its pseudo-header, IPv4 does not."""
    if source.version == 4:
        return 0
    return add(ones_sum(source.packed + destination.packed), add(length, PROTOCOL))


def _unicast(address: IpAddress) -> bytes:
    return bytes((_FAMILY[address.version], 0)) + address.packed


def _group(address: IpAddress) -> bytes:
    return bytes((_FAMILY[address.version], 0, 0, address.max_prefixlen)) + address.packed


def _selection(entry: Selection) -> bytes:
    flags = _SPARSE | _WILDCARD * entry.wildcard | _RPT * entry.rpt
    address = entry.address
    return bytes((_FAMILY[address.version], 0, flags, address.max_prefixlen)) + address.packed


def parse(data: bytes, source: IpAddress, destination: IpAddress) -> Message:
    """Return the message in an IP payload; WireError where it is none that we know."""
    if len(data) < 4:
        raise WireError(f"PIM: {len(data)} octets are less than 4")
    if data[0] >> 4 != _VERSION:
        raise WireError(f"PIM: version {data[0] >> 4} is not 2")
    kind = data[0] & 0xF
    covered = data[:REGISTER_HEADER] if kind == Type.REGISTER else data
    if all(
        # RFC 7761 section 4.9.3: a receiver should also accept a sum over the whole Register.
        checksum(part, _pseudo(source, destination, len(part)))
        for part in ((covered,) if covered is data else (covered, data))
    ):
        raise WireError("PIM: wrong checksum")
    reader = _Reader(data)
    match kind:
        case Type.REGISTER:
            flags = int.from_bytes(reader.take(4), "big")
            return Register(bool(flags >> 30 & 1), data[reader.at :], bool(flags >> 31))
        case Type.REGISTER_STOP:
            group = reader.group()
            return RegisterStop(group, reader.unicast())
        case Type.JOIN_PRUNE:
            return _join_prune(reader)
        case _:
            raise WireError(f"PIM: type {kind} is not handled")


def _join_prune(reader: _Reader) -> JoinPrune:
    upstream = reader.unicast()
    count = reader.take(2)[1]
    holdtime = int.from_bytes(reader.take(2), "big")
    groups = []
    for _ in range(count):
        group = reader.group()
        joined = int.from_bytes(reader.take(2), "big")
        pruned = int.from_bytes(reader.take(2), "big")
        joins = tuple(reader.selection() for _ in range(joined))
        groups.append(GroupSet(group, joins, tuple(reader.selection() for _ in range(pruned))))
    return JoinPrune(upstream, holdtime, tuple(groups))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 4

    def take(self, size: int) -> bytes:
        part = self._data[self.at : self.at + size]
        if len(part) < size:
            raise WireError(f"PIM: {len(self._data)} octets are too few")
        self.at += size
        return part

    def _address(self, family: int, encoding: int) -> IpAddress:
        if encoding or family not in _SIZE:
            raise WireError(f"PIM: address family {family}, encoding {encoding} is not known")
        octets = self.take(_SIZE[family])
        return IPv4Address(octets) if family == 1 else IPv6Address(octets)

    def unicast(self) -> IpAddress:
        family, encoding = self.take(2)
        return self._address(family, encoding)

    def group(self) -> IpAddress:
        family, encoding, _flags, length = self.take(4)
        address = self._address(family, encoding)
        if length != address.max_prefixlen or not address.is_multicast:
            raise WireError(f"PIM: {address}/{length} is no group")
        return address

    def selection(self) -> Selection:
        family, encoding, flags, length = self.take(4)
        address = self._address(family, encoding)
        if length != address.max_prefixlen:
            raise WireError(f"PIM: {address}/{length} is no source")
        return Selection(address, bool(flags & _WILDCARD), bool(flags & _RPT))
