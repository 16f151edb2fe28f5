"""Bad networks of PIM, each made from a good one by one mistake, and what it must lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from verify_cases import Case, case
from verify_networks import (
    LINES,
    SQUARE,
    change_port,
    change_router,
    inventory,
    planned,
    port_to,
)

from toolkit.inventory.model import Link, PimSettings, Transport
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.state.model import NetworkState, PimRouting, Source, StaticRp

SSM, SM = Transport.PIM_SSM, Transport.PIM_SM
LOST = frozenset({"cloud-unreached"})


def net(
    transport: Transport, links: Iterable[tuple[str, str] | Link] = LINES, rp: str = "b"
) -> tuple[Plan, NetworkState]:
    """The source at a, clouds at c and d, the RP at b."""
    declared = over(inventory(links, clouds="cd"), transport)
    return planned(replace(declared, pim=PimSettings(rp=rp)))


def routing(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of PIM on one router replaced."""
    pim = state.routers[name].pim
    assert pim is not None
    changed: PimRouting = replace(pim, **fields)
    return change_router(state, name, pim=changed)


@case
def pim_ssm_good() -> Case:
    plan, state = net(SSM)
    return Case(plan, replace(state, source=Source.RENDERED), frozenset())


@case
def pim_sm_good() -> Case:
    plan, state = net(SM)
    return Case(plan, replace(state, source=Source.RENDERED), frozenset())


@case
def pim_missing_on_a_transit_router() -> Case:
    plan, state = net(SSM)
    return Case(plan, change_router(state, "b", pim=None), LOST | {"pim-neighbor-missing"})


@case
def pim_missing_at_the_edge_of_a_cloud() -> Case:
    plan, state = net(SSM)
    return Case(plan, change_router(state, "d", pim=None), LOST | {"pim-missing"})


@case
def pim_at_one_end_of_a_link_of_the_tree() -> Case:
    plan, state = net(SSM)
    state = change_port(state, "c", port_to(plan, "c", "b"), pim=False)
    ids = LOST | {"pim-neighbor-missing", "pim-half-adjacency"}
    return Case(plan, state, ids)


@case
def pim_at_one_end_of_a_link_beside_the_tree() -> Case:
    plan, state = net(SSM, [*SQUARE[:-1], Link(a="d", b="a", metric=100)])
    state = change_port(state, "a", port_to(plan, "a", "d"), pim=False)
    return Case(plan, state, frozenset({"pim-half-adjacency"}))


@case
def no_designated_router_of_the_source() -> Case:
    plan, state = net(SM)
    state = change_port(state, "a", "host-hub", pim=False)
    return Case(plan, state, LOST | {"pim-interface-missing"})


@case
def no_designated_router_of_a_cloud() -> Case:
    plan, state = net(SSM)
    state = change_port(state, "d", "host-cloud-d", pim=False)
    return Case(plan, state, LOST | {"pim-interface-missing"})


@case
def igmp_missing_at_a_cloud() -> Case:
    plan, state = net(SM)
    state = change_port(state, "d", "host-cloud-d", membership=None)
    return Case(plan, state, LOST | {"membership-missing"})


@case
def igmp_too_old_for_sources() -> Case:
    plan, state = net(SSM)
    state = change_port(state, "d", "host-cloud-d", membership=2)
    return Case(plan, state, LOST | {"membership-version"})


@case
def igmp_too_old_for_sources_that_nobody_names() -> Case:
    plan, state = net(SM)
    state = change_port(state, "d", "host-cloud-d", membership=2)
    return Case(plan, state, frozenset())


@case
def no_rp_at_the_edge_of_a_cloud() -> Case:
    plan, state = net(SM)
    return Case(plan, routing(state, "d", rps=()), LOST | {"rp-missing"})


@case
def no_rp_at_the_edge_of_the_source() -> Case:
    plan, state = net(SM)
    return Case(plan, routing(state, "a", rps=()), LOST | {"rp-missing"})


@case
def another_rp_on_the_way() -> Case:
    plan, state = net(SM)
    other = StaticRp(address=plan.routers["a"].loopback.ip, groups=IPv4Network("239.1.0.0/16"))
    return Case(plan, routing(state, "c", rps=(other,)), LOST | {"rp-disagreement"})


@case
def another_rp_at_the_source() -> Case:
    plan, state = net(SM)
    other = StaticRp(address=plan.routers["d"].loopback.ip, groups=IPv4Network("239.1.0.0/16"))
    return Case(plan, routing(state, "a", rps=(other,)), LOST | {"rp-disagreement"})


@case
def an_rp_that_is_nowhere() -> Case:
    plan, state = net(SM)
    nowhere = StaticRp(address=IPv4Address("192.0.2.1"), groups=IPv4Network("239.1.0.0/16"))
    for name in "abcd":
        state = routing(state, name, rps=(nowhere,))
    return Case(plan, state, LOST | {"rp-unreachable"})


@case
def any_source_group_in_an_ssm_range() -> Case:
    plan, state = net(SM)
    ranges = (IPv4Network("232.0.0.0/8"), IPv4Network("239.0.0.0/8"))
    return Case(plan, routing(state, "d", ssm_ranges=ranges), LOST | {"group-in-ssm-range"})


@case
def ssm_group_in_no_ssm_range() -> Case:
    plan, state = net(SSM)
    return Case(plan, routing(state, "b", ssm_ranges=()), frozenset({"ssm-range-missing"}))


@case
def ttl_threshold_on_the_tree() -> Case:
    plan, state = net(SSM)
    port = port_to(plan, "b", "c")
    state = change_port(state, "b", port, ttl_threshold=64)
    return Case(plan, state, LOST | {"ttl-threshold-high"})


@case
def source_not_in_isis_under_pim() -> Case:
    plan, state = net(SSM)
    state = change_port(state, "a", "host-hub", isis=None)
    return Case(plan, state, LOST | {"rpf-failure", "report-path-missing"})


@case
def registers_that_do_not_fit() -> Case:
    links = [Link(a=a, b=b, mtu=1500) for a, b in LINES]
    plan, state = net(SM, links, rp="d")
    port = port_to(plan, "c", "d")
    narrow = 1500 - 20
    state = change_port(state, "c", port, mtu=narrow)
    state = change_port(state, "d", port_to(plan, "d", "c"), mtu=narrow)
    return Case(plan, state, LOST | {"mtu-too-small"})
