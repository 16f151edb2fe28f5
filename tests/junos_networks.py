"""Networks with Junos routers: those of `platform_cases`, and some that segment routing needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from platform_cases import cases, with_ports

from toolkit.inventory.model import BierTunnel, Inventory, Platform, QosSettings
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.render.payload import Payload, render_router


def in_mvpn_over_node_sids() -> Inventory:
    made = cases(Platform.JUNOS)["isis-bier-router-mvpn"]
    return replace(made, bier=replace(made.bier, tunnel=BierTunnel.SR))


def forwarding_for_others(name: str) -> Inventory:
    """A network of reference routers in which r2, without hosts, is a Junos router."""
    made = cases(Platform.REFERENCE)[name]
    routers = {**made.routers, "r2": replace(made.routers["r2"], platform=Platform.JUNOS)}
    return with_ports(replace(made, routers=routers, qos=QosSettings(dscp=None)))


def crossed_by_a_tree(name: str) -> Inventory:
    """A tree of reference routers that crosses r5, which is a Junos router."""
    made = cases(Platform.REFERENCE)[name]
    router = replace(made.routers["r5"], platform=Platform.JUNOS, replication=False)
    routers = {**made.routers, "r5": router}
    return with_ports(replace(made, routers=routers, qos=QosSettings(dscp=None)))


OTHERS = {
    "transit-bfr": lambda: forwarding_for_others("isis-bier-host-static"),
    "transit-bfr-ipv6": lambda: forwarding_for_others("isis-bier-router-static-ipv6"),
    "reflector-alone": lambda: forwarding_for_others("isis-bier-router-reflected"),
    "bier-over-node-sids": in_mvpn_over_node_sids,
    "crossed-isis": lambda: crossed_by_a_tree("isis-sr-p2mp-static"),
    "crossed-isis-ipv6": lambda: crossed_by_a_tree("isis-sr-p2mp-static-ipv6"),
    "crossed-ospf": lambda: crossed_by_a_tree("ospf-sr-p2mp-static"),
}
NAMES = (*cases(Platform.JUNOS), *OTHERS)


@cache
def planned(name: str) -> Plan:
    inventory = OTHERS[name]() if name in OTHERS else cases(Platform.JUNOS)[name]
    return make_plan(inventory)[0]


@cache
def payloads(name: str) -> Mapping[str, Payload]:
    plan = planned(name)
    ours = [r for r in plan.routers if plan.routers[r].platform is Platform.JUNOS]
    return {router: render_router(plan, router) for router in ours}
