"""What the network can survive: bridges before clouds, and how many links may fail at once.

Pure.  A policy promises nothing to clouds behind a bridge; of the others the weakest decides.
Links between routers count; access links do not (`scope: links`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.igp.bridges import components, find_bridges
from toolkit.igp.connectivity import edge_connectivity
from toolkit.inventory.importers.draft import Draft, DraftLink

MOST_FAILURES = 2
"""More at once are not asked for: what-if analysis tries every combination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A bridge, and the clouds that lose the repository with it."""

    link: DraftLink
    clouds: tuple[str, ...]
    """Names of routers."""
    nodes: int
    """Routers behind it, all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """`failures` links may fail at once, and the clouds that no bridge stands before are served."""

    failures: int
    """0 where a bridge stands before every cloud."""
    cuts: tuple[Cut, ...]
    """Bridges before clouds."""
    bridges: int
    """Bridges of the whole network."""


def ends_of(draft: Draft) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the names of the nodes, and the links by their numbers."""
    names = [router.name for router in draft.routers]
    index = {name: number for number, name in enumerate(names)}
    return names, [(index[link.a], index[link.b]) for link in draft.links]


def parts_of(draft: Draft) -> list[list[str]]:
    """Return the connected parts of the network, the largest first."""
    names, edges = ends_of(draft)
    return [[names[n] for n in part] for part in components(len(names), edges)]


def survival(draft: Draft, repository: str, clouds: Sequence[str]) -> Survival:
    """Return what can be promised to all `clouds` (names of routers) of a connected network."""
    names, edges = ends_of(draft)
    index = {name: number for number, name in enumerate(names)}
    root = index[repository]
    wanted = {index[cloud] for cloud in clouds} - {root}
    found = find_bridges(len(names), edges, root)
    # What lies behind a bridge is one piece of the preorder, so are the clouds in it.
    wanted_at = [at for at, node in enumerate(found.order) if node in wanted]
    cuts = []
    for bridge in found.bridges:
        inside = wanted_at[
            bisect_left(wanted_at, bridge.first) : bisect_left(wanted_at, bridge.last)
        ]
        if inside:
            lost = tuple(names[node] for node in sorted(found.order[at] for at in inside))
            nodes = bridge.last - bridge.first
            cuts.append(Cut(link=draft.links[bridge.edge], clouds=lost, nodes=nodes))
    cuts.sort(key=lambda cut: (-len(cut.clouds), -cut.nodes, cut.link.a, cut.link.b))
    failures = 0
    safe = wanted - {index[cloud] for cut in cuts for cloud in cut.clouds}
    if safe:
        paths = MOST_FAILURES + 1
        for node in sorted(safe):
            # Two paths are sure where there is no bridge.
            paths = edge_connectivity(len(names), edges, root, node, limit=paths)
            if paths == 2:
                break
        failures = paths - 1
    return Survival(failures=failures, cuts=tuple(cuts), bridges=len(found.bridges))
