"""What if: against brute force, and on the demonstration network."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planes_networks import derive
from verify_networks import LINES, SQUARE, change_port, inventory, network, planned, port_to

from toolkit.errors import UsageError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Inventory, Link, Policy
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.state.model import IsisInterface, NetworkState
from toolkit.verify.failures import named_failures
from toolkit.verify.moved import MovedPlanes
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import (
    break_report,
    core_links,
    core_nodes,
    judge_policy,
    lost_clouds,
    survive,
)

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


@st.composite
def connected(draw: st.DrawFn) -> Inventory:
    """Return a small connected network, perhaps with routers that do no BIER."""
    size = draw(st.integers(3, 8))
    names = [chr(ord("a") + n) for n in range(size)]
    pairs = [(names[draw(st.integers(0, n - 1))], names[n]) for n in range(1, size)]
    more = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=6))
    pairs += [pair for pair in more if pair[0] != pair[1]]
    chosen = {tuple(sorted(pair)): None for pair in pairs}
    links = [Link(a=a, b=b, metric=draw(st.integers(1, 3))) for a, b in chosen]
    clouds = draw(st.sets(st.sampled_from(names), min_size=1, max_size=4))
    transit = sorted(set(names) - clouds - {"a"})
    without = draw(st.sets(st.sampled_from(transit), max_size=2)) if transit else set()
    return inventory(links, clouds=sorted(clouds), without_bier=without)


def brute_force(plan: Plan, state: NetworkState, names: tuple[str, ...], most: int, scope: str):
    """Return the smallest failing sets by trying every set, with planes derived from nothing."""
    failing: list[frozenset[str]] = []
    already = {(item.delivery, item.cloud) for item in lost_clouds(Scene(plan, state))}
    for size in range(1, most + 1):
        for chosen in map(frozenset, combinations(names, size)):
            down = Failures(links=chosen) if scope == "links" else Failures(nodes=chosen)
            scene = Scene(plan, state, down=down, planes=derive(state, down))
            lost = {(item.delivery, item.cloud) for item in lost_clouds(scene)} - already
            if lost and not any(known <= chosen for known in failing):
                failing.append(chosen)
    return set(failing)


@settings(max_examples=40, deadline=None)
@given(connected(), st.sampled_from(["links", "nodes"]), st.data())
def test_skipping_by_proof_finds_what_trying_everything_finds(
    of: Inventory, scope: str, data: st.DataObject
) -> None:
    plan, state = planned(of)
    # Metrics of one direction: what is reported comes back by another way than packets went.
    ports = [(r.name, p.name) for r in plan.routers.values() for p in r.ports if not p.edge]
    for name, port in data.draw(st.lists(st.sampled_from(ports), max_size=3)):
        isis = IsisInterface(metric=data.draw(st.integers(1, 9)))
        state = change_port(state, name, port, isis=isis)
    if data.draw(st.booleans()):  # A link that packets fit without a tunnel's headers, or reports.
        name, port = data.draw(st.sampled_from(ports))
        state = change_port(state, name, port, mtu=data.draw(st.sampled_from([100, 9000])))
    policy = Policy(name="two", scope=scope, failures=2)
    survival = judge_policy(plan, state, policy)
    names = core_links(state) if scope == "links" else core_nodes(plan, state)
    expected = brute_force(plan, state, names, 2, scope)
    assert {frozenset(failed) for failed in survival.broken} == expected
    assert survival.complete


@settings(max_examples=30, deadline=None)
@given(connected(), st.data())
def test_a_plane_that_is_used_again_is_what_would_be_derived(
    of: Inventory, data: st.DataObject
) -> None:
    plan, state = planned(of)
    base = Network(state)
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=2))
    nodes = core_nodes(plan, state)
    failed = data.draw(st.sets(st.sampled_from(nodes), max_size=1)) if nodes else set()
    down = Failures(links=frozenset(links), nodes=frozenset(failed))
    moved, fresh = MovedPlanes(base, base.without(down)), derive(state, down)
    addresses = [
        address.ip
        for router in state.routers.values()
        for interface in router.interfaces.values()
        for address in interface.addresses
    ]
    assert set(moved) == set(fresh)
    for name, plane in fresh.items():
        assert moved[name].bifts == plane.bifts
        assert moved[name].bift_ids == plane.bift_ids
        for address in addresses:
            was, now = moved[name].fib.lookup(address), plane.fib.lookup(address)
            assert (was and was.next_hops) == (now and now.next_hops)


def test_the_demonstration_survives_any_one_core_link() -> None:
    plan, state = planned(load_inventory(DEMO))
    report = survive(plan, state)
    (check,) = report.checks
    assert check.status == "passed"
    assert report.findings == ()
    assert "11 failure sets judged" in check.reason
    assert "of the 17" in check.reason


def test_a_broken_policy_names_the_failures_the_clouds_and_the_reason() -> None:
    declared = load_inventory(DEMO)
    two = Policy(name="two", scope="links", failures=2)
    plan, state = planned(replace(declared, policies=(two,)))
    report = survive(plan, state, inventory=replace(declared, policies=(two,)))
    madrid = next(f for f in report.findings if f.subjects[:2] == ("lon1-mad1", "par1-mad1"))
    assert madrid.id == "policy-broken"
    assert madrid.message == (
        "two: lon1-mad1 and par1-mad1 down cuts off cloud-madrid: mad1 has no other link"
    )
    assert madrid.evidence == ("cloud-madrid: mad1 has no other link",)
    atlantic = next(f for f in report.findings if f.subjects[:2] == ("lon1-nyc1", "par1-mia1"))
    assert "uses one of lon1-nyc1, par1-mia1" in atlantic.message
    assert {"cloud-miami", "cloud-seattle", "cloud-sanjose"} <= set(atlantic.subjects)
    assert report.checks[0].status == "failed"


def test_a_bridge_breaks_the_policy() -> None:
    plan, state = network(LINES, policies=[Policy(name="one")])
    report = survive(plan, state)
    assert [f.subjects[0] for f in report.findings] == ["a-b", "b-c", "c-d"]
    reasons = [f.message.partition("cloud-d: ")[2] for f in report.findings]
    assert reasons[0] == "a has no other link"
    assert reasons[1] == "b-c is a bridge: every path from a to d uses it"
    assert reasons[2] == "d has no other link"
    node = network(LINES, policies=[Policy(name="node", scope="nodes")])
    assert "b is a cut vertex" in survive(*node).findings[0].message
    assert not survive(*network(SQUARE, clouds="c", policies=[Policy(name="one")])).findings


def test_a_budget_that_runs_out_is_not_a_passed_check() -> None:
    plan, state = network(SQUARE, clouds="c", policies=[Policy(name="one")])
    (check,) = survive(plan, state, budget=1).checks
    assert check.status == "not run"


def test_a_cloud_that_is_lost_anyway_is_not_the_policys_business() -> None:
    plan, state = network(SQUARE, clouds="bc", policies=[Policy(name="one")])
    routers = {**state.routers, "c": replace(state.routers["c"], egress_flows=())}
    report = survive(plan, replace(state, routers=routers))
    assert report.findings == ()
    assert report.checks[0].status == "passed"


def test_a_cloud_that_is_not_heard_after_a_failure_breaks_the_policy() -> None:
    plan, state = network(SQUARE, clouds="c", policies=[Policy(name="one")])
    # Packets go a, b, c and reports c, d, a.  b claims the source's subnet on its loopback.
    state = change_port(state, "a", port_to(plan, "a", "d"), isis=IsisInterface(metric=50))
    state = change_port(state, "c", port_to(plan, "c", "b"), isis=IsisInterface(metric=50))
    claim = IPv4Interface(f"{plan.hosts['hub'].address.ip + 1}/30")
    own = state.routers["b"].interfaces["lo0"].addresses
    state = change_port(state, "b", "lo0", addresses=(*own, claim))
    report = survive(plan, state)
    assert [f.subjects[0] for f in report.findings] == ["c-d", "d-a"]
    assert report.findings[0].message.endswith(
        "cloud-c: its reports are not heard: b lo0 is down or leads nowhere"
    )
    broken = break_report(plan, state, Failures(links=frozenset({"c-d"})))
    assert [f.id for f in broken.findings] == ["cloud-lost"]
    assert broken.checks[0].reason == "0 of 1 clouds are served"
    assert survive(plan, change_port(state, "b", "lo0", addresses=own)).findings == ()


def test_breaking_links_names_who_is_lost_and_only_them() -> None:
    plan, state = planned(load_inventory(DEMO))
    down = named_failures(plan, "mad1-lon1, par1-mad1")
    report = break_report(plan, state, down)
    assert [f.subjects for f in report.findings] == [("cloud-madrid",)]
    assert report.findings[0].id == "cloud-lost"
    assert report.checks[0].reason == "5 of 6 clouds are served"
    assert break_report(plan, state, named_failures(plan, "dal1")).findings == ()


def test_what_failed_may_be_named_from_either_end_or_as_a_node() -> None:
    plan, _ = network(LINES)
    both = frozenset({"a-b"})
    assert named_failures(plan, "a-b") == named_failures(plan, "b-a") == Failures(links=both)
    assert named_failures(plan, "c,cloud-d") == Failures(nodes=frozenset({"c", "cloud-d"}))
    assert named_failures(plan, "d-cloud-d").links == {"cloud-d"}


def test_parallel_links_fail_alone_by_their_names_and_together_by_their_pair() -> None:
    one, two = Link(a="a", b="b", name="north"), Link(a="b", b="a", name="south")
    plan, _ = network([one, two, ("b", "d")])
    assert named_failures(plan, "south").links == {"south"}
    assert named_failures(plan, "a-b").links == {"north", "south"}
    assert named_failures(plan, "d-b").links == {"b-d"}


def test_unknown_names_are_all_reported_with_what_was_probably_meant() -> None:
    plan, _ = planned(load_inventory(DEMO))
    with pytest.raises(UsageError) as raised:
        named_failures(plan, "mad1-lon,nonsense,dal1")
    lines = str(raised.value).splitlines()
    assert lines[0] == "--break: there is no link or node mad1-lon; did you mean mad1-lon1?"
    assert lines[1] == "--break: there is no link or node nonsense"
    assert raised.value.exit_code == 2
    with pytest.raises(UsageError):
        named_failures(plan, " , ")


def test_a_failed_edge_router_loses_its_cloud_with_a_reason() -> None:
    plan, state = network(SQUARE, clouds="bc")
    report = break_report(plan, state, Failures(nodes=frozenset({"c"})))
    assert report.findings[0].evidence[0] == "c has failed"
    access = Failures(links=frozenset({"cloud-b"}))
    assert [f.subjects for f in break_report(plan, state, access).findings] == [("cloud-b",)]
    source = Failures(links=frozenset({"hub"}))
    assert len(break_report(plan, state, source).findings) == 2
    assert port_to(plan, "a", "hub") == "host-hub"
