"""The intended state: what a router says when it is configured as planned."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import inventories, inventory

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Platform, Transport
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.render.payload import render_plan
from toolkit.state.model import (
    BierEncapsulation,
    EgressFlow,
    IngressFlow,
    Interface,
    IsisInterface,
    RouterState,
    Session,
    Source,
    SubDomain,
)
from toolkit.state.reference import read_router

ROOT = Path(__file__).parent.parent


def small(imposition: Imposition) -> Plan:
    declared = inventory(
        "ab", [("a", "b")], clouds={"gpu": "b"}, repositories={"hub": "a"}, imposition=imposition
    )
    return make_plan(declared)[0]


def test_everything_that_is_planned_is_intended() -> None:
    state = intended_state(small(Imposition.ROUTER))
    assert (state.source, state.hosts) == (Source.PLAN, {"hub", "gpu"})
    assert state.routers["a"] == RouterState(
        name="a",
        system_id="0000.0000.0001",
        areas=("49.0001",),
        interfaces={
            "lo0": Interface(
                name="lo0",
                addresses=(ip_interface("10.255.0.1/32"),),
                isis=IsisInterface(metric=10, passive=True),
            ),
            "to-b": Interface(
                name="to-b",
                addresses=(ip_interface("10.0.0.0/31"),),
                mtu=9000,
                isis=IsisInterface(metric=10),
                bier=True,
            ),
            "host-hub": Interface(
                name="host-hub",
                addresses=(ip_interface("10.1.0.5/30"),),
                mtu=9000,
                isis=IsisInterface(metric=10, passive=True),
            ),
        },
        sub_domains=(
            SubDomain(
                sub_domain_id=0,
                bfr_prefix=ip_network("10.255.0.1/32"),
                bfr_id=2,
                encapsulations=(BierEncapsulation(kind="mpls", bsl=256, base=100_000, max_si=0),),
            ),
        ),
        ingress_flows=(
            IngressFlow(
                source=ip_address("10.1.0.6"),
                group=ip_address("232.1.0.1"),
                sub_domain_id=0,
                bsl=256,
                sets={0: 1},
            ),
        ),
        sessions=(
            Session(
                name="model",
                tsi=1,
                source=ip_address("10.1.0.6"),
                group=ip_address("232.1.0.1"),
                role="ingress",
            ),
        ),
    )
    assert state.routers["b"].egress_flows == (
        EgressFlow(
            source=ip_address("10.1.0.6"), group=ip_address("232.1.0.1"), interfaces=("host-gpu",)
        ),
    )
    assert state.routers["b"].ingress_flows == ()
    assert [s.role for s in state.routers["b"].sessions] == ["egress"]


def test_a_host_that_imposes_leaves_no_flow_at_the_ingress_but_opens_its_port() -> None:
    state = intended_state(small(Imposition.HOST))
    assert state.routers["a"].ingress_flows == ()
    assert state.routers["a"].interfaces["host-hub"].accept_host_bier
    assert [s.role for s in state.routers["a"].sessions] == ["ingress"]


def test_interfaces_start_with_the_loopback_and_follow_the_plan() -> None:
    plan = small(Imposition.HOST)
    for router in plan.routers.values():
        names = list(intended_state(plan).routers[router.name].interfaces)
        assert names == ["lo0", *(port.name for port in router.ports)]


def test_a_delivery_that_starts_and_ends_at_one_router_is_one_session() -> None:
    declared = inventory("ab", [("a", "b")], clouds={"gpu": "a"}, repositories={"hub": "a"})
    state = intended_state(make_plan(declared)[0])
    assert [s.role for s in state.routers["a"].sessions] == ["ingress"]
    assert [f.interfaces for f in state.routers["a"].egress_flows] == [("host-gpu",)]


def reads_back(plan: Plan) -> None:
    intended = intended_state(plan)
    for name, payload in render_plan(plan).items():
        assert read_router(name, payload.tree) == intended.routers[name]


PLANNED = (Transport.BIER, Transport.PIM_SSM, Transport.PIM_SM)


@pytest.mark.parametrize("transport", PLANNED)
@pytest.mark.parametrize("path", ["inventories/demo", "tests/inventories/ipv6"])
def test_rendered_configuration_reads_back_as_intended(path: str, transport: Transport) -> None:
    reads_back(make_plan(over(load_inventory(ROOT / path), transport))[0])


@settings(max_examples=15, deadline=None)
@given(inventories(), st.sampled_from(PLANNED))
def test_any_rendered_configuration_reads_back_as_intended(
    declared: Inventory, transport: Transport
) -> None:
    routers = {
        name: dataclasses.replace(router, platform=Platform.REFERENCE)
        for name, router in declared.routers.items()
    }
    reads_back(make_plan(over(dataclasses.replace(declared, routers=routers), transport))[0])
