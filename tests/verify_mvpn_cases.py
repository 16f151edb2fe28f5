"""Bad networks whose overlay is BGP MVPN, each made from a good one by one mistake."""

from __future__ import annotations

from dataclasses import replace

import mvpn_networks
from mvpn_networks import change_bgp, change_vpn
from verify_cases import Case, case
from verify_networks import LINES, change_port

from toolkit.inventory.model import Transport
from toolkit.plan.model import Plan
from toolkit.state.model import NetworkState, Source

LOST = {"cloud-unreached", "report-path-missing"}


def line(transport: Transport = Transport.BIER, **options: object) -> tuple[Plan, NetworkState]:
    plan, state = mvpn_networks.network(LINES, transport, clouds="cd", **options)
    return plan, replace(state, source=Source.RENDERED)


@case
def good_with_mvpn() -> Case:
    return Case(*line(), frozenset())


@case
def good_with_mvpn_over_trees_and_a_reflector() -> Case:
    return Case(*line(Transport.SR_P2MP, reflectors="b"), frozenset())


@case
def a_bgp_session_at_one_end() -> Case:
    plan, state = line()
    state = change_bgp(state, "d", neighbors=state.routers["d"].bgp.neighbors[1:])
    return Case(plan, state, frozenset({"mvpn-session-half", "mvpn-routes-unheard", *LOST}))


@case
def a_bgp_neighbor_that_no_route_leads_to() -> Case:
    plan, state = line(Transport.SR_P2MP)
    state = change_port(state, "d", "lo0", isis=None)
    ids = {"mvpn-session-unreachable", "mvpn-routes-unheard", "node-sid-unused", *LOST}
    return Case(plan, state, frozenset(ids | {"node-sid-missing", "candidate-path-invalid"}))


@case
def a_reflector_that_does_not_know_its_clients() -> Case:
    plan, state = line(reflectors="b")
    return Case(plan, change_bgp(state, "b", clients=()), frozenset({"mvpn-routes-unheard", *LOST}))


@case
def another_route_target() -> Case:
    plan, state = line()
    state = change_vpn(state, "d", route_target="64512:2")
    return Case(plan, state, frozenset({"mvpn-route-target-mismatch", *LOST}))


@case
def another_tunnel() -> Case:
    plan, state = line()
    state = change_vpn(state, "d", tunnel="sr-p2mp", sub_domain_id=None)
    return Case(plan, state, frozenset({"mvpn-tunnel-mismatch", "cloud-unreached"}))


@case
def another_sub_domain_of_the_vpn() -> Case:
    plan, state = line()
    state = change_vpn(state, "d", sub_domain_id=9)
    return Case(plan, state, frozenset({"mvpn-tunnel-mismatch", "cloud-unreached"}))


@case
def a_cloud_outside_of_the_vrf() -> Case:
    plan, state = line()
    state = change_vpn(state, "d", interfaces=())
    return Case(plan, state, frozenset({"mvpn-interface-missing", *LOST}))


@case
def the_source_outside_of_the_vrf() -> Case:
    plan, state = line()
    state = change_vpn(state, "a", interfaces=())
    return Case(plan, state, frozenset({"mvpn-interface-missing", *LOST}))


@case
def no_igmp_in_the_vrf() -> Case:
    plan, state = line()
    state = change_port(state, "d", "host-cloud-d", membership=None)
    return Case(plan, state, frozenset({"membership-missing", "cloud-unreached"}))


@case
def a_tree_that_the_vpn_was_not_given() -> Case:
    plan, state = line(Transport.SR_P2MP)
    state = change_vpn(state, "a", policies=())
    ids = {"mvpn-policy-missing", "tree-flow-missing", "cloud-unreached", "candidate-path-broken"}
    return Case(plan, state, frozenset(ids))


@case
def good_with_mvpn_over_trees_of_pim() -> Case:
    return Case(*line(Transport.PIM_SSM), frozenset())


@case
def another_route_target_over_trees_of_pim() -> Case:
    plan, state = line(Transport.PIM_SSM)
    state = change_vpn(state, "d", route_target="64512:2")
    return Case(plan, state, frozenset({"mvpn-route-target-mismatch", *LOST}))


@case
def no_pim_on_the_way_of_a_vpn() -> Case:
    plan, state = line(Transport.PIM_SSM)
    state = change_port(state, "c", "to-b", pim=False)
    ids = {"pim-half-adjacency", "pim-neighbor-missing", "cloud-unreached"}
    return Case(plan, state, frozenset(ids))
