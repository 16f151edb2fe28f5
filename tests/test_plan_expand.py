"""make_plan: what follows from an inventory, and that it never moves."""

from __future__ import annotations

import contextlib
import dataclasses
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import (
    IPV6_POOLS,
    inventories,
    inventory,
    reordered,
    star,
    without_clouds,
)
from platform_cases import with_ports

from toolkit.errors import Place, PlanError, Problem
from toolkit.inventory.model import (
    BierSettings,
    Delivery,
    Encapsulation,
    Imposition,
    Inventory,
    Platform,
    Router,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK
from toolkit.plan.model import Lock, Plan

QUICK = settings(max_examples=60, deadline=None)


def problems(declared: Inventory, lock: Lock = EMPTY_LOCK) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared, lock)
    return caught.value.problems


def facts(plan: Plan) -> dict[str, object]:
    """Return everything of a plan that must not move, by the name it belongs to."""
    found: dict[str, object] = {}
    for router in plan.routers.values():
        found[f"loopback {router.name}"] = router.loopback
        found[f"system-id {router.name}"] = router.system_id
        for sub_domain in router.sub_domains:
            found[f"block {router.name}"] = sub_domain.bift_id_base
            if sub_domain.bfr_id is not None:
                found[f"bfr-id {router.name}"] = sub_domain.bfr_id
        for port in router.ports:
            found[f"port {router.name} {port.link}"] = port.name, port.address, port.peer_address
    for host in plan.hosts.values():
        found[f"host {host.name}"] = host.address, host.gateway
    for flow in plan.flows:
        found[f"flow {flow.delivery}"] = flow.tsi, flow.group
    return found


@QUICK
@given(inventories())
def test_planning_again_with_the_lock_changes_nothing(declared: Inventory) -> None:
    plan, lock = make_plan(declared)
    assert make_plan(declared, lock) == (plan, lock)


@QUICK
@given(inventories())
def test_the_order_of_declarations_decides_nothing(declared: Inventory) -> None:
    assert make_plan(reordered(declared)) == make_plan(declared)


@QUICK
@given(inventories(), st.data())
def test_a_new_cloud_renumbers_nobody_and_one_that_returns_finds_its_place(
    declared: Inventory, data: st.DataObject
) -> None:
    gone = data.draw(st.lists(st.sampled_from(list(declared.clouds)), unique=True))
    smaller = without_clouds(declared, gone)
    first, lock = make_plan(smaller)
    grown, lock = make_plan(declared, lock)
    assert facts(first).items() <= facts(grown).items()
    shrunk, kept = make_plan(smaller, lock)
    assert kept == lock
    assert facts(shrunk).items() <= facts(grown).items()
    assert make_plan(declared, kept) == (grown, lock)


@QUICK
@given(inventories())
def test_nothing_is_given_out_twice(declared: Inventory) -> None:
    plan, _ = make_plan(declared)
    addresses = [r.loopback.ip for r in plan.routers.values()]
    addresses += [port.address.ip for r in plan.routers.values() for port in r.ports]
    addresses += [host.address.ip for host in plan.hosts.values()]
    addresses += [flow.group for flow in plan.flows]
    assert len(set(addresses)) == len(addresses)
    for router in plan.routers.values():
        assert len({port.name for port in router.ports}) == len(router.ports)
    bfr_ids = [s.bfr_id for r in plan.routers.values() for s in r.sub_domains if s.bfr_id]
    assert sorted(bfr_ids) == list(range(1, len(bfr_ids) + 1))


@QUICK
@given(inventories())
def test_both_ends_of_a_cable_agree(declared: Inventory) -> None:
    plan, _ = make_plan(declared)
    ports = {(r.name, p.name): p for r in plan.routers.values() for p in r.ports}
    assert len(plan.cables) == len(declared.links) + len(plan.hosts)
    for cable in plan.cables:
        here = ports[cable.a.node, cable.a.port]
        assert (here.peer, here.peer_port, here.link) == (cable.b.node, cable.b.port, cable.link)
        if cable.b.node in plan.hosts:
            host = plan.hosts[cable.b.node]
            assert here.edge
            assert (host.address, host.gateway) == (here.peer_address, here.address.ip)
        else:
            there = ports[cable.b.node, cable.b.port]
            assert (there.address, there.peer_address) == (here.peer_address, here.address)
            assert here.address.network == there.address.network


