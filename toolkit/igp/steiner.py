"""Trees from one node to several: shortest-path trees, and Steiner trees by nearest terminal.

Takahashi and Matsuyama 1980 (grafting the nearest terminal onto the tree, at most twice the least
cost).  Law: nodes and ways are numbers in the caller's order of preference and ties go to the
smallest, so that the same network always gives the same tree.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple


class Way(NamedTuple):
    """A directed way between two nodes; `number` tells it from every other."""

    target: int
    cost: int
    number: int


Ways = Sequence[Sequence[Way]]
"""Node -> its outgoing ways, in the order of preference."""
Tree = Mapping[int, tuple[int, Way]]
"""Node -> (parent, the way from the parent); the root is not in it."""


def spread(ways: Ways, starts: Iterable[int]) -> tuple[dict[int, int], dict[int, tuple[int, Way]]]:
    """Return node -> distance from the nearest start, and node -> (parent, way).

    Of equal distances the node that was settled first is the parent: the smaller number.
    """
    distance = dict.fromkeys(starts, 0)
    parents: dict[int, tuple[int, Way]] = {}
    heap = [(0, node) for node in sorted(distance)]
    settled: set[int] = set()
    while heap:
        far, node = heappop(heap)
        if node in settled:
            continue
        settled.add(node)
        for way in ways[node]:
            through = far + way.cost
            known = distance.get(way.target)
            if known is None or through < known:
                distance[way.target] = through
                parents[way.target] = node, way
                heappush(heap, (through, way.target))
    return distance, parents


def shortest_path_tree(ways: Ways, root: int, terminals: Iterable[int]) -> Tree:
    """Return the shortest paths from `root` to the terminals that it reaches."""
    _, parents = spread(ways, [root])
    return _grafted({}, parents, root, terminals)


def steiner_tree(ways: Ways, root: int, terminals: Iterable[int]) -> Tree:
    """Return a tree of low cost from `root` to the terminals that it reaches.

    The terminal that is nearest to the tree is grafted onto it, again and again.
    """
    waiting = set(terminals) - {root}
    tree: dict[int, tuple[int, Way]] = {}
    while waiting:
        distance, parents = spread(ways, [root, *tree])
        near = (
            min((distance[t], t) for t in waiting if t in distance)
            if waiting & (distance.keys())
            else None
        )
        if near is None:
            break
        tree = dict(_grafted(tree, parents, root, [near[1]]))
        waiting -= tree.keys()
    return tree


def cost(tree: Tree) -> int:
    """Return the sum of the costs of a tree's ways."""
    return sum(way.cost for _, way in tree.values())


def _grafted(
    tree: Tree, parents: Mapping[int, tuple[int, Way]], root: int, terminals: Iterable[int]
) -> Tree:
    """Return `tree` with the paths of `parents` to the terminals."""
    grown = dict(tree)
    for terminal in terminals:
        node = terminal
        while node != root and node not in grown and node in parents:
            grown[node] = parents[node]
            node = parents[node][0]
    return grown
