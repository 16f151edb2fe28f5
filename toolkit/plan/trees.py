"""P2MP trees: for each delivery over SR-P2MP a policy, its candidate paths and their instances.

Pure.  RFC 9960 (policies, candidate paths, instances), RFC 9524 (replication segments).  The first
path is the cheaper of the tree of shortest paths and the one that grafts the nearest cloud
(`toolkit.igp.steiner`), in the metric that was asked for, over links that constraints and
unreserved bandwidth allow; trees reserve in the order of their TSIs.  The second path is the tree
of shortest paths where each element of the first costs more than everything else together: every
cloud's path shares as little with the first as any path could.  Law: the same tree keeps its
instance; another one gets an instance whose SID none that is live has (`toolkit.plan.instances`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.errors import Problem
from toolkit.igp.steiner import Tree, Way, cost, shortest_path_tree, spread, steiner_tree
from toolkit.inventory.model import Delivery, Disjointness, Inventory, Link, Transport
from toolkit.inventory.quantity import format_rate
from toolkit.plan.ids import name_order
from toolkit.plan.instances import Instances
from toolkit.plan.model import BranchPlan, TreeNodePlan, TreePathPlan, TreePlan
from toolkit.plan.places import place_of
from toolkit.plan.spans import Hop, Span, cost_of, spans_of

PRIMARY, BACKUP = ("primary", 200), ("backup", 100)
"""Names and preferences of the candidate paths; the higher preference is used first."""
_SHOWN = 4
"""Links that a problem names."""


@dataclass(slots=True)
class _Shape:
    """One tree before it has an instance."""

    spans: dict[str, Span]
    """Router -> the span that leads to it."""
    leaves: frozenset[str]
    shared: tuple[str, ...] = ()

    @property
    def hops(self) -> set[Hop]:
        return {hop for span in self.spans.values() for hop in span.hops}


@dataclass(slots=True)
class _Ground:
    inventory: Inventory
    spans: tuple[Span, ...]
    names: tuple[str, ...]
    """Routers in the order of preference."""
    links: Mapping[str, Link]
    reserved: defaultdict[Hop, int] = field(default_factory=lambda: defaultdict(int))
    """bit/s."""

    def free(self, hop: Hop) -> int:
        return self.links[hop[0]].capacity - self.reserved[hop]


def plan_trees(
    inventory: Inventory,
    tsis: Mapping[str, int],
    ports: Mapping[str, tuple[str, str]],
    instances: Instances,
    problems: list[Problem],
) -> dict[str, TreePlan]:
    """Return delivery -> its tree, of the deliveries over SR-P2MP that have one.

    `ports`: link -> names of its ports.  `instances` learns what is new.  What is wrong is added to
    `problems`.
    """
    ground = _Ground(
        inventory,
        spans_of(inventory),
        tuple(sorted(inventory.routers, key=name_order)),
        {link.name: link for link in inventory.links},
    )
    trees: dict[str, TreePlan] = {}
    wanted = [d for d in inventory.deliveries.values() if d.transport is Transport.SR_P2MP]
    for delivery in sorted(wanted, key=lambda d: tsis[d.name]):
        found = list(_without_replication(inventory, delivery))
        problems += found
        if found or not delivery.to:
            continue
        shapes = _shapes(ground, delivery, problems)
        if not shapes:
            continue
        for hop in {hop for shape in shapes for hop in shape.hops}:
            ground.reserved[hop] += delivery.rate
        root = inventory.repositories[delivery.source].router
        tree_id = instances.tree_id(delivery.name)
        paths = []
        for (name, preference), shape in zip((PRIMARY, BACKUP), shapes, strict=False):
            instance_id, sid = instances.instance(delivery.name, name, _digest_text(root, shape))
            paths.append(
                TreePathPlan(
                    name=name,
                    preference=preference,
                    instance_id=instance_id,
                    nodes=_nodes(ground, root, shape, sid, ports),
                    links=tuple(sorted({link for link, _ in shape.hops})),
                    shared=shape.shared,
                )
            )
        trees[delivery.name] = TreePlan(root=root, tree_id=tree_id, paths=tuple(paths))
    return trees


def _without_replication(inventory: Inventory, delivery: Delivery) -> Iterator[Problem]:
    for name in (delivery.source, *delivery.to):
        host = inventory.repositories.get(name) or inventory.clouds[name]
        router = inventory.routers[host.router]
        if not router.replication:
            yield Problem(
                place_of(host),
                f"{name} is part of {delivery.name}, but its router {router.name} has "
                "`replication: false`",
                f"attach it to a router that replicates, or leave it out of {delivery.name}",
            )


def _shapes(ground: _Ground, delivery: Delivery, problems: list[Problem]) -> list[_Shape]:
    """Return the first tree and, unless nobody wants it, the second; empty: there is none."""
    inventory = ground.inventory
    root = inventory.repositories[delivery.source].router
    leaves = frozenset(inventory.clouds[cloud].router for cloud in delivery.to)
    allowed = [span for span in ground.spans if not _refusals(ground, delivery, span)]
    costs = [sum(cost_of(ground.links[n], delivery.tree.metric) for n in s.way) for s in allowed]
    number = {name: position for position, name in enumerate(ground.names)}
    ways = _ways(number, allowed, costs)
    terminals = [number[name] for name in sorted(leaves, key=name_order)]
    reached, _ = spread(ways, [number[root]])
    far = [ground.names[t] for t in terminals if t not in reached]
    if far:
        inside = {ground.names[node] for node in reached}
        problems += _unreached(ground, delivery, inside, far)
        return []
    short = shortest_path_tree(ways, number[root], terminals)
    steiner = steiner_tree(ways, number[root], terminals)
    first = steiner if cost(steiner) < cost(short) else short
    shapes = [_shape(ground, allowed, first, leaves)]
    if delivery.tree.disjoint is not Disjointness.NONE:
        avoid = _Avoided(ground, root, shapes[0], delivery.tree.disjoint)
        dear = sum(costs) + 1
        penalties = [c + dear * len(avoid.by(s)) for s, c in zip(allowed, costs, strict=True)]
        second = shortest_path_tree(_ways(number, allowed, penalties), number[root], terminals)
        shape = _shape(ground, allowed, second, leaves)
        shared = {item for span in shape.spans.values() for item in avoid.by(span)}
        shape.shared = tuple(sorted(shared, key=name_order))
        shapes.append(shape)
    return shapes


def _ways(
    number: Mapping[str, int], spans: Iterable[Span], costs: Iterable[int]
) -> list[list[Way]]:
    ways: list[list[Way]] = [[] for _ in number]
    for position, (span, price) in enumerate(zip(spans, costs, strict=True)):
        ways[number[span.source]].append(Way(number[span.target], price, position))
    return ways


def _shape(ground: _Ground, spans: list[Span], tree: Tree, leaves: frozenset[str]) -> _Shape:
    return _Shape({ground.names[n]: spans[way.number] for n, (_, way) in tree.items()}, leaves)


class _Avoided:
    """What the second path is to avoid of the first."""

    def __init__(self, ground: _Ground, root: str, first: _Shape, disjoint: Disjointness) -> None:
        self._ground = ground
        self._links = {link for link, _ in first.hops}
        self._nodes: set[str] = set()
        self._risks: set[str] = set()
        if disjoint is Disjointness.NODE:
            inner = {span.source for span in first.spans.values()}
            inner |= {name for span in first.spans.values() for name in span.between}
            self._nodes = inner - {root}
        elif disjoint is Disjointness.SRLG:
            self._risks = {risk for name in self._links for risk in ground.links[name].srlg}

    def by(self, span: Span) -> set[str]:
        """Return the names of what a span shares with the first path."""
        links = {link for link, _ in span.hops}
        shared = links & self._links
        shared |= self._nodes & {span.target, *span.between}
        return shared | self._risks & {r for name in links for r in self._ground.links[name].srlg}


def _refusals(ground: _Ground, delivery: Delivery, span: Span) -> list[str]:
    """Return why the tree of a delivery may not use a span; empty: it may."""
    return [why for hop in span.hops if (why := _refusal(ground, delivery, hop))]


def _refusal(ground: _Ground, delivery: Delivery, hop: Hop) -> str:
    link, asked = ground.links[hop[0]], delivery.tree
    has = frozenset(link.affinity)
    if barred := has & frozenset(asked.exclude_any):
        return f"exclude_any bars {link.name} ({', '.join(sorted(barred))})"
    if asked.include_any and not has & frozenset(asked.include_any):
        return f"include_any bars {link.name} (none of {', '.join(asked.include_any)})"
    if lacking := frozenset(asked.include_all) - has:
        return f"include_all bars {link.name} (without {', '.join(sorted(lacking))})"
    free = ground.free(hop)
    if free < delivery.rate:
        return (
            f"{link.name} from {hop[1]} has {format_rate(max(free, 0))} of "
            f"{format_rate(link.capacity)} left for {format_rate(delivery.rate)}"
        )
    return ""


def _unreached(
    ground: _Ground, delivery: Delivery, inside: set[str], far: list[str]
) -> Iterator[Problem]:
    """Name the clouds that the tree cannot reach and every link that would have led out."""
    reasons = dict.fromkeys(
        why
        for span in ground.spans
        if span.source in inside and span.target not in inside
        for why in _refusals(ground, delivery, span)
    )
    shown = list(reasons)[:_SHOWN]
    more = len(reasons) - len(shown)
    clouds = sorted(
        (c for c in delivery.to if ground.inventory.clouds[c].router in far), key=name_order
    )
    yield Problem(
        place_of(delivery),
        f"no tree of {delivery.name} reaches {', '.join(clouds)}: {'; '.join(shown)}"
        + (f"; {more} more" if more else ""),
        f"relax what `tree` asks for, send it slower than {format_rate(delivery.rate)}, "
        "or add capacity",
    )


def _order(root: str, shape: _Shape) -> Iterator[str]:
    """Yield the routers of a tree, the root first, parents before children."""
    queue = [root]
    while queue:
        name = queue.pop(0)
        yield name
        queue += _children(shape, name)


def _children(shape: _Shape, name: str) -> list[str]:
    return sorted((n for n, span in shape.spans.items() if span.source == name), key=name_order)


def _nodes(
    ground: _Ground,
    root: str,
    shape: _Shape,
    sid: int,
    ports: Mapping[str, tuple[str, str]],
) -> dict[str, TreeNodePlan]:
    def port(span: Span) -> str | None:
        if span.link is None:
            return None
        return ports[span.link][0 if ground.links[span.link].a == span.source else 1]

    return {
        name: TreeNodePlan(
            router=name,
            sid=sid,
            branches=tuple(
                BranchPlan(router=child, sid=sid, port=port(shape.spans[child]))
                for child in _children(shape, name)
            ),
            leaf=name in shape.leaves,
        )
        for name in _order(root, shape)
    }


def _digest_text(root: str, shape: _Shape) -> str:
    """Return what makes one tree another: its routers, how each is reached, and its leaves."""
    lines = [
        f"{name} {span.source if (span := shape.spans.get(name)) else ''} "
        f"{(span.link or '') if span else ''} {name in shape.leaves}"
        for name in _order(root, shape)
    ]
    return "\n".join(lines)
