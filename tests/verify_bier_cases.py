"""Bad networks whose mistake is in a tunnel of BIER, or that fast reroute does not cover."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Interface

from verify_cases import CASES, Case, case
from verify_networks import (
    LINES,
    SQUARE,
    change_encapsulation,
    change_router,
    change_sub_domain,
    network,
)

from toolkit.inventory.model import BierSettings, BierTunnel, FastReroute, Policy
from toolkit.plan.model import Plan
from toolkit.state.model import BierRouting, NetworkState, Source

__all__ = ["CASES", "Case"]

LONG = [("a", "b"), ("b", "m"), ("m", "c"), ("c", "d")]
LOST = frozenset({"cloud-unreached"})


def across(
    tunnel: BierTunnel, links: list[tuple[str, str]] = LINES, without: str = "b"
) -> tuple[Plan, NetworkState]:
    """Routers `without` BIER lie between a and c."""
    plan, state = network(links, without_bier=without, bier=BierSettings(tunnel=tunnel))
    return plan, replace(state, source=Source.RENDERED)


@case
def across_a_router_by_its_labels() -> Case:
    return Case(*across(BierTunnel.SR), frozenset({"non-bfr-crossed"}))


@case
def across_two_routers_in_vxlan() -> Case:
    return Case(*across(BierTunnel.VXLAN, LONG, "bm"), frozenset({"non-bfr-crossed"}))


@case
def replicated_before_a_router_without_bier() -> Case:
    plan, state = network(
        [("a", "b"), ("b", "c"), ("b", "d"), ("b", "e")], clouds="cde", without_bier="b"
    )
    return Case(plan, replace(state, source=Source.RENDERED), frozenset({"non-bfr-crossed"}))


@case
def the_first_router_of_an_sr_tunnel_does_no_sr() -> Case:
    plan, state = across(BierTunnel.SR)
    return Case(plan, change_router(state, "b", sr=None), LOST | {"bier-tunnel-missing"})


@case
def a_router_in_an_sr_tunnel_does_no_sr() -> Case:
    plan, state = across(BierTunnel.SR, LONG, "bm")
    return Case(plan, change_router(state, "m", sr=None), LOST | {"bier-tunnel-broken"})


@case
def the_end_of_an_sr_tunnel_has_no_node_sid() -> Case:
    plan, state = across(BierTunnel.SR)
    sr = state.routers["c"].sr
    assert sr is not None
    state = change_router(state, "c", sr=replace(sr, node_sids=()))
    return Case(plan, state, LOST | {"bier-tunnel-missing"})


@case
def a_tunnel_between_address_families() -> Case:
    plan, state = across(BierTunnel.VXLAN)
    address = IPv6Interface("2001:db8::3/128")
    interfaces = state.routers["c"].interfaces
    lo0 = replace(interfaces["lo0"], addresses=(*interfaces["lo0"].addresses, address))
    state = change_router(state, "c", interfaces={**interfaces, "lo0": lo0})
    state = change_sub_domain(state, "c", bfr_prefix=address.network)
    return Case(plan, state, LOST | {"bier-tunnel-missing"})


@case
def a_bfr_with_another_bsl_is_crossed() -> Case:
    """x makes the plan leave room for a tunnel."""
    plan, state = network([*LINES, ("d", "x"), ("x", "y")], without_bier="x")
    state = change_encapsulation(state, "b", bsl=512)
    return Case(plan, state, frozenset({"bsl-mismatch", "non-bfr-crossed"}))


def rerouting(
    level: FastReroute, links: list[tuple[str, str]], clouds: str, *policies: Policy
) -> tuple[Plan, NetworkState]:
    plan, state = network(
        links, clouds=clouds, policies=policies, bier=BierSettings(fast_reroute=level)
    )
    return plan, replace(state, source=Source.RENDERED)


@case
def a_promise_that_fast_reroute_does_not_keep() -> Case:
    """A stub, and a policy that speaks of links."""
    links = [*SQUARE, ("c", "e")]
    plan, state = rerouting(FastReroute.LINK, links, "ce", Policy(name="one"))
    return Case(plan, state, frozenset({"reroute-missing"}))


@case
def a_node_that_nothing_leads_around() -> Case:
    links = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]
    plan, state = rerouting(FastReroute.NODE, links, "d")
    return Case(plan, state, frozenset({"reroute-partial"}))


@case
def a_ring_that_fast_reroute_covers() -> Case:
    plan, state = rerouting(FastReroute.LINK, SQUARE, "bcd", Policy(name="one"))
    return Case(plan, state, frozenset())


@case
def a_router_without_tunnels_before_one_without_bier() -> Case:
    plan, state = across(BierTunnel.GRE)
    state = change_router(state, "a", bier=BierRouting(tunnel="none"))
    return Case(plan, state, LOST | {"bier-tunnel-missing"})


@case
def a_router_that_takes_bier_out_of_no_tunnel() -> Case:
    plan, state = across(BierTunnel.GRE)
    state = change_router(state, "c", bier=BierRouting(tunnel="none"))
    return Case(plan, state, LOST | {"bier-tunnel-missing"})
