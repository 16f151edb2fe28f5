"""TLVs of BIER echo messages, bytes to values and back.  draft-ietf-bier-ping-23 section 3.4.

    +---------------+---------------+
    |     Type      |    Length     |      Length: octets of the value
    +---------------+---------------+
    |             Value             |
    +-------------------------------+

Law: every value here can be encoded, and what `parse_tlvs` returns encodes to as many octets as it
was read from, so that offsets can be counted.  It raises OamError, with the offset, on a TLV that
breaks its own format; which TLVs may stand in which message is not its business.  A type that is
not known is kept (`Unknown`); below 32768 whoever answers must say so (`Unknown.mandatory`).  Pure.

Read where the text leaves a choice: BS Len (section 3.4.1) is the code of RFC 8296, since 4 bits do
not hold a number of words; an Ingress Interface (section 3.4.7) of address type 4 is the index, 4
octets, as in table 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from toolkit.bier.bitstring import MAX_BFR_ID, MAX_SI, BitString, Bsl
from toolkit.errors import WireError

IpAddress = IPv4Address | IPv6Address

HEAD: Final = Struct("!HH")
_SET: Final = Struct("!BBH")
_MAPPING: Final = Struct("!HBB")
OPTIONAL_FROM: Final = 32768
"""Types from here on may be passed over by whoever does not know them (section 3.4)."""
INCOMING_FLAG: Final = 0x01
"""I: put the Incoming SI-BitString TLV in the reply (figure 8)."""


class OamError(WireError):
    """A BIER OAM message that breaks the format; `pointer` is the octet of it that does."""

    def __init__(self, pointer: int, detail: str) -> None:
        self.pointer = pointer
        super().__init__(f"BIER OAM: octet {pointer}: {detail}")


class TlvType(IntEnum):
    """Section 5.6.1, and 3.4.8."""

    ORIGINAL = 1
    TARGET = 2
    INCOMING = 3
    DOWNSTREAM = 4
    RESPONDER_BFER = 5
    RESPONDER_BFR = 6
    INGRESS_INTERFACE = 7
    ERRONEOUS = 8


class SubTlvType(IntEnum):
    """Of the Downstream Detailed Mapping (table 6)."""

    MULTIPATH = 1
    EGRESS = 2


class AddressType(IntEnum):
    """Of interfaces (table 4)."""

    IPV4 = 1
    IPV4_UNNUMBERED = 2
    IPV6 = 3
    IPV6_LINK_LOCAL = 4


_OCTETS: Final = {1: (4, 4), 2: (4, 4), 3: (16, 16), 4: (16, 4)}
"""Address type -> octets of address and of interface (table 5)."""


@dataclass(frozen=True, slots=True)
class SetBits:
    """A BitString with the set and the sub-domain it belongs to (figures 4, 5, 6, 10)."""

    sub_domain: int
    si: int
    bits: BitString

    def __post_init__(self) -> None:
        if not 0 <= self.sub_domain <= 255 or not 0 <= self.si <= MAX_SI:
            raise ValueError(f"sub-domain {self.sub_domain} or SI {self.si} is not 0..255")

    def encode(self) -> bytes:
        return _SET.pack(self.si, self.sub_domain, self.bits.bsl << 12) + self.bits.to_bytes()


@dataclass(frozen=True, slots=True)
class SiBitString:
    """Original, Target or Incoming SI-BitString TLV (sections 3.4.1 to 3.4.3)."""

    kind: TlvType
    set_bits: SetBits

    def __post_init__(self) -> None:
        if self.kind not in (TlvType.ORIGINAL, TlvType.TARGET, TlvType.INCOMING):
            raise ValueError(f"{self.kind.name} is no SI-BitString")

    def encode(self) -> bytes:
        return _tlv(self.kind, self.set_bits.encode())


@dataclass(frozen=True, slots=True)
class Multipath:
    """MPLS Multipath Entropy Data Sub-TLV (section 3.4.4.1.1; information: RFC 8029 3.4.1.1)."""

    kind: int = 0
    """Multipath Type: 0 none, 9 bit-masked label set, and others."""
    information: bytes = b""
    masked: bool = False
    """M: the information says by which entropies; otherwise all packets go this way."""

    def __post_init__(self) -> None:
        if not 0 <= self.kind <= 255:
            raise ValueError(f"multipath type {self.kind} is not 0..255")

    def encode(self) -> bytes:
        head = bytes((0x80 if self.masked else 0, self.kind))
        return _tlv(SubTlvType.MULTIPATH, head + self.information)


@dataclass(frozen=True, slots=True)
class Egress:
    """Egress BitString Sub-TLV: the BitString as it leaves by this interface (3.4.4.1.2)."""

    set_bits: SetBits

    def encode(self) -> bytes:
        return _tlv(SubTlvType.EGRESS, self.set_bits.encode())


SubTlv = Multipath | Egress


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as the TLVs name it: its address, or the index that its router gave it."""

    kind: AddressType
    address: IpAddress | None = None
    index: int = 0

    def __post_init__(self) -> None:
        version = {AddressType.IPV4: 4, AddressType.IPV6: 6}.get(self.kind)
        if (self.address.version if self.address else None) != version:
            raise ValueError(f"{self.address} is no address of type {self.kind.name}")
        if not 0 <= self.index < 1 << 32:
            raise ValueError(f"interface index {self.index} does not fit 32 bits")

    def octets(self) -> bytes:
        return self.index.to_bytes(4) if self.address is None else self.address.packed

    def __str__(self) -> str:
        return f"index {self.index}" if self.address is None else str(self.address)


