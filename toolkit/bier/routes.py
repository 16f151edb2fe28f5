"""The routes of one <sub-domain, BSL, SI>, and the BIFTs that follow from them.

RFC 8279 sections 6.4 and 6.7.2 (one BIFT for each choice of entropy), draft-ietf-bier-frr (backup
forwarding entries).  Law: table i sends every BFER by way i modulo the number of its ways; where an
interface has failed, the other ways of a BFER take over, else its backup ways, else nobody.  A
change of one route touches two masks of each table.  Pure; the object changes, its tables are
values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from toolkit.bier.bift import Hop
from toolkit.bier.bitstring import Bsl
from toolkit.bier.ecmp import MAX_WAYS, tables_for
from toolkit.bier.masks import Masks


@dataclass(frozen=True, slots=True)
class Ways:
    """How one BFER is reached."""

    hops: tuple[Hop, ...] = ()
    """Of equal cost, 16 at most; empty and not local: the null neighbor."""
    local: bool = False
    backup: tuple[Hop, ...] = ()
    """Used where none of `hops` is left, the first one that is (draft-ietf-bier-frr)."""

    def __post_init__(self) -> None:
        if self.local and (self.hops or self.backup):
            raise ValueError("a route is local or has hops, not both")
        if len(self.hops) > MAX_WAYS:
            raise ValueError(f"a route has {len(self.hops)} ways; {MAX_WAYS} are the most")

    def left(self, failed: Collection[str]) -> tuple[Hop, ...]:
        """Return the hops in use while these interfaces have failed."""
        if not failed:
            return self.hops
        hops = tuple(hop for hop in self.hops if hop.neighbor.interface not in failed)
        if hops or not self.hops:
            return hops
        return tuple(h for h in self.backup if h.neighbor.interface not in failed)[:1]


class Routes:
    """Bit position -> ways, and the tables in use; `change` moves one BFER."""

    __slots__ = ("_ways", "bsl", "tables")

    def __init__(self, bsl: Bsl, ways: Mapping[int, Ways]) -> None:
        """ValueError for a bit position outside of 1..`bsl.bits`."""
        for position in ways:
            if not 1 <= position <= bsl.bits:
                raise ValueError(f"bit positions run from 1 to {bsl.bits}, not {position}")
        self.bsl = bsl
        self._ways = dict(ways)
        self.tables: tuple[Masks, ...] = self._compile((), 1)
        """What `Engine.load` and `Engine.replace` take: one for each choice of entropy."""

    @property
    def ways(self) -> Mapping[int, Ways]:
        return self._ways

    @property
    def interfaces(self) -> frozenset[str]:
        """Interfaces that copies leave by: what there are backups for."""
        return frozenset(
            hop.neighbor.interface for ways in self._ways.values() for hop in ways.hops
        )

    def change(self, position: int, ways: Ways | None) -> tuple[Masks, ...]:
        """Route one BFER another way (None: not at all); return the new tables."""
        if not 1 <= position <= self.bsl.bits:
            raise ValueError(f"bit positions run from 1 to {self.bsl.bits}, not {position}")
        if ways is None:
            self._ways.pop(position, None)
        else:
            self._ways[position] = ways
        now = len(self.tables)
        count = tables_for([len(ways.hops)] if ways and ways.hops else [], now)
        if count % now or (ways is not None and ways.local):
            self.tables = self._compile((), now)
            return self.tables
        present = ways is not None
        hops = ways.hops if ways is not None else ()
        self.tables = tuple(
            self.tables[n % now].moved(
                position, hops[n % len(hops)] if hops else None, present=present
            )
            for n in range(count)
        )
        return self.tables

    def without(self, failed: Collection[str]) -> tuple[Masks, ...]:
        """Return the tables while these interfaces have failed; as many as without failures."""
        return self._compile(frozenset(failed), len(self.tables))

    def _compile(self, failed: Collection[str], at_least: int) -> tuple[Masks, ...]:
        left = {position: ways.left(failed) for position, ways in self._ways.items()}
        lengths = {len(hops) for hops in left.values() if hops}
        return tuple(
            Masks.build(
                self.bsl,
                (
                    (p, self._ways[p].local, hops[n % len(hops)] if hops else None)
                    for p, hops in left.items()
                ),
            )
            for n in range(tables_for(lengths, at_least))
        )
