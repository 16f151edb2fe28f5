"""Bad networks whose mistake is at an edge: overlay flows, imposition, the way back of reports."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import verify_mvpn_cases  # noqa: F401 - adds its cases
import verify_ospf_cases  # noqa: F401 - adds its cases
import verify_pim_cases  # noqa: F401 - adds its cases
import verify_protection_cases  # noqa: F401 - adds its cases
from verify_cases import CASES, Case, case, line
from verify_networks import (
    SQUARE,
    change_port,
    change_router,
    change_sub_domain,
    network,
    port_to,
)

from toolkit.inventory.model import Imposition
from toolkit.state.model import IsisInterface

__all__ = ["CASES", "Case"]


@case
def host_imposition_refused() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_port(state, "a", "host-hub", accept_host_bier=False),
        frozenset({"host-imposition-refused", "cloud-unreached"}),
    )


@case
def host_imposition_open() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_port(state, "d", "host-cloud-d", accept_host_bier=True),
        frozenset({"host-imposition-open"}),
    )


@case
def no_egress_flow() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_router(state, "d", egress_flows=()),
        frozenset({"overlay-missing", "cloud-unreached"}),
    )


@case
def no_ingress_flow() -> Case:
    plan, state = line(imposition=Imposition.ROUTER)
    return Case(
        plan,
        change_router(state, "a", ingress_flows=()),
        frozenset({"overlay-missing", "cloud-unreached"}),
    )


@case
def twice_out_of_one_interface() -> Case:
    plan, state = line()
    flow = state.routers["d"].egress_flows[0]
    twice = replace(flow, interfaces=flow.interfaces * 2)
    return Case(
        plan,
        change_router(state, "d", egress_flows=(twice,)),
        frozenset({"cloud-duplicate"}),
    )


@case
def out_to_a_host_that_did_not_ask() -> Case:
    plan, state = line(clouds="ad")
    flow = state.routers["a"].egress_flows[0]
    more = replace(flow, interfaces=(*flow.interfaces, "host-hub"))
    return Case(
        plan,
        change_router(state, "a", egress_flows=(more,)),
        frozenset({"cloud-unasked"}),
    )


@case
def out_to_an_interface_without_a_host() -> Case:
    plan, state = line()
    flow = state.routers["d"].egress_flows[0]
    more = replace(flow, interfaces=(*flow.interfaces, "to-c"))
    return Case(
        plan,
        change_router(state, "d", egress_flows=(more,)),
        frozenset({"egress-interface-hostless"}),
    )


@case
def edge_of_a_cloud_not_in_isis() -> Case:
    plan, state = line()
    # Nothing is sent to a cloud by unicast: nobody needs a route to it.
    return Case(plan, change_port(state, "d", "host-cloud-d", isis=None), frozenset())


@case
def edge_of_the_source_not_in_isis() -> Case:
    plan, state = line(clouds="ad")
    return Case(
        plan,
        change_port(state, "a", "host-hub", isis=None),
        frozenset({"report-path-missing"}),
    )


@case
def gateway_with_another_address() -> Case:
    plan, state = line()
    (address,) = state.routers["d"].interfaces["host-cloud-d"].addresses
    other = (IPv4Interface(f"{address.ip + 2}/{address.network.prefixlen}"),)
    return Case(
        plan,
        change_port(state, "d", "host-cloud-d", addresses=other),
        frozenset({"report-path-missing"}),
    )


@case
def no_bfr_id_at_the_bfir() -> Case:
    plan, state = line(imposition=Imposition.ROUTER, clouds="bd")
    ids = {"bfr-id-missing", "cloud-unreached"}
    return Case(plan, change_sub_domain(state, "a", bfr_id=None), frozenset(ids))


@case
def a_way_back_that_large_reports_do_not_fit() -> Case:
    plan, state = network(SQUARE, clouds="c")
    # Packets go by b; c prefers d for what it sends back.
    state = change_port(state, "c", port_to(plan, "c", "b"), isis=IsisInterface(metric=100))
    state = change_port(state, "d", port_to(plan, "d", "a"), mtu=1000)
    return Case(plan, state, frozenset({"metric-differs", "mtu-mismatch", "report-path-narrow"}))
