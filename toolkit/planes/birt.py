"""BIRT and BIFTs of one router, from the underlay and from what BFRs advertise.

RFC 8279 sections 6.3 and 6.4 (tables), 6.9 (routers that are no BFRs), 6.10 (other BSLs), 5
(BFR-ids held twice).  Law: the next BFR of a BFER is the first router on a shortest path to it that
has our <sub-domain, SI, BSL> in our encapsulation; where that one is not at the other end of an
interface that carries BIER on both sides, a tunnel to its BFR-prefix takes the packet there.
Distances to a BFER shrink with each such hop, so no loop.  The BIRT keeps all equal-cost neighbors,
by (distance, system-id, name, interface); the BIFTs here send to the first of them, whatever the
entropy, and `toolkit.planes.ways` has those for all (section 6.7).  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.bier.bift import Bift, BiftId, BiftKey
from toolkit.bier.birt import Neighbor, Row
from toolkit.bier.bitstring import Bsl, set_and_bit
from toolkit.bier.wire import Encapsulation
from toolkit.planes.bfrs import Bfr, Bfrs, Binding, Gap, GapReason
from toolkit.planes.tunnels import unicast_tunnel
from toolkit.planes.underlay import Underlay


@dataclass(frozen=True, slots=True)
class Tables:
    """All that one router forwards BIER by."""

    birt: dict[tuple[int, int], dict[int, Row]]
    """(sub-domain, BSL) -> BFR-id -> row."""
    bifts: dict[BiftKey, Bift]
    bift_ids: dict[BiftId, BiftKey]
    peers: dict[BiftKey, dict[str, int]]
    """Name of a neighbor -> the BIFT-id that it has bound to the set."""
    gaps: tuple[Gap, ...]


def make_tables(underlay: Underlay, bfrs: Bfrs, router: str) -> Tables:
    """Return the tables of `router`; empty where it is no BFR."""
    birt: dict[tuple[int, int], dict[int, Row]] = {}
    bifts: dict[BiftKey, Bift] = {}
    bift_ids: dict[BiftId, BiftKey] = {}
    peers: dict[BiftKey, dict[str, int]] = {}
    gaps = {gap for gap in bfrs.gaps if gap.router == router}
    for own in bfrs.by_router.get(router, {}).values():
        domain = _Domain(underlay, bfrs, own)
        for bsl, binding in own.bindings.items():
            rows = domain.rows(bsl, binding)
            birt[own.sub_domain_id, bsl] = rows
            sets: dict[int, list[Row]] = {si: [] for si in range(binding.max_si + 1)}
            for row in rows.values():
                sets[set_and_bit(row.bfr_id, bsl)[0]].append(row)
            for si, of_set in sets.items():
                key = BiftKey(own.sub_domain_id, bsl, si)
                peers[key] = domain.bift_ids(bsl, binding, si, of_set)
                bifts[key] = Bift.build(Bsl.of_bits(bsl), si, of_set, peers[key])
                bift_ids[BiftId(binding.encapsulation, binding.base + si)] = key
        gaps |= domain.gaps
    return Tables(birt, bifts, bift_ids, peers, tuple(sorted(gaps)))


class _Domain:
    """One sub-domain as one of its BFRs sees it."""

    def __init__(self, underlay: Underlay, bfrs: Bfrs, own: Bfr) -> None:
        self._underlay, self._bfrs, self._own = underlay, bfrs, own
        self._paths = underlay.paths(own.router)
        self.gaps: set[Gap] = set()
        names = self._paths.graph.names
        self._members: list[tuple[int, Bfr]] = []  # reachable, the nearest first
        for number in self._paths.order:
            bfr = bfrs.of(names[number], own.sub_domain_id)
            if bfr is not None:
                self._members.append((number, bfr))
        self._bfers = self._without_collisions()
        self._reaches: dict[
            tuple[frozenset[int], Encapsulation], dict[int, tuple[Neighbor, ...]]
        ] = {}
        self._of_set: dict[tuple[int, int], dict[int, tuple[Neighbor, ...]]] = {}  # (BSL, SI)

    def _without_collisions(self) -> list[tuple[int, Bfr]]:
        """The BFERs whose BFR-id nobody else has (RFC 8279 section 5)."""
        holders: dict[int, list[tuple[int, Bfr]]] = {}
        for number, bfr in self._members:
            if bfr.bfr_id:
                holders.setdefault(bfr.bfr_id, []).append((number, bfr))
        good: list[tuple[int, Bfr]] = []
        for bfr_id, members in holders.items():
            if len(members) == 1:
                good += members
            else:
                for _number, bfr in members:
                    self._gap(bfr, 0, GapReason.BFR_ID_COLLISION, bfr_id)
        return good

    def _gap(self, bfr: Bfr, bsl: int, reason: GapReason, bfr_id: int = 0) -> None:
        self.gaps.add(Gap(bfr.router, bfr.sub_domain_id, bsl, reason, bfr_id))

    def _peer(self, bfr: Bfr, bsl: int, ours: Binding) -> Binding | None:
        return self._bfrs.binding(bfr.router, bfr.sub_domain_id, bsl, ours.encapsulation)

    def bift_ids(self, bsl: int, ours: Binding, si: int, rows: list[Row]) -> dict[str, int]:
        """Return the BIFT-id that each neighbor in `rows` has bound to one set."""
        found: dict[str, int] = {}
        for name in {neighbor.router for row in rows for neighbor in row.neighbors}:
            theirs = self._bfrs.binding(name, self._own.sub_domain_id, bsl, ours.encapsulation)
            bift_id = theirs.bift_id(si) if theirs is not None else None
            if bift_id is not None:
                found[name] = bift_id
        return found

    def rows(self, bsl: int, ours: Binding) -> dict[int, Row]:
        """Return the BIRT for one BSL by BFR-id, and note every member that it leaves out."""
        for _number, bfr in self._members:
            if self._peer(bfr, bsl, ours) is None:
                self._gap(bfr, bsl, GapReason.MISMATCH, bfr.bfr_id)
        rows: dict[int, Row] = {}
        for number, bfr in sorted(self._bfers, key=lambda member: member[1].bfr_id):
            theirs = self._peer(bfr, bsl, ours)
            if theirs is None:
                continue
            si, _bit = set_and_bit(bfr.bfr_id, bsl)
            if si > min(ours.max_si, theirs.max_si):
                self._gap(bfr, bsl, GapReason.SET_OUT_OF_RANGE, bfr.bfr_id)
                continue
            local = bfr.router == self._own.router
            neighbors = () if local else self._neighbors(bsl, ours, si).get(number, ())
            if not local and not neighbors:
                self._gap(bfr, bsl, GapReason.UNREACHABLE, bfr.bfr_id)
                continue
            rows[bfr.bfr_id] = Row(
                bfr_id=bfr.bfr_id,
                bfr_prefix=bfr.bfr_prefix,
                router=bfr.router,
                local=local,
                neighbors=neighbors,
                metric=self._paths.distance[number],
            )
        return rows

    def _neighbors(self, bsl: int, ours: Binding, si: int) -> dict[int, tuple[Neighbor, ...]]:
        if (bsl, si) in self._of_set:
            return self._of_set[bsl, si]
        capable = frozenset(
            number
            for number, bfr in self._members
            if (theirs := self._peer(bfr, bsl, ours)) is not None and si <= theirs.max_si
        )
        key = capable, ours.encapsulation
        if key not in self._reaches:
            self._reaches[key] = self._first_bfrs(*key)
        self._of_set[bsl, si] = self._reaches[key]
        return self._of_set[bsl, si]

    def _first_bfrs(
        self, capable: frozenset[int], encapsulation: Encapsulation
    ) -> dict[int, tuple[Neighbor, ...]]:
        """For every capable node, the first capable nodes on its shortest paths (section 6.9).

        Parents come before children in `order`.  `bare`: some shortest path to the node has met no
        BFR yet, the root not counted.  A set of first BFRs is an integer, one bit for each.
        """
        paths = self._paths
        candidates: list[int] = []
        first = {paths.root: 0}
        bare = {paths.root}
        for number in paths.order[1:]:
            parents = paths.parents[number]
            bits = 0
            for parent in parents:
                bits |= first[parent]
            open_path = any(parent in bare for parent in parents)
            if number in capable:
                if open_path:
                    bits |= 1 << len(candidates)
                    candidates.append(number)
            elif open_path:
                bare.add(number)
            first[number] = bits
        ranked = sorted(
            (self._rank(number, neighbor), 1 << position, neighbor)
            for position, number in enumerate(candidates)
            for neighbor in self._ways_to(number, encapsulation)
        )
        known: dict[int, tuple[Neighbor, ...]] = {}
        for number in capable:
            bits = first[number]
            if bits and bits not in known:
                known[bits] = tuple(n for _rank, bit, n in ranked if bits & bit)
        return {number: known[first[number]] for number in capable if first[number]}

    def _rank(self, number: int, neighbor: Neighbor) -> tuple[int, str, str, str]:
        rank = self._underlay.rank(neighbor.router)
        return self._paths.distance[number], rank, neighbor.router, neighbor.interface

    def _ways_to(self, number: int, encapsulation: Encapsulation) -> list[Neighbor]:
        paths = self._paths
        name, far = paths.graph.names[number], paths.distance[number]
        return ways_to(
            self._underlay, self._bfrs, self._own, name, far, lambda: paths.first_hops[number],
            encapsulation,
        )  # fmt: skip


def ways_to(
    underlay: Underlay,
    bfrs: Bfrs,
    own: Bfr,
    router: str,
    distance: int,
    first_hops: Callable[[], int],
    encapsulation: Encapsulation,
) -> list[Neighbor]:
    """Return the interfaces with BIER at both ends that lead to a first BFR, `router`; without any,
    a tunnel; nothing where it cannot be reached.

    `distance`: ours to it; `first_hops`: our outgoing edges that shortest paths to it start with.
    """
    graph, ways = underlay.graph, underlay.ways(own.router)
    number = graph.index[router]
    direct = [
        Neighbor(router, port, ways[port][1].address.ip)
        for target, metric, port in graph.out[graph.index[own.router]]
        if target == number and metric == distance and ways[port][0].bier and ways[port][1].bier
    ]
    if direct:
        return direct
    bfr = bfrs.of(router, own.sub_domain_id)
    if bfr is None:
        return []
    tunnel = unicast_tunnel(underlay, own, bfr, first_hops(), encapsulation)
    return [] if isinstance(tunnel, str) else [tunnel]
