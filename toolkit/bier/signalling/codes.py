"""Which encapsulations stand in a BIER sub-TLV, by the types that the two IGPs give them.

RFC 8401 section 6.2, RFC 8444 section 2.2.  Law: what is in a BIER sub-TLV is a range of BIFT-ids,
or kept as unknown; nothing is lost.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toolkit.bier.signalling.info import BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.inet.tlv import Tlv


@dataclass(frozen=True, slots=True)
class Codes:
    """Types of what BIER Info holds."""

    mpls: int
    non_mpls: int | None = None
    """None: not known, then such sub-sub-TLVs are kept as unknown."""

    def encapsulation(self, kind: int) -> Encapsulation | None:
        """Return what a type stands for, None where it is another."""
        if kind == self.mpls:
            return Encapsulation.MPLS
        return Encapsulation.NON_MPLS if kind == self.non_mpls else None

    def type_of(self, encapsulation: Encapsulation) -> int:
        """Return the inverse; ValueError where there is no type for it."""
        kind = self.mpls if encapsulation is Encapsulation.MPLS else self.non_mpls
        if kind is None:
            raise ValueError("no type is assigned to the non-MPLS encapsulation")
        return kind

    def sort(
        self, found: Iterable[tuple[int, Tlv]], read: Callable[[Encapsulation, bytes], BiftIdRange]
    ) -> tuple[tuple[BiftIdRange, ...], tuple[Tlv, ...]]:
        """Return the ranges of BIFT-ids, and the TLVs of other types, in their order.

        `found`: (offset, TLV); `read`: makes a range of a TLV's value, or raises WireError.
        """
        ranges: list[BiftIdRange] = []
        unknown: list[Tlv] = []
        for _at, tlv in found:
            encapsulation = self.encapsulation(tlv.type)
            if encapsulation is None:
                unknown.append(tlv)
            else:
                ranges.append(read(encapsulation, tlv.value))
        return tuple(ranges), tuple(unknown)
