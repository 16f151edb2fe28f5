"""Routers of the laboratory have the modules of their platform, or none stands for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_lab_edge import Field, multicast
from verify_networks import LINES, inventory, network, planned
from yang_sets import needs_modules

from toolkit.errors import EnvironmentProblem
from toolkit.inventory.model import Imposition, Platform
from toolkit.lab import platforms
from toolkit.lab.memory import MemoryLab
from toolkit.lab.platforms import schemas_of, shows_state, with_stand_ins
from toolkit.netconf.runtime_ncclient import Connection
from toolkit.plan.model import Plan
from toolkit.render.payload import render_plan
from toolkit.yang.platforms import Unproven
from toolkit.yang.schema import Schema, reference_schema


def plan_of(**of: Platform) -> Plan:
    plan, _ = network(LINES)
    routers = {
        name: replace(router, platform=of.get(name, router.platform))
        for name, router in plan.routers.items()
    }
    return replace(plan, routers=routers)


def platforms_of(plan: Plan) -> dict[str, Platform]:
    return {name: router.platform for name, router in plan.routers.items()}


def test_platforms_with_our_modules_are_our_own_router() -> None:
    schema = reference_schema()
    plan = plan_of(b=Platform.FRR)
    assert schemas_of(platforms_of(plan), schema) == {
        Platform.REFERENCE: schema,
        Platform.FRR: schema,
    }
    assert shows_state(Platform.FRR)
    assert not shows_state(Platform.IOSXR)


def test_routers_without_modules_are_named_all_at_once_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platforms, "platform_schema", lambda p: Unproven(f"no modules of {p}"))
    plan = plan_of(a=Platform.IOSXR, b=Platform.VRP, d=Platform.IOSXR)
    with pytest.raises(EnvironmentProblem) as caught:
        MemoryLab(plan, reference_schema())
    text = str(caught.value)
    assert "cannot emulate a, d (iosxr): no modules of iosxr; b (vrp): no modules of vrp" in text
    assert "llmsync verify" in text
    assert "--stand-in" in text


def test_modules_that_no_embedded_router_can_read_are_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(_name: str, _schema: Schema) -> None:
        raise EnvironmentProblem("pyang cannot read the YANG module x: line 1")

    monkeypatch.setattr(platforms, "platform_schema", lambda _: reference_schema())
    monkeypatch.setattr(platforms, "Device", unreadable)
    with pytest.raises(EnvironmentProblem, match="c \\(junos\\): pyang cannot read"):
        schemas_of({"c": Platform.JUNOS}, reference_schema())


def test_a_router_of_another_platform_has_that_one_s_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Schema(("ietf-interfaces", "ietf-ip"), reference_search_path())
    monkeypatch.setattr(platforms, "platform_schema", lambda _: other)
    lab = MemoryLab(plan_of(c=Platform.IETF), reference_schema())
    devices = lab._farm.devices
    assert devices["c"].schema is other
    assert devices["a"].schema is reference_schema()


def test_modules_with_submodules_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    head = "yang-version 1.1; "
    (tmp_path / "whole.yang").write_text(
        f'module whole {{ {head}namespace "urn:w"; prefix w;\n  include part; }}'
    )
    (tmp_path / "part.yang").write_text(
        f"submodule part {{ {head}belongs-to whole {{ prefix w; }} container c; }}"
    )
    monkeypatch.setattr(platforms, "platform_schema", lambda _: Schema(("whole",), (tmp_path,)))
    with pytest.raises(EnvironmentProblem, match="c \\(sros\\): its module whole has submodules"):
        schemas_of({"c": Platform.SROS}, reference_schema())


@needs_modules
def test_ietf_routers_take_their_configuration_and_forward_as_planned() -> None:
    declared = inventory(LINES, clouds="bd", imposition=Imposition.ROUTER)
    routers = {
        name: replace(router, platform=Platform.IETF if name in "ac" else router.platform)
        for name, router in declared.routers.items()
    }
    plan, state = planned(replace(declared, routers=routers))
    payloads = render_plan(plan)
    with MemoryLab(plan, reference_schema()) as lab:
        for target in lab.targets:
            connection = Connection(target, timeout=30.0)
            edit = f"<target><candidate/></target>{payloads[target.device].xml}"
            connection.request(f"<edit-config>{edit}</edit-config>")
            connection.request("<commit/>")
            connection.leave()
        running = lab.state()
    assert running.routers == state.routers
    got = Field(plan, running).send("hub", multicast(plan))
    assert set(got) == {"cloud-b", "cloud-d"}


def test_reference_routers_stand_in_for_those_that_cannot_be_emulated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = {Platform.IETF: reference_schema()}
    monkeypatch.setattr(
        platforms,
        "platform_schema",
        lambda name: kept.get(Platform(name), Unproven(f"no modules of {name}")),
    )
    declared = inventory(LINES)
    of = {"a": Platform.IOSXR, "b": Platform.IETF, "c": Platform.FRR, "d": Platform.IOSXR}
    routers = {n: replace(r, platform=of[n], bier=n != "d") for n, r in declared.routers.items()}
    made, lines = with_stand_ins(replace(declared, routers=routers))
    assert lines == ("a, d (iosxr): no modules of iosxr",)
    assert {name: router.platform for name, router in made.routers.items()} == of | {
        "a": Platform.REFERENCE,
        "d": Platform.REFERENCE,
    }
    assert not made.routers["d"].bier


def reference_search_path() -> tuple[object, ...]:
    from toolkit.yang.modulefile import base_folders

    return base_folders()
