"""Payloads: golden for each kind of router of the demo, and what is said of those that are none."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from lxml import etree
from plan_inventories import IPV6_POOLS, star
from platform_cases import cases

from toolkit.datafiles import data_folder
from toolkit.errors import PlanError, SchemaError, TemplateError, UsageError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Platform, Pools
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.render.cells import FEATURES, cells, missing_cells
from toolkit.render.folder import write_files
from toolkit.render.payload import load_payloads, render_plan, render_router, validate
from toolkit.render.text import render_text

GOLDEN = Path(__file__).parent / "golden" / "render"
KINDS = {
    "ams1": "edge router of the repository, whose host imposes the BitString",
    "mia1": "edge router of a cloud",
    "fra1": "transit BFR",
    "dal1": "cannot do BIER",
}


def demo(imposition: Imposition = Imposition.HOST, pools: Pools | None = None) -> Plan:
    inventory = load_inventory(data_folder("inventories") / "demo")
    deliveries = {
        name: dataclasses.replace(delivery, imposition=imposition)
        for name, delivery in inventory.deliveries.items()
    }
    return make_plan(
        dataclasses.replace(inventory, deliveries=deliveries, pools=pools or inventory.pools)
    )[0]


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A copy of the templates, to spoil."""
    return Path(shutil.copytree(data_folder("templates"), tmp_path / "templates"))


def golden(file: Path, text: str) -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("router", KINDS)
def test_golden_payload_of_each_kind_of_router(router: str) -> None:
    golden(GOLDEN / f"{router}.xml", render_plan(demo())[router].xml)


def test_golden_payload_with_ipv6_and_a_bit_string_imposed_by_the_router() -> None:
    plan = demo(Imposition.ROUTER, IPV6_POOLS)
    golden(GOLDEN / "ams1-ipv6-router.xml", render_plan(plan)["ams1"].xml)


@pytest.mark.parametrize(
    ("case", "router"), [("ospf-pim-ssm-reflected", "r4"), ("ospf-sr-p2mp-mvpn-ipv6", "r1")]
)
def test_golden_payload_with_ospf_and_mvpn(case: str, router: str) -> None:
    plan, _ = make_plan(cases(Platform.REFERENCE)[case])
    golden(GOLDEN / f"{router}-{case}.xml", render_plan(plan)[router].xml)


def test_a_payload_is_its_own_canonical_form() -> None:
    for name, payload in render_plan(demo()).items():
        assert payload.device == name
        assert validate(name, payload.xml) == payload
        assert etree.fromstring(payload.xml).tag.endswith("base:1.0}config")


def test_a_router_alone_renders_as_in_the_whole_plan() -> None:
    plan = demo()
    assert {name: render_router(plan, name) for name in plan.routers} == render_plan(plan)


def test_receivers_in_several_sets_get_one_full_length_bit_string_each() -> None:
    plan, _ = make_plan(star(70, bsl=64))
    (flow,) = render_plan(plan)["core"].tree["llmsync-overlay:overlay"]["ingress-flow"]
    assert [(s["si"], s["bit-string"]) for s in flow["set"]] == [
        (0, "f" * 16),
        (1, f"{(1 << 6) - 1:016x}"),
    ]


def test_names_that_are_xml_are_escaped() -> None:
    plan = demo()
    router = plan.routers["dal1"]
    port = dataclasses.replace(router.ports[0], link='<&">')
    routers = {**plan.routers, "dal1": dataclasses.replace(router, ports=(port,))}
    tree = render_router(dataclasses.replace(plan, routers=routers), "dal1").tree
    descriptions = [i["description"] for i in tree["ietf-interfaces:interfaces"]["interface"]]
    assert f'llmsync: {port.peer} {port.peer_port}, link <&">' in descriptions


