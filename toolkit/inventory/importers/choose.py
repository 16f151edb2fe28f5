"""Where the repository stands and which nodes are GPU clouds.

Closeness centrality by delay (Bavelas 1950: the least sum of distances to all others) and greedy
farthest points (Gonzalez 1985).  Pure.  Law: ties go to the name that sorts first, so the same
network gives the same choice; every name that leads nowhere is told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.errors import Place, Problem
from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import UNREACHABLE, shortest_paths
from toolkit.inventory.importers.draft import Draft, DraftRouter, some
from toolkit.inventory.importers.names import fold
from toolkit.inventory.suggestion import suggest

FARTHEST = 8
"""Clouds where nobody asks for another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person at the command line asked for; at most one way of choosing clouds."""

    repository: str = ""
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    farthest: int | None = None
    everyone: bool = False

    @property
    def silent(self) -> bool:
        """Nothing was said of clouds."""
        return not (self.clouds or self.regions or self.everyone or self.farthest is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Names of routers."""

    repository: str
    clouds: tuple[str, ...]


def delay_graph(draft: Draft) -> Graph:
    """Return the network with delays in microseconds for metrics."""
    edges = []
    for number, link in enumerate(draft.links):
        weight = max(1, round(link.delay * 1e6))
        edges.append(Edge(link.a, link.b, weight, str(number)))
        edges.append(Edge(link.b, link.a, weight, str(number)))
    return Graph.of((router.name for router in draft.routers), edges)


def central(graph: Graph, candidates: Iterable[str]) -> str:
    """Return the candidate with the least sum of delays to all nodes; ValueError for none."""
    sums = []
    for name in candidates:
        far = shortest_paths(graph, name).distance
        lost = sum(d == UNREACHABLE for d in far)
        sums.append((lost, sum(d for d in far if d != UNREACHABLE), name))
    return min(sums)[2]


def farthest(graph: Graph, start: str, candidates: Iterable[str], count: int) -> list[str]:
    """Return `count` candidates, each as far as can be from `start` and from those before it."""
    left = sorted(set(candidates) - {start})
    nearest = dict.fromkeys(left, 1 << 62)
    found: list[str] = []
    last = start
    while left and len(found) < count:
        far = shortest_paths(graph, last).distance
        for name in left:
            nearest[name] = min(nearest[name], far[graph.index[name]])
        last = max(left, key=lambda name: nearest[name])  # the first of equals
        left.remove(last)
        found.append(last)
    return found


def choose(draft: Draft, wishes: Wishes) -> tuple[Choice | None, list[Problem]]:
    """Return the choice, or None and every reason why there is none."""
    finder = _Finder(draft)
    able = [router for router in draft.routers if router.bier]
    sites = [router.name for router in able if router.site] or [router.name for router in able]
    problems: list[Problem] = []
    if len(able) < 2:
        what = f"{len(able)} of {len(draft.routers)} routers can have a host: two are needed"
        return None, [Problem(Place(draft.file), what, "others cannot do BIER")]
    named = [finder.router(name, "--clouds") for name in wishes.clouds]
    repository = finder.router(wishes.repository, "--repository") if wishes.repository else None
    problems += finder.problems
    if problems:
        return None, problems + _regions(draft, wishes)[1]
    graph = delay_graph(draft)
    start = repository.name if repository else central(graph, sites)
    everyone = [name for name in sites if name != start]
    if wishes.clouds:
        chosen = list(dict.fromkeys(router.name for router in named if router))
    elif wishes.regions:
        regions, problems = _regions(draft, wishes)
        inside = [r.name for r in able if r.region.casefold() in regions and r.name != start]
        if not problems and not inside:
            what = f"no node but the repository's, {start}, stands in {some(wishes.regions)}"
            problems.append(Problem(Place(draft.file, path="--region"), what))
        chosen = inside
    elif wishes.everyone:
        chosen = [router.name for router in able if router.name != start]
    else:
        count = min(FARTHEST, len(everyone)) if wishes.farthest is None else wishes.farthest
        if not 1 <= count <= len(everyone):
            what = f"{count} clouds cannot be had of {len(everyone)} nodes beside the repository's"
            problems.append(
                Problem(Place(draft.file, path="--farthest"), what, f"1 to {len(everyone)}")
            )
        chosen = farthest(graph, start, everyone, count)
    return (None if problems else Choice(repository=start, clouds=tuple(chosen))), problems


def _regions(draft: Draft, wishes: Wishes) -> tuple[set[str], list[Problem]]:
    """Return the wanted regions in lower case, and what is said of those that do not exist."""
    known = {router.region.casefold(): router.region for router in draft.routers if router.region}
    problems = []
    for region in wishes.regions:
        if region.casefold() not in known:
            what = f"no node stands in a region '{region}'"
            remedy = suggest(region, known.values())
            if not known:
                remedy = "the file names no regions: choose with --clouds or --farthest"
            problems.append(Problem(Place(draft.file, path="--region"), what, remedy))
    return {region.casefold() for region in wishes.regions}, problems


class _Finder:
    """Finds routers by the name that they have here or by what their file calls them."""

    def __init__(self, draft: Draft) -> None:
        self.problems: list[Problem] = []
        self._file = draft.file
        self._names: Mapping[str, DraftRouter] = {r.name: r for r in draft.routers}
        self._labels: dict[str, list[DraftRouter]] = {}
        for router in draft.routers:
            self._labels.setdefault(router.label.casefold(), []).append(router)

    def router(self, word: str, flag: str) -> DraftRouter | None:
        """Return the router that is meant; None and a problem where none can have a host."""
        bearers = self._labels.get(word.casefold(), [])
        if (found := self._names.get(word)) is None and len(bearers) == 1:
            found = bearers[0]
        if found is None and bearers:
            what = f"{len(bearers)} nodes are called '{word}'"
            self._refuse(flag, what, f"one of: {some([r.name for r in bearers])}")
        elif found is None:
            near = suggest(fold(word), self._names)
            remedy = near or f"nodes are called like {some(list(self._names), 3)}"
            self._refuse(flag, f"there is no node '{word}'", remedy)
        elif not found.bier:
            what = f"'{found.name}' ({found.platform}) cannot do BIER, so no host can be there"
            self._refuse(flag, what, "choose a router beside it")
            return None
        return found

    def _refuse(self, flag: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(Place(self._file, path=flag), what, remedy))
