"""The planned network as a drawing sees it: nodes, lines, and who carried what in which direction.

Pure.  It joins the plan with what a run measured; it decides nothing about forwarding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.lab.result import DeliveryResult, LinkUse
from toolkit.plan.model import Plan, PortPlan
from toolkit.report import words_pim, words_sr


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    name: str
    kind: str
    """`router`, `repository` or `cloud`."""
    region: str
    router: str = ""
    """A host's edge router; empty for a router."""
    bfr: bool = True
    """It replicates: a BFR, or a router that runs PIM."""
    bfr_id: int | None = None
    label: str = ""
    """What stands under its name; empty: what BIER says of it."""
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One physical link.  Units as in the plan: bit/s, seconds."""

    name: str
    a: str
    b: str
    metric: int
    capacity: int
    delay: float
    edge: bool
    """A host's access link."""


def nodes(plan: Plan) -> tuple[Node, ...]:
    """Return routers, then hosts, in the plan's order; a host without a region has its router's."""
    routers = tuple(
        Node(
            name=router.name, kind="router", region=router.region,
            bfr=router.bfr or (plan.pim is not None and router.pim),
            label=words_pim.node_label(plan, router) or words_sr.node_label(plan, router),
            bfr_id=next((s.bfr_id for s in router.sub_domains if s.bfr_id is not None), None),
        )
        for router in plan.routers.values()
    )  # fmt: skip
    hosts = tuple(
        Node(
            name=host.name, kind=host.kind, router=host.router, gpus=host.gpus,
            region=host.region or plan.routers[host.router].region,
        )
        for host in plan.hosts.values()
    )  # fmt: skip
    return routers + hosts


def lines(plan: Plan) -> tuple[Line, ...]:
    """Return every cable of the plan in its order; access links bear their host's name."""
    ports: dict[tuple[str, str], PortPlan] = {
        (router.name, port.name): port for router in plan.routers.values() for port in router.ports
    }
    found = []
    for cable in plan.cables:
        port = ports.get((cable.a.node, cable.a.port)) or ports[cable.b.node, cable.b.port]
        host = next((n for n in (cable.a.node, cable.b.node) if n in plan.hosts), "")
        found.append(
            Line(
                name=host or cable.link or port.link, a=cable.a.node, b=cable.b.node,
                metric=port.metric, capacity=port.capacity, delay=port.delay, edge=bool(host),
            )
        )  # fmt: skip
    return tuple(found)


def use_of(uses: Iterable[LinkUse], wanted: Iterable[Line]) -> dict[str, LinkUse]:
    """Return line name -> its use, matched by name, else by its two ends."""
    by_name: dict[str, LinkUse] = {}
    by_ends: dict[frozenset[str], LinkUse] = {}
    for use in uses:
        by_name[use.link] = use
        by_ends.setdefault(frozenset((use.a, use.b)), use)
    found = {}
    for line in wanted:
        use_found = by_name.get(line.name) or by_ends.get(frozenset((line.a, line.b)))
        if use_found is not None:
            found[line.name] = use_found
    return found


def tree_directions(
    plan: Plan, delivery: str, names: Iterable[str], uses: Mapping[str, LinkUse]
) -> dict[str, tuple[str, str]]:
    """Return line name -> (upstream, downstream) for the lines of a delivery's tree.

    The direction is the one in which most bytes were counted; without counts it leads away from the
    delivery's source.
    """
    wanted = set(names)
    tree = [line for line in lines(plan) if line.name in wanted]
    steps = _steps_from(_source(plan, delivery), tree)
    found = {}
    for line in tree:
        use = uses.get(line.name)
        if use is not None and use.a_to_b != use.b_to_a:
            forward = (use.a, use.b) if use.a_to_b > use.b_to_a else (use.b, use.a)
        else:
            far = len(steps)
            forward = (line.a, line.b)
            if steps.get(line.b, far) < steps.get(line.a, far):
                forward = (line.b, line.a)
        found[line.name] = forward
    return found


def carried(result: DeliveryResult) -> tuple[str, ...]:
    """Return the links over which the main flow went: at least half the model in one direction.

    Repairs and reports are far below that and the whole flow far above it, so counting decides.
    """
    half = result.size / 2
    return tuple(u.link for u in result.links if max(u.a_to_b, u.b_to_a) >= max(half, 1))


def _source(plan: Plan, delivery: str) -> str:
    return next((flow.source for flow in plan.flows if flow.delivery == delivery), "")


def _steps_from(start: str, tree: Iterable[Line]) -> dict[str, int]:
    neighbors: dict[str, list[str]] = {}
    for line in tree:
        neighbors.setdefault(line.a, []).append(line.b)
        neighbors.setdefault(line.b, []).append(line.a)
    steps = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for neighbor in neighbors.get(node, ()):
            if neighbor not in steps:
                steps[neighbor] = steps[node] + 1
                queue.append(neighbor)
    return steps
