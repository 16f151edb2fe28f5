"""A router's part in one sub-domain, as IS-IS and OSPFv2 carry it.

RFC 8401 section 6 and RFC 8444 section 2 (fields), RFC 9272 (BAR and IPA),
draft-ietf-bier-lsr-non-mpls-extensions (BIFT-ids without MPLS).  Law: every value that the wire can
hold is constructible, also those that receivers must ignore (an unknown BSL, a range that leaves 20
bits): deciding that is `acceptance`'s.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from toolkit.bier.bitstring import MAX_BFR_ID, MAX_SI, Bsl
from toolkit.bier.wire import Encapsulation
from toolkit.inet.tlv import Tlv

MAX_BIFT_ID: Final = 0xFFFFF
STANDARD_TOPOLOGY: Final = 0
"""MT-ID of the topology that every router has (RFC 5120, RFC 4915)."""


def within(name: str, value: int, most: int) -> None:
    """Raise ValueError where a field does not hold the value."""
    if not 0 <= value <= most:
        raise ValueError(f"{name} {value} is not 0..{most}")


@dataclass(frozen=True, slots=True)
class BiftIdRange:
    """BIFT-ids (labels, with MPLS) for one BSL: SI n has `base` + n, up to Max SI.

    Max SI is the largest SI, not the number of labels.
    """

    encapsulation: Encapsulation
    bsl_code: int
    """The 4-bit code of the BitString length (RFC 8296), any."""
    base: int
    max_si: int = 0

    def __post_init__(self) -> None:
        within("BS Len", self.bsl_code, 0xF)
        within("the first BIFT-id", self.base, MAX_BIFT_ID)
        within("Max SI", self.max_si, MAX_SI)

    @property
    def bsl(self) -> Bsl | None:
        """None where RFC 8296 defines no such code."""
        return Bsl(self.bsl_code) if 1 <= self.bsl_code <= 7 else None

    @property
    def last(self) -> int:
        """BIFT-id of Max SI; above 20 bits where the range is not possible."""
        return self.base + self.max_si

    def overlaps(self, other: BiftIdRange) -> bool:
        """True where both are of one encapsulation and share a number."""
        return (
            self.encapsulation is other.encapsulation
            and self.base <= other.last
            and other.base <= self.last
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BierInfo:
    """One sub-domain of one BFR."""

    sub_domain_id: int
    mt_id: int = STANDARD_TOPOLOGY
    """The topology that the sub-domain lives in; IS-IS says it in the TLV around (RFC 5120)."""
    bfr_id: int = 0
    """0: none (RFC 8279 section 2)."""
    bar: int = 0
    """BIER Algorithm: what BIER adds to the computation of paths."""
    ipa: int = 0
    """IGP Algorithm: 0 is SPF, 1 strict SPF, 128..255 a flexible algorithm (RFC 8665, RFC 9350)."""
    ranges: tuple[BiftIdRange, ...] = ()
    unknown: tuple[Tlv, ...] = ()
    """Sub-sub-TLVs (OSPF: sub-TLVs) of other types, kept as they came."""

    def __post_init__(self) -> None:
        within("sub-domain-id", self.sub_domain_id, 0xFF)
        within("MT-ID", self.mt_id, 0xFFF)
        within("BFR-id", self.bfr_id, MAX_BFR_ID)
        within("BAR", self.bar, 0xFF)
        within("IPA", self.ipa, 0xFF)
