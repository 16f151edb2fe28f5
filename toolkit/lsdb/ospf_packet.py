"""OSPFv2 packets as far as they carry or name LSAs: LS Update both ways, Database Description in.

RFC 2328 appendix A.3 (packets), A.4.1 (LSA header), D.4 (authentication), 12.1.7 (LSA checksum),
13.1 (which instance is newer).  Law: a packet's checksum is looked at where its authentication type
leaves it one; an LSA's always.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet import fletcher
from toolkit.inet.checksum import checksum

PROTOCOL: Final = 89
ALL_SPF_ROUTERS: Final = IPv4Address("224.0.0.5")
MAX_AGE: Final = 3600
FIRST_SEQUENCE: Final = 0x80000001
LSA_HEADER: Final = 20
_HEADER: Final = Struct("!BBH4s4sHH8x")
_LSA: Final = Struct("!HBB4s4sIHH")
_DATABASE_DESCRIPTION, _UPDATE = 2, 4
_CRYPTOGRAPHIC: Final = 2
_DO_NOT_AGE: Final = 0x8000
_MAX_AGE_DIFFERENCE: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Lsa:
    """A link state advertisement."""

    type: int
    id: IPv4Address
    router: IPv4Address
    """Advertising router."""
    sequence: int = FIRST_SEQUENCE
    """As on the wire; it is a signed number."""
    age: int = 0
    """Seconds; MAX_AGE is a purge."""
    options: int = 0x42
    """O (opaque LSAs) and E, as most routers set."""
    body: bytes = b""

    def __post_init__(self) -> None:
        if not (0 <= self.type <= 255 and 0 <= self.options <= 255 and 0 <= self.age <= 0xFFFF):
            raise ValueError("an LSA's type, options or age does not fit its field")
        if not 0 <= self.sequence <= 0xFFFFFFFF or len(self.body) > 0xFFFF - LSA_HEADER:
            raise ValueError("an LSA's sequence number or length does not fit its field")

    @property
    def key(self) -> tuple[int, IPv4Address, IPv4Address]:
        """What instances of one LSA share."""
        return self.type, self.id, self.router

    @property
    def purged(self) -> bool:
        return self.age & ~_DO_NOT_AGE >= MAX_AGE

    def encode(self) -> bytes:
        """Return header and body, with the checksum (over all but the age)."""
        length = LSA_HEADER + len(self.body)
        ids = self.id.packed, self.router.packed
        head = _LSA.pack(self.age, self.options, self.type, *ids, self.sequence, 0, length)
        data = head + self.body
        return data[:16] + fletcher.check_octets(data[2:], 14) + data[18:]

    def __str__(self) -> str:
        return f"LSA type {self.type} {self.id} of {self.router}"


@dataclass(frozen=True, slots=True)
class ReceivedLsa:
    lsa: Lsa
    checksum: int
    intact: bool

    def newer(self, than: ReceivedLsa) -> bool:
        """RFC 2328 section 13.1."""
        ours, theirs = self.lsa, than.lsa
        if ours.sequence != theirs.sequence:
            return _signed(ours.sequence) > _signed(theirs.sequence)
        if self.checksum != than.checksum:
            return self.checksum > than.checksum
        if ours.purged != theirs.purged:
            return ours.purged
        return theirs.age - ours.age > _MAX_AGE_DIFFERENCE


def _signed(sequence: int) -> int:
    return sequence - (1 << 32) if sequence >> 31 else sequence


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet, as far as it is about LSAs."""

    router: IPv4Address
    area: IPv4Address
    lsas: tuple[ReceivedLsa, ...] = ()
    listed: tuple[Lsa, ...] = ()
    """Headers of a Database Description, without bodies."""
    damage: tuple[str, ...] = ()
    """What could not be read, LSA by LSA."""


def parse(data: bytes) -> Packet:
    """Return what a packet says; WireError where its header, length or checksum is wrong."""
    if len(data) < _HEADER.size:
        raise WireError(f"OSPF: {len(data)} octets are less than the header of {_HEADER.size}")
    version, kind, length, router, area, _sum, authentication = _HEADER.unpack_from(data)
    if version != 2:
        raise WireError(f"OSPF: version {version} is not 2")
    if not 1 <= kind <= 5:
        raise WireError(f"OSPF: packet type {kind} is not known")
    if not _HEADER.size <= length <= len(data):
        raise WireError(f"OSPF: a packet of {length} octets in {len(data)}")
    if authentication != _CRYPTOGRAPHIC and checksum(data[:16] + data[24:length]):
        raise WireError("OSPF: wrong packet checksum")
    ids = IPv4Address(router), IPv4Address(area)
    body = data[_HEADER.size : length]
    if kind == _UPDATE:
        lsas, damage = _update(body)
        return Packet(*ids, lsas, (), damage)
    if kind == _DATABASE_DESCRIPTION:
        listed, damage = _description(body)
        return Packet(*ids, (), listed, damage)
    return Packet(*ids)


def _update(body: bytes) -> tuple[tuple[ReceivedLsa, ...], tuple[str, ...]]:
    if len(body) < 4:
        raise WireError("OSPF: an LS Update without its number of LSAs")
    count, at = int.from_bytes(body[:4], "big"), 4
    found: list[ReceivedLsa] = []
    damage: list[str] = []
    for number in range(1, count + 1):
        rest = len(body) - at
        length = int.from_bytes(body[at + 18 : at + LSA_HEADER], "big")
        if rest < LSA_HEADER or not LSA_HEADER <= length <= rest:
            damage.append(f"LSA {number} of {count} does not fit: {rest} octets are left")
            break
        octets = body[at : at + length]
        lsa, check = _lsa(octets)
        found.append(ReceivedLsa(lsa, check, bool(check) and fletcher.verify(octets[2:])))
        at += length
    return tuple(found), tuple(damage)


def _description(body: bytes) -> tuple[tuple[Lsa, ...], tuple[str, ...]]:
    if len(body) < 8:
        raise WireError("OSPF: a Database Description of less than 8 octets")
    heads, rest = divmod(len(body) - 8, LSA_HEADER)
    listed = tuple(_lsa(body[8 + i * LSA_HEADER :][:LSA_HEADER])[0] for i in range(heads))
    return listed, (f"{rest} octets behind the last LSA header",) if rest else ()


def _lsa(octets: bytes) -> tuple[Lsa, int]:
    age, options, kind, number, router, sequence, check, _length = _LSA.unpack_from(octets)
    lsa = Lsa(
        type=kind,
        id=IPv4Address(number),
        router=IPv4Address(router),
        sequence=sequence,
        age=age,
        options=options,
        body=octets[LSA_HEADER:],
    )
    return lsa, check


def encode_update(router: IPv4Address, area: IPv4Address, lsas: Sequence[Lsa]) -> bytes:
    """Return an LS Update without authentication; ValueError above 65535 octets."""
    body = len(lsas).to_bytes(4, "big") + b"".join(lsa.encode() for lsa in lsas)
    length = _HEADER.size + len(body)
    if length > 0xFFFF:
        raise ValueError(f"an LS Update of {length} octets does not fit OSPF")
    head = _HEADER.pack(2, _UPDATE, length, router.packed, area.packed, 0, 0)
    check = checksum(head[:16] + body)
    return head[:12] + check.to_bytes(2, "big") + head[14:] + body
