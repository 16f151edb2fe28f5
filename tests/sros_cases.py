"""Networks with SR OS routers in them, their plans and payloads, for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest
from platform_cases import cases, suited
from yang_sets import FOLDERS

from toolkit.inventory.model import BierTunnel, FastReroute, Inventory, Platform
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.render.payload import Payload, render_router
from toolkit.yang.platforms import PATH_VARIABLE

SROS = Platform.SROS
BIER, TREES, PIM = "isis-bier-router-mvpn", "isis-sr-p2mp-mvpn", "isis-pim-ssm-static"


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find vendors' modules; to be imported."""
    monkeypatch.setenv(PATH_VARIABLE, os.pathsep.join(map(str, FOLDERS)))


def with_node_sids() -> Inventory:
    """BIER whose VPN crosses the core by node SIDs instead of GRE."""
    made = cases(SROS)["isis-bier-router-mvpn"]
    return replace(made, bier=replace(made.bier, tunnel=BierTunnel.SR))


def protected() -> Inventory:
    made = cases(SROS)["ospf-bier-router-mvpn"]
    return replace(made, bier=replace(made.bier, fast_reroute=FastReroute.LINK, sub_domain=7))


def among_others(name: str, routers: tuple[str, ...]) -> Inventory:
    """A network of reference routers with some of ours in it."""
    made = cases(Platform.REFERENCE)[name]
    ours = suited(made, SROS)
    mixed = {
        r: ours.routers[r] if r in routers else made.routers[r] for r in made.routers
    }  # fmt: skip
    return replace(ours, routers=mixed)


OTHERS = {
    "bier-node-sids": with_node_sids,
    "bier-fast-reroute": protected,
    "transit-bier": lambda: among_others("isis-bier-router-static", ("r2",)),
    "transit-trees": lambda: among_others("isis-sr-p2mp-static", ("r2", "r5")),
    "crossed": lambda: among_others("ospf-bier-host-static", ("r5",)),
    "root-of-trees": lambda: among_others("isis-sr-p2mp-mvpn", ("r1",)),
}
NAMES = (*cases(SROS), *OTHERS)


@cache
def planned(name: str) -> Plan:
    return make_plan(inventory_of(name))[0]


def ours(plan: Plan) -> list[str]:
    return [name for name, router in plan.routers.items() if router.platform is SROS]


def inventory_of(name: str) -> Inventory:
    return OTHERS[name]() if name in OTHERS else cases(SROS)[name]


@cache
def payloads(name: str) -> Mapping[str, Payload]:
    """Return our routers' payloads, as proven as the modules at hand allow."""
    plan = planned(name)
    return {router: render_router(plan, router) for router in ours(plan)}
