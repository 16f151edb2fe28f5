"""Junos: proven by its modules, read back as planned, and what the modules do not check."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from junos_networks import NAMES, crossed_by_a_tree, payloads, planned
from lxml import etree
from plan_inventories import IPV6_POOLS
from platform_cases import cases, larger, with_ports
from yang_sets import EXAMPLES, needs_modules

from toolkit.errors import PlanError, SchemaError
from toolkit.inventory.model import (
    Igp,
    Inventory,
    Platform,
)
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.plan.platforms.junos import JUNOS, SERVICE_LABELS
from toolkit.render.payload import render_plan, validate
from toolkit.state.branch import Branch
from toolkit.state.junos import read_router
from toolkit.state.model import (
    BierEncapsulation,
    BierRouting,
    Interface,
    IsisInterface,
    LabelBlock,
    Mvpn,
    NodeSid,
    PimRouting,
    RouterState,
    SegmentRouting,
    StaticRp,
    SubDomain,
)
from toolkit.yang.engine import Form, Mode
from toolkit.yang.platforms import SETS, platform_schema, search_path
from toolkit.yang.runtime_yanglint import YanglintEngine, find_yanglint
from toolkit.yang.schema import Schema
from toolkit.yang.untyped import untyped_tree
from toolkit.yang.xmltext import siblings

GOLDEN = Path(__file__).parent / "golden" / "platforms" / "junos"
pytestmark = needs_modules


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_proven_and_read_back_as_planned(name: str) -> None:
    plan = planned(name)
    assert payloads(name)
    for router, payload in payloads(name).items():
        assert payload.unproven == ""
        assert payload.warnings == ()
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)


def test_cases_are_what_junos_can() -> None:
    words = [name.split("-") for name in cases(Platform.JUNOS)]
    assert {w for name in words for w in name} >= {"isis", "ospf", "bier", "pim", "mvpn", "ipv6"}
    assert not any("bier" in name and ("static" in name or "ospf" in name) for name in words)
    assert not any("mvpn" in name and "ipv6" in name for name in words)


@settings(max_examples=25)
@given(larger(Platform.JUNOS))
def test_larger_networks_read_back_as_planned(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    for router, payload in render_plan(plan).items():
        assert payload.unproven == ""
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)


@pytest.mark.parametrize(
    ("case", "router"), [("isis-bier-router-reflected", "r4"), ("ospf-pim-sm-static", "r4")]
)
def test_a_configuration_is_as_written_down(case: str, router: str) -> None:
    tree = etree.fromstring(payloads(case)[router].xml, etree.XMLParser(remove_blank_text=True))
    text = etree.tostring(tree, pretty_print=True, encoding="unicode")
    golden = GOLDEN / f"{case}-{router}.xml"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.interop
@pytest.mark.skipif(find_yanglint() is None, reason="yanglint is not there (libyang2-tools)")
@pytest.mark.parametrize("case", ["isis-bier-router-mvpn", "ospf-pim-sm-static"])
def test_yanglint_is_of_the_same_opinion(case: str) -> None:
    program = find_yanglint()
    assert program is not None
    engine = YanglintEngine(program, SETS["junos"].modules, search_path(), {})
    payload = payloads(case)["r4"]
    text = siblings(payload.xml)
    schema = platform_schema("junos")
    assert isinstance(schema, Schema)
    told = schema.parse_json(_json(engine.convert(text, Form.XML, Form.JSON, Mode.CONFIG)), "r4")
    assert told == payload.tree


def _json(text: str) -> dict[str, Any]:
    import json

    return dict(json.loads(text))


def test_an_unknown_node_is_named_without_minutes_of_reading() -> None:
    """pyang takes more than a minute to read junos-conf, so it is not asked."""
    with pytest.raises(SchemaError, match=r'protocols/bier: there is no node "sub-domian"'):
        validate(
            "r1",
            '<configuration xmlns="http://yang.juniper.net/junos/conf/root"><protocols '
            'xmlns="http://yang.juniper.net/junos/conf/protocols"><bier><sub-domian/></bier>'
            "</protocols></configuration>",
            Platform.JUNOS,
        )


def test_refused_cells_are_plan_time_errors_with_the_way_out() -> None:
    made = cases(Platform.REFERENCE)["ospf-bier-router-static"]
    routers = {n: replace(r, platform=Platform.JUNOS) for n, r in made.routers.items()}
    with pytest.raises(PlanError) as caught:
        make_plan(with_ports(replace(made, routers=routers)))
    said = {(str(p.place), p.what.partition(":")[0]): p.remedy for p in caught.value.problems}
    assert "igp: isis" in said["routers.r2", "r2 (junos) cannot do bier with ospf"]
    assert "signalling: mvpn" in said["routers.r1", "r1 (junos) cannot do overlay"]
    assert "edge_protection: false" in said["routers.r1", "r1 (junos) cannot do edge"]
    assert "qos: false" in said["routers.r5", "r5 (junos) cannot do qos"]
    assert ("routers.r5", "r5 (junos) cannot do edge") not in said


@pytest.mark.parametrize("igp", Igp)
def test_node_sids_of_ipv6_are_refused_in_ospf_only(igp: Igp) -> None:
    made = crossed_by_a_tree(f"{igp}-sr-p2mp-static")
    made = replace(made, pools=IPV6_POOLS)
    if igp is Igp.ISIS:
        make_plan(made)
        return
    with pytest.raises(PlanError, match=r"r5 \(junos\) cannot do sr with ospfv3: junos-conf"):
        make_plan(made)


def test_ports_are_named_in_junos_words() -> None:
    made = cases(Platform.JUNOS)["isis-pim-ssm-static"]
    for port in ("xe-0/1/3", "et-0/0/12:3", "ge-1/0/0", "ae12"):
        links = (replace(made.links[0], a_port=port), *made.links[1:])
        plan, _ = make_plan(replace(made, links=links))
        assert port in {p.name for p in plan.routers["r1"].ports}
    for port in ("et-0/0/0.0", "eth0", "1/1/c1/1", ""):
        links = (replace(made.links[0], a_port=port), *made.links[1:])
        with pytest.raises(PlanError, match=r"a name such as et-0/0/0"):
            make_plan(replace(made, links=links))


def test_the_label_of_the_vpn_is_none_that_bier_can_get() -> None:
    tree = Branch(payloads("isis-bier-router-mvpn")["r1"].tree)
    (instance,) = tree.one("configuration", "routing-instances").all("instance")
    label = instance.number("provider-tunnel", "bier", "label")
    assert label in SERVICE_LABELS
    assert label == instance.number("vrf-table-label", "static")
    assert JUNOS.bier is not None
    assert label not in JUNOS.bier.labels


def test_edge_ports_take_no_labels_and_core_ports_have_room_for_them() -> None:
    for router, payload in payloads("isis-bier-router-mvpn").items():
        interfaces = Branch(payload.tree).one("configuration", "interfaces")
        devices = {d.text("name"): d for d in interfaces.all("interface")}
        for port in planned("isis-bier-router-mvpn").routers[router].ports:
            device = devices[port.name]
            labelled = device.has("unit", "family", "mpls")
            assert labelled == (not port.edge and router != "r5")
            assert device.number("mtu") == port.mtu + (26 if labelled else 14)


# Configurations of others


def test_the_example_of_the_modules_is_the_router_that_it_describes() -> None:
    schema = platform_schema("junos")
    assert isinstance(schema, Schema)
    text = (EXAMPLES / "junos.xml").read_text("utf-8")
    state = read_router("r7", schema.parse_xml(text, "r7"))
    assert read_router("r7", untyped_tree(text)) == state
    link = Interface(name="", mtu=9178, bier=True, mpls=True, pim=True)
    assert state == RouterState(
        name="r7",
        system_id="0192.0000.2007",
        areas=("49.0051",),
        bier=BierRouting(tunnel="none"),
        interfaces={
            # Junos starts IGMPv2 with PIM where nothing else is said.
            "et-0/0/1": replace(
                link,
                name="et-0/0/1",
                addresses=(ip_interface("198.51.100.12/31"),),
                isis=IsisInterface(metric=15),
                membership=2,
            ),
            "et-0/0/2": replace(
                link,
                name="et-0/0/2",
                addresses=(ip_interface("198.51.100.14/31"),),
                isis=IsisInterface(metric=25),
                membership=3,
            ),
            "lo0": Interface(
                name="lo0",
                addresses=(ip_interface("192.0.2.7/32"),),
                isis=IsisInterface(metric=0, passive=True),
            ),
        },
        sub_domains=(
            SubDomain(
                sub_domain_id=0,
                bfr_prefix=ip_network("192.0.2.7/32"),
                bfr_id=7,
                encapsulations=(BierEncapsulation(kind="mpls", bsl=256, base=61000, max_si=3),),
            ),
        ),
        pim=PimRouting(
            rps=(StaticRp(address=ip_address("192.0.2.1"), groups=ip_network("239.7.0.0/16")),),
            ssm_ranges=(ip_network("232.0.0.0/8"),),
        ),
        sr=SegmentRouting(
            srgb=LabelBlock(20000, 27999),
            srlb=LabelBlock(1_000_000, 1_048_575),
            node_sids=(NodeSid(prefix=ip_network("192.0.2.7/32"), index=7),),
        ),
    )


def test_the_example_of_a_vpn_is_read() -> None:
    schema = platform_schema("junos")
    assert isinstance(schema, Schema)
    tree = schema.parse_xml((EXAMPLES / "junos-mvpn.xml").read_text("utf-8"), "r7")
    assert read_router("r7", tree) == RouterState(
        name="r7",
        mvpns=(
            Mvpn(
                name="model-sync",
                rd="64500:100",
                route_target="64500:100",
                tunnel="bier",
                interfaces=("et-0/0/3.100",),
                sub_domain_id=0,
            ),
        ),
    )


def read(inner: str) -> RouterState:
    head = (
        "<interfaces><interface><name>ge-0/0/1</name><unit><name>0</name><family><inet><address>"
        "<name>192.0.2.1/31</name></address></inet><iso/></family></unit></interface></interfaces>"
    )
    return read_router("r1", untyped_tree(f"<configuration>{head}{inner}</configuration>"))


def test_disabled_is_disabled_and_all_is_all() -> None:
    def port(inner: str) -> Interface:
        return read(f"<protocols>{inner}</protocols>").interfaces["ge-0/0/1"]

    everything = "<interface><name>all</name></interface>"
    off = "<interface><name>ge-0/0/1.0</name><disable/></interface>"
    assert port(f"<isis>{everything}</isis>").isis == IsisInterface(metric=10)
    assert port(f"<isis>{everything}{off}</isis>").isis is None
    assert port(f"<isis><disable/>{everything}</isis>").isis is None
    assert port(f"<pim>{everything}</pim>").pim
    assert port(f"<pim>{everything}</pim>").membership == 2
    assert not port(f"<pim>{everything}{off}</pim>").pim
    assert port(f"<pim>{everything}</pim><igmp>{off}</igmp>").membership is None
    silent = "<interface><name>ge-0/0/1</name><passive/></interface>"
    assert port(f"<pim>{everything}</pim><igmp>{silent}</igmp>").membership is None
    level = "<level><name>2</name><disable/></level>"
    assert port(f"<isis><interface><name>ge-0/0/1.0</name>{level}</interface></isis>").isis is None


def test_an_rp_without_ranges_serves_all_and_ssm_has_its_usual_groups() -> None:
    rp = "<pim><rp><local><address>192.0.2.1</address></local></rp></pim>"
    state = read(f"<protocols>{rp}</protocols>")
    assert state.pim is not None
    assert state.pim.rps == (
        StaticRp(address=ip_address("192.0.2.1"), groups=ip_network("224.0.0.0/4")),
    )
    assert state.pim.spt_switchover
