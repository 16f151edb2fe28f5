"""P2MP trees over generated networks: what is planned is configured, forwarded, and protected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sr_networks import DEMO, all_replicating, sr_inventories
from test_verify_lab import forwarded
from verify_networks import inventory as small
from verify_networks import planned

from toolkit.igp.spf import UNREACHABLE
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Disjointness, Inventory, Transport, TreeConstraints
from toolkit.plan.configured import configured_state
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan, TreePathPlan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.render.payload import render_plan
from toolkit.state.model import NetworkState, Source
from toolkit.verify.multicast import examine
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import core_links, core_nodes


def connected(state: NetworkState, down: Failures = NO_FAILURES) -> bool:
    underlay = Network(state, down).underlay
    names = underlay.graph.names
    return UNREACHABLE not in underlay.paths(names[0]).distance


def once(plan: Plan) -> Counter[str]:
    return Counter(plan.flows[0].clouds)


@settings(max_examples=25, deadline=None)
@given(sr_inventories())
def test_what_is_planned_is_read_back_from_what_is_rendered(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    trees = {name: payload.tree for name, payload in render_plan(plan).items()}
    configured = configured_state(plan, trees, Source.RENDERED)
    assert configured.routers == intended_state(plan).routers


@settings(max_examples=80, deadline=None)
@given(sr_inventories())
def test_every_cloud_gets_every_packet_once_and_nothing_is_found(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    state = intended_state(plan)
    assert forwarded(plan, state)[0] == once(plan)
    assert examine(Scene(plan, state)).findings == ()


@settings(max_examples=60, deadline=None)
@given(sr_inventories(least_links=4), st.data())
def test_a_link_may_fail_and_every_cloud_gets_every_packet_once(
    inventory: Inventory, data: st.DataObject
) -> None:
    plan, _ = make_plan(inventory)
    state = intended_state(plan)
    assume(core_links(state))
    down = Failures(links=frozenset({data.draw(st.sampled_from(core_links(state)))}))
    copies, _ = forwarded(plan, state, down)
    walk = Scene(plan, state, down=down).walks["m"]
    assert not any(loss.reason in ("loop", "ttl") for loss in walk.losses)
    if connected(state, down):
        assert copies == once(plan)
    assert max(copies.values(), default=0) <= 1
    assert Counter(a.host for a in walk.arrivals) == copies


@settings(max_examples=60, deadline=None)
@given(sr_inventories(least_links=4), st.data())
def test_a_router_may_fail_and_nothing_loops_or_comes_twice(
    inventory: Inventory, data: st.DataObject
) -> None:
    plan, _ = make_plan(inventory)
    state = intended_state(plan)
    source = plan.flows[0].bfir
    assume(len(plan.routers) > 2)
    name = data.draw(st.sampled_from(sorted(plan.routers.keys() - {source})))
    down = Failures(nodes=frozenset({name}))
    copies, _ = forwarded(plan, state, down)
    scene = Scene(plan, state, down=down)
    assert not any(loss.reason in ("loop", "ttl") for loss in scene.walks["m"].losses)
    assert Counter(a.host for a in scene.walks["m"].arrivals) == copies
    assert max(copies.values(), default=0) <= 1
    tree = plan.flows[0].tree
    assert tree is not None
    stands = [path for path in tree.paths if name not in path.nodes]
    if stands and connected(state, down):  # a candidate path without it carries the delivery
        assert copies == once(plan)


@settings(max_examples=60, deadline=None)
@given(sr_inventories(least_links=4))
def test_what_a_walk_does_not_touch_may_fail_without_a_trace(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    state = intended_state(plan)
    whole = Scene(plan, state).walks["m"]
    for link in core_links(state):
        if link not in whole.touched_links:
            walk = Scene(plan, state, down=Failures(links=frozenset({link}))).walks["m"]
            assert walk.arrivals == whole.arrivals
    for node in core_nodes(plan, state):
        if node not in whole.touched_routers:
            walk = Scene(plan, state, down=Failures(nodes=frozenset({node}))).walks["m"]
            assert walk.arrivals == whole.arrivals


def paths(inventory: Inventory, start: str, end: str) -> Iterator[tuple[str, ...]]:
    """Yield the links of every simple path."""

    def walk(at: str, seen: frozenset[str], used: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if at == end:
            yield used
            return
        for link in inventory.links:
            if at in (link.a, link.b):
                there = link.b if link.a == at else link.a
                if there not in seen:
                    yield from walk(there, seen | {there}, (*used, link.name))

    yield from walk(start, frozenset({start}), ())


def links_to(path: TreePathPlan, plan: Plan, leaf: str) -> list[str]:
    parents = {b.router: (name, b) for name, node in path.nodes.items() for b in node.branches}
    links, at = [], leaf
    while at in parents:
        parent, branch = parents[at]
        links.append(next(p.link for p in plan.routers[parent].ports if p.name == branch.port))
        at = parent
    return links


@settings(max_examples=60, deadline=None)
@given(sr_inventories(least_links=3))
def test_the_backup_shares_with_the_primary_only_what_every_path_does(drawn: Inventory) -> None:
    assume(len(drawn.routers) <= 7)
    delivery = drawn.deliveries["m"]
    constraints = TreeConstraints(metric=delivery.tree.metric, disjoint=Disjointness.LINK)
    inventory = replace(
        all_replicating(drawn), deliveries={"m": replace(delivery, tree=constraints)}
    )
    plan, _ = make_plan(inventory)
    tree = plan.flows[0].tree
    assert tree is not None
    primary, backup = tree.paths
    used = set(primary.links)
    shared: set[str] = set()
    for leaf in {inventory.clouds[c].router for c in delivery.to}:
        least = min(len(used & set(links)) for links in paths(inventory, tree.root, leaf))
        mine = used & set(links_to(backup, plan, leaf))
        assert len(mine) == least
        shared |= mine
    assert set(backup.shared) == shared


@settings(max_examples=40, deadline=None)
@given(sr_inventories(least_links=3))
def test_a_tree_keeps_its_instance_until_it_is_another(inventory: Inventory) -> None:
    first, lock = make_plan(inventory)
    again, same = make_plan(inventory, lock)
    assert (again, same) == (first, lock)
    (name,) = inventory.deliveries
    less = replace(inventory.deliveries[name], to=inventory.deliveries[name].to[:1])
    second, grown = make_plan(replace(inventory, deliveries={name: less}), lock)
    live: set[tuple[int, int]] = set()
    for plan in (first, second):
        for path in plan.flows[0].tree.paths:  # type: ignore[union-attr]
            live |= {(path.instance_id, node.sid) for node in path.nodes.values()}
    assert len({sid for _, sid in live}) == len({instance for instance, _ in live})
    third, _ = make_plan(inventory, grown)
    assert third.flows[0].tree.tree_id == first.flows[0].tree.tree_id  # type: ignore[union-attr]


def without_replication(*names: str) -> Plan:
    inventory = over(load_inventory(DEMO), Transport.SR_P2MP)
    routers = {n: replace(r, replication=n not in names) for n, r in inventory.routers.items()}
    return make_plan(replace(inventory, routers=routers))[0]


def test_a_router_that_does_not_replicate_is_crossed_by_a_node_sid() -> None:
    plan = without_replication("dal1", "par1")
    state = intended_state(plan)
    assert forwarded(plan, state)[0] == once(plan)
    (flow,) = plan.flows
    assert flow.tree is not None
    primary = flow.tree.paths[0]
    assert {"dal1", "par1"}.isdisjoint(primary.nodes)
    crossing = [(n, b.router) for n, node in primary.nodes.items() for b in node.branches
                if b.port is None]  # fmt: skip
    assert crossing
    segments = Network(state).plane(crossing[0][0]).replication
    assert segments is not None
    (segment,) = (s for s in segments.segments.values() if s.instance_id == primary.instance_id)
    labels = {b.labels for b in segment.branches if len(b.labels) == 2}
    assert labels
    assert examine(Scene(plan, state)).findings == ()


def test_the_backup_is_used_when_a_router_of_the_primary_fails() -> None:
    ways = [("a", "e"), ("e", "d"), ("a", "b"), ("b", "c"), ("c", "d")]
    made = over(small(ways, clouds="d"), Transport.SR_P2MP)
    constraints = TreeConstraints(disjoint=Disjointness.NODE)
    delivery = replace(made.deliveries["model"], tree=constraints)
    plan, state = planned(replace(made, deliveries={"model": delivery}))
    (policy,) = state.routers["a"].p2mp_policies

    def used(down: Failures) -> str:
        replication = Network(state, down).plane("a").replication
        assert replication is not None
        path = replication.active(policy)
        return "" if path is None else path.name

    assert used(NO_FAILURES) == "primary"
    for down, path in (
        (Failures(links=frozenset({"e-d"})), "primary"),  # protected by the node SID of d
        (Failures(nodes=frozenset({"e"})), "backup"),
        (Failures(nodes=frozenset({"b"})), "primary"),
    ):
        assert used(down) == path
        assert forwarded(plan, state, down)[0] == once(plan)
    # Where no path is valid, the one that reaches most is used: here none reaches any.
    assert used(Failures(nodes=frozenset({"d"}))) == "primary"