@QUICK
@given(inventories())
def test_a_flow_reaches_exactly_the_routers_of_its_clouds(declared: Inventory) -> None:
    plan, _ = make_plan(declared)
    for flow in plan.flows:
        reached = {
            si * flow.bsl + bit + 1
            for si, bits in flow.bit_strings().items()
            for bit in range(flow.bsl)
            if bits >> bit & 1
        }
        routers = {declared.clouds[c].router for c in declared.deliveries[flow.delivery].to}
        wanted = {plan.routers[name].sub_domains[0].bfr_id for name in routers}
        assert reached == wanted


def test_only_edge_routers_get_a_bfr_id() -> None:
    plan, _ = make_plan(
        inventory(
            {
                "src": Router(name="src", domain="d"),
                "mid": Router(name="mid", domain="d"),
                "old": Router(name="old", domain="d", bier=False),
                "dst": Router(name="dst", domain="d"),
            },
            [("src", "mid"), ("mid", "dst"), ("src", "old"), ("old", "dst")],
            clouds={"gpu": "dst"},
            repositories={"hub": "src"},
        )
    )
    assert plan.routers["dst"].sub_domains[0].bfr_id == 1
    assert plan.routers["src"].sub_domains[0].bfr_id == 2
    assert plan.routers["mid"].sub_domains[0].bfr_id is None
    assert plan.routers["mid"].bfr
    assert plan.routers["old"].sub_domains == ()
    assert not plan.routers["old"].bfr
    assert [port.metric for port in plan.routers["old"].ports] == [10, 10]


def test_addresses_follow_from_the_pools() -> None:
    plan, _ = make_plan(
        inventory("ab", [("a", "b")], clouds={"gpu": "b"}, repositories={"hub": "a"})
    )
    a = plan.routers["a"]
    assert a.loopback == ip_interface("10.255.0.1/32")
    assert a.system_id == "0000.0000.0001"
    assert [(p.name, str(p.address), str(p.peer_address)) for p in a.ports] == [
        ("to-b", "10.0.0.0/31", "10.0.0.1/31"),
        ("host-hub", "10.1.0.5/30", "10.1.0.6/30"),
    ]
    assert plan.hosts["gpu"].gateway == ip_address("10.1.0.1")
    assert plan.flows[0].group == ip_address("232.1.0.1")


def test_ipv6_skips_the_anycast_address_of_each_pool() -> None:
    plan, _ = make_plan(
        inventory(
            "ab", [("a", "b")], clouds={"gpu": "b"}, repositories={"hub": "a"}, pools=IPV6_POOLS
        )
    )
    assert plan.routers["a"].loopback == ip_interface("2001:db8:ff::1/128")
    assert plan.routers["a"].ports[0].address == ip_interface("2001:db8:1::2/127")
    assert plan.hosts["gpu"].address == ip_interface("2001:db8:2::6/126")
    assert plan.flows[0].group == ip_address("ff3e::8000:1")


def test_a_declared_loopback_is_used_and_its_number_left_free() -> None:
    routers = {
        "a": Router(name="a", domain="d"),
        "b": Router(name="b", domain="d", loopback=ip_address("10.255.0.1")),
    }
    plan, lock = make_plan(inventory(routers, [("a", "b")]))
    assert plan.routers["b"].loopback == ip_interface("10.255.0.1/32")
    assert plan.routers["a"].loopback == ip_interface("10.255.0.2/32")
    assert lock.routers == {"a": 2, "b": 3}


def test_host_bier_is_accepted_only_where_the_host_imposes() -> None:
    for imposition in Imposition:
        plan, _ = make_plan(
            inventory(
                "ab",
                [("a", "b")],
                clouds={"gpu": "b"},
                repositories={"hub": "a", "idle": "b"},
                imposition=imposition,
            )
        )
        accepting = [p.name for r in plan.routers.values() for p in r.ports if p.accept_host_bier]
        assert accepting == (["host-hub"] if imposition is Imposition.HOST else [])


