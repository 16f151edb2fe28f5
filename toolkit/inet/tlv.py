"""Type, length, value: with one octet each for type and length (IS-IS), or two (OSPF).

ISO/IEC 10589 section 9 and RFC 5305 (one octet, no padding); RFC 3630 section 2.3.2 and RFC 7684
(two octets, each TLV padded to 32 bits, the padding not counted).  Law: the readers yield what is
whole before they raise, so that who wants to can keep it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolkit.errors import WireError


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV, sub-TLV or sub-sub-TLV."""

    type: int
    value: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFFFF:
            raise ValueError(f"TLV type {self.type} is not 0..65535")
        if len(self.value) > 0xFFFF:
            raise ValueError(f"a TLV has no room for {len(self.value)} octets")


def read_short(data: bytes) -> Iterator[tuple[int, Tlv]]:
    """Yield (offset, TLV) of IS-IS; WireError where one does not fit what is left."""
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise WireError(f"one octet is left at offset {at}: no room for a TLV")
        kind, length = data[at], data[at + 1]
        yield at, _whole(data, at, 2, kind, length)
        at += 2 + length


def read_long(data: bytes) -> Iterator[tuple[int, Tlv]]:
    """Yield (offset, TLV) of OSPF; WireError where one does not fit what is left.

    The padding of the last one may be missing.
    """
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise WireError(f"{len(data) - at} octets are left at offset {at}: no room for a TLV")
        kind = int.from_bytes(data[at : at + 2], "big")
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield at, _whole(data, at, 4, kind, length)
        at += 4 + (length + 3 & ~3)


def _whole(data: bytes, at: int, header: int, kind: int, length: int) -> Tlv:
    value = data[at + header : at + header + length]
    if len(value) < length:
        raise WireError(f"TLV {kind} at offset {at} wants {length} octets, {len(value)} are left")
    return Tlv(kind, value)


def write_short(tlvs: Iterable[Tlv]) -> bytes:
    """Return TLVs of IS-IS; ValueError for a type above 255 or a value of more than 255 octets."""
    parts: list[bytes] = []
    for tlv in tlvs:
        if tlv.type > 0xFF or len(tlv.value) > 0xFF:
            raise ValueError(f"TLV {tlv.type} of {len(tlv.value)} octets does not fit IS-IS")
        parts += (bytes((tlv.type, len(tlv.value))), tlv.value)
    return b"".join(parts)


def write_long(tlvs: Iterable[Tlv]) -> bytes:
    """Return TLVs of OSPF, padded."""
    parts: list[bytes] = []
    for tlv in tlvs:
        length = len(tlv.value)
        head = tlv.type.to_bytes(2, "big") + length.to_bytes(2, "big")
        parts += (head, tlv.value, bytes(-length % 4))
    return b"".join(parts)
