"""Bridges of an undirected multigraph, its components, and what lies behind each bridge.

Tarjan, "A note on finding the bridges of a graph" (1974), without recursion: real networks are
longer than Python's stack.  Law: O(n + m); parallel edges are never bridges, a self-loop is
nothing; results come in the order of edges and nodes, whatever the search did.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Edges = Sequence[tuple[int, int]]
"""Ends of each edge, nodes being numbered from 0."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """An edge without which `near` and `far` are not connected, seen from the root."""

    edge: int
    near: int
    far: int
    first: int
    last: int
    """Positions in `Bridges.order` of what lies behind it, `last` not included."""


@dataclass(frozen=True, slots=True)
class Bridges:
    """All bridges among the nodes that `root` reaches, by edge number."""

    root: int
    order: tuple[int, ...]
    """Reachable nodes in preorder of the search: what lies behind a bridge is one piece of it."""
    bridges: tuple[Bridge, ...]

    def behind(self, bridge: Bridge) -> tuple[int, ...]:
        """Return the nodes that `bridge` separates from the root, ascending."""
        return tuple(sorted(self.order[bridge.first : bridge.last]))


def neighborhood(size: int, edges: Edges) -> list[list[tuple[int, int]]]:
    """Return node -> (neighbor, edge number); self-loops are left out.

    IndexError for an edge to a node that does not exist.
    """
    near: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for number, (a, b) in enumerate(edges):
        if a != b:
            near[a].append((b, number))
            near[b].append((a, number))
    return near


def components(size: int, edges: Edges) -> list[list[int]]:
    """Return the connected components, the largest first, then by their first node."""
    near = neighborhood(size, edges)
    seen = bytearray(size)
    found = []
    for start in range(size):
        if seen[start]:
            continue
        seen[start] = 1
        part = [start]
        for node in part:  # grows while it is read
            for neighbor, _ in near[node]:
                if not seen[neighbor]:
                    seen[neighbor] = 1
                    part.append(neighbor)
        found.append(sorted(part))
    return sorted(found, key=lambda part: (-len(part), part[0]))


def find_bridges(size: int, edges: Edges, root: int = 0) -> Bridges:
    """Return the bridges of the component of `root`; IndexError where there is no such node."""
    near = neighborhood(size, edges)
    number = [-1] * size
    low = [0] * size
    order: list[int] = []
    found: list[Bridge] = []
    number[root] = low[root] = 0
    order.append(root)
    # node, the edge it was entered by, how many of its neighbors were looked at
    stack = [(root, -1, 0)]
    while stack:
        node, entered, looked = stack.pop()
        if looked < len(near[node]):
            stack.append((node, entered, looked + 1))
            neighbor, edge = near[node][looked]
            if edge == entered:
                continue
            if number[neighbor] >= 0:
                low[node] = min(low[node], number[neighbor])
                continue
            number[neighbor] = low[neighbor] = len(order)
            order.append(neighbor)
            stack.append((neighbor, edge, 0))
        elif stack:
            parent = stack[-1][0]
            low[parent] = min(low[parent], low[node])
            if low[node] > number[parent]:
                found.append(Bridge(entered, parent, node, number[node], len(order)))
    return Bridges(root, tuple(order), tuple(sorted(found, key=lambda bridge: bridge.edge)))
