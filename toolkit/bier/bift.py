"""The Bit Index Forwarding Table of one <sub-domain, BSL, SI>, and the forwarding procedure.

RFC 8279 section 6.4 (F-BM = OR of the bits that share <SI, BFR-NBR>) and 6.5 (the loop).  Law: each
bit that comes in ends in exactly one place: one copy, here, or one of the counted losses; the loop
takes at most as many turns as there are bits, whatever the rows say.  Pure.

ECMP (section 6.7): F-BMs of different neighbors may overlap, as in its figure 6, and still no BFER
gets two copies.  A row may hold several entries for one BFER (`Entry.others`, section 6.7.1), of
which entropy chooses; several BIFTs of which entropy chooses one (section 6.7.2) are a sequence of
tables to `toolkit.bier.engine` and made by `toolkit.bier.routes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from toolkit.bier.birt import Neighbor, Row
from toolkit.bier.bitstring import Bsl, set_and_bit
from toolkit.bier.wire import Encapsulation


class BiftKey(NamedTuple):
    """Which BIFT: what a BIFT-id stands for (RFC 8279 section 6.4, RFC 8296 2.1.1 and 2.2.1)."""

    sub_domain: int
    bsl: int
    """In bits."""
    si: int


class BiftId(NamedTuple):
    """What selects a BIFT on arrival: the EtherType says which of two number spaces it is in.

    Labels (RFC 8296 section 2.1.1) and non-MPLS BIFT-ids (section 2.2.1) have nothing to do with
    each other: a router may use one number in both, for different BIFTs.
    """

    encapsulation: Encapsulation
    number: int
    """20 bits."""


class Hop(NamedTuple):
    """Where copies go: a BFR-NBR, and the BIFT-id that it has bound to its own BIFT."""

    neighbor: Neighbor
    bift_id: int
    """20 bits."""


class Way(NamedTuple):
    """One more entry of a row for the same BFER (RFC 8279 section 6.7.1)."""

    f_bm: int
    hop: Hop


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: what happens to one bit.  Exactly one of local, a neighbor, and neither."""

    f_bm: int
    """Forwarding bit mask, as the value of a BitString."""
    neighbor: Neighbor | None = None
    """None, and not local: the null neighbor, whose packets are discarded (section 6.5)."""
    out_bift_id: int | None = None
    """The BIFT-id that the neighbor has bound to its own BIFT."""
    local: bool = False
    """The bit is this BFR's own."""
    others: tuple[Way, ...] = ()
    """Non-deterministic ECMP (section 6.7.1): further entries, chosen from by entropy."""

    def __post_init__(self) -> None:
        if self.local and self.neighbor is not None:
            raise ValueError("an entry is local or has a neighbor, not both")
        if (self.neighbor is None) != (self.out_bift_id is None):
            raise ValueError("an entry has a neighbor and its BIFT-id, or neither")
        if self.out_bift_id is not None and not 0 <= self.out_bift_id < 1 << 20:
            raise ValueError(f"BIFT-id {self.out_bift_id} does not fit its 20 bits")
        if self.f_bm < 0 or any(way.f_bm < 0 for way in self.others):
            raise ValueError("an F-BM is not negative")
        if self.others and self.neighbor is None:
            raise ValueError("an entry without a neighbor has no others")


class Copy(NamedTuple):
    """Send the packet to `neighbor` with this BIFT-id and these bits."""

    neighbor: Neighbor
    bift_id: int
    bits: int


class Forwarding(NamedTuple):
    """Where the bits of one packet go.  The bit sets are disjoint and add up to what came in."""

    copies: tuple[Copy, ...]
    local: int
    """Our own bit: deliver here."""
    unknown: int
    """No row."""
    null: int
    """Rows without a neighbor."""
    broken: int
    """Rows whose F-BM lacks the bit itself."""


@dataclass(frozen=True, slots=True)
class Bift:
    """A forwarding table: bit position -> entry."""

    bsl: Bsl
    entries: Mapping[int, Entry]
    chooses: bool = field(init=False, compare=False)
    """Some row has several entries: what `forward` answers depends on entropy."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "chooses", any(e.others for e in self.entries.values()))
        for position, entry in self.entries.items():
            if not 1 <= position <= self.bsl.bits:
                raise ValueError(f"bit positions run from 1 to {self.bsl.bits}, not {position}")
            if entry.f_bm.bit_length() > self.bsl.bits:
                raise ValueError(f"the F-BM of bit {position} is longer than {self.bsl.bits} bits")

    @classmethod
    def build(cls, bsl: Bsl, si: int, rows: Iterable[Row], bift_ids: Mapping[str, int]) -> Bift:
        """Return the BIFT of one set made from BIRT rows (RFC 8279 section 6.4).

        `bift_ids`: name of a neighbor -> the BIFT-id it has bound to this <sub-domain, BSL, SI>.
        Rows of other sets are left out.  Of several equal-cost neighbors the first is taken, for
        every entropy (`toolkit.bier.routes` takes them all).  A row without a neighbor, or whose
        neighbor gives no BIFT-id, becomes a null neighbor.
        """
        local: set[int] = set()
        via: dict[int, Neighbor | None] = {}
        for row in rows:
            of_set, position = set_and_bit(row.bfr_id, bsl.bits)
            if of_set != si:
                continue
            if row.local:
                local.add(position)
                continue
            best = row.neighbors[0] if row.neighbors else None
            via[position] = best if best is not None and best.router in bift_ids else None
        f_bm: dict[Neighbor | None, int] = {}
        for position, neighbor in via.items():
            f_bm[neighbor] = f_bm.get(neighbor, 0) | 1 << position - 1
        entries = {p: Entry(1 << p - 1, local=True) for p in local}
        for position, neighbor in via.items():
            out = None if neighbor is None else bift_ids[neighbor.router]
            entries[position] = Entry(f_bm[neighbor], neighbor, out)
        return cls(bsl, dict(sorted(entries.items())))

    def forward(self, bits: int, entropy: int = 0) -> Forwarding:
        """Follow the procedure of RFC 8279 section 6.5 for a BitString value; never loops.

        `entropy`: of the packet, already mixed (`toolkit.bier.ecmp`); chooses where a row has
        several entries.
        """
        copies: list[Copy] = []
        local = unknown = null = broken = 0
        entries = self.entries
        while bits:
            lowest = bits & -bits
            entry = entries.get(lowest.bit_length())
            if entry is None:
                unknown |= lowest
                bits ^= lowest
            elif entry.local:
                local |= lowest
                bits ^= lowest
            else:
                f_bm, neighbor, bift_id = entry.f_bm, entry.neighbor, entry.out_bift_id
                if entry.others:
                    choice = entropy % (1 + len(entry.others))
                    if choice:
                        f_bm, (neighbor, bift_id) = entry.others[choice - 1]
                if not f_bm & lowest:
                    broken |= lowest
                    bits ^= lowest
                    continue
                taken = bits & f_bm
                bits ^= taken  # AND-NOT after each copy: overlapping F-BMs give no duplicates
                if neighbor is None or bift_id is None:
                    null |= taken
                else:
                    copies.append(Copy(neighbor, bift_id, taken))
        return Forwarding(tuple(copies), local, unknown, null, broken)
