"""A directed graph with metrics, made for shortest paths over thousands of nodes.

Law: nodes are numbered in the order of their sorted names and the edges of a node are sorted, so
every result is the same whatever order the input came in.  Parallel edges are kept.  What is taken
out of a graph leaves the numbers of the rest as they were.  Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_METRIC: Final = 0xFFFFFF
"""A wide metric of this value takes a link out of the computation (RFC 5305 section 3)."""


class Edge(NamedTuple):
    """A way from one node to another; `port` tells parallel edges apart."""

    source: str
    target: str
    metric: int
    port: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes 0..n-1 and, for each, its outgoing (target, metric, port)."""

    names: tuple[str, ...]
    """By number; a node that was taken out keeps its own and has no edges."""
    out: tuple[tuple[tuple[int, int, str], ...], ...]
    into: tuple[tuple[tuple[int, int, str], ...], ...]
    """For each node, its incoming (source, metric, port of the source)."""
    index: dict[str, int]
    """Name -> number, in the order of names; without those taken out."""

    @classmethod
    def of(cls, nodes: Iterable[str], edges: Iterable[Edge]) -> Graph:
        """Return the graph; ValueError for an unknown node or a metric below 1.

        Edges of MAX_METRIC and more are left out.  A metric of 0 would let equal-cost paths loop.
        """
        names = tuple(sorted(set(nodes)))
        index = {name: number for number, name in enumerate(names)}
        out: list[list[tuple[int, int, str]]] = [[] for _ in names]
        into: list[list[tuple[int, int, str]]] = [[] for _ in names]
        for source, target, metric, port in edges:
            if metric < 1:
                raise ValueError(f"edge {source} -> {target}: metric {metric} is less than 1")
            if source not in index or target not in index:
                raise ValueError(f"edge {source} -> {target}: no such node")
            if metric < MAX_METRIC:
                out[index[source]].append((index[target], metric, port))
                into[index[target]].append((index[source], metric, port))
        return cls(
            names,
            tuple(tuple(sorted(edges_of)) for edges_of in out),
            tuple(tuple(sorted(edges_of)) for edges_of in into),
            index,
        )

    def turned(self) -> Graph:
        """Return the graph with every edge turned round."""
        return Graph(self.names, self.into, self.out, self.index)

    def without(self, nodes: Collection[str], edges: Iterable[Edge]) -> tuple[Graph, list[Edge]]:
        """Return the graph without these nodes and edges, and every edge that it has lost.

        Nodes and edges that it does not have are none to lose.
        """
        index = self.index
        gone = {index[name] for name in nodes if name in index}
        lost = {e for e in edges if self._has(e)}
        for number in gone:
            name = self.names[number]
            lost |= {Edge(name, self.names[t], m, p) for t, m, p in self.out[number]}
            lost |= {Edge(self.names[s], name, m, p) for s, m, p in self.into[number]}
        out, into = list(self.out), list(self.into)
        for source, target, metric, port in lost:
            tail, head = index[source], index[target]
            out[tail] = tuple(e for e in out[tail] if e != (head, metric, port))
            into[head] = tuple(e for e in into[head] if e != (tail, metric, port))
        if gone:
            index = {name: number for name, number in index.items() if number not in gone}
        return Graph(self.names, tuple(out), tuple(into), index), sorted(lost)

    def _has(self, edge: Edge) -> bool:
        source, target = self.index.get(edge.source), self.index.get(edge.target)
        return (
            source is not None
            and target is not None
            and (target, edge.metric, edge.port) in self.out[source]
        )
