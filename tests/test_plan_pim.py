"""The plan of PIM: the rendezvous point, where it runs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import inventories, inventory, reordered

from toolkit.errors import PlanError
from toolkit.inventory.model import Inventory, Link, PimSettings, Pools, Router, Transport
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import format_lock, parse_lock
from toolkit.plan.model import PimPlan
from toolkit.plan.pim import pim_ports
from toolkit.plan.transports import over

SSM, SM = Transport.PIM_SSM, Transport.PIM_SM


def line(transport: Transport, **pim: object) -> Inventory:
    """a - b - c - d, the source at a, clouds at c and d."""
    declared = inventory(
        "abcd", [("a", "b"), ("b", "c"), ("c", "d")],
        clouds={"x": "c", "y": "d"}, repositories={"hub": "a"},
    )  # fmt: skip
    return replace(over(declared, transport), pim=PimSettings(**pim))  # type: ignore[arg-type]


def pim_of(declared: Inventory) -> PimPlan:
    found = make_plan(declared)[0].pim
    assert found is not None
    return found


def test_without_a_delivery_over_it_nothing_of_pim_is_planned() -> None:
    plan, _ = make_plan(line(Transport.BIER))
    assert plan.pim is None
    assert not any(router.pim for router in plan.routers.values())


def test_source_specific_deliveries_need_no_rp_and_no_bier() -> None:
    plan, _ = make_plan(line(SSM))
    assert plan.pim is not None
    assert (plan.pim.rp, plan.pim.rp_address) == ("", None)
    assert not any(router.bfr for router in plan.routers.values())
    assert plan.flows[0].group in IPv4Network("232.1.0.0/16")


def test_the_rp_is_where_the_clouds_are_nearest_or_where_the_operator_says() -> None:
    assert pim_of(line(SM)).rp == "c"  # 0 + 10; d is as near, and comes later
    assert pim_of(line(SM, rp="b")).rp == "b"
    plan, _ = make_plan(line(SM))
    assert plan.pim is not None
    assert plan.pim.rp_address == plan.routers["c"].loopback.ip
    assert plan.flows[0].group in plan.pim.groups


def test_a_planned_rp_stays_when_clouds_come_and_moves_only_when_it_runs_no_pim() -> None:
    _, lock = make_plan(line(SM))
    assert lock.rps == {"c": 1}
    near = inventory(
        "abcd", [("a", "b"), ("b", "c"), ("c", "d")],
        clouds={"x": "c", "y": "d", "u": "a", "v": "a", "w": "a"}, repositories={"hub": "a"},
    )  # fmt: skip
    assert make_plan(over(near, SM))[0].pim != make_plan(over(near, SM), lock)[0].pim
    plan, again = make_plan(over(near, SM), lock)
    assert plan.pim is not None
    assert (plan.pim.rp, again.rps) == ("c", {"c": 1})
    without = {**near.routers, "c": Router(name="c", domain="d", pim=False)}
    clouds = {name: cloud for name, cloud in near.clouds.items() if cloud.router != "c"}
    wanted = {"model": replace(near.deliveries["model"], to=tuple(clouds))}
    moved = replace(near, routers=without, clouds=clouds, deliveries=wanted)
    plan, again = make_plan(over(moved, SM), lock)
    assert plan.pim is not None
    assert plan.pim.rp != "c"
    assert again.rps == {plan.pim.rp: 1}
    assert parse_lock(format_lock(again)) == again


def test_routers_without_pim_are_no_rp_and_have_no_port_that_leads_to_them() -> None:
    declared = line(SM)
    around = (*declared.links, Link(a="a", b="c", name="bypass", metric=50))
    routers = {**declared.routers, "b": Router(name="b", domain="d", pim=False)}
    plan, _ = make_plan(replace(declared, routers=routers, links=around))
    assert not plan.routers["b"].pim
    ports = {name: pim_ports(plan, router) for name, router in plan.routers.items()}
    assert ports["b"] == ()
    assert [(port.peer, version) for port, version in ports["a"]] == [("c", None), ("hub", None)]
    assert [(port.peer, version) for port, version in ports["c"]] == [
        ("a", None), ("d", None), ("x", 3),
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(inventories(), st.sampled_from((SSM, SM)))
def test_the_order_of_declarations_decides_nothing(declared: Inventory, how: Transport) -> None:
    one, other = over(declared, how), over(reordered(declared), how)
    assert make_plan(one)[0].pim == make_plan(other)[0].pim


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            replace(
                line(SSM),
                routers={n: Router(name=n, domain="d", pim=n != "d") for n in "abcd"},
            ),
            "clouds.y: y is part of model, but its router d runs no PIM "
            "(attach it to a router that does, or leave it out of model)",
        ),
        (
            line(SSM, ssm_ranges=(ip_network("232.9.0.0/16"),)),
            "pim.ssm_ranges: pools.groups 232.1.0.0/16 is in none of them, so PIM-SSM cannot use "
            "its groups (add a range that holds it, or take pools.groups from one of them)",
        ),
        (
            line(SM, ssm_ranges=(ip_network("239.0.0.0/8"),)),
            "pools.asm_groups: 239.1.0.0/16 overlaps 239.0.0.0/8 of pim.ssm_ranges, whose groups "
            "have source trees only (give any-source groups a range of their own)",
        ),
        (
            line(SM, rp="nowhere"),
            "pim.rp: nowhere is to be the RP, and there is no such router (name a router)",
        ),
        (
            replace(
                line(SM, rp="b"),
                routers={n: Router(name=n, domain="d", pim=n != "b") for n in "abcd"},
            ),
            "pim.rp: b is to be the RP, and runs no PIM (choose another, or let b run PIM)",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_remedy(
    declared: Inventory, said: str
) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    assert said in [str(problem) for problem in caught.value.problems]


def test_other_pools_are_of_no_matter_to_deliveries_that_do_not_use_them() -> None:
    declared = replace(line(SSM, ssm_ranges=(ip_network("232.0.0.0/8"),)), pools=Pools())
    assert pim_of(declared).ssm_ranges == (IPv4Network("232.0.0.0/8"),)
