"""Platform vrp: proven by libyang and yanglint, read back as planned, and what it refuses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from plan_inventories import inventory
from platform_cases import cases, larger, with_ports
from yang_sets import EXAMPLES, FOLDERS, SHARED, needs_modules

from toolkit.datafiles import data_folder
from toolkit.errors import PlanError, SchemaError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import (
    Igp,
    Imposition,
    Inventory,
    Link,
    OverlaySettings,
    OverlaySignalling,
    Platform,
    QosSettings,
    Router,
    Transport,
)
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.plan.model import Plan
from toolkit.render.payload import Payload, render_plan, validate
from toolkit.state.model import (
    BierEncapsulation,
    EdgeProtection,
    Interface,
    IsisInterface,
    LabelBlock,
    NodeSid,
    PimRouting,
    RouterState,
    SegmentRouting,
    StaticRp,
    SubDomain,
)
from toolkit.state.vrp import read_router
from toolkit.yang import xmltext
from toolkit.yang.engine import FaultyDataError, Form, Mode
from toolkit.yang.modulefile import base_folders
from toolkit.yang.platforms import SETS, platform_schema
from toolkit.yang.runtime_yanglint import YanglintEngine, find_yanglint
from toolkit.yang.schema import Schema
from toolkit.yang.untyped import untyped_tree

CASES = cases(Platform.VRP)
GOLDEN = Path(__file__).parent / "golden" / "render"
needs_yanglint = pytest.mark.skipif(find_yanglint() is None, reason="yanglint is not installed")


@pytest.fixture(autouse=True, scope="module")
def modules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
        yield


@cache
def rendered_case(name: str) -> tuple[Plan, dict[str, Payload]]:
    return rendered(CASES[name])


def rendered(declared: Inventory) -> tuple[Plan, dict[str, Payload]]:
    plan, _ = make_plan(declared)
    return plan, render_plan(plan)


def edge_router() -> str:
    """Return the configuration of a router with every kind of port."""
    return rendered_case("isis-pim-sm-static")[1]["r1"].xml


def assert_reads_back(declared: Inventory) -> None:
    plan, payloads = rendered(declared)
    for name, payload in payloads.items():
        if payload.platform is Platform.VRP:
            assert not payload.unproven
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
        if payload.platform is Platform.VRP:  # the same from a device whose modules are not here
            untyped = untyped_tree(payload.xml)
            assert configured_router(plan, name, untyped) == intended_router(plan, name)


def test_there_are_cases_of_both_igps_and_of_pim_and_ipv6() -> None:
    names = " ".join(CASES)
    for word in ("isis-pim-ssm", "isis-pim-sm-", "ospf-pim-ssm", "ospf-pim-sm-", "ipv6"):
        assert word in names


@needs_modules
@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_proven_and_reads_back_as_planned(name: str) -> None:
    assert_reads_back(CASES[name])


@needs_modules
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(larger(Platform.VRP))
def test_larger_networks_read_back_as_planned(declared: Inventory) -> None:
    assert_reads_back(declared)


def crossed(igp: Igp = Igp.ISIS) -> Inventory:
    """Return a square whose router `b` is VRP: P2MP trees cross it by its node SID."""
    routers = {name: Router(name=name, domain="d") for name in "acd"}
    routers["b"] = Router(name="b", domain="d", platform=Platform.VRP, replication=False)
    made = inventory(
        routers,
        [Link(a="a", b="b"), Link(a="b", b="c"), Link(a="a", b="d", metric=90), ("d", "c")],
        clouds={"near": "d", "far": "c"},
        repositories={"hub": "a"},
    )
    delivery = replace(
        made.deliveries["model"], transport=Transport.SR_P2MP, imposition=Imposition.ROUTER
    )
    return with_ports(
        replace(made, deliveries={"model": delivery}, igp=igp, qos=QosSettings(dscp=None))
    )


@needs_modules
@pytest.mark.parametrize("igp", Igp)
def test_node_sids_of_a_router_that_trees_cross(igp: Igp) -> None:
    declared = crossed(igp)
    plan, payloads = rendered(declared)
    state = read_router("b", payloads["b"].tree)
    assert state.sr is not None
    assert [sid.index for sid in state.sr.node_sids] == [plan.routers["b"].node_sid]
    assert sum(interface.mpls for interface in state.interfaces.values()) == 2
    assert_reads_back(declared)


@needs_modules
def test_golden_payload() -> None:
    file = GOLDEN / "vrp-r1.xml"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.write_text(edge_router())
    assert edge_router() == file.read_text()


@needs_modules
@needs_yanglint
def test_yanglint_agrees() -> None:
    program = find_yanglint()
    assert program is not None
    path = (data_folder("yang") / "deviations", SHARED / "huawei", *base_folders())
    engine = YanglintEngine(program, SETS["vrp"].modules, path, {})
    for name in ("isis-pim-sm-static", "ospf-pim-ssm-static", "isis-pim-ssm-static-ipv6"):
        xml = xmltext.siblings(rendered_case(name)[1]["r4"].xml)
        assert engine.convert(xml, Form.XML, Form.JSON, Mode.CONFIG).startswith("{")
    spoiled = xml.replace(">llmsync-ssm</ssm-policy-name6>", ">nobody</ssm-policy-name6>")
    assert spoiled != xml
    with pytest.raises(FaultyDataError):
        engine.convert(spoiled, Form.XML, Form.JSON, Mode.CONFIG)


@needs_modules
@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"<type>LoopBack</type>", "<type>LoopBak</type>"),
        (r"<mtu>9000</mtu>", "<mtu>64001</mtu>"),
        (r"<mask>255.255.255.255</mask>", "<mask>255.255.255</mask>"),
        (r"<vrf-name>_public_</vrf-name>", "<vrf-name>blue</vrf-name>"),
        (r"<spf>\s*<max>5</max>\s*</spf>", ""),
        (r"<cost-level2>10</cost-level2>", "<cost-level2>16777216</cost-level2>"),
        (r"<type>ipv4-unicast</type>", "<type>ipv6-unicast</type>"),
        (r">llmsync-ssm</ssm-policy-name>", ">3000</ssm-policy-name>"),
        (r">llmsync-rp-1</policy>", ">llmsync-rp-2</policy>"),
        (r">llmsync-sources</src-policy-name>", ">nobody</src-policy-name>"),
        (r"<version>3</version>", "<version>4</version>"),
        (r"<name>100GE0/1/\d+</name>(?=\s*<enable>)", "<name>100GE9/9/9</name>"),
    ],
)
def test_spoiled_documents_are_refused(pattern: str, new: str) -> None:
    xml = edge_router()
    spoiled = re.sub(pattern, new, xml, count=1)
    assert spoiled != xml
    with pytest.raises(SchemaError):
        validate("r1", spoiled, Platform.VRP)


@needs_modules
def test_the_example_reads_as_the_router_that_it_describes() -> None:
    schema = platform_schema("vrp")
    assert isinstance(schema, Schema)
    tree = schema.parse_xml((EXAMPLES / "huawei.xml").read_text(), "huawei.xml")
    loopback = ip_interface("192.0.2.7/32")

    def port(name: str, address: str, metric: int, membership: int | None) -> Interface:
        return Interface(
            name=name,
            addresses=(ip_interface(address),),
            isis=IsisInterface(metric=metric),
            bier=True,
            pim=True,
            membership=membership,
        )

    assert read_router("metro-7", tree) == RouterState(
        name="metro-7",
        system_id="0192.0000.2007",
        areas=("49.0051",),
        interfaces={
            "LoopBack0": Interface(
                name="LoopBack0", addresses=(loopback,), isis=IsisInterface(passive=True)
            ),
            "GigabitEthernet0/1/1": port("GigabitEthernet0/1/1", "198.51.100.12/31", 15, None),
            "GigabitEthernet0/1/2": port("GigabitEthernet0/1/2", "198.51.100.14/31", 25, 3),
        },
        sub_domains=(
            SubDomain(
                sub_domain_id=0,
                bfr_prefix=loopback.network,
                bfr_id=7,
                encapsulations=(BierEncapsulation(kind="mpls", bsl=256, base=0, max_si=3),),
            ),
        ),
        pim=PimRouting(
            rps=(StaticRp(address=ip_address("192.0.2.1"), groups=ip_network("224.0.0.0/4")),),
            ssm_ranges=(ip_network("232.0.0.0/8"),),
        ),
        sr=SegmentRouting(
            srgb=LabelBlock(20000, 27999),
            srlb=LabelBlock(0, 0),
            node_sids=(NodeSid(prefix=loopback.network, index=7),),
        ),
    )


def protection_of(xml: str, port: str) -> EdgeProtection | None:
    return read_router("r1", untyped_tree(xml)).interfaces[port].protection


@needs_modules
def test_protection_is_read_only_where_all_of_it_stands() -> None:
    plan, payloads = rendered_case("isis-pim-sm-static")
    xml = payloads["r1"].xml
    hub = next(port for port in plan.routers["r1"].ports if port.peer == "hub")
    near = next(port for port in plan.routers["r1"].ports if port.peer == "near")
    assert protection_of(xml, hub.name) == EdgeProtection(sources=(hub.peer_address.ip,))
    assert protection_of(xml, near.name) == EdgeProtection()
    assert protection_of(xml.replace("<is-silent>true", "<is-silent>false"), hub.name) is None
    assert protection_of(re.sub(r"<src-policy-name>.*?>", "", xml), hub.name) is None
    denied = f"<source-ipaddr>{hub.address.network.network_address}</source-ipaddr>"
    assert denied in xml
    assert protection_of(xml.replace(denied, ""), hub.name) is None


@needs_modules
def test_ours_is_told_by_its_name() -> None:
    tree = rendered_case("isis-pim-sm-static")[1]["r1"].tree
    lists = tree["huawei-acl:acl"]["groups"]["group"]
    assert {entry["identity"] for entry in lists} == {
        "llmsync-ssm", "llmsync-rp-1", "llmsync-sources",
    }  # fmt: skip
    for interface in tree["huawei-ifm:ifm"]["interfaces"]["interface"]:
        assert interface["description"].startswith("llmsync: ")


FOREIGN = """
<network-instance xmlns="urn:huawei:yang:huawei-network-instance"><instances><instance>
<name>_public_</name><isis xmlns="urn:huawei:yang:huawei-isis"><sites>
<site><id>7</id><net-entitys><net-entity><value>49.0009.0000.0000.0009.00</value></net-entity>
</net-entitys></site>
<site><id>1</id><net-entitys><net-entity><value>49.0001.0000.0000.0001.00</value></net-entity>
</net-entitys></site></sites></isis></instance></instances></network-instance>
"""


def test_our_process_is_read_and_not_somebody_elses() -> None:
    assert read_router("r", untyped_tree(FOREIGN)).system_id == "0000.0000.0001"
    theirs = FOREIGN.replace("<id>1</id>", "<id>8</id>")
    assert read_router("r", untyped_tree(theirs)).system_id == "0000.0000.0009"


LINTED = {
    "llmsync-ssm</ssm-policy-name>": ("nobody</ssm-policy-name>", "there is no ACL nobody"),
    "<type>ipv4-unicast</type>": ("<type>x</type>", "interfaces of _public_ have addresses of"),
    "<max>5</max>": ("", "it is missing, and the defaults of its neighbors"),
    "<source-ipaddr>232.0.0.0": ("<source-ipaddr>10.0.0.0", "which is no range of groups"),
    "<source-ipaddr>239.1.0.0</source-ipaddr>": (
        "<source-ipaddr>232.0.0.0</source-ipaddr>", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("old", LINTED)
def test_lints_speak_where_no_schema_does(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new, what = LINTED[old]
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")
    xml = edge_router()
    assert old in xml
    assert validate("r1", xml, Platform.VRP).unproven
    spoiled = xml.replace(old, new)
    if not what:  # the RP's range, made that of SSM
        spoiled = spoiled.replace("0.0.255.255</source-wild>", "0.255.255.255</source-wild>")
        what = "gives the RP 232.0.0.0/8, which ACL llmsync-ssm makes source-specific"
    with pytest.raises(SchemaError, match=re.escape(what)):
        validate("r1", spoiled, Platform.VRP)


@needs_modules
def test_lints_say_what_the_schema_lets_pass() -> None:
    plan, payloads = rendered_case("ospf-pim-ssm-static")
    xml = payloads["r1"].xml
    core = next(port for port in plan.routers["r1"].ports if not port.edge)
    network = f"<ip-address>{core.address.ip}</ip-address>"
    assert network in xml
    with pytest.raises(SchemaError, match="so OSPF does not run"):
        validate("r1", xml.replace(network, "<ip-address>9.9.9.9</ip-address>"), Platform.VRP)
    xml = edge_router()
    silent = re.sub(r"\s*<is-silent>true</is-silent>", "", xml)
    silent = silent.replace("<sm-enable>true", "<is-silent>true</is-silent><sm-enable>true")
    with pytest.raises(SchemaError, match="a silent interface has no PIM neighbors"):
        validate("r1", silent, Platform.VRP)
    xml = rendered(crossed())[1]["b"].xml
    spoiled = re.sub(r"<label>\d+</label>", "<label>8000</label>", xml)
    with pytest.raises(SchemaError, match="index 8000 is beyond the SRGB, which has 8000 labels"):
        validate("b", spoiled, Platform.VRP)


@needs_modules
def test_bierv6_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the modules: a rule of theirs ties BIERv6 to IPv6 addresses, which are not the point.
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")
    xml = (EXAMPLES / "huawei.xml").read_text().replace(">mpls<", ">ipv6<")
    (warning,) = validate("metro-7", xml, Platform.VRP).warnings
    assert warning.what.startswith("BIERv6 reaches routers of Huawei only")


def refusals(declared: Inventory) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    return sorted({problem.what.partition(" (")[2] for problem in caught.value.problems})


def test_refused_cells_say_why() -> None:
    declared = CASES["isis-pim-ssm-static"]
    signalled = OverlaySettings(signalling=OverlaySignalling.MVPN)
    (mvpn,) = refusals(replace(declared, overlay=signalled))
    assert mvpn.startswith("vrp) cannot do mvpn: its NG-MVPN has P2MP TE, mLDP and BIER tunnels")
    classed = {n: replace(r, qos=True) for n, r in declared.routers.items()}
    (qos,) = refusals(replace(declared, routers=classed, qos=QosSettings()))
    assert qos.startswith("vrp) cannot do qos: ")
    ipv6 = replace(CASES["isis-pim-ssm-static-ipv6"], igp=Igp.OSPF)
    (ospf,) = refusals(ipv6)
    assert ospf.startswith("vrp) cannot do ospf with ipv6: OSPFv3")


@needs_modules
def test_the_inventory_of_the_page_can_be_rendered(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "how-to" / "vrp.md"
    (declared,) = re.findall("```yaml\n(.*?)```", page.read_text(), re.S)
    (tmp_path / "two-sites.yaml").write_text(declared)
    plan, payloads = rendered(load_inventory(tmp_path / "two-sites.yaml"))
    assert set(payloads) == {"ams1", "fra1"}
    for name, payload in payloads.items():
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
