"""How one BFR spreads packets over equal-cost ways, and where it sends them when one is gone.

RFC 8279 section 6.7.2 (a BIFT for each choice of entropy), draft-ietf-bier-frr (backup forwarding
entries).  Law: how many tables stand for a set follows from `maximum-paths` alone, and table i
sends a BFER by way i modulo the number of its ways; so the way to a BFER follows from its own row
and the packet's entropy, whoever else is addressed.  A backup table differs from the normal one in
the BFERs alone that the failure takes a way from.  Everything is made when first asked for.  Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property

from toolkit.bier.bift import BiftKey, Hop
from toolkit.bier.birt import Row
from toolkit.bier.bitstring import Bsl, set_and_bit
from toolkit.bier.ecmp import tables_of
from toolkit.bier.masks import Masks
from toolkit.planes.bfrs import Bfrs
from toolkit.planes.birt import Tables
from toolkit.planes.frr import Repair, Repairs
from toolkit.planes.underlay import Underlay


class Ways:
    """All tables of one router."""

    def __init__(
        self, underlay: Underlay, bfrs: Bfrs, router: str, whole: Callable[[], Tables]
    ) -> None:
        """`whole`: the router's tables for the first of its ways, with the BIRT."""
        self._underlay, self._bfrs, self._router, self._whole = underlay, bfrs, router, whole
        self.routing = underlay.state.routers[router].bier
        self._count = tables_of(self.routing.maximum_paths)
        self._makers: dict[BiftKey, Repairs] = {}
        self._known: dict[tuple[str, BiftKey], Mapping[int, Repair | None]] = {}

    @cached_property
    def rows(self) -> Mapping[BiftKey, Mapping[int, Row]]:
        """Bit position -> BIRT row, of each set."""
        rows: dict[BiftKey, dict[int, Row]] = {key: {} for key in self._whole().bifts}
        for (number, bsl), of_birt in self._whole().birt.items():
            for row in of_birt.values():
                si, position = set_and_bit(row.bfr_id, bsl)
                rows[BiftKey(number, bsl, si)][position] = row
        return rows

    @cached_property
    def hops(self) -> Mapping[BiftKey, Mapping[int, tuple[Hop, ...]]]:
        """Bit position -> ways in use while nothing has failed; empty: our own bit, or nobody."""
        peers, most = self._whole().peers, self.routing.maximum_paths
        return {
            key: {
                position: tuple(
                    Hop(n, peers[key][n.router])
                    for n in row.neighbors[:most]
                    if n.router in peers[key]
                )
                for position, row in rows.items()
            }
            for key, rows in self.rows.items()
        }

    @cached_property
    def tables(self) -> Mapping[BiftKey, tuple[Masks, ...]]:
        """The tables in use while nothing has failed."""
        return {key: self._compile(key, hops) for key, hops in self.hops.items()}

    def repairs_of(self, interface: str, key: BiftKey) -> Mapping[int, Repair | None]:
        """Return bit position -> what leads to the BFER while an interface has failed, None:
        nothing; of those BFERs of a set that the failure takes a way from."""
        if self.routing.fast_reroute == "none" or interface not in self._used.get(key, ()):
            return {}
        if (interface, key) not in self._known:
            if key not in self._makers:
                own = self._bfrs.by_router[self._router][key.sub_domain]
                self._makers[key] = Repairs(self._underlay, self._bfrs, own, key)
            self._known[interface, key] = self._makers[key].of(
                interface, self.rows[key], self.hops[key], self.routing.maximum_paths
            )
        return self._known[interface, key]

    @cached_property
    def _used(self) -> Mapping[BiftKey, frozenset[str]]:
        """Interfaces that copies leave by."""
        return {
            key: frozenset(hop.neighbor.interface for way in hops.values() for hop in way)
            for key, hops in self.hops.items()
        }

    @cached_property
    def repairs(self) -> Mapping[str, Mapping[BiftKey, Mapping[int, Repair | None]]]:
        """Failed interface -> set -> `repairs_of` them, of interfaces that copies leave by."""
        if self.routing.fast_reroute == "none":
            return {}
        return {
            interface: {
                key: self.repairs_of(interface, key)
                for key, used in self._used.items()
                if interface in used
            }
            for interface in sorted(frozenset().union(*self._used.values()))
        }

    @cached_property
    def protection(self) -> Mapping[str, tuple[int, int]]:
        """Kind of repair, `none` among them -> pairs of a BFER and an interface that it covers, and
        how many of them avoid the next router as well."""
        pairs: Counter[str] = Counter()
        around: Counter[str] = Counter()
        for by_key in self.repairs.values():
            for repairs in by_key.values():
                for repair in repairs.values():
                    kind = "none" if repair is None else repair.kind.value
                    pairs[kind] += 1
                    around[kind] += repair is not None and repair.node
        return {kind: (n, around[kind]) for kind, n in sorted(pairs.items())}

    @cached_property
    def backups(self) -> Mapping[str, Mapping[BiftKey, tuple[Masks, ...]]]:
        """Failed interface -> the tables that its failure changes."""
        return {
            failed: {
                key: self._compile(
                    key,
                    {
                        **self.hops[key],
                        **{p: repair.hops if repair else () for p, repair in repairs.items()},
                    },
                )
                for key, repairs in by_key.items()
            }
            for failed, by_key in self.repairs.items()
        }

    def _compile(self, key: BiftKey, hops: Mapping[int, tuple[Hop, ...]]) -> tuple[Masks, ...]:
        local = {position for position, row in self.rows[key].items() if row.local}
        return tuple(
            Masks.build(
                Bsl.of_bits(key.bsl),
                ((p, p in local, way[n % len(way)] if way else None) for p, way in hops.items()),
            )
            for n in range(self._count)
        )
