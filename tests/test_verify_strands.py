"""Judging only what a failure touches: against judging everything anew, reasons included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutations
from mutations_sr import sr_mutations
from planes_networks import derive
from test_verify_whatif import connected
from verify_networks import SQUARE, change_port, network, planned

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Policy, Transport
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.state.model import IsisInterface, NetworkState
from toolkit.verify.moved import Steadiness
from toolkit.verify.scene import Scene
from toolkit.verify.strands import Standing
from toolkit.verify.whatif import Lost, core_links, core_nodes, judge_policy, lost_clouds

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
DEMO_INVENTORY = load_inventory(DEMO)
ROUTER_INVENTORY = replace(
    DEMO_INVENTORY,
    deliveries={
        name: replace(delivery, imposition=Imposition.ROUTER)
        for name, delivery in DEMO_INVENTORY.deliveries.items()
    },
)
MUTANTS = [
    (plan, mutant)
    for plan, state in map(planned, (DEMO_INVENTORY, ROUTER_INVENTORY))
    for _, mutant in mutations(state)
]


def mutants_over(transport: Transport) -> list[tuple[Plan, NetworkState]]:
    """Every mutation of the demonstration network over another transport than BIER."""
    plan, state = planned(over(DEMO_INVENTORY, transport))
    found = sr_mutations(state) if transport is Transport.SR_P2MP else mutations(state)
    return [(plan, mutant) for _, mutant in found]


OTHERS = [
    mutant
    for transport in (Transport.PIM_SSM, Transport.PIM_SM, Transport.SR_P2MP)
    for mutant in mutants_over(transport)
]


def plainly(
    plan: Plan, state: NetworkState, scope: str, most: int
) -> dict[tuple[str, ...], tuple[Lost, ...]]:
    """Return what `judge_policy` finds, by deriving all tables for every set of failures."""
    names = core_links(state) if scope == "links" else core_nodes(plan, state)
    before = lost_clouds(Scene(plan, state, planes=derive(state)))
    already = {(item.delivery, item.cloud) for item in before}
    broken: dict[tuple[str, ...], tuple[Lost, ...]] = {}
    for size in range(1, most + 1):
        for chosen in combinations(names, size):
            if any(set(known) <= set(chosen) for known in broken):
                continue
            failed = frozenset(chosen)
            down = Failures(links=failed) if scope == "links" else Failures(nodes=failed)
            lost = lost_clouds(Scene(plan, state, down=down, planes=derive(state, down)))
            news = tuple(item for item in lost if (item.delivery, item.cloud) not in already)
            if news:
                broken[chosen] = news
    return broken


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MUTANTS), st.sampled_from(["links", "nodes"]))
def test_a_mutated_network_loses_the_same_clouds_for_the_same_reasons(
    of: tuple[Plan, NetworkState], scope: str
) -> None:
    plan, state = of
    survival = judge_policy(plan, state, Policy(name="one", scope=scope))
    assert survival.broken == plainly(plan, state, scope, 1)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(OTHERS), st.sampled_from(["links", "nodes"]))
def test_over_other_transports_a_mutated_network_loses_the_same_clouds(
    of: tuple[Plan, NetworkState], scope: str
) -> None:
    plan, state = of
    survival = judge_policy(plan, state, Policy(name="one", scope=scope))
    assert who(survival.broken) == who(plainly(plan, state, scope, 1))


def who(broken: Mapping[tuple[str, ...], tuple[Lost, ...]]) -> dict[tuple[str, ...], set[str]]:
    """Which clouds are lost without what; the reason of one cloud may be that of several."""
    return {failed: {item.cloud for item in lost} for failed, lost in broken.items()}


@settings(max_examples=40, deadline=None)
@given(connected(), st.sampled_from(["links", "nodes"]), st.booleans(), st.data())
def test_a_generated_network_loses_the_same_clouds_for_the_same_reasons(
    of: Inventory, scope: str, by_router: bool, data: st.DataObject
) -> None:
    if by_router:
        imposed = {
            name: replace(delivery, imposition=Imposition.ROUTER)
            for name, delivery in of.deliveries.items()
        }
        of = replace(of, deliveries=imposed)
    plan, state = planned(of)
    ports = [(r.name, p.name) for r in plan.routers.values() for p in r.ports if not p.edge]
    for name, port in data.draw(st.lists(st.sampled_from(ports), max_size=3)):
        isis = IsisInterface(metric=data.draw(st.integers(1, 9)))
        state = change_port(state, name, port, isis=isis)
    survival = judge_policy(plan, state, Policy(name="two", scope=scope, failures=2))
    assert survival.broken == plainly(plan, state, scope, 2)


def test_a_strand_stands_on_the_links_of_its_own_branch() -> None:
    plan, state = network([*SQUARE, ("c", "e")], clouds="be")
    base = Network(state)
    intact = Scene(plan, state, network=base)
    standing = Standing.of(intact, links=True)
    assert {"a-b", "b-c", "c-e"} <= standing.on
    assert standing.lost == ()
    down = Failures(links=frozenset({"c-e"}))
    cut = Scene(plan, state, down=down, network=base.without(down), intact=intact)
    after = standing.after(cut, "c-e", links=True)
    assert [cloud for _, cloud in after.lost] == ["cloud-e"]
    assert [cloud for _, cloud in Standing.of(cut, links=True).lost] == ["cloud-e"]


def test_a_failure_that_takes_a_bfr_prefix_away_moves_everything() -> None:
    plan, state = network(SQUARE, clouds="bd")
    base = Network(state)
    steady = Steadiness(base, [flow.source_address for flow in plan.flows])
    link = Failures(links=frozenset({"c-d"}))
    assert steady.holds(link)
    assert steady.holds(NO_FAILURES)
    assert not steady.holds(Failures(nodes=frozenset({"d"})))
    # d's BFR-prefix is an address of an interface of the link.
    own = state.routers["d"].sub_domains[0].bfr_prefix
    loopback = state.routers["d"].interfaces["lo0"]
    port = next(p.name for p in plan.routers["d"].ports if p.peer == "c")
    there = state.routers["d"].interfaces[port]
    moved = change_port(state, "d", "lo0", addresses=())
    moved = change_port(moved, "d", port, addresses=(*there.addresses, *loopback.addresses))
    assert loopback.addresses[0].network == own
    assert not Steadiness(Network(moved), ()).holds(link)
    # Nothing stands on the link, and still cloud-d is lost without it.
    survival = judge_policy(plan, moved, Policy(name="one"))
    assert ("c-d",) in survival.broken
    assert survival.broken == plainly(plan, moved, "links", 1)
