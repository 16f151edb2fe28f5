"""BitString lengths, bit strings, and how a BFR-id becomes a set and a bit.

RFC 8279 section 3 (BFR-id <-> SI and bit position), RFC 8296 section 2.1.2 (length codes, order on
the wire).  Law: bit position 1 is the least significant bit, so a bit string is a big-endian
integer and set algebra is integer algebra; no byte order leaves this module.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_BFR_ID: Final = 65535
MAX_SI: Final = 255


class Bsl(IntEnum):
    """BitString length; the value is the 4-bit code in the header, log2(bits) - 5 (RFC 8296)."""

    B64 = 1
    B128 = 2
    B256 = 3
    B512 = 4
    B1024 = 5
    B2048 = 6
    B4096 = 7

    @property
    def bits(self) -> int:
        return 32 << self.value

    @property
    def octets(self) -> int:
        return 4 << self.value

    @classmethod
    def of_bits(cls, bits: int) -> Bsl:
        """Return the length of that many bits; ValueError where no code stands for it."""
        for length in cls:
            if length.bits == bits:
                return length
        raise ValueError(f"{bits} is no BitString length (64, 128, 256, 512, 1024, 2048, 4096)")


@dataclass(frozen=True, slots=True)
class BitString:
    """A set of bit positions 1..`bsl.bits`; no operation changes its operands."""

    bsl: Bsl
    value: int = 0
    """Bit position n is `1 << n - 1`."""

    def __post_init__(self) -> None:
        if self.value < 0 or self.value.bit_length() > self.bsl.bits:
            raise ValueError(f"the value does not fit a BitString of {self.bsl.bits} bits")

    @classmethod
    def of(cls, bsl: Bsl, positions: Iterable[int]) -> BitString:
        value = 0
        for position in positions:
            if not 1 <= position <= bsl.bits:
                raise ValueError(f"bit positions run from 1 to {bsl.bits}, not {position}")
            value |= 1 << position - 1
        return cls(bsl, value)

    @classmethod
    def from_bytes(cls, data: bytes) -> BitString:
        """Read a BitString as it is on the wire; its length must be one of the seven."""
        return cls(Bsl.of_bits(len(data) * 8), int.from_bytes(data, "big"))

    @classmethod
    def from_hex(cls, text: str) -> BitString:
        """Read the text form of the YANG type llmsync-types:bit-string."""
        return cls.from_bytes(bytes.fromhex(text))

    def to_bytes(self) -> bytes:
        return self.value.to_bytes(self.bsl.octets, "big")

    def hex(self) -> str:
        return f"{self.value:0{self.bsl.octets * 2}x}"

    def __contains__(self, position: object) -> bool:
        return isinstance(position, int) and position >= 1 and bool(self.value >> position - 1 & 1)

    def __iter__(self) -> Iterator[int]:
        return positions(self.value)

    def __len__(self) -> int:
        return self.value.bit_count()

    def __and__(self, other: BitString) -> BitString:
        return BitString(self._common(other), self.value & other.value)

    def __or__(self, other: BitString) -> BitString:
        return BitString(self._common(other), self.value | other.value)

    def __sub__(self, other: BitString) -> BitString:
        """AND-NOT: what RFC 8279 section 6.5 does to the packet after each copy."""
        return BitString(self._common(other), self.value & ~other.value)

    def _common(self, other: BitString) -> Bsl:
        if self.bsl is not other.bsl:
            raise ValueError(f"BitStrings of {self.bsl.bits} and {other.bsl.bits} bits do not mix")
        return self.bsl


def positions(value: int) -> Iterator[int]:
    """Yield the bit positions set in `value`, lowest first."""
    while value:
        lowest = value & -value
        yield lowest.bit_length()
        value ^= lowest


def set_and_bit(bfr_id: int, bsl: int) -> tuple[int, int]:
    """Return (SI, bit position) of a BFR-id at a BSL in bits (RFC 8279 section 3)."""
    if not 1 <= bfr_id <= MAX_BFR_ID:
        raise ValueError(f"BFR-ids run from 1 to {MAX_BFR_ID}, not {bfr_id}")
    si, offset = divmod(bfr_id - 1, bsl)
    return si, offset + 1


def bfr_id_at(si: int, position: int, bsl: int) -> int:
    """Return the BFR-id that a bit position of a set stands for; the inverse of `set_and_bit`."""
    return si * bsl + position


def sets_of(bfr_ids: Iterable[int], bsl: int) -> dict[int, int]:
    """Return SI -> BitString value that together address `bfr_ids`; one packet copy for each SI."""
    sets: dict[int, int] = {}
    for bfr_id in bfr_ids:
        si, position = set_and_bit(bfr_id, bsl)
        sets[si] = sets.get(si, 0) | 1 << position - 1
    return sets
