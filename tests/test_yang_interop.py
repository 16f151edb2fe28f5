"""Second opinions on our modules: Debian's netconfd runs them, yanglint reads them."""

from __future__ import annotations

import dataclasses
import difflib
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yang_netconfd
from lxml import etree
from plan_inventories import IPV6_POOLS
from platform_cases import cases

from toolkit.datafiles import data_folder
from toolkit.errors import EnvironmentProblem, SchemaError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Platform, Pools
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.render.payload import render_plan
from toolkit.state.reference import read_router
from toolkit.yang import schema as door
from toolkit.yang.engine import FaultyDataError, Form, Mode
from toolkit.yang.modulefile import base_folders, find_module
from toolkit.yang.pyang_tool import trees
from toolkit.yang.reference import (
    OWN_MODULES,
    REFERENCE_FEATURES,
    REFERENCE_MODULES,
    reference_search_path,
)
from toolkit.yang.runtime_yanglint import YanglintEngine, find_yanglint
from toolkit.yang.schema import Schema, reference_schema

pytestmark = pytest.mark.interop
needs_netconfd = pytest.mark.skipif(bool(yang_netconfd.missing()), reason=yang_netconfd.missing())
needs_yanglint = pytest.mark.skipif(
    find_yanglint() is None, reason="yanglint not there (apt-get install libyang2-tools)"
)


def demo(pools: Pools | None = None) -> Inventory:
    """The demonstration inventory with everything that a payload can hold."""
    inventory = load_inventory(data_folder("inventories") / "demo")
    deliveries = {
        name: dataclasses.replace(delivery, imposition=Imposition.ROUTER)
        for name, delivery in inventory.deliveries.items()
    }
    return dataclasses.replace(inventory, deliveries=deliveries, pools=pools or inventory.pools)


@needs_netconfd
def test_netconfd_comes_up_with_all_our_modules_and_goes_down_on_sigterm(tmp_path: Path) -> None:
    with yang_netconfd.netconfd(tmp_path / "d", REFERENCE_MODULES, data_folder("yang")) as server:
        with yang_netconfd.session(server) as session:
            for name in OWN_MODULES:
                assert f"?module={name}&amp;revision=" in session.hello
        assert server.stop() == 0
    log = server.log()
    assert "Error" not in log
    assert {line for line in log.splitlines() if line.startswith("Warning")} == {
        f"Warning: SIL code for module '{name}' not found" for name in REFERENCE_MODULES
    }


OTHERS = ("ospf-bier-router-reflected", "isis-sr-p2mp-mvpn", "ospf-pim-ssm-mvpn-ipv6")


@needs_netconfd
@pytest.mark.parametrize(
    ("whole", "names"),
    [
        (demo(), ("ams1", "mia1", "dal1")),
        (demo(IPV6_POOLS), ("ams1", "mia1", "dal1")),
        *((cases(Platform.REFERENCE)[case], ("r1", "r4")) for case in OTHERS),
    ],
    ids=["ipv4", "ipv6", *OTHERS],
)
def test_netconfd_takes_our_payloads_and_gives_them_back(
    tmp_path: Path, whole: Inventory, names: tuple[str, ...]
) -> None:
    plan, _ = make_plan(whole)
    payloads, intended = render_plan(plan), intended_state(plan)
    for name in names:
        with (
            yang_netconfd.netconfd(
                tmp_path / name, REFERENCE_MODULES, data_folder("yang")
            ) as server,
            yang_netconfd.session(server) as session,
        ):
            config = payloads[name].xml
            for request in (
                f"<edit-config><target><candidate/></target>{config}</edit-config>",
                "<commit/>",
            ):
                assert "<ok/>" in session.rpc(request)
            reply = etree.fromstring(
                session.rpc("<get-config><source><running/></source></get-config>").encode()
            )
            ours = [
                etree.tostring(element, encoding="unicode")
                for element in reply[0]
                if "urn:llmsync:" in element.tag or element.tag.endswith("}interfaces")
            ]
            tree = reference_schema().parse_xml("".join(ours), name)
            assert tree == payloads[name].tree
            assert read_router(name, tree) == intended.routers[name]


