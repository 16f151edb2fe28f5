"""Shortest paths from one node, with all equal-cost first hops.  ISO/IEC 10589 annex C.2
(Dijkstra).

Law: one run costs O((n + m) log n); sets of first hops are integers, one bit for each outgoing edge
of the root, so equal-cost sets are merged by OR.  Deterministic.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from toolkit.igp.graph import Graph

UNREACHABLE: Final = -1


@dataclass(frozen=True, slots=True)
class ShortestPaths:
    """What one node knows after the computation.  All lists are indexed by node number."""

    graph: Graph
    root: int
    distance: tuple[int, ...]
    """UNREACHABLE where there is no path."""
    parents: tuple[tuple[int, ...], ...]
    """Last hops before the node on its shortest paths, ascending; empty for the root."""
    first_hops: tuple[int, ...]
    """Bit i: a shortest path starts with `graph.out[root][i]`."""
    order: tuple[int, ...]
    """Reachable nodes by (distance, number), the root first: parents before their children."""

    def reaches(self, name: str) -> bool:
        number = self.graph.index.get(name)
        return number is not None and self.distance[number] != UNREACHABLE

    def distance_to(self, name: str) -> int | None:
        """Return the distance, None where there is no such node or no path."""
        number = self.graph.index.get(name)
        if number is None or self.distance[number] == UNREACHABLE:
            return None
        return self.distance[number]

    def hops(self, number: int) -> Iterator[tuple[int, int, str]]:
        """Yield the root's edges (target, metric, port) that shortest paths to a node start
        with."""
        bits = self.first_hops[number]
        for position, edge in enumerate(self.graph.out[self.root]):
            if bits >> position & 1:
                yield edge


def shortest_paths(graph: Graph, root: str) -> ShortestPaths:
    """Run Dijkstra's algorithm from `root`; KeyError where the graph has no such node."""
    start = graph.index[root]
    size = len(graph.names)
    distance = [UNREACHABLE] * size
    first_hops = [0] * size
    parents: list[list[int]] = [[] for _ in range(size)]
    settled = bytearray(size)
    order: list[int] = []
    distance[start] = 0
    heap = [start]  # distance * size + number: one integer sorts by both
    while heap:
        far, node = divmod(heappop(heap), size)
        if settled[node]:
            continue
        settled[node] = 1
        order.append(node)
        hops = first_hops[node]
        for position, (target, metric, _port) in enumerate(graph.out[node]):
            if settled[target]:
                continue
            through = far + metric
            known = distance[target]
            if known == UNREACHABLE or through < known:
                distance[target] = through
                parents[target] = [node]
                first_hops[target] = hops or 1 << position
                heappush(heap, through * size + target)
            elif through == known:
                if parents[target][-1] != node:
                    parents[target].append(node)
                first_hops[target] |= hops or 1 << position
    return ShortestPaths(
        graph,
        start,
        tuple(distance),
        tuple(tuple(sorted(nodes)) for nodes in parents),
        tuple(first_hops),
        tuple(order),
    )
