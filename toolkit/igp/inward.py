"""Shortest paths from all nodes towards one, and what is left of them when edges fail.

ISO/IEC 10589 annex C.2 (Dijkstra), against the direction of the edges.  Law: an edge lies on a
shortest path exactly where its metric is the difference of its ends' distances, so distances say
all.  Edges that fail change the distances of those nodes alone whose every shortest path used one:
only these are computed again, and the result is what a computation from nothing would give.  Of
the nodes on the way from another node, the paths from that one say the same.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import UNREACHABLE


@dataclass(frozen=True, slots=True)
class InwardPaths:
    """What all nodes know of the way to one node."""

    graph: Graph
    root: int
    """Where the paths end."""
    distance: tuple[int, ...]
    """From each node, by number; UNREACHABLE where there is no path."""

    def far(self, number: int) -> int:
        """Return the distance from a node; UNREACHABLE where there is no path."""
        return self.distance[number]

    def hops(self, number: int) -> Iterator[tuple[int, int, str]]:
        """Yield the edges (target, metric, port) that shortest paths from a node start with."""
        far = self.distance[number]
        if far > 0:
            for edge in self.graph.out[number]:
                rest = self.distance[edge[0]]
                if rest + edge[1] == far and rest != UNREACHABLE:
                    yield edge

    def first_hops(self, number: int) -> int:
        """Return the same as bits: bit i for `graph.out[number][i]`."""
        far, bits = self.distance[number], 0
        if far > 0:
            for position, (target, metric, _port) in enumerate(self.graph.out[number]):
                rest = self.distance[target]
                if rest + metric == far and rest != UNREACHABLE:
                    bits |= 1 << position
        return bits

    def without(self, graph: Graph, lost: Iterable[Edge]) -> InwardPaths:
        """Return the paths in `graph`, which is ours without `lost` (`Graph.without`)."""
        distance, size, index = self.distance, len(self.distance), self.graph.index
        heap = [
            distance[tail] * size + tail
            for tail, head, metric in ((index[e.source], index[e.target], e.metric) for e in lost)
            if distance[head] != UNREACHABLE and distance[head] + metric == distance[tail]
        ]
        if not heap:
            return InwardPaths(graph, self.root, distance)
        heapify(heap)
        moved: set[int] = set()
        while heap:  # the nearest first: whether what is nearer has moved is then known
            far, node = divmod(heappop(heap), size)
            if node in moved or any(
                distance[target] + metric == far
                and distance[target] != UNREACHABLE
                and target not in moved
                for target, metric, _port in graph.out[node]
            ):
                continue
            moved.add(node)
            for source, metric, _port in graph.into[node]:
                if distance[source] == far + metric:
                    heappush(heap, distance[source] * size + source)
        if not moved:
            return InwardPaths(graph, self.root, distance)
        now = list(distance)
        for node in moved:
            now[node] = UNREACHABLE
        for node in moved:
            around = [
                distance[target] + metric
                for target, metric, _port in graph.out[node]
                if target not in moved and distance[target] != UNREACHABLE
            ]
            if around:
                now[node] = min(around)
                heap.append(now[node] * size + node)
        heapify(heap)
        _settle(graph, now, heap)
        return InwardPaths(graph, self.root, tuple(now))


class PathsOnTheWay:
    """The same as `InwardPaths`, read off the paths from some nodes that packets start at.

    Every shortest path on from a node between is a part of one of these.  Only where a node is on
    none of them, the paths from all nodes are computed.
    """

    __slots__ = ("_all", "_between", "_graph")

    def __init__(
        self,
        target: int,
        graph: Graph,
        origins: Iterable[InwardPaths],
        inward: Callable[[], InwardPaths],
    ) -> None:
        """`origins`: the paths towards each of these nodes in the graph turned round; `inward`: the
        paths from all nodes, where they are needed."""
        self._all, self._graph = inward, graph
        self._between: dict[int, int] = {}
        """Node -> its distance."""
        for paths in origins:
            distance = paths.distance
            whole = distance[target]
            self._between[paths.root] = whole
            waiting = [] if whole == UNREACHABLE else [target]
            while waiting:
                number = waiting.pop()
                self._between[number] = whole - distance[number]
                waiting += (
                    source
                    for source, metric, _port in graph.into[number]
                    if distance[source] + metric == distance[number]
                    and distance[source] != UNREACHABLE
                    and source not in self._between
                )

    def far(self, number: int) -> int:
        known = self._between.get(number)
        return self._all().distance[number] if known is None else known

    def hops(self, number: int) -> Iterator[tuple[int, int, str]]:
        far = self._between.get(number)
        if far is None:
            yield from self._all().hops(number)
        elif far > 0:
            for edge in self._graph.out[number]:
                rest = self._between.get(edge[0], UNREACHABLE)
                if rest + edge[1] == far and rest != UNREACHABLE:
                    yield edge


def inward_paths(graph: Graph, root: str) -> InwardPaths:
    """Run Dijkstra's algorithm towards `root`; KeyError where the graph has no such node."""
    number = graph.index[root]
    distance = [UNREACHABLE] * len(graph.names)
    distance[number] = 0
    _settle(graph, distance, [number])
    return InwardPaths(graph, number, tuple(distance))


def _settle(graph: Graph, distance: list[int], heap: list[int]) -> None:
    """Carry the distances in `heap` (distance * size + number) to all that are farther."""
    size, into = len(distance), graph.into
    while heap:
        far, node = divmod(heappop(heap), size)
        if far != distance[node]:
            continue  # found nearer since
        for source, metric, _port in into[node]:
            through = far + metric
            if through < distance[source] or distance[source] == UNREACHABLE:
                distance[source] = through
                heappush(heap, through * size + source)
