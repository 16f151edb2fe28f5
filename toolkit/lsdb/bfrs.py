"""The BFRs of a scope: what counts of their advertisements, and shortest paths between routers.

RFC 8401 section 6.2 and RFC 8444 section 2 by way of `toolkit.bier.signalling.acceptance`; ISO/IEC
10589 section 7.2.8 (an overloaded router is an end of paths, never on the way).  Law: computed once
for a scope, shared by the BIRTs of all its routers.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.bier.signalling.acceptance import Advertisement, Refusal, accept
from toolkit.bier.signalling.info import BierInfo
from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import ShortestPaths, shortest_paths
from toolkit.lsdb.scope import Scope, Way

SPF_ALGORITHMS = frozenset({0, 1})
"""IGP Algorithms that are SPF over the topology: plain and strict (RFC 8665 section 3.1)."""


def supported(info: BierInfo) -> bool:
    """True where the sub-domain's paths are plain shortest paths."""
    return info.bar == 0 and info.ipa in SPF_ALGORITHMS


class Bfrs:
    """What the routers of one scope know of each other."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        by_bfr: dict[tuple[str, str], list[Advertisement]] = {}
        for one in scope.advertisements:
            by_bfr.setdefault((one.router, one.bfr), []).append(one)
        accepted: list[Advertisement] = []
        self.refusals: list[Refusal] = []
        for some in by_bfr.values():
            kept, refused = accept(some, scope.max_mt_id)
            accepted += kept
            self.refusals += refused
        self.accepted = tuple(accepted)
        self._graphs: dict[tuple[int, str], Graph] = {}
        self._paths: dict[tuple[int, str], ShortestPaths] = {}
        self._ways: dict[tuple[str, int], list[Way]] = {}
        for way in scope.ways:
            self._ways.setdefault((way.source, way.mt_id), []).append(way)

    @property
    def routers(self) -> list[str]:
        """Routers that are BFRs, in order."""
        return sorted({one.router for one in self.accepted if not one.redistributed})

    def own(self, router: str) -> dict[int, Advertisement]:
        """Sub-domain -> what a router says of itself."""
        return {
            one.info.sub_domain_id: one
            for one in self.accepted
            if one.router == router and not one.redistributed
        }

    def in_sub_domain(self, sub_domain_id: int) -> list[Advertisement]:
        return [one for one in self.accepted if one.info.sub_domain_id == sub_domain_id]

    def ways(self, router: str, mt_id: int) -> list[Way]:
        """The ways out of a router."""
        return self._ways.get((router, mt_id), [])

    def paths(self, router: str, mt_id: int) -> ShortestPaths:
        """Return the shortest paths from a router in one topology."""
        key = (mt_id, router)
        if key not in self._paths:
            self._paths[key] = shortest_paths(self._graph(mt_id, router), router)
        return self._paths[key]

    def _graph(self, mt_id: int, root: str) -> Graph:
        """Without transit through overloaded routers, of which the root may be one."""
        apart = root if root in self.scope.overloaded else ""
        if (mt_id, apart) not in self._graphs:
            self._graphs[mt_id, apart] = Graph.of(self.scope.names, self._edges(mt_id, apart))
        return self._graphs[mt_id, apart]

    def _edges(self, mt_id: int, apart: str) -> Iterable[Edge]:
        for way in self.scope.ways:
            stuck = way.source in self.scope.overloaded and way.source != apart
            if way.mt_id == mt_id and not stuck:
                yield Edge(way.source, way.target, way.metric, way.port)