@needs_netconfd
def test_netconfd_enforces_our_rules_with_our_words(tmp_path: Path) -> None:
    body = (
        '<config><bier xmlns="urn:llmsync:bier"><sub-domain><id>0</id><bfr-prefix>192.0.2.1/{}'
        "</bfr-prefix><encapsulation><bsl>256</bsl><kind>mpls</kind><bift-id-base>{}</bift-id-base>"
        "<max-si>{}</max-si></encapsulation></sub-domain></bier></config>"
    )
    with (
        yang_netconfd.netconfd(tmp_path / "d", REFERENCE_MODULES, data_folder("yang")) as server,
        yang_netconfd.session(server) as session,
    ):
        for values, tag in (
            ((32, 15, 0), "reserved-label"),
            ((24, 100000, 0), "bfr-prefix-length"),
            ((32, 1048575, 1), "bift-id-range"),
            ((32, 100000, 255), ""),
        ):
            reply = session.rpc(
                f"<edit-config><target><candidate/></target>{body.format(*values)}</edit-config>"
            )
            assert ("<ok/>" in reply) == (not tag)
            assert re.findall(r"<error-app-tag>(.*?)</error-app-tag>", reply) == [tag] * bool(tag)


@pytest.fixture(scope="module")
def yanglint() -> YanglintEngine:
    program = find_yanglint()
    assert program is not None
    return YanglintEngine(program, REFERENCE_MODULES, reference_search_path(), REFERENCE_FEATURES)


@needs_yanglint
def test_yanglint_reads_our_payloads_as_libyang_does(yanglint: YanglintEngine) -> None:
    libyang = reference_schema().engine
    for pools in (None, IPV6_POOLS):
        plan, _ = make_plan(demo(pools))
        for payload in render_plan(plan).values():
            xml = reference_schema().to_xml(payload.tree)
            assert _compact(yanglint.convert(xml, Form.XML, Form.XML, Mode.CONFIG)) == _compact(
                libyang.convert(xml, Form.XML, Form.XML, Mode.CONFIG)
            )


def _compact(xml: str) -> str:
    return re.sub(r">\s+<", "><", xml.strip())


@needs_yanglint
@pytest.mark.parametrize(
    "xml",
    [
        '<bier xmlns="urn:llmsync:bier"><interface><name>eth9</name></interface></bier>',
        '<bier xmlns="urn:llmsync:bier"><sub-domain><id>256</id></sub-domain></bier>',
        '<bier xmlns="urn:llmsync:bier"><bift/></bier>',
        '<isis xmlns="urn:llmsync:isis"><system-id>x</system-id></isis>',
        '<isis xmlns="urn:llmsync:isis"><nope/></isis>',
    ],
)
def test_yanglint_and_libyang_refuse_the_same_for_the_same_reason(
    yanglint: YanglintEngine, xml: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SchemaError) as ours:
        reference_schema().parse_xml(xml, "ams1")
    schema = reference_schema()
    monkeypatch.setattr(schema, "engine", yanglint)
    with pytest.raises(SchemaError) as theirs:
        schema.parse_xml(xml, "ams1")
    assert theirs.value.problems == ours.value.problems[:1]


@needs_yanglint
def test_yanglint_takes_the_place_of_libyang_where_there_is_no_wheel(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door.importlib.util, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        schema = Schema(REFERENCE_MODULES, reference_search_path(), features=REFERENCE_FEATURES)
    assert "oopt-gnpy-libyang is not installed: validating with yanglint" in caplog.text
    plan, _ = make_plan(demo())
    tree = render_plan(plan)["ams1"].tree
    assert schema.parse_json(tree, "ams1") == tree
    assert schema.parse_xml(schema.to_xml(tree), "ams1", state=True) == tree
    with pytest.raises(FaultyDataError):
        schema.engine.convert("<a", Form.XML, Form.JSON, Mode.CONFIG)


def test_without_any_validator_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="apt-get install libyang2-tools"):
        Schema(REFERENCE_MODULES, reference_search_path())


@needs_yanglint
@pytest.mark.parametrize("module", [name for name in OWN_MODULES if name != "llmsync-types"])
def test_pyang_and_yanglint_draw_the_same_tree(module: str) -> None:
    folders = [option for f in base_folders() for option in ("-p", str(f))]
    run = subprocess.run(
        ["yanglint", "-D", "-f", "tree", *folders, find_module(module, reference_search_path())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours, theirs = (_nodes(text) for text in (trees([module]), run.stdout))
    assert list(difflib.unified_diff(ours, theirs, lineterm="")) == []


def _nodes(tree: str) -> list[str]:
    """Reduce a tree diagram to flags and names: programs differ in columns and types."""
    return [" ".join(found) for found in re.findall(r"\+--(\w\w) ([\w-]+)", tree)]
