"""The intended state: what a router says when it is configured as planned."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import inventories, inventory
from platform_cases import cases, larger

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Platform, Transport
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.render.payload import render_plan
from toolkit.state.model import (
    BierEncapsulation,
    EdgeProtection,
    EgressFlow,
    IngressFlow,
    Interface,
    IsisInterface,
    OspfInterface,
    QosClass,
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
                protection=EdgeProtection(sources=(ip_address("10.1.0.6"),)),
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
        qos=QosClass(dscp=1),
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


REFERENCE = cases(Platform.REFERENCE)


@pytest.mark.parametrize("name", REFERENCE)
def test_each_underlay_transport_and_overlay_reads_back_as_intended(name: str) -> None:
    reads_back(make_plan(REFERENCE[name])[0])


@settings(max_examples=25, deadline=None)
@given(larger(Platform.REFERENCE))
def test_any_underlay_transport_and_overlay_reads_back_as_intended(declared: Inventory) -> None:
    reads_back(make_plan(declared)[0])


def test_ospf_takes_the_place_of_isis() -> None:
    state = intended_state(make_plan(REFERENCE["ospf-bier-router-static"])[0]).routers["r3"]
    assert (state.system_id, state.areas, state.router_id) == ("", (), "10.255.0.3")
    assert {name: i.ospf for name, i in state.interfaces.items()} == {
        "lo0": OspfInterface(passive=True),
        "to-r2": OspfInterface(cost=20),
        "to-r2-2": OspfInterface(cost=30),
        "to-r4": OspfInterface(cost=65535),
        "host-c3": OspfInterface(passive=True),
        "host-spare": OspfInterface(passive=True),
    }
    assert not any(i.isis for i in state.interfaces.values())


def test_in_isis_there_is_no_ospf() -> None:
    state = intended_state(make_plan(REFERENCE["isis-bier-router-static"])[0]).routers["r3"]
    assert state.router_id == ""
    assert not any(i.ospf for i in state.interfaces.values())


@pytest.mark.parametrize("igp", ["isis", "ospf"])
@pytest.mark.parametrize("tunnel", ["bier-router", "sr-p2mp", "pim-ssm"])
def test_with_mvpn_nothing_is_mapped_and_hosts_are_in_the_vpn(igp: str, tunnel: str) -> None:
    plan, _ = make_plan(REFERENCE[f"{igp}-{tunnel}-mvpn"])
    assert plan.mvpn is not None
    for name, state in intended_state(plan).routers.items():
        assert not state.ingress_flows
        assert not state.egress_flows
        assert state.bgp == plan.mvpn.speakers.get(name)
        assert state.mvpns == ((plan.mvpn.instances[name],) if name in plan.mvpn.instances else ())
        assert (state.pim is not None) == (tunnel == "pim-ssm")
        for port in plan.routers[name].ports:
            interface = state.interfaces[port.name]
            assert bool(interface.isis or interface.ospf) == (not port.edge)
            assert interface.pim == (tunnel == "pim-ssm" and not port.edge)
            joins = port.edge and plan.hosts[port.peer].kind == "cloud"
            assert interface.membership == (3 if joins else None)
    root = intended_state(plan).routers["r1"]
    assert len(root.tree_flows) == (2 if tunnel == "sr-p2mp" else 0)
