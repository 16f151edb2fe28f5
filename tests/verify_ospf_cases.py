"""Bad networks over OSPF, each made from a good one by one mistake."""

from __future__ import annotations

from dataclasses import replace

from verify_cases import Case, case
from verify_networks import (
    LINES,
    SQUARE,
    change_port,
    change_router,
    network,
    over_ospf,
)

from toolkit.plan.model import Plan
from toolkit.state.model import IsisInterface, NetworkState, OspfInterface, Source


def line() -> tuple[Plan, NetworkState]:
    return over_ospf(network(LINES, clouds="bd")[0])


def square() -> tuple[Plan, NetworkState]:
    return over_ospf(network(SQUARE, clouds="c")[0])


@case
def good_over_ospf() -> Case:
    plan, state = line()
    return Case(plan, replace(state, source=Source.RENDERED), frozenset())


@case
def ospf_missing_at_one_end() -> Case:
    plan, state = line()
    ids = {"ospf-half-adjacency", "cloud-unreached", "report-path-missing"}
    state = change_port(state, "c", "to-b", ospf=None)
    return Case(plan, state, frozenset(ids | {"bfr-prefix-unreachable"}))


@case
def another_ospf_area_at_one_end() -> Case:
    plan, state = square()
    other = OspfInterface(area="0.0.0.1")
    ids = {"ospf-area-mismatch", "ospf-several-areas"}
    return Case(plan, change_port(state, "b", "to-c", ospf=other), frozenset(ids))


@case
def one_link_in_another_area() -> Case:
    plan, state = square()
    other = OspfInterface(area="0.0.0.1")
    state = change_port(state, "b", "to-c", ospf=other)
    state = change_port(state, "c", "to-b", ospf=other)
    return Case(plan, state, frozenset({"ospf-several-areas"}))


@case
def one_router_id_on_two_routers() -> Case:
    plan, state = square()
    state = change_router(state, "c", router_id=state.routers["a"].router_id)
    return Case(plan, state, frozenset({"duplicate-router-id"}))


@case
def one_router_id_at_both_ends() -> Case:
    plan, state = square()
    state = change_router(state, "c", router_id=state.routers["b"].router_id)
    return Case(plan, state, frozenset({"duplicate-router-id", "ospf-half-adjacency"}))


@case
def ospf_cost_that_none_is_and_a_passive_end() -> Case:
    plan, state = square()
    state = change_port(state, "b", "to-c", ospf=OspfInterface(cost=0))
    state = change_port(state, "c", "to-b", ospf=OspfInterface(passive=True))
    return Case(plan, state, frozenset({"ospf-half-adjacency"}))


@case
def ospf_over_a_link_with_two_mtus() -> Case:
    plan, state = square()
    state = change_port(state, "b", "to-c", mtu=1500)
    return Case(plan, state, frozenset({"ospf-half-adjacency", "mtu-mismatch"}))


@case
def costs_of_two_directions() -> Case:
    plan, state = square()
    state = change_port(state, "b", "to-c", ospf=OspfInterface(cost=11))
    return Case(plan, state, frozenset({"metric-differs"}))


@case
def isis_beside_ospf() -> Case:
    plan, state = square()
    state = change_port(state, "b", "to-c", isis=IsisInterface())
    return Case(
        plan, change_router(state, "b", system_id="0000.0000.0002"), frozenset({"second-igp"})
    )


@case
def loopback_not_in_ospf() -> Case:
    plan, state = line()
    ids = {"bfr-prefix-not-advertised", "bfr-prefix-unreachable", "cloud-unreached"}
    return Case(plan, change_port(state, "d", "lo0", ospf=None), frozenset(ids))