@dataclass(frozen=True, slots=True)
class Downstream:
    """Downstream Detailed Mapping TLV (DDMAP): one interface that copies leave by (3.4.4)."""

    address: IpAddress
    """BFR-prefix of the downstream BFR; 224.0.0.2 in a request that asks for mappings."""
    interface: Interface
    """Of the responder."""
    mtu: int = 0
    """Octets of the largest BIER packet, its header included, that fits."""
    incoming: bool = False
    """The I flag."""
    sub_tlvs: tuple[SubTlv, ...] = ()

    def __post_init__(self) -> None:
        if self.address.version != (6 if _OCTETS[self.interface.kind][0] == 16 else 4):
            raise ValueError(f"{self.address} does not go with {self.interface.kind.name}")
        if not 0 <= self.mtu <= 0xFFFF:
            raise ValueError(f"MTU {self.mtu} is not 0..65535")

    @property
    def egress(self) -> SetBits | None:
        return next((s.set_bits for s in self.sub_tlvs if isinstance(s, Egress)), None)

    @property
    def multipath(self) -> Multipath | None:
        return next((s for s in self.sub_tlvs if isinstance(s, Multipath)), None)

    def encode(self) -> bytes:
        flags = INCOMING_FLAG if self.incoming else 0
        subs = b"".join(sub.encode() for sub in self.sub_tlvs)
        return _tlv(
            TlvType.DOWNSTREAM,
            _MAPPING.pack(self.mtu, self.interface.kind, flags)
            + self.address.packed + self.interface.octets() + len(subs).to_bytes(2) + subs,
        )  # fmt: skip


ASK: Final = Downstream(
    IPv4Address("224.0.0.2"), Interface(AddressType.IPV4_UNNUMBERED), incoming=True
)
"""The DDMAP with which an initiator asks for mappings (section 3.4.4)."""


@dataclass(frozen=True, slots=True)
class ResponderBfer:
    """The BFR-id of a BFER that answers (section 3.4.5)."""

    bfr_id: int

    def __post_init__(self) -> None:
        if not 0 <= self.bfr_id <= MAX_BFR_ID:
            raise ValueError(f"BFR-id {self.bfr_id} does not fit 16 bits")

    def encode(self) -> bytes:
        return _tlv(TlvType.RESPONDER_BFER, self.bfr_id.to_bytes(4))


@dataclass(frozen=True, slots=True)
class ResponderBfr:
    """The BFR-prefix of a BFR that answers (section 3.4.6)."""

    prefix: IpAddress

    def encode(self) -> bytes:
        kind = 1 if self.prefix.version == 4 else 2
        return _tlv(TlvType.RESPONDER_BFR, kind.to_bytes(4) + self.prefix.packed)


@dataclass(frozen=True, slots=True)
class Ingress:
    """The interface by which the request came in (section 3.4.7)."""

    interface: Interface

    def encode(self) -> bytes:
        kind = self.interface.kind
        return _tlv(TlvType.INGRESS_INTERFACE, kind.to_bytes(4) + self.interface.octets())


@dataclass(frozen=True, slots=True)
class Erroneous:
    """Where a request is wrong, and as much of it as there is room for (section 3.4.8)."""

    pointer: int
    request: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.pointer < 1 << 32:
            raise ValueError(f"pointer {self.pointer} does not fit 32 bits")

    def encode(self) -> bytes:
        return _tlv(TlvType.ERRONEOUS, self.pointer.to_bytes(4) + self.request)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A TLV of a type that is not known here."""

    kind: int
    value: bytes

    @property
    def mandatory(self) -> bool:
        """Whoever answers must say that it does not know it (section 3.4)."""
        return self.kind < OPTIONAL_FROM

    def encode(self) -> bytes:
        return _tlv(self.kind, self.value)


Tlv = SiBitString | Downstream | ResponderBfer | ResponderBfr | Ingress | Erroneous | Unknown


def _tlv(kind: int, value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"{len(value)} octets do not fit a TLV")
    return HEAD.pack(kind, len(value)) + value


def parse_tlvs(data: bytes, start: int, end: int) -> tuple[Tlv, ...]:
    """Return the TLVs in `data[start:end]`; offsets in errors are those in `data`."""
    return tuple(_parse(kind, data, at, to) for kind, at, to in _pieces(data, start, end))


def _pieces(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Return type, start and end of each value."""
    found: list[tuple[int, int, int]] = []
    at = start
    while at < end:
        if end - at < HEAD.size:
            raise OamError(at, f"{end - at} octets are no TLV")
        kind, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        if length > end - at:
            raise OamError(at - 2, f"TLV {kind} says {length} octets, {end - at} are left")
        found.append((kind, at, at + length))
        at += length
    return found


