"""How many links must fail before two nodes are parted: local edge connectivity.

Menger: as many as there are paths without a common edge; Ford and Fulkerson find them one by one.
Law: O(k m) for a connectivity of k, and never more than `limit` searches.  Pure.
"""

from __future__ import annotations

from collections import deque

from toolkit.igp.bridges import Edges, neighborhood


def edge_connectivity(size: int, edges: Edges, source: int, target: int, *, limit: int) -> int:
    """Return min(`limit`, the number of edge-disjoint paths between two different nodes).

    ValueError where both are the same node: no number of failures parts it from itself.
    """
    if source == target:
        raise ValueError("a node cannot be parted from itself")
    near = neighborhood(size, edges)
    used: dict[int, int] = {}
    """Edge -> the node that flow leaves it from."""
    for found in range(limit):
        came: dict[int, tuple[int, int]] = {source: (-1, -1)}
        queue = deque([source])
        while queue and target not in came:
            node = queue.popleft()
            for neighbor, edge in near[node]:
                # An edge without flow may be used either way, one with flow only against it.
                if neighbor not in came and used.get(edge) in (None, neighbor):
                    came[neighbor] = (node, edge)
                    queue.append(neighbor)
        if target not in came:
            return found
        node = target
        while node != source:
            before, edge = came[node]
            if edge in used:
                del used[edge]  # flow there and back is no flow
            else:
                used[edge] = before
            node = before
    return limit
