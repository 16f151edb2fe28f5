"""The inventories of routers of every platform: planned, rendered, proven and judged without a
finding but those that are named here, with each platform's configuration as written down.

LLMSYNC_UPDATE_GOLDEN=1 rewrites the golden payloads.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from yang_sets import needs_modules

from toolkit.cli.judging import judge, state_of
from toolkit.cli.loading import load_plan
from toolkit.inventory.model import Inventory, Platform
from toolkit.plan.configured import configured_router
from toolkit.plan.intended import intended_router
from toolkit.plan.model import Plan
from toolkit.render.payload import Payload, render_plan
from toolkit.verify.findings import Severity
from toolkit.verify.proof import proof, unproven

ROOT = Path(__file__).parent.parent / "inventories" / "multivendor"
GOLDEN = Path(__file__).parent / "golden" / "multivendor"
NAMES = ("pim", "bier", "sr")
SHOWN = {
    "pim": ("lon1", "par1", "mad1", "waw1", "vie1", "dub1", "sto1"),
    "bier": ("lon1", "par1", "vie1", "dub1"),
    "sr": ("ams1", "fra1", "mil1", "pra1", "zrh1"),
}
"""A router of each platform that has something to do."""
KNOWN = {"bier": {("config-lint", "ams1"), ("config-lint", "lon1")}}
"""Junos' label of a VPN is beyond what older line cards of SR OS have."""


@cache
def declared(name: str) -> tuple[Inventory, Plan]:
    inventory, plan, _ = load_plan(ROOT / name)
    return inventory, plan


@cache
def payloads(name: str) -> dict[str, Payload]:
    return dict(render_plan(declared(name)[1]))


def test_every_platform_is_in_the_network_of_pim() -> None:
    inventory, plan = declared("pim")
    assert {router.platform for router in inventory.routers.values()} == set(Platform)
    edges = {plan.hosts[cloud].router for flow in plan.flows for cloud in flow.clouds}
    assert {plan.routers[name].platform for name in edges} == set(Platform)


@needs_modules
@pytest.mark.parametrize("name", NAMES)
def test_all_is_proven_but_what_no_modules_are_there_for(name: str) -> None:
    _, plan = declared(name)
    for router, payload in payloads(name).items():
        assert bool(payload.unproven) == (payload.platform is Platform.IOSXR)
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)
    (line,) = unproven(payloads(name).values())
    assert line.startswith("not schema-proven: mad1, mil1 (iosxr): ")
    assert "yang fetch" in line


@needs_modules
@pytest.mark.parametrize("name", NAMES)
def test_every_cloud_is_served_also_when_a_core_link_fails(name: str) -> None:
    inventory, plan = declared(name)
    report = judge(inventory, plan, state_of(plan, payloads(name)))
    assert any("survive-a-core-link" in check.title for check in report.checks)
    assert {check.status for check in report.checks} == {"passed"}
    report += proof(payloads(name).values())
    found = {(f.id, *f.subjects) for f in report.findings if f.severity is not Severity.NOTE}
    assert found == KNOWN.get(name, set())


@needs_modules
@pytest.mark.parametrize(("name", "router"), [(n, r) for n in NAMES for r in SHOWN[n]])
def test_a_configuration_is_as_written_down(name: str, router: str) -> None:
    file = GOLDEN / name / f"{router}.xml"
    text = payloads(name)[router].xml
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


def test_no_secret_stands_in_an_inventory_and_every_router_says_how_it_is_reached() -> None:
    for name in NAMES:
        for router in declared(name)[0].routers.values():
            assert router.management is not None
            assert router.management.key or router.management.password
