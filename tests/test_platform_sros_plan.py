"""SR OS: what a plan is told that the platform cannot have, and ports and names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from plan_inventories import IPV6_POOLS, star
from platform_cases import cases, suited
from sros_cases import BIER, PIM, SROS, TREES, among_others, modules
from yang_sets import needs_modules

from toolkit.errors import PlanError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import FastReroute, Inventory, Platform, Router
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.plan.platforms import PLATFORMS
from toolkit.render.payload import render_router

__all__ = ["modules"]


def problems_of(inventory: Inventory) -> str:
    with pytest.raises(PlanError) as caught:
        make_plan(inventory)
    return str(caught.value)


def test_what_it_cannot_have_is_said_with_the_way_out() -> None:
    static = suited(star(2, platform=SROS), SROS)
    assert (
        "core (sros) cannot do overlay: no (S,G) is bound to a BitString or a P2MP policy by hand,"
        " MVPN does it (set `overlay.signalling: mvpn`, or use a transport pim-ssm or pim-sm)"
    ) in problems_of(static)
    six = replace(cases(SROS)["isis-pim-ssm-mvpn"], pools=IPV6_POOLS)
    assert "r1 (sros) cannot do mvpn with ipv6: " in problems_of(six)
    bier = cases(SROS)[BIER]
    node = replace(bier, bier=replace(bier.bier, fast_reroute=FastReroute.NODE))
    assert (
        "r2 (sros) does not route BIER around the failure of a node"
        " (set bier.fast_reroute to link or none)"
    ) in problems_of(node)


def test_a_root_of_trees_maps_flows_too() -> None:
    root = among_others("isis-sr-p2mp-static", ("r1",))
    assert "r1 (sros) cannot do overlay: " in problems_of(root)


def test_ports_are_named_by_the_inventory() -> None:
    made = cases(SROS)[PIM]
    first, *others = made.links
    unnamed = replace(made, links=(replace(first, a_port=""), *others))
    assert "which port of r1 (sros) is not said (a_port: a name such as 1/1/c1/1)" in problems_of(
        unnamed
    )
    wrong = replace(made, links=(replace(first, a_port="et-0/0/0"), *others))
    assert "'et-0/0/0' is no port of r1 (sros)" in problems_of(wrong)
    pattern = re.compile(PLATFORMS[SROS].port_pattern)
    for port in ("1/1/1", "1/1/c1/1", "2/x1/1/c36/4", "lag-1", "1/2/10"):
        assert pattern.fullmatch(port)
    for port in ("1/1", "1/1/c1", "lag", "ethernet-1/1", "1/1/1:100"):
        assert not pattern.fullmatch(port)


@needs_modules
def test_members_of_a_lag_are_left_to_their_owner() -> None:
    made = cases(SROS)[PIM]
    first, *others = made.links
    plan, _ = make_plan(replace(made, links=(replace(first, a_port="lag-1"), *others)))
    payload = render_router(plan, "r1")
    assert "<port>lag-1</port>" in payload.xml
    assert "<port-id>lag-1</port-id>" not in payload.xml
    assert configured_router(plan, "r1", payload.tree) == intended_router(plan, "r1")


def test_names_that_are_too_long_are_named() -> None:
    made = suited(star(1, platform=Platform.REFERENCE), Platform.REFERENCE)
    long = "a-router-with-quite-a-name-in-it"
    routers = {
        **made.routers,
        "core": Router(name="core", domain="d", platform=SROS),
        long: Router(name=long, domain="d"),
    }
    (link,) = made.links
    changed = replace(
        made,
        routers=routers,
        links=(link, replace(link, b=long, name="long")),
        deliveries={
            name: replace(d, transport=cases(SROS)[PIM].deliveries["all"].transport)
            for name, d in made.deliveries.items()
        },
    )
    text = problems_of(suited_ports(changed))
    assert f"to-{long} has more than 32 characters" in text
    trees = cases(SROS)[TREES]
    named = replace(trees.deliveries["few"], name="a-model-of-many-parameters")
    text = problems_of(
        replace(trees, deliveries={"all": trees.deliveries["all"], named.name: named})
    )
    assert (
        "a-model-of-many-parameters has more than 24 characters, which is what the name of a P2MP"
        " policy has room for on r1 (sros)"
    ) in text


def suited_ports(inventory: Inventory) -> Inventory:
    """Return the inventory with ports named at its one SR OS router."""
    return replace(
        inventory,
        links=tuple(
            replace(link, a_port=f"1/1/c{number}/1")
            for number, link in enumerate(inventory.links, 1)
        ),
        repositories={
            n: replace(host, router_port="1/1/c9/1") for n, host in inventory.repositories.items()
        },
    )


@needs_modules
def test_the_inventory_of_the_documentation_is_rendered(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "how-to" / "sros.md").read_text()
    (document,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "network.yaml").write_text(document)
    plan, _ = make_plan(load_inventory(tmp_path))
    for name in plan.routers:
        assert render_router(plan, name).unproven == ""
