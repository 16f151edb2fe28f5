"""On any network, with any link or node failed: once to every cloud that a path leads to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import inventories
from test_verify_lab_pim import compare

from toolkit.inventory.model import Inventory, PimSettings, SptSwitchover, Transport
from toolkit.pim.domain import Domain
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.transports import over
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.planes.pim import around_of, join, trees
from toolkit.state.model import End, NetworkState
from toolkit.verify.ground import hosts_of
from toolkit.verify.moved import MovedPlanes
from toolkit.verify.scene import Scene
from toolkit.verify.walk_pim import rounds
from toolkit.verify.whatif import core_links, core_nodes


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Inventory, Failures]:
    """Draw an inventory with one delivery over PIM, and at most one failure."""
    declared = over(
        draw(inventories()), draw(st.sampled_from((Transport.PIM_SSM, Transport.PIM_SM)))
    )
    name = min(declared.deliveries)
    declared = replace(
        declared,
        deliveries={name: declared.deliveries[name]},
        pim=PimSettings(
            rp=draw(st.sampled_from(["", *declared.routers])),
            spt_switchover=draw(st.sampled_from(SptSwitchover)),
        ),
    )
    plan, _ = make_plan(declared)
    state = intended_state(plan)
    links, nodes = core_links(state), core_nodes(plan, state)
    choices = [NO_FAILURES]
    choices += [Failures(links=frozenset({link})) for link in links]
    choices += [Failures(nodes=frozenset({node})) for node in nodes]
    return declared, draw(st.sampled_from(choices))


@settings(max_examples=120, deadline=None)
@given(drawn())
def test_every_cloud_that_a_path_leads_to_gets_each_packet_once(
    case: tuple[Inventory, Failures],
) -> None:
    declared, down = case
    plan, _ = make_plan(declared)
    state = intended_state(plan)
    (flow,) = plan.flows
    base = Network(state)
    network = base.without(down)
    scene = Scene(plan, state, down=down, network=network)
    walk = scene.walks[flow.delivery]
    assert not [loss for loss in walk.losses if loss.reason in ("loop", "ttl", "mtu")]
    rp = plan.pim.rp if plan.pim is not None else ""
    paths = network.underlay.paths(flow.bfir)
    reachable = {c for c in flow.clouds if paths.reaches(plan.hosts[c].router)}
    if rp and not paths.reaches(rp):
        # without its RP a shared tree serves only clouds beside the source
        reachable = {c for c in reachable if plan.hosts[c].router == flow.bfir}
    arrived = hosts_of(walk.arrivals)
    assert arrived.keys() == reachable
    assert all(len(arrivals) == 1 for arrivals in arrived.values())
    # nothing is sent for nothing once all is still: what nobody wants is pruned
    last = rounds(scene, flow)[-1]
    assert {loss.router for loss in last.losses} <= {flow.bfir}
    # planes that are re-used where failures cannot have changed them say the same
    moved = Scene(plan, state, down=down, network=network, planes=MovedPlanes(base, network))
    assert moved.walks[flow.delivery].arrivals == walk.arrivals


@settings(max_examples=25, deadline=None)
@given(drawn())
def test_the_laboratory_agrees_packet_by_packet(case: tuple[Inventory, Failures]) -> None:
    declared, down = case
    plan, _ = make_plan(declared)
    compare(plan, intended_state(plan), down)


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_a_failure_that_touches_nothing_changes_nothing(case: tuple[Inventory, Failures]) -> None:
    declared, _ = case
    plan, _ = make_plan(declared)
    state = intended_state(plan)
    (flow,) = plan.flows
    walk = Scene(plan, state).walks[flow.delivery]
    for link in core_links(state):
        if link not in walk.touched_links:
            scene = Scene(plan, state, down=Failures(links=frozenset({link})))
            assert scene.walks[flow.delivery].arrivals == walk.arrivals
    for node in core_nodes(plan, state):
        if node not in walk.touched_routers:
            scene = Scene(plan, state, down=Failures(nodes=frozenset({node})))
            assert scene.walks[flow.delivery].arrivals == walk.arrivals


def joined(network: Network) -> Domain:
    """Return the domain of a network in which all its members have joined, before any packet."""
    state = network.state
    known = frozenset(network.routers)
    domain = trees(lambda name: network.plane(name) if name in known else None)
    at = {theirs: ours for ours, theirs in _edges(state)}
    for member in sorted(state.members, key=lambda m: (m.host, int(m.group))):
        for end, router in at.items():
            if end.node == member.host:
                join(domain, router, member.group, member.source)
    domain.settle()
    return domain


def _edges(state: NetworkState) -> list[tuple[End, End]]:
    pairs = [(cable.a, cable.b) for cable in state.cables]
    return [
        (ours, theirs)
        for a, b in pairs
        for ours, theirs in ((a, b), (b, a))
        if theirs.node in state.hosts and ours.node not in state.hosts
    ]


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_what_a_failure_costs_leads_to_the_trees_that_joining_anew_would(
    case: tuple[Inventory, Failures],
) -> None:
    declared, down = case
    plan, _ = make_plan(declared)
    base = Network(intended_state(plan))
    network = base.without(down)
    domain = joined(base)
    before = domain.mfibs()
    anew = joined(network).mfibs()
    known = frozenset(network.routers)
    around = around_of(lambda name: network.plane(name) if name in known else None)
    cost = domain.cost(lambda: domain.move(around))
    assert domain.mfibs() == anew
    names = before.keys() | anew.keys()
    assert cost.routers == {n for n in names if before.get(n) != anew.get(n)}
    if before == anew:
        assert cost.messages == 0