def test_an_undefined_name_is_an_error_with_template_and_line(templates: Path) -> None:
    file = templates / "bier" / "reference.j2"
    file.write_text(file.read_text().replace("{{ sub_domain.bsl }}", "{{ sub_domain.length }}"))
    (line,) = [n for n, t in enumerate(file.read_text().splitlines(), 1) if ".length" in t]
    with pytest.raises(TemplateError) as caught:
        render_plan(demo(), templates)
    # Eleven routers have the problem; it is one.
    assert str(caught.value) == (
        f"templates/bier/reference.j2:{line}: 'toolkit.plan.model.SubDomainPlan object' has no"
        " attribute 'length'"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n{{ nobody }}", "templates/isis/reference.j2:2: 'nobody' is undefined"),
        ("{% if nobody %}{% endif %}", "templates/isis/reference.j2:1: 'nobody' is undefined"),
        ("\n\n{% for %}", "templates/isis/reference.j2:3: Expected an expression, got"),
        ("{% include 'x.j2' %}", "templates/isis/reference.j2: there is no template x.j2"),
        ("\n{{ 1 // 0 }}", "templates/isis/reference.j2:2: "),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_place(
    templates: Path, text: str, said: str
) -> None:
    (templates / "isis" / "reference.j2").write_text(text)
    with pytest.raises(TemplateError) as caught:
        render_text("isis", "reference", {}, templates)
    assert str(caught.value).startswith(said)


def test_invalid_payloads_of_all_devices_are_reported_together(templates: Path) -> None:
    file = templates / "isis" / "reference.j2"
    file.write_text(file.read_text().replace("{{ router.area }}", "nowhere"))
    with pytest.raises(SchemaError) as caught:
        render_plan(demo(), templates)
    assert {p.place.file for p in caught.value.problems} == set(demo().routers)
    assert str(caught.value.problems[0]) == (
        'ams1: /llmsync-isis:isis/area-address: "nowhere" has a wrong form (allowed: a text like'
        r" [0-9a-f]{2}(\.[0-9a-f]{4})*)"
    )


def test_a_missing_cell_is_refused_before_anything_is_rendered(templates: Path) -> None:
    (templates / "bier" / "reference.j2").unlink()
    (templates / "isis" / "reference.j2").write_text("{{ nobody }}")
    with pytest.raises(PlanError) as caught:
        render_plan(demo(), templates)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 11
    others = ", ".join(sorted(column for feature, column in cells(templates) if feature == "bier"))
    assert said[0] == f"routers.ams1: no template for bier on reference (available: {others})"


def test_a_platform_without_templates_names_those_that_have_them(templates: Path) -> None:
    for file in templates.glob("*/reference.j2"):
        file.unlink()
    plan, _ = make_plan(star(2))
    there = cells(templates)

    def others(wanted: str) -> str:
        return ", ".join(sorted(platform for feature, platform in there if feature == wanted))

    assert others("isis")
    assert [str(problem) for problem in missing_cells(plan, templates)][:2] == [
        f"routers.core: no template for {feature} on reference (available: {others(feature)})"
        for feature in ("interfaces", "isis")
    ]


def test_platform_reference_has_every_cell() -> None:
    assert {(feature, "reference") for feature in FEATURES} <= cells()


def test_a_platform_without_modules_is_not_proven_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")
    payload = validate("r1", "<config><a xmlns='urn:x'><b>1</b></a></config>", Platform.IOSXR)
    assert payload.unproven == "the modules of iosxr come from a device: llmsync yang fetch"
    assert payload.tree == {"a": {"b": "1"}}


def test_payload_files_are_read_back_and_validated_anew(tmp_path: Path) -> None:
    payloads = render_plan(demo())
    write_files(tmp_path / "new" / "out", {f"{n}.xml": p.xml for n, p in payloads.items()})
    (tmp_path / "new" / "out" / "notes.txt").write_text("left alone")
    assert load_payloads(tmp_path / "new" / "out") == payloads


def test_files_broken_by_hand_are_all_named(tmp_path: Path) -> None:
    payloads = render_plan(demo())
    write_files(tmp_path, {f"{n}.xml": p.xml for n, p in payloads.items()})
    for name in ("fra1", "mia1"):
        file = tmp_path / f"{name}.xml"
        file.write_text(file.read_text().replace("<id>0</id>", "<id>256</id>"))
    with pytest.raises(SchemaError) as caught:
        load_payloads(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/{name}.xml: /llmsync-bier:bier/sub-domain/id: 256 is out of range"
        " (allowed: 0..255; RFC 8279 section 2)"
        for name in ("fra1", "mia1")
    ]


def test_a_folder_without_payloads_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no payloads .* llmsync render -o DIR"):
        load_payloads(tmp_path)
    with pytest.raises(UsageError, match="cannot read payloads: No such file"):
        load_payloads(tmp_path / "missing")
    (tmp_path / "r1.xml").write_bytes(b"<config>\xff</config>")
    with pytest.raises(UsageError, match=r"r1\.xml: is no UTF-8 text: byte 8"):
        load_payloads(tmp_path)
