"""The grid: every cell is written, refused with a way out, or left out without harm."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_inventories import inventories, star
from platform_cases import cases, larger

from toolkit.errors import PlanError
from toolkit.inventory.model import Inventory, Platform, Transport
from toolkit.plan import grid
from toolkit.plan.expand import make_plan
from toolkit.plan.grid import needed_features
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import FEATURES, Refusal
from toolkit.render.cells import cells, column, features_of
from toolkit.render.part import part_of


@pytest.mark.parametrize(
    ("platform", "feature"),
    [(p, f) for p in Platform for f in FEATURES],
)
def test_each_cell_is_written_refused_or_unneeded(platform, feature):
    facts = PLATFORMS[platform]
    written = (feature, column(platform)) in cells()
    refused, unneeded = feature in facts.refused, feature in facts.unneeded
    assert written or refused or unneeded
    assert not (refused and unneeded)
    assert not (written and refused and column(platform) == platform.value)


@pytest.mark.parametrize("platform", Platform)
def test_refusals_name_cells_and_say_the_way_out(platform):
    ways = {"isis", "ospf", "ospfv3", "static", "mvpn", "ipv6"} | set(Transport)
    for cell, refusal in PLATFORMS[platform].refused.items():
        feature, slash, way = cell.partition("/")
        assert feature in FEATURES
        assert not slash or way in ways
        assert refusal.why
        assert refusal.remedy


def agrees(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    said = needed_features(inventory)
    assert said == {name: features_of(part_of(plan, name)) for name in plan.routers}


@settings(max_examples=60, deadline=None)
@given(st.one_of(inventories(), larger(Platform.REFERENCE)))
def test_the_inventory_tells_the_same_features_as_the_plan(inventory):
    agrees(inventory)


@pytest.mark.parametrize("platform", Platform)
def test_every_case_of_a_platform_can_be_planned_and_agrees(platform):
    for name, inventory in cases(platform).items():
        try:
            agrees(inventory)
        except PlanError as error:
            pytest.fail(f"{name}: {error}")


@pytest.mark.parametrize("platform", Platform)
def test_larger_ones_can_be_planned(platform):
    @settings(max_examples=15, deadline=None)
    @given(larger(platform))
    def check(inventory):
        make_plan(inventory)

    if cases(platform):
        check()


def test_cases_cover_what_the_reference_can():
    names = set(cases(Platform.REFERENCE))
    assert len(names) == 44
    assert {"isis-bier-host-static", "ospf-pim-sm-static-ipv6", "ospf-sr-p2mp-reflected"} <= names


def refusing(monkeypatch, **refused):
    facts = replace(
        PLATFORMS[Platform.IETF],
        refused={cell.replace("_", "/"): Refusal(*said) for cell, said in refused.items()},
    )
    table = MappingProxyType({**PLATFORMS, Platform.IETF: facts})
    monkeypatch.setattr(grid, "PLATFORMS", table)


def said_of(inventory) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(inventory)
    return [str(problem) for problem in caught.value.problems]


def test_a_refused_cell_names_router_feature_platform_reason_and_way_out(monkeypatch):
    refusing(monkeypatch, overlay=("its modules map no flows", "set overlay.signalling to mvpn"))
    assert said_of(star(1, platform=Platform.IETF)) == [
        "routers.core: core (ietf) cannot do overlay: its modules map no flows "
        "(set overlay.signalling to mvpn)",
        "routers.e1: e1 (ietf) cannot do overlay: its modules map no flows "
        "(set overlay.signalling to mvpn)",
    ]


def test_a_cell_is_refused_for_a_variant_alone(monkeypatch):
    refusing(monkeypatch, bier_isis=("IS-IS says nothing of BIER", "set underlay.igp to ospf"))
    whole = star(1, platform=Platform.IETF)
    assert said_of(whole)[0] == (
        "routers.core: core (ietf) cannot do bier with isis: IS-IS says nothing of BIER "
        "(set underlay.igp to ospf)"
    )
    refusing(monkeypatch, bier_ospf=("OSPF says nothing of BIER", "set underlay.igp to isis"))
    make_plan(whole)


def test_what_a_router_does_not_need_is_not_refused(monkeypatch):
    refusing(monkeypatch, sr=("no", "no"), pim=("no", "no"), mvpn=("no", "no"), ospf=("no", "no"))
    make_plan(star(2, platform=Platform.IETF))
