"""A directed graph with metrics, made for shortest paths over thousands of nodes.

Law: nodes are numbered in the order of their sorted names and the edges of a node are sorted, so
every result is the same whatever order the input came in.  Parallel edges are kept.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    out: tuple[tuple[tuple[int, int, str], ...], ...]
    index: dict[str, int]
    """Name -> number."""

    @classmethod
    def of(cls, nodes: Iterable[str], edges: Iterable[Edge]) -> Graph:
        """Return the graph; ValueError for an unknown node or a metric below 1.

        Edges of MAX_METRIC and more are left out.  A metric of 0 would let equal-cost paths loop.
        """
        names = tuple(sorted(set(nodes)))
        index = {name: number for number, name in enumerate(names)}
        out: list[list[tuple[int, int, str]]] = [[] for _ in names]
        for source, target, metric, port in edges:
            if metric < 1:
                raise ValueError(f"edge {source} -> {target}: metric {metric} is less than 1")
            if source not in index or target not in index:
                raise ValueError(f"edge {source} -> {target}: no such node")
            if metric < MAX_METRIC:
                out[index[source]].append((index[target], metric, port))
        return cls(names, tuple(tuple(sorted(edges_of)) for edges_of in out), index)

    def reversed(self) -> Graph:
        """Return the graph with every edge turned round: distances from a node are those to it."""
        into: list[list[tuple[int, int, str]]] = [[] for _ in self.names]
        for source, edges in enumerate(self.out):
            for target, metric, port in edges:
                into[target].append((source, metric, port))
        return Graph(self.names, tuple(tuple(sorted(edges)) for edges in into), self.index)
