"""Equal-cost ways, tunnels of each kind and repairs: what verification says is what packets of the
laboratory do, copy by copy and link by link."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutations
from mutations_sr import sr_mutations
from plan_inventories import IPV6_POOLS
from test_lab_router import demo_plan
from test_verify_lab import EVENTS, Host, compare, sent_by_source
from test_verify_strands import plainly
from test_verify_whatif import connected
from verify_networks import LINES, SQUARE, change_port, inventory, planned, port_to

from toolkit.inventory.model import (
    BierSettings,
    BierTunnel,
    Encapsulation,
    Imposition,
    Inventory,
    Policy,
)
from toolkit.lab.fabric import build_fabric
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Network
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import core_links, judge_policy

WAYS = [
    (tunnel, encapsulation)
    for tunnel, encapsulation in product(BierTunnel, Encapsulation)
    if (tunnel, encapsulation) != (BierTunnel.SR, Encapsulation.NON_MPLS)
]


def spread(of: Inventory, imposition: Imposition, **bier: object) -> tuple[Plan, NetworkState]:
    """Plan with all metrics equal, so that there are equal costs, and these BIER settings."""
    return planned(
        replace(
            of,
            links=tuple(replace(link, metric=10) for link in of.links),
            deliveries={
                n: replace(d, imposition=imposition) for n, d in of.deliveries.items()
            },
            bier=BierSettings(**bier),  # type: ignore[arg-type]
        )
    )  # fmt: skip


def links_used(plan: Plan, state: NetworkState, down: Failures) -> set[str]:
    """Return the links that one packet of the only flow crosses in the laboratory."""
    (flow,) = plan.flows
    fabric = build_fabric(plan, Planes(state, down), Scenario(down=down))
    hosts = {name: Host() for name in plan.hosts}
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    hub = plan.hosts[flow.source]
    frames = sent_by_source(plan, flow, fabric.far[hub.name, hub.port])
    network.send(hub.name, [(hub.port, frame) for frame in frames])
    network.run(1e6, lambda: network.events > EVENTS)
    crossed = set()
    for cable in plan.cables:
        for end in (cable.a, cable.b):
            if fabric.wires[end.node, end.port].frames:
                crossed.add(cable.link)
    return crossed


@settings(max_examples=60, deadline=None)
@given(
    connected(), st.sampled_from(list(Imposition)), st.sampled_from([2, 4, 16]),
    st.sampled_from(WAYS), st.data(),
)  # fmt: skip
def test_packets_take_the_equal_cost_ways_that_verification_follows(
    of: Inventory, imposition: Imposition, paths: int,
    way: tuple[BierTunnel, Encapsulation], data: st.DataObject,
) -> None:  # fmt: skip
    plan, state = spread(
        of, imposition, maximum_paths=paths, tunnel=way[0], encapsulation=way[1]
    )  # fmt: skip
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=1))
    down = Failures(links=frozenset(links))
    compare(plan, state, down)
    (flow,) = plan.flows
    walk = Scene(plan, state, down=down).walks[flow.delivery]
    assert links_used(plan, state, down) == {cable.link for cable in walk.links}


@settings(max_examples=40, deadline=None)
@given(connected(), st.sampled_from(["links", "nodes"]), st.sampled_from([2, 4]), st.data())
def test_what_entropy_chooses_among_is_judged_again_when_it_fails(
    of: Inventory, scope: str, paths: int, data: st.DataObject
) -> None:
    """A link that is too narrow for packets: who is moved onto it is lost."""
    plan, state = spread(of, Imposition.HOST, maximum_paths=paths)
    ports = [(r.name, p.name) for r in plan.routers.values() for p in r.ports if not p.edge]
    for name, port in data.draw(st.lists(st.sampled_from(ports), max_size=2)):
        state = change_port(state, name, port, mtu=2000)
    survival = judge_policy(plan, state, Policy(name="two", scope=scope, failures=2))
    assert survival.broken == plainly(plan, state, scope, 2)


def test_flows_of_one_source_spread_over_both_sides_of_a_square() -> None:
    used = set()
    of = inventory(SQUARE, clouds="c", bier=BierSettings(maximum_paths=2))
    (delivery,) = of.deliveries.values()
    many = {f"m{i}": replace(delivery, name=f"m{i}") for i in range(8)}
    plan, state = planned(replace(of, deliveries=many))
    for walk in Scene(plan, state).walks.values():
        assert walk.reached == {"cloud-c"}
        used.add(frozenset(cable.link for cable in walk.links) & {"a-b", "d-a"})
    assert used == {frozenset({"a-b"}), frozenset({"d-a"})}


@pytest.mark.parametrize("way", WAYS)
def test_the_demonstration_crosses_its_non_bfr_in_each_kind_of_tunnel(
    way: tuple[BierTunnel, Encapsulation],
) -> None:
    plan = demo_plan(way[1], Imposition.HOST, tunnel=way[0])
    state = intended_state(plan)
    compare(plan, state)
    (flow,) = plan.flows
    walk = Scene(plan, state).walks[flow.delivery]
    assert walk.reached == frozenset(flow.clouds)
    words = {BierTunnel.GRE: "GRE", BierTunnel.SR: "SR", BierTunnel.VXLAN: "VXLAN"}
    assert {kind for _a, _b, kind in walk.tunnel_kinds} == {words[way[0]]}
    size = flow.payload + 28 + 12 + 32
    assert max(walk.links.values()) <= 9000
    assert size in walk.links.values()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WAYS), st.data())
def test_one_wrong_leaf_is_judged_alike_whatever_the_tunnel(
    way: tuple[BierTunnel, Encapsulation], data: st.DataObject
) -> None:
    plan = demo_plan(way[1], Imposition.HOST, tunnel=way[0])
    state = intended_state(plan)
    found = dict(mutations(state))
    if way[0] is BierTunnel.SR:
        found |= dict(sr_mutations(state))
    what = data.draw(st.sampled_from(sorted(found)))
    compare(plan, found[what])


def test_a_way_that_others_of_equal_cost_push_a_flow_onto_is_seen_to_matter() -> None:
    """Of four ways one fails that a flow does not take; then the flow takes another, and that is
    too narrow."""
    of = inventory(
        [(x, y) for m in "bcdf" for x, y in (("a", m), (m, "e"))],
        clouds="e", bier=BierSettings(maximum_paths=4),
    )  # fmt: skip
    (delivery,) = of.deliveries.values()
    many = {f"m{i}": replace(delivery, name=f"m{i}") for i in range(6)}
    plan, state = planned(replace(of, deliveries=many))
    pushed = 0
    for narrow in "bcdf":
        one = change_port(state, narrow, port_to(plan, narrow, "e"), mtu=2000)
        survival = judge_policy(plan, one, Policy(name="one"))
        assert survival.broken == plainly(plan, one, "links", 1)
        walks = Scene(plan, one).walks
        pushed += sum(
            not set(failed) & {cable.link for cable in walks[item.delivery].links}
            for failed, lost in survival.broken.items()
            for item in lost
        )
    assert pushed


@pytest.mark.parametrize("tunnel", BierTunnel)
def test_tunnels_of_ipv6_arrive_too(tunnel: BierTunnel) -> None:
    """RFC 8200 section 8.1: UDP has its checksum there."""
    of = inventory(LINES, without_bier="b", bier=BierSettings(tunnel=tunnel))
    plan, state = planned(replace(of, pools=IPV6_POOLS))
    compare(plan, state)
    (flow,) = plan.flows
    assert Scene(plan, state).walks[flow.delivery].reached == {"cloud-d"}
    assert links_used(plan, state, Failures()) == {"hub", "a-b", "b-c", "c-d", "cloud-d"}
