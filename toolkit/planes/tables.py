"""BIER tables of which only what is asked for is made: single rows, or everything.

RFC 8279 sections 6.3 to 6.10, as `toolkit.planes.birt` derives them.  Law: a row made alone is the
row of the whole table.  The whole table follows from the shortest paths from its router, one row
from the shortest paths towards its BFER, which all routers share: so a packet is followed through
the network at the cost of its BFERs, not of the routers it meets.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from toolkit.bier.bift import Bift, BiftId, BiftKey, Copy, Forwarding, Hop
from toolkit.bier.birt import Neighbor, Row
from toolkit.bier.bitstring import bfr_id_at, positions, set_and_bit
from toolkit.bier.ecmp import choose, salt_of, tables_of
from toolkit.bier.wire import Encapsulation
from toolkit.igp.spf import UNREACHABLE
from toolkit.planes.bfrs import Bfr, Bfrs, Binding, Gap
from toolkit.planes.birt import Tables, make_tables, ways_to
from toolkit.planes.underlay import Underlay
from toolkit.planes.ways import Ways
from toolkit.state.model import IpAddress


class RowMaker:
    """Single rows of any router of a network."""

    def __init__(self, underlay: Underlay, bfrs: Bfrs, intact: RowMaker | None = None) -> None:
        """`intact`: that of the network without failures."""
        self.underlay, self.bfrs = underlay, bfrs
        self._intact = intact
        self._bound: dict[tuple[int, int, Encapsulation], dict[str, Binding]] = (
            intact._bound if intact is not None and intact.bfrs is bfrs else {}
        )
        self._direct: dict[str, dict[tuple[str, int], list[Neighbor]]] = {}

    def row(self, own: Bfr, bsl: int, bfr_id: int) -> Row | None:
        """Return what `make_tables` has for a BFER in the BIRT of `own`, None where it has none."""
        ours, index = own.bindings[bsl], self.underlay.graph.index
        here = index[own.router]
        known = [
            (bfr, far)
            for bfr in self.bfrs.holders.get((own.sub_domain_id, bfr_id), ())
            if (far := self.underlay.toward(bfr.router).far(here)) != UNREACHABLE
        ]
        if len(known) != 1:
            return None
        ((bfer, distance),) = known
        theirs = self._peers(own, bsl).get(bfer.router)
        si, _bit = set_and_bit(bfr_id, bsl)
        if theirs is None or si > min(ours.max_si, theirs.max_si):
            return None
        local = bfer.router == own.router
        neighbors = () if local else self._neighbors(own, bsl, si, bfer.router)
        if not local and not neighbors:
            return None
        return Row(
            bfr_id=bfr_id,
            bfr_prefix=bfer.bfr_prefix,
            router=bfer.router,
            local=local,
            neighbors=neighbors,
            metric=distance,
        )

    def _peers(self, own: Bfr, bsl: int) -> Mapping[str, Binding]:
        """Return the BIFT-ids of every BFR with our sub-domain, BSL and encapsulation."""
        number, encapsulation = own.sub_domain_id, own.bindings[bsl].encapsulation
        key = (number, bsl, encapsulation)
        if key not in self._bound:
            found = ((r, self.bfrs.binding(r, *key)) for r in self.bfrs.by_router)
            self._bound[key] = {router: binding for router, binding in found if binding}
        return self._bound[key]

    def _neighbors(self, own: Bfr, bsl: int, si: int, bfer: str) -> tuple[Neighbor, ...]:
        """The ways to the first BFRs with our set on shortest paths to `bfer`, best first."""
        to = self.underlay.toward(bfer)
        here = self.underlay.graph.index[own.router]
        first = self.first_bfrs(own, bsl, si, bfer)
        ways: list[tuple[int, Neighbor]] = []
        for number in first:
            far = to.far(here) - to.far(number)
            ways += [(far, way) for way in self._ways_to(own, bsl, number, far)]
        rank = self.underlay.rank
        if len(ways) > 1:
            ways.sort(
                key=lambda way: (
                    way[0], rank(way[1].router), way[1].router, way[1].interface
                )
            )  # fmt: skip
        return tuple(way for _far, way in ways)

    def first_bfrs(self, own: Bfr, bsl: int, si: int, bfer: str) -> set[int]:
        """Return the first BFRs with our set on shortest paths to `bfer` (sections 6.9 and 6.10).

        By number in the graph, whether or not anything leads there.
        """
        to, graph = self.underlay.toward(bfer), self.underlay.graph
        here, peers = graph.index[own.router], self._peers(own, bsl)
        first: set[int] = set()
        bare, seen = [here], {here}
        while bare:
            for number, _metric, _port in to.hops(bare.pop()):
                if number in seen:
                    continue
                seen.add(number)
                theirs = peers.get(graph.names[number])
                if theirs is not None and si <= theirs.max_si:
                    first.add(number)
                else:
                    bare.append(number)
        return first

    def _ways_to(self, own: Bfr, bsl: int, number: int, distance: int) -> list[Neighbor]:
        underlay = self.underlay
        name, here = underlay.graph.names[number], underlay.graph.index[own.router]
        if self._intact is not None and own.router not in underlay.changed:
            known = self._intact._direct.setdefault(own.router, {})
        else:
            known = self._direct.setdefault(own.router, {})
        if (name, distance) in known:
            return known[name, distance]
        ways = ways_to(
            underlay, self.bfrs, own, name, distance,
            lambda: underlay.inward(name).first_hops(here), own.bindings[bsl].encapsulation,
        )  # fmt: skip
        if ways and ways[0].tunnel is None:  # a tunnel's way follows from more than our own links
            known[name, distance] = ways
        return ways

    def out_bift_id(self, own: Bfr, key: BiftKey, neighbor: Neighbor) -> int | None:
        """Return the BIFT-id that a neighbor has bound to one of our sets."""
        theirs = self._peers(own, key.bsl).get(neighbor.router)
        return None if theirs is None else theirs.bift_id(key.si)


class LazyTables:
    """All that one router forwards BIER by; empty where it is no BFR."""

    def __init__(self, rows: RowMaker, router: str) -> None:
        self.rows, self.router = rows, router
        self.own = rows.bfrs.by_router.get(router, {})
        self.routing = rows.underlay.state.routers[router].bier
        self.bifts = LazyBifts(self)
        self.birt = LazyBirt(self)
        self.bift_ids: Mapping[BiftId, BiftKey] = {
            BiftId(binding.encapsulation, binding.base + si): BiftKey(number, bsl, si)
            for number, bfr in self.own.items()
            for bsl, binding in bfr.bindings.items()
            for si in range(binding.max_si + 1)
        }

    @cached_property
    def whole(self) -> Tables:
        """Every row of every table."""
        return make_tables(self.rows.underlay, self.rows.bfrs, self.router)

    @cached_property
    def ways(self) -> Ways | None:
        """What there is beside the first of the equal-cost ways; None: nothing but that is used."""
        if self.routing.maximum_paths == 1 and self.routing.fast_reroute == "none":
            return None
        return Ways(self.rows.underlay, self.rows.bfrs, self.router, lambda: self.whole)

    def gaps(self) -> tuple[Gap, ...]:
        return self.whole.gaps


class LazyBirt(Mapping[tuple[int, int], Mapping[int, Row]]):
    """(Sub-domain, BSL) -> BFR-id -> row."""

    __slots__ = ("_tables",)

    def __init__(self, tables: LazyTables) -> None:
        self._tables = tables

    def __getitem__(self, key: tuple[int, int]) -> Mapping[int, Row]:
        return self._tables.whole.birt[key]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((n, bsl) for n, bfr in self._tables.own.items() for bsl in bfr.bindings)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LazyBifts(Mapping[BiftKey, Bift]):
    """BIFT of each set."""

    __slots__ = ("_count", "_hops", "_most", "_salt", "_tables")

    def __init__(self, tables: LazyTables) -> None:
        self._tables = tables
        self._most = tables.routing.maximum_paths
        self._count = tables_of(self._most)
        self._salt = salt_of(tables.router) if self._count > 1 else 0
        self._hops: dict[tuple[BiftKey, int], tuple[Hop, ...] | bool] = {}

    def __getitem__(self, key: BiftKey) -> Bift:
        return self._tables.whole.bifts[key]

    def __iter__(self) -> Iterator[BiftKey]:
        return iter(self._tables.bift_ids.values())

    def __len__(self) -> int:
        return len(self._tables.bift_ids)

    def forward(self, key: BiftKey, bits: int, entropy: int = 0) -> Forwarding:
        """Return what the table that entropy chooses does with these bits, from their rows alone.

        With one way to each BFER that is `self[key].forward(bits)`.
        """
        own = self._tables.own.get(key.sub_domain)
        if own is None or key.bsl not in own.bindings or key.si > own.bindings[key.bsl].max_si:
            raise KeyError(key)
        local = unknown = null = 0
        table = choose(entropy, self._salt, self._count)
        together: dict[tuple[str, str], Copy] = {}  # an F-BM holds the bits of one neighbor
        for position in positions(bits):
            bit = 1 << position - 1
            hops = self._ways(own, key, position)
            if hops is True:
                local |= bit
            elif hops is False:
                unknown |= bit
            elif not hops:
                null |= bit
            else:
                neighbor, bift_id = hops[table % len(hops)]
                which = (neighbor.router, neighbor.interface)
                others = together[which].bits if which in together else 0
                together[which] = Copy(neighbor, bift_id, others | bit)
        return Forwarding(tuple(together.values()), local, unknown, null, 0)

    def destinations(self, key: BiftKey, bits: int) -> Iterator[tuple[int, IpAddress]]:
        """Yield (bit position, BFR-prefix) of the rows of these bits."""
        own = self._tables.own[key.sub_domain]
        for position in positions(bits):
            bfr_id = bfr_id_at(key.si, position, key.bsl)
            row = self._tables.rows.row(own, key.bsl, bfr_id)
            if row is not None:
                yield position, row.bfr_prefix.network_address

    def _ways(self, own: Bfr, key: BiftKey, position: int) -> tuple[Hop, ...] | bool:
        """Where one bit may go; True: it is ours, False: it has no row."""
        if (key, position) not in self._hops:
            rows = self._tables.rows
            row = rows.row(own, key.bsl, bfr_id_at(key.si, position, key.bsl))
            if row is None or row.local:
                self._hops[key, position] = row is not None
            else:
                ways = ((n, rows.out_bift_id(own, key, n)) for n in row.neighbors[: self._most])
                self._hops[key, position] = tuple(Hop(n, out) for n, out in ways if out is not None)
        return self._hops[key, position]
