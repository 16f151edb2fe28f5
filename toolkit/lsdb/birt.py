"""The BIRT as each BFR of a scope computes it.

RFC 8279 sections 6.3 (table), 6.9 and 6.10 (routers that are no BFRs, or not of our BSL), 5
(BFR-ids held twice); RFC 9272 and RFC 8401 section 5 (who disagrees with us about
topology or algorithm is no BFR to us).  Law: the next BFR of a BFER is the first router on a
shortest path to it that has our <sub-domain, SI, BSL> in our encapsulation; all of equal cost are
kept, the nearest first.  A next BFR that is no neighbor stands with a tunnel from BFR-prefix to
BFR-prefix: how a router crosses what lies between is its own affair.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.bier.birt import Neighbor, Row, Tunnel
from toolkit.bier.bitstring import set_and_bit
from toolkit.bier.signalling.acceptance import Advertisement, conflict, duplicates
from toolkit.bier.signalling.info import BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.igp.spf import UNREACHABLE
from toolkit.lsdb.bfrs import Bfrs, supported


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The BIRT of one BFR for one <sub-domain, BSL> in one encapsulation."""

    router: str
    sub_domain_id: int
    encapsulation: Encapsulation
    bsl: int
    """In bits."""
    rows: Mapping[int, Row]
    """By BFR-id; `Row.router` and neighbors are names."""
    unreachable: tuple[Advertisement, ...] = field(default=())
    """BFERs that no path of BFRs leads to."""


def tables(bfrs: Bfrs, router: str) -> list[Table]:
    """Return the BIRTs of a router (by ID), by sub-domain and BSL; none where it is no BFR.

    A sub-domain whose algorithm is not SPF has none: we cannot compute its paths.
    """
    found: list[Table] = []
    for own in sorted(bfrs.own(router).values(), key=lambda one: one.info.sub_domain_id):
        if supported(own.info):
            found += (_Computation(bfrs, own, offer).table() for offer in own.info.ranges)
    found.sort(key=lambda table: (table.sub_domain_id, table.bsl, table.encapsulation))
    return found


class _Computation:
    """One table."""

    def __init__(self, bfrs: Bfrs, own: Advertisement, offer: BiftIdRange) -> None:
        self._bfrs, self._own, self._offer = bfrs, own, offer
        self._paths = bfrs.paths(own.router, own.info.mt_id)
        self._peers = [
            one
            for one in bfrs.in_sub_domain(own.info.sub_domain_id)
            if one is own or conflict(own.info, one.info) is None
        ]
        self._reach: dict[int, dict[int, tuple[Neighbor, ...]]] = {}

    def table(self) -> Table:
        assert self._offer.bsl is not None  # `accept` has dropped the others
        bsl = self._offer.bsl.bits
        twice = duplicates(self._peers)
        rows: dict[int, Row] = {}
        lost: list[Advertisement] = []
        for one in sorted(self._peers, key=lambda peer: (peer.info.bfr_id, peer.place)):
            bfr_id, theirs = one.info.bfr_id, self._range(one)
            if not bfr_id or theirs is None or (one.info.sub_domain_id, bfr_id) in twice:
                continue
            si = set_and_bit(bfr_id, bsl)[0]
            if si > min(self._offer.max_si, theirs.max_si):
                continue
            row = self._row(one, si)
            if row is None:
                lost.append(one)
            elif bfr_id not in rows or row.metric < rows[bfr_id].metric:
                rows[bfr_id] = row
        return Table(
            router=self._own.router,
            sub_domain_id=self._own.info.sub_domain_id,
            encapsulation=self._offer.encapsulation,
            bsl=bsl,
            rows=rows,
            unreachable=tuple(one for one in lost if one.info.bfr_id not in rows),
        )

    def _range(self, one: Advertisement) -> BiftIdRange | None:
        for offer in one.info.ranges:
            same = offer.bsl_code == self._offer.bsl_code
            if same and offer.encapsulation is self._offer.encapsulation:
                return offer
        return None

    def _row(self, one: Advertisement, si: int) -> Row | None:
        number = self._paths.graph.index.get(one.router)
        if number is None or self._paths.distance[number] == UNREACHABLE:
            return None
        local = one is self._own
        neighbors = () if local else self._neighbors(si).get(number, ())
        if not local and not neighbors:
            return None
        return Row(
            bfr_id=one.info.bfr_id,
            bfr_prefix=one.prefix,
            router=str(one.prefix) if one.redistributed else self._name(one.router),
            local=local,
            neighbors=neighbors,
            metric=self._paths.distance[number] + (one.metric if one.redistributed else 0),
        )

    def _name(self, router: str) -> str:
        return self._bfrs.scope.name_of(router)

    def _neighbors(self, si: int) -> dict[int, tuple[Neighbor, ...]]:
        if si not in self._reach:
            capable: dict[int, Advertisement] = {}
            for one in self._peers:
                theirs, number = self._range(one), self._paths.graph.index.get(one.router)
                if theirs and number is not None and si <= theirs.max_si and not one.redistributed:
                    capable[number] = one
            self._reach[si] = self._first_bfrs(capable)
        return self._reach[si]

    def _first_bfrs(self, capable: Mapping[int, Advertisement]) -> dict[int, tuple[Neighbor, ...]]:
        """For every capable node, the first capable ones on all shortest paths to it.

        `order` has parents before their children.  `bare`: nodes that some shortest path comes to
        without having met a BFR, the root not counted.
        """
        paths = self._paths
        first: dict[int, frozenset[int]] = {paths.root: frozenset()}
        bare = {paths.root}
        for number in paths.order[1:]:
            parents = paths.parents[number]
            met = frozenset[int]().union(*(first[parent] for parent in parents))
            if any(parent in bare for parent in parents):
                if number in capable:
                    met |= {number}
                else:
                    bare.add(number)
            first[number] = met
        known: dict[frozenset[int], tuple[Neighbor, ...]] = {}
        for number in capable:
            met = first.get(number, frozenset())
            if met not in known:
                near = sorted(met, key=self._rank)
                known[met] = tuple(way for n in near for way in self._ways_to(n, capable[n]))
        return {number: known[first[number]] for number in capable if number in first}

    def _rank(self, number: int) -> tuple[int, str]:
        return self._paths.distance[number], self._paths.graph.names[number]

    def _ways_to(self, number: int, one: Advertisement) -> tuple[Neighbor, ...]:
        """Direct ways to a first BFR; without any, a tunnel."""
        paths, own = self._paths, self._own
        name = self._name(one.router)
        direct = tuple(
            Neighbor(name, way.port, way.address)
            for way in self._bfrs.ways(own.router, own.info.mt_id)
            if way.target == one.router and way.metric == paths.distance[number]
        )
        if direct:
            return direct
        starts = {(paths.graph.names[t], metric, port) for t, metric, port in paths.hops(number)}
        hops = [
            way
            for way in self._bfrs.ways(own.router, own.info.mt_id)
            if (way.target, way.metric, way.port) in starts
        ]
        if not hops or one.prefix.version != own.prefix.version:
            return ()
        tunnel = Tunnel(own.prefix.network_address, one.prefix.network_address)
        return (Neighbor(name, hops[0].port, hops[0].address, tunnel),)