def _parse(kind: int, data: bytes, at: int, end: int) -> Tlv:
    if kind in (TlvType.ORIGINAL, TlvType.TARGET, TlvType.INCOMING):
        return SiBitString(TlvType(kind), _set_bits(data, at, end))
    if kind == TlvType.DOWNSTREAM:
        return _downstream(data, at, end)
    if kind == TlvType.RESPONDER_BFER:
        _length(at, end, 4)
        return ResponderBfer(int.from_bytes(data[at + 2 : end]))
    if kind == TlvType.RESPONDER_BFR:
        _at_least(at, end, 4)
        family = int.from_bytes(data[at + 2 : at + 4])
        if family not in (1, 2):
            raise OamError(at + 2, f"address type {family} is not known")
        _length(at, end, 8 if family == 1 else 20)
        return ResponderBfr(_address(data[at + 4 : end]))
    if kind == TlvType.INGRESS_INTERFACE:
        _at_least(at, end, 4)
        address_type = _address_type(at + 2, int.from_bytes(data[at + 2 : at + 4]))
        _length(at, end, 4 + _OCTETS[address_type][1])
        return Ingress(_interface(address_type, data[at + 4 : end]))
    if kind == TlvType.ERRONEOUS:
        _at_least(at, end, 4)
        return Erroneous(int.from_bytes(data[at : at + 4]), bytes(data[at + 4 : end]))
    return Unknown(kind, bytes(data[at:end]))


def _downstream(data: bytes, at: int, end: int) -> Downstream:
    _at_least(at, end, _MAPPING.size)
    mtu, number, flags = _MAPPING.unpack_from(data, at)
    kind = _address_type(at + 2, number)
    address_octets, interface_octets = _OCTETS[kind]
    first = at + _MAPPING.size
    second = first + address_octets
    third = second + interface_octets
    _at_least(at, end, third + 2 - at)
    length = int.from_bytes(data[third : third + 2])
    if third + 2 + length != end:
        left = end - third - 2
        raise OamError(third, f"the Sub-TLVs say {length} octets, {left} are left")
    return Downstream(
        address=_address(data[first:second]),
        interface=_interface(kind, data[second:third]),
        mtu=mtu,
        incoming=bool(flags & INCOMING_FLAG),
        sub_tlvs=tuple(_sub_tlv(data, *piece) for piece in _pieces(data, third + 2, end)),
    )


def _sub_tlv(data: bytes, kind: int, at: int, end: int) -> SubTlv:
    if kind == SubTlvType.EGRESS:
        return Egress(_set_bits(data, at, end))
    if kind == SubTlvType.MULTIPATH:
        _at_least(at, end, 2)
        return Multipath(data[at + 1], bytes(data[at + 2 : end]), masked=bool(data[at] & 0x80))
    raise OamError(at - HEAD.size, f"Sub-TLV {kind} is not known")  # table 6: invalid


def _set_bits(data: bytes, at: int, end: int) -> SetBits:
    _at_least(at, end, _SET.size)
    si, sub_domain, word = _SET.unpack_from(data, at)
    code = word >> 12
    if not Bsl.B64 <= code <= Bsl.B4096:
        raise OamError(at + 2, f"BS Len {code} is not known")
    bsl = Bsl(code)
    _length(at, end, _SET.size + bsl.octets)
    return SetBits(sub_domain, si, BitString(bsl, int.from_bytes(data[at + _SET.size : end])))


def _address_type(at: int, number: int) -> AddressType:
    if number not in _OCTETS:
        raise OamError(at, f"address type {number} is not known")
    return AddressType(number)


def _interface(kind: AddressType, octets: bytes) -> Interface:
    if kind in (AddressType.IPV4, AddressType.IPV6):
        return Interface(kind, _address(octets))
    return Interface(kind, index=int.from_bytes(octets))


def _address(octets: bytes) -> IpAddress:
    return IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)


def _length(at: int, end: int, wanted: int) -> None:
    if end - at != wanted:
        raise OamError(at - 2, f"the length is {end - at}, not {wanted}")


def _at_least(at: int, end: int, wanted: int) -> None:
    if end - at < wanted:
        raise OamError(at - 2, f"the length is {end - at}, less than {wanted}")
