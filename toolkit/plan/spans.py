"""Spans: how a replicating router hands a packet to the next one, over a link or by its node SID.

Pure.  RFC 9524 section 2: a downstream node need not be adjacent.  Law: where routers without
replication segments lie between, the packet follows the shortest IGP paths, so the span stands on
every link of all of them; constraints must hold on each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import ShortestPaths, shortest_paths
from toolkit.inventory.model import Inventory, Link, TreeMetric
from toolkit.plan.ids import name_order

Hop = tuple[str, str]
"""(link, router that it is left from): one direction of a link."""


@dataclass(frozen=True, slots=True)
class Span:
    """One way from a replicating router to another."""

    source: str
    target: str
    hops: tuple[Hop, ...]
    """Every direction of a link that packets may take."""
    between: tuple[str, ...]
    """Routers that are crossed; empty where the two are adjacent."""
    way: tuple[str, ...]
    """Links of one path, the one that its cost is counted on."""

    @property
    def link(self) -> str | None:
        """The link between the two; None where other routers lie between."""
        return None if self.between else self.hops[0][0]


def cost_of(link: Link, metric: TreeMetric) -> int:
    """Return what a link costs a tree; of delays the microseconds, 1 at least."""
    if metric is TreeMetric.DELAY:
        return max(1, round(link.delay * 1e6))
    if metric is TreeMetric.TE and link.te_metric is not None:
        return link.te_metric
    return link.metric


def spans_of(inventory: Inventory) -> tuple[Span, ...]:
    """Return all spans, in the order of `name_order` of source, target and link."""
    routers = inventory.routers
    links = sorted(inventory.links, key=lambda link: name_order(link.name))
    spans: list[Span] = []
    beside: set[str] = set()
    for link in links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            if not routers[here].replication:
                continue
            if routers[there].replication:
                spans.append(Span(here, there, ((link.name, here),), (), (link.name,)))
            else:
                beside.add(here)
    if beside:
        spans += _across(inventory, links, sorted(beside, key=name_order))
    return tuple(
        sorted(spans, key=lambda s: (name_order(s.source), name_order(s.target), bool(s.between)))
    )


def _across(inventory: Inventory, links: list[Link], starts: list[str]) -> Iterator[Span]:
    """Yield the spans over routers that do not replicate."""
    graph = Graph.of(
        inventory.routers,
        (
            Edge(here, there, link.metric, link.name)
            for link in links
            for here, there in ((link.a, link.b), (link.b, link.a))
        ),
    )
    into: defaultdict[tuple[int, int], list[Link]] = defaultdict(list)
    for link in links:
        a, b = graph.index[link.a], graph.index[link.b]
        into[a, b].append(link)
        into[b, a].append(link)
    for start in starts:
        paths = shortest_paths(graph, start)
        for target in sorted(inventory.routers, key=name_order):
            if target != start and inventory.routers[target].replication:
                span = _span(inventory, paths, into, target)
                if span is not None:
                    yield span


def _span(
    inventory: Inventory,
    paths: ShortestPaths,
    into: defaultdict[tuple[int, int], list[Link]],
    target: str,
) -> Span | None:
    """Return the span along the shortest paths to `target`; None where another router that
    replicates lies on one of them, or none lies between."""
    names, root = paths.graph.names, paths.root
    end = paths.graph.index[target]
    if not paths.reaches(target):
        return None
    hops: list[Hop] = []
    between: dict[str, None] = {}
    way: list[str] = []
    queue, known, straight = [end], {end}, end
    while queue:
        node = queue.pop(0)
        for parent in paths.parents[node]:
            gap = paths.distance[node] - paths.distance[parent]
            used = [link.name for link in into[parent, node] if link.metric == gap]
            hops += [(link, names[parent]) for link in used]
            if node == straight and parent == paths.parents[node][0]:
                way.append(used[0])
                straight = parent
            if parent == root or parent in known:
                continue
            if inventory.routers[names[parent]].replication:
                return None
            known.add(parent)
            between[names[parent]] = None
            queue.append(parent)
    if not between:
        return None
    return Span(names[root], target, tuple(hops), tuple(between), tuple(way))
