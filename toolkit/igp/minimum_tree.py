"""The tree with the fewest links that joins a root with its terminals: a minimum Steiner tree.

Dreyfus and Wagner, 1971: exact, O(3^k n + 2^k n log n) for k terminals, so for few of them; beyond
`EXACT` the shortest-path heuristic of Takahashi and Matsuyama, 1980 (at most twice the optimum),
and the result says so.  Every link counts 1, since one copy of a packet on it costs the same
whatever its metric.  Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

EXACT: Final = 12
"""Terminals, the root not counted, up to which the optimum itself is computed."""

_Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MinimumTree:
    links: int
    exact: bool
    """False: an upper bound by the heuristic."""


def minimum_tree(
    neighbors: Mapping[str, Collection[str]], root: str, terminals: Collection[str]
) -> MinimumTree | None:
    """Return how few links join `root` and `terminals`; None where they are not connected.

    `neighbors`: node -> its neighbors, both ways.
    """
    wanted = sorted(set(terminals) - {root})
    if not wanted:
        return MinimumTree(0, exact=True)
    names = sorted(neighbors)
    index = {name: number for number, name in enumerate(names)}
    hops = {name: _hops(neighbors, name, index) for name in (root, *wanted)}
    if any(hops[root][index[name]] < 0 for name in wanted):
        return None
    if len(wanted) <= EXACT:
        return MinimumTree(_exact(neighbors, names, index, root, wanted), exact=True)
    return MinimumTree(_grafted(neighbors, root, wanted), exact=False)


def _hops(
    neighbors: Mapping[str, Collection[str]], start: str, index: Mapping[str, int]
) -> _Lengths:
    """Return hops from `start` to every node; -1 where there is no path."""
    found = np.full(len(index), -1, dtype=np.int64)
    found[index[start]] = 0
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for other in neighbors[name]:
            if found[index[other]] < 0:
                found[index[other]] = found[index[name]] + 1
                queue.append(other)
    return found


def _exact(
    neighbors: Mapping[str, Collection[str]],
    names: list[str],
    index: Mapping[str, int],
    root: str,
    wanted: list[str],
) -> int:
    """best[set][v]: links of the smallest tree that joins v with the terminals of a set."""
    far = len(names) * len(names)
    between = np.stack([_hops(neighbors, name, index) for name in names])
    between[between < 0] = far
    best = np.full((1 << len(wanted), len(names)), far, dtype=np.int64)
    for position, name in enumerate(wanted):
        best[1 << position] = between[index[name]]
    for members in range(1, 1 << len(wanted)):
        if members & (members - 1) == 0:
            continue
        # Two parts meet at v; each pair once: the part with the highest bit is `part`.
        highest = 1 << (members.bit_length() - 1)
        rest = members ^ highest
        other = rest
        joined = best[members]
        while other:
            np.minimum(joined, best[members ^ other] + best[other], out=joined)
            other = (other - 1) & rest
        # ... and a path leads from v to where they meet.
        best[members] = (between + joined).min(axis=1)
    return int(best[-1][index[root]])


def _grafted(neighbors: Mapping[str, Collection[str]], root: str, wanted: list[str]) -> int:
    """Join the nearest terminal to the tree, by its shortest path, until all are on it."""
    tree, missing, links = {root}, set(wanted), 0
    while missing:
        parent: dict[str, str] = dict.fromkeys(sorted(tree), "")
        queue = deque(parent)
        nearest = ""
        while queue and not nearest:
            name = queue.popleft()
            for other in sorted(neighbors[name]):
                if other not in parent:
                    parent[other] = name
                    queue.append(other)
                    if other in missing:
                        nearest = other
                        break
        while nearest and nearest not in tree:
            tree.add(nearest)
            missing.discard(nearest)
            links += 1
            nearest = parent[nearest]
    return links
