"""Edge protection, class of service and names of ports in the plan."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from plan_inventories import inventories, inventory
from platform_cases import cases

from toolkit.errors import PlanError
from toolkit.inventory.model import (
    Delivery,
    Imposition,
    Link,
    Platform,
    QosSettings,
    Transport,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan, PortPlan, QosPlan
from toolkit.state.model import EdgeProtection

REFERENCE = cases(Platform.REFERENCE)
NOTHING = EdgeProtection()


def edge(plan: Plan) -> dict[str, PortPlan]:
    return {p.peer: p for r in plan.routers.values() for p in r.ports if p.edge}


def test_a_sender_may_send_and_nobody_else():
    plan, _ = make_plan(REFERENCE["isis-bier-router-static"])
    held = {peer: port.protection for peer, port in edge(plan).items()}
    hub = plan.hosts["hub"].address.ip
    assert held == {
        "hub": EdgeProtection(sources=(hub,)),
        "spare": NOTHING,
        "near": NOTHING,
        "c3": NOTHING,
        "c4": NOTHING,
        "c6": None,  # its router leaves that to somebody else
    }


def test_a_host_may_impose_the_bits_of_its_deliveries():
    plan, _ = make_plan(REFERENCE["isis-bier-host-static"])
    port = edge(plan)["hub"]
    assert port.accept_host_bier
    assert port.protection is not None
    union = plan.flows[0].bit_strings()[0] | plan.flows[1].bit_strings()[0]
    assert port.protection.bit_strings == {0: union}
    assert edge(plan)["spare"].protection == NOTHING


def test_only_bits_of_deliveries_that_the_host_imposes():
    whole = inventory(
        "abc", [("a", "b"), ("b", "c")], clouds={"x": "b", "y": "c"}, repositories={"hub": "a"}
    )
    one = Delivery(name="one", model="demo", source="hub", to=("x",))
    two = dataclasses.replace(one, name="two", to=("y",), imposition=Imposition.ROUTER)
    three = dataclasses.replace(two, name="three", transport=Transport.PIM_SSM)
    whole = dataclasses.replace(whole, deliveries={"one": one, "two": two, "three": three})
    plan, _ = make_plan(whole)
    protection = edge(plan)["hub"].protection
    assert protection is not None
    flows = {flow.delivery: flow for flow in plan.flows}
    assert protection.bit_strings == flows["one"].bit_strings()
    assert flows["two"].bit_strings()[0] & protection.bit_strings[0] == 0


@settings(max_examples=40, deadline=None)
@given(inventories())
def test_core_ports_are_never_protected_and_edges_always(declared):
    plan, _ = make_plan(declared)
    for router in plan.routers.values():
        for port in router.ports:
            assert (port.protection is not None) == port.edge
            if port.protection is not None:
                assert bool(port.protection.bit_strings) == port.accept_host_bier
                sends = any(flow.source == port.peer for flow in plan.flows)
                assert port.protection.sources == ((port.peer_address.ip,) if sends else ())


@pytest.mark.parametrize(
    ("dscp", "planned"),
    [(1, QosPlan(name="LE", dscp=1)), (7, QosPlan(name="DSCP 7", dscp=7)), (None, None)],
)
def test_the_class_of_service_by_its_name(dscp, planned):
    whole = dataclasses.replace(REFERENCE["isis-pim-sm-static"], qos=QosSettings(dscp=dscp))
    assert make_plan(whole)[0].qos == planned


def test_a_declared_port_has_its_name_everywhere():
    whole = inventory("ab", [Link(a="a", b="b", a_port="et-0/0/0", b_port="ge-1")])
    plan, _ = make_plan(whole)
    (port,) = plan.routers["a"].ports
    assert (port.name, port.peer_port, port.address.ip) == (
        "et-0/0/0", "ge-1", ip_address("10.0.0.0"),
    )  # fmt: skip
    assert (plan.cables[0].a.port, plan.cables[0].b.port) == ("et-0/0/0", "ge-1")


def test_a_name_that_another_interface_has_is_refused():
    whole = inventory("abc", [Link(a="a", b="b", a_port="to-c"), Link(a="a", b="c", b_port="lo0")])
    with pytest.raises(PlanError) as caught:
        make_plan(whole)
    assert [str(problem) for problem in caught.value.problems] == [
        "routers.a: to-c of a is the port of a-c, and the port of a-b (give the port another name)",
        "routers.c: lo0 of c is the port of a-c, and the loopback (give the port another name)",
    ]
