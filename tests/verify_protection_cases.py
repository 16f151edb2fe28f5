"""Bad networks whose mistake is in what an edge interface takes from its host, or in classes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from verify_cases import Case, case, line
from verify_networks import change_port, change_router, inventory, planned

from toolkit.inventory.model import Imposition, Transport
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.state.model import EdgeProtection, NetworkState, QosClass


def guard(state: NetworkState, router: str, port: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the protection of an interface replaced."""
    protection = state.routers[router].interfaces[port].protection
    assert protection is not None
    return change_port(state, router, port, protection=replace(protection, **fields))


def over_trees(transport: Transport) -> tuple[Plan, NetworkState]:
    return planned(over(inventory([("a", "b"), ("b", "c"), ("c", "d")]), transport))


@case
def an_edge_without_protection() -> Case:
    plan, state = line(clouds="bd")
    state = change_port(state, "d", "host-cloud-d", protection=None)
    return Case(plan, state, frozenset({"edge-unprotected"}))


@case
def an_edge_that_takes_a_foreign_source() -> Case:
    plan, state = line()
    state = guard(state, "d", "host-cloud-d", sources=(IPv4Address("10.1.0.6"),))
    return Case(plan, state, frozenset({"edge-source-open"}))


@case
def an_edge_that_takes_all_bits() -> Case:
    plan, state = line(clouds="d")
    bits = state.routers["a"].interfaces["host-hub"].protection.bit_strings
    state = guard(state, "a", "host-hub", bit_strings={0: bits[0] | 0xF0, 3: 1})
    return Case(plan, state, frozenset({"edge-bits-open"}))


@case
def bits_of_a_delivery_that_its_edge_refuses() -> Case:
    plan, state = line(clouds="bd")
    taken = plan.routers["d"].sub_domains[0].bfr_id or 0
    bits = state.routers["a"].interfaces["host-hub"].protection.bit_strings[0]
    state = guard(state, "a", "host-hub", bit_strings={0: bits & ~(1 << taken - 1)})
    return Case(plan, state, frozenset({"edge-bits-refused", "cloud-unreached"}))


@case
def a_source_that_its_edge_refuses() -> Case:
    plan, state = line(imposition=Imposition.ROUTER)
    state = guard(state, "a", "host-hub", sources=())
    return Case(plan, state, frozenset({"edge-source-refused", "cloud-unreached"}))


@case
def a_source_of_a_tree_that_its_edge_refuses() -> Case:
    plan, state = over_trees(Transport.SR_P2MP)
    state = guard(state, "a", "host-hub", sources=())
    ids = {"edge-source-refused", "cloud-unreached", "candidate-path-broken"}
    return Case(plan, state, frozenset(ids))


@case
def a_source_of_pim_that_its_edge_refuses() -> Case:
    plan, state = over_trees(Transport.PIM_SM)
    state = change_port(state, "a", "host-hub", protection=EdgeProtection())
    return Case(plan, state, frozenset({"edge-source-refused", "cloud-unreached"}))


@case
def routers_without_the_class_of_deliveries() -> Case:
    plan, state = line()
    state = change_router(state, "b", qos=None)
    state = change_router(state, "c", qos=QosClass(dscp=8))
    return Case(plan, state, frozenset({"qos-class-missing", "qos-class-differs"}))
