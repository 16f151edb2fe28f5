"""A BIFT as one mask an outgoing hop: the form of RFC 8279 section 6.4 without its repetition.

Every row that leads to one neighbor has the same F-BM, so the table is a handful of masks, disjoint
and at most as long as the BitString; forwarding is one AND a neighbor, and moving one BFER changes
two masks.  The kernel plane holds the same masks.  Law: `forward` answers as the loop of section
6.5 does over `bift()` (property-tested).  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.bier.bift import Bift, Copy, Entry, Forwarding, Hop
from toolkit.bier.bitstring import Bsl, positions


@dataclass(frozen=True, slots=True)
class Masks:
    """The table of one <sub-domain, BSL, SI>.  Every two of its masks are disjoint."""

    bsl: Bsl
    hops: Mapping[Hop, int]
    """Hop -> its F-BM, never 0."""
    local: int = 0
    """Our own bit."""
    null: int = 0
    """Bits of BFERs that are known, without a neighbor."""

    chooses = False
    """As `Bift.chooses`: no row has several entries."""

    def __post_init__(self) -> None:
        seen = self.local | self.null
        if seen.bit_count() != self.local.bit_count() + self.null.bit_count():
            raise ValueError("a bit is local and null")
        for f_bm in self.hops.values():
            if f_bm <= 0 or f_bm & seen:
                raise ValueError("F-BMs are empty or overlap")
            seen |= f_bm
        if self.local < 0 or self.null < 0 or seen.bit_length() > self.bsl.bits:
            raise ValueError(f"a mask is longer than {self.bsl.bits} bits")

    @classmethod
    def of(cls, bift: Bift) -> Masks:
        """Return the same table as masks; ValueError where rows do not share F-BMs as section 6.4
        says, since then the order of the rows matters."""
        masks = cls.build(
            bift.bsl,
            (
                (p, e.local, None if e.neighbor is None or e.out_bift_id is None
                 else Hop(e.neighbor, e.out_bift_id))
                for p, e in bift.entries.items()
            ),
        )  # fmt: skip
        if bift.chooses or masks.bift() != bift:
            raise ValueError("the F-BMs of this table are not those of its neighbors")
        return masks

    @classmethod
    def build(cls, bsl: Bsl, rows: Iterable[tuple[int, bool, Hop | None]]) -> Masks:
        """Return the table of rows (bit position, local, hop); no hop and not local: null."""
        # Rows of one hop share the object as a rule: its identity is cheaper than its hash.
        seen: dict[int, tuple[Hop, list[int]]] = {}
        local = null = 0
        for position, own, hop in rows:
            if own:
                local |= 1 << position - 1
            elif hop is None:
                null |= 1 << position - 1
            else:
                known = seen.get(id(hop))
                if known is None:
                    seen[id(hop)] = hop, [position]
                else:
                    known[1].append(position)
        hops: dict[Hop, int] = {}
        for hop, positions_of in seen.values():
            hops[hop] = hops.get(hop, 0) | sum(1 << p - 1 for p in set(positions_of))
        return cls(bsl, hops, local, null)

    def moved(self, position: int, hop: Hop | None, *, present: bool = True) -> Masks:
        """Return the table with one BFER behind `hop` (None: null; not `present`: no row)."""
        bit = 1 << position - 1
        hops = {}
        for other, f_bm in self.hops.items():
            left = f_bm & ~bit
            if left:
                hops[other] = left
        if hop is not None and present:
            hops[hop] = hops.get(hop, 0) | bit
        null = self.null & ~bit
        if hop is None and present:
            null |= bit
        return Masks(self.bsl, hops, self.local & ~bit, null)

    def forward(self, bits: int, entropy: int = 0) -> Forwarding:  # noqa: ARG002 - as Bift.forward
        """Return where the bits go, by one AND for each hop."""
        local, null = bits & self.local, bits & self.null
        left = bits ^ local ^ null
        copies = []
        for hop, f_bm in self.hops.items():
            taken = left & f_bm
            if taken:
                copies.append(Copy(*hop, taken))
                left ^= taken
        return Forwarding(tuple(copies), local, left, null, 0)

    def bift(self) -> Bift:
        """Return the table of RFC 8279 section 6.4: a row for each bit."""
        entries = {p: Entry(1 << p - 1, local=True) for p in positions(self.local)}
        entries |= {p: Entry(self.null) for p in positions(self.null)}
        for hop, f_bm in self.hops.items():
            entry = Entry(f_bm, hop.neighbor, hop.bift_id)
            entries |= dict.fromkeys(positions(f_bm), entry)
        return Bift(self.bsl, dict(sorted(entries.items())))