def test_label_blocks_stay_when_sets_are_added() -> None:
    small, lock = make_plan(star(10, bsl=64))
    large, _ = make_plan(star(100, bsl=64), lock)
    assert small.routers["e1"].sub_domains[0].max_si == 0
    assert large.routers["e1"].sub_domains[0].max_si == 1
    for name in small.routers:
        before, after = small.routers[name].sub_domains[0], large.routers[name].sub_domains[0]
        assert before.bift_id_base == after.bift_id_base
    bases = sorted(r.sub_domains[0].bift_id_base for r in large.routers.values())
    assert bases[:3] == [100_000, 100_256, 100_512]


def test_without_mpls_the_bift_id_is_the_same_everywhere() -> None:
    declared = dataclasses.replace(
        star(3),
        bier=BierSettings(sub_domain=5, bsl=256, encapsulation=Encapsulation.NON_MPLS),
    )
    plan, _ = make_plan(declared)
    assert {r.sub_domains[0].bift_id_base for r in plan.routers.values()} == {0x30500}


def test_all_problems_are_told_at_once_and_in_order() -> None:
    declared = with_ports(
        inventory(
            {
                "a": Router(
                    name="a", domain="d", platform=Platform.IOSXR, place=Place("n.yaml", 3, "a")
                ),
                "b": Router(name="b", domain="d", bier=False, loopback=ip_address("10.0.0.9")),
            },
            [("a", "b"), ("a", "b")],
            clouds={"gpu": "b", "a": "a"},
            repositories={"hub": "a"},
        )
    )
    told = [str(p) for p in problems(declared)]
    assert told == [
        "clouds.a: a is the name of two nodes (give each router, repository and cloud its own)",
        "clouds.gpu: gpu is part of model, but its router b is no BFR"
        " (attach it to a router that does BIER, or leave it out of model)",
        "links.a-b: a-b is the name of 2 links (give each link a name of its own)",
        "routers.b: loopback 10.0.0.9 lies in pools.links 10.0.0.0/16"
        " (use an address outside of it)",
        "n.yaml:3: a: platform iosxr has no BIER, but a is to be a BFR"
        " (set `bier: false` on it: its neighbors then reach each other across it)",
    ]


def test_a_delivery_to_nobody_is_a_problem() -> None:
    declared = inventory("ab", [("a", "b")], clouds={"gpu": "b"}, repositories={"hub": "a"})
    empty = Delivery(name="none", model="demo", source="hub", to=())
    declared = dataclasses.replace(declared, deliveries={"none": empty})
    assert [p.what for p in problems(declared)] == ["none goes to no cloud"]


def test_a_lock_that_gives_a_loopback_somebody_declared_is_a_problem() -> None:
    routers = {
        "a": Router(name="a", domain="d"),
        "b": Router(name="b", domain="d", loopback=ip_address("10.255.0.1")),
    }
    lock = dataclasses.replace(EMPTY_LOCK, routers={"a": 1})
    (problem,) = problems(inventory(routers), lock)
    assert problem.what == "loopback 10.255.0.1 of b is also that of a"


@QUICK
@given(inventories(), st.data())
def test_any_lock_gives_a_plan_that_keeps_it_or_problems(
    declared: Inventory, data: st.DataObject
) -> None:
    numbers = st.integers(-2, 70_000) | st.integers(1, 90)

    def section(names: list[str]) -> dict[str, int]:
        return data.draw(st.dictionaries(st.sampled_from([*names, "left", "gone"]), numbers))

    lock = Lock(
        bfr_ids=section(list(declared.routers)),
        routers=section(list(declared.routers)),
        links=section([link.name for link in declared.links]),
        hosts=section([*declared.repositories, *declared.clouds]),
        deliveries=section(list(declared.deliveries)),
    )
    with contextlib.suppress(PlanError):
        plan, grown = make_plan(declared, lock)
        assert make_plan(declared, grown) == (plan, grown)
        for field in dataclasses.fields(Lock):
            assert getattr(grown, field.name).items() >= getattr(lock, field.name).items()


def test_a_lock_with_collisions_is_refused_and_never_planned_around() -> None:
    lock = dataclasses.replace(EMPTY_LOCK, bfr_ids={"e1": 1, "e2": 1}, hosts={"hub": 0})
    assert [str(p.place) for p in problems(star(3), lock)] == ["lock.bfr_ids.e2", "lock.hosts.hub"]
