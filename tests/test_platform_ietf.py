"""Platform ietf: proven by libyang and yanglint, read back as planned, and what no module says."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from platform_cases import cases, larger
from yang_sets import EXAMPLES, FOLDERS, SHARED, needs_modules

from toolkit.errors import SchemaError
from toolkit.inventory.model import Inventory, Platform
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.plan.model import Plan
from toolkit.render.cells import cells
from toolkit.render.payload import Payload, render_plan, validate
from toolkit.state.ietf import read_router
from toolkit.state.model import (
    BierEncapsulation,
    BierRouting,
    EdgeProtection,
    EgressFlow,
    Interface,
    IsisInterface,
    LabelBlock,
    NodeSid,
    PimRouting,
    SegmentRouting,
    StaticRp,
    SubDomain,
)
from toolkit.yang.engine import FaultyDataError, Form, Mode
from toolkit.yang.modulefile import base_folders
from toolkit.yang.platforms import SETS, own_folder, platform_schema
from toolkit.yang.runtime_yanglint import YanglintEngine, find_yanglint
from toolkit.yang.schema import Schema
from toolkit.yang.untyped import untyped_tree

pytestmark = needs_modules
CASES = cases(Platform.IETF)
GOLDEN = Path(__file__).parent / "golden" / "render"
needs_yanglint = pytest.mark.skipif(find_yanglint() is None, reason="yanglint is not installed")


@pytest.fixture(autouse=True, scope="module")
def modules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
        yield


def schema() -> Schema:
    found = platform_schema("ietf")
    assert isinstance(found, Schema)
    return found


def rendered(inventory: Inventory) -> tuple[Plan, dict[str, Payload]]:
    plan, _ = make_plan(inventory)
    return plan, render_plan(plan)


def assert_reads_back(inventory: Inventory) -> None:
    plan, payloads = rendered(inventory)
    for name, payload in payloads.items():
        assert not payload.unproven
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
        # The same from a device's XML, of which no schema is at hand.
        untyped = untyped_tree(payload.xml)
        assert configured_router(plan, name, untyped) == intended_router(plan, name)


def test_there_are_cases_of_both_igps_and_of_every_transport() -> None:
    names = " ".join(CASES)
    for word in ("isis-bier", "ospf-bier", "isis-sr-p2mp", "ospf-pim-ssm", "pim-sm", "ipv6"):
        assert word in names


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_proven_and_reads_back_as_planned(name: str) -> None:
    assert_reads_back(CASES[name])


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(larger(Platform.IETF))
def test_any_inventory_reads_back_as_planned(inventory: Inventory) -> None:
    assert_reads_back(inventory)


def test_every_cell_has_a_template_or_a_refusal() -> None:
    from toolkit.plan.platforms import PLATFORMS
    from toolkit.plan.platforms.facts import FEATURES

    there = {feature for feature, platform in cells() if platform == "ietf"}
    refused = PLATFORMS[Platform.IETF].refused
    assert there | refused.keys() == set(FEATURES)
    assert not there & refused.keys()
    assert all(refusal.remedy for refusal in refused.values())


@pytest.fixture(scope="module")
def yanglint() -> YanglintEngine:
    program = find_yanglint()
    assert program is not None
    chosen = SETS["ietf"]
    folders = (own_folder(), SHARED / "ietf", *base_folders())
    return YanglintEngine(program, chosen.modules, folders, chosen.features)


@needs_yanglint
@pytest.mark.parametrize("name", CASES)
def test_yanglint_reads_the_same_documents_as_libyang_does(
    name: str, yanglint: YanglintEngine
) -> None:
    _, payloads = rendered(CASES[name])
    # The ingress, and where it is worth a process of yanglint's own, an edge of clouds.
    routers = ("r1", "r4") if name in ("isis-bier-router-static", "ospf-sr-p2mp-mvpn") else ("r1",)
    for router in routers:
        xml = schema().to_xml(payloads[router].tree)
        theirs = yanglint.convert(xml, Form.XML, Form.JSON, Mode.CONFIG)
        # It leaves lists in the order in which they stood; libyang sorts them.
        assert schema().parse_json(json.loads(theirs), router) == payloads[router].tree


SPOILED = {
    "an interface that is not there": (
        "<isis:name>to-r2</isis:name>",
        "<isis:name>to-r9</isis:name>",
    ),
    "a BFR-id that is no 16 bit number": ("<bfr-id>1<", "<bfr-id>70007<"),
    "a BitString length that nobody has": ("<bsl>256-bit<", "<bsl>300-bit<"),
    "an IGP that nobody has": (">isis<", ">rip<"),
    "a node that the model has not": ("<bfr-prefix>", "<bfr-loopback/><bfr-prefix>"),
    "an access list that is not there": (
        "<acl-set><name>llmsync-from-host-hub<",
        "<acl-set><name>llmsync-from-host-hut<",
    ),
}


def text(router: str = "r1", case: str = "isis-bier-router-static") -> str:
    return re.sub(r">\s+<", "><", rendered(CASES[case])[1][router].xml)


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_document_is_refused(name: str) -> None:
    old, new = SPOILED[name]
    good = text()
    validate("r1", good, Platform.IETF)
    assert old in good
    with pytest.raises(SchemaError):
        validate("r1", good.replace(old, new), Platform.IETF)


@needs_yanglint
@pytest.mark.parametrize("name", SPOILED)
def test_yanglint_refuses_the_same(name: str, yanglint: YanglintEngine) -> None:
    from toolkit.yang import xmltext

    old, new = SPOILED[name]
    with pytest.raises(FaultyDataError):
        yanglint.convert(
            xmltext.siblings(text().replace(old, new)), Form.XML, Form.XML, Mode.CONFIG
        )


LINTED = {
    "sub-domain-id": ("<sub-domain-id>0<", "<sub-domain-id>256<", r"256 is out of range \(RFC"),
    "bfr-id": ("<bfr-id>1<", "<bfr-id>0<", r"0 is out of range .*\(1\.\.65535\)"),
    "bift-id": (
        "<bift-id-base>100000<", "<bift-id-base>1048576<", "1048576 is out of range .*16..104857",
    ),
    "reserved label": ("<bift-id-base>100000<", "<bift-id-base>15<", "15 is out of range"),
    "max-si": ("<max-si>0<", "<max-si>256<", "256 is out of range"),
    "set of the BFR-id": ("<bfr-id>1<", "<bfr-id>257<", "BFR-id 257 is in set 1, the last set"),
    "two lengths": ("<bsl>256-bit<", "<bsl>64-bit<", "64 bits, and no encapsulation has them"),
    "length": ("<bsl>256</bsl><encap", "<bsl>200</bsl><encap", "200 is no BitString length"),
    "prefix of nobody": (
        "<bfr-prefix>10.255.0.1/32<", "<bfr-prefix>10.255.0.77/32<", "no address of an interface",
    ),
    "prefix of a network": (
        "<bfr-prefix>10.255.0.1/32<", "<bfr-prefix>10.255.0.0/24<", "is no host route",
    ),
    "family": (
        "y>ipv4</address-family><bfr", "y>ipv6</address-family><bfr", "not of the address family",
    ),
    "underlay": (
        "<underlay-protocol-type>isis<", "<underlay-protocol-type>ospf<", "ospf carries no BIER",
    ),
    "topology": ("<mt-id>0</mt-id><bfr-id>", "<mt-id>2</mt-id><bfr-id>", "topology 2, and isis"),
    # libyang passes over the pattern of ipv4-multicast-group-address, yanglint 2.1 does not.
    "group": ("group-addr>232.1.0.1<", "group-addr>192.1.0.1<", "192.1.0.1 is no group"),
    "BFERs": (
        "<neighbor><neighbor-address>10.255.0.6</neighbor-address></neighbor>", "",
        r"its BitStrings have \d bits, and ietf-multicast names \d BFER",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINTED)
def test_what_the_modules_let_pass_the_lint_does_not(name: str) -> None:
    old, new, said = LINTED[name]
    good = text()
    assert old in good
    spoiled = good.replace(old, new)
    schema().parse_xml(spoiled, "r1")  # the modules have nothing against it
    with pytest.raises(SchemaError, match=said):
        validate("r1", spoiled, Platform.IETF)


def test_labels_have_one_meaning() -> None:
    good = text(case="isis-sr-p2mp-static")
    block = r"<{0}><{0}><lower-bound>(\d+)</lower-bound><upper-bound>(\d+)<"
    srgb = re.search(block.format("srgb"), good)
    srlb = re.search(block.format("srlb"), good)
    assert srgb is not None
    assert srlb is not None
    spoiled = good.replace(srlb[0], srgb[0].replace("srgb", "srlb"))
    with pytest.raises(SchemaError, match=r"the SRLB \(16000 to 23999\) overlap the SRGB"):
        validate("r1", spoiled, Platform.IETF)
    spoiled = good.replace(srgb[0], srgb[0].replace(srgb[2], str(int(srgb[2]) - 1)))
    with pytest.raises(SchemaError, match="and ietf-segment-routing-mpls says 16000 to 23998"):
        validate("r1", spoiled, Platform.IETF)


def test_a_node_sid_outside_of_the_srgb_is_refused() -> None:
    good = text(case="isis-sr-p2mp-static")
    spoiled = re.sub(r"<start-sid>\d+<", "<start-sid>999999<", good)
    assert spoiled != good
    with pytest.raises(SchemaError, match=r"999999 of 10\.255\.0\.1/32 is outside of the SRGB"):
        validate("r1", spoiled, Platform.IETF)


def test_one_sub_domain_has_one_address_family() -> None:
    good = text()
    entry = re.search(r"<sub-domain><sub-domain-id>.*</sub-domain>(?=</bier></routing>)", good)
    assert entry is not None
    second = entry[0].replace(">ipv4<", ">ipv6<")
    with pytest.raises(SchemaError, match="BFR-prefixes of one address family"):
        validate("r1", good.replace(entry[0], entry[0] + second), Platform.IETF)


def test_a_policy_that_refers_to_nothing_is_said_and_no_error() -> None:
    good = text(case="isis-pim-ssm-static")
    assert not validate("r1", good, Platform.IETF).warnings
    spoiled = good.replace("<range-policy>llmsync-ssm-groups<", "<range-policy>elsewhere<")
    (warning,) = validate("r1", spoiled, Platform.IETF).warnings
    assert "elsewhere is a name and no access list here has it" in str(warning)


def test_an_edge_port_is_protected_only_while_all_of_it_is_refused() -> None:
    plan, payloads = rendered(CASES["isis-bier-router-static"])
    source = plan.hosts["hub"].address.ip
    assert read_router("r1", payloads["r1"].tree).interfaces["host-hub"].protection == (
        EdgeProtection(sources=(source,))
    )
    good = text()
    for number in ("<ethertype>43831<", "<ethertype>34887<", "<protocol>103<"):
        assert number in good
        spoiled = good.replace(number, re.sub(r"\d+", "99", number), 1)
        tree = schema().parse_xml(spoiled, "r1")
        states = read_router("r1", tree).interfaces
        assert None in (states["host-hub"].protection, states["host-near"].protection)


def test_golden_payload() -> None:
    payload = rendered(CASES["isis-bier-router-static"])[1]["r1"].xml
    file = GOLDEN / "ietf-r1.xml"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.write_text(payload)
    assert payload == file.read_text()


def test_the_example_is_the_router_that_it_describes() -> None:
    tree = schema().parse_json(json.loads((EXAMPLES / "ietf.json").read_text()), "example")
    state = read_router("example", tree)
    assert state.system_id == "0192.0000.2007"
    assert state.areas == ("49.0051",)
    core = {"bier": True, "mpls": True, "pim": True}
    assert state.interfaces == {
        "lo0": Interface(
            name="lo0",
            addresses=(ip_interface("192.0.2.7/32"),),
            isis=IsisInterface(passive=True),
        ),
        "ge-0/0/1": Interface(
            name="ge-0/0/1",
            addresses=(ip_interface("198.51.100.12/31"),),
            isis=IsisInterface(metric=15),
            **core,
        ),
        "ge-0/0/2": Interface(
            name="ge-0/0/2",
            addresses=(ip_interface("198.51.100.14/31"),),
            isis=IsisInterface(metric=25),
            membership=3,
            **core,
        ),
    }
    assert state.sub_domains == (
        SubDomain(
            sub_domain_id=0,
            bfr_prefix=ip_network("192.0.2.7/32"),
            bfr_id=7,
            encapsulations=(BierEncapsulation(kind="mpls", bsl=256, base=61000, max_si=3),),
        ),
    )
    assert state.bier == BierRouting(maximum_paths=4)
    # Its policies are names of nothing: an RP without one serves all groups, SSM has 232/8.
    assert state.pim == PimRouting(
        rps=(StaticRp(address=ip_address("192.0.2.1"), groups=ip_network("224.0.0.0/4")),),
        ssm_ranges=(ip_network("232.0.0.0/8"),),
    )
    assert state.egress_flows == (
        EgressFlow(
            source=ip_address("203.0.113.20"),
            group=ip_address("232.7.0.1"),
            interfaces=("ge-0/0/2",),
        ),
    )
    assert state.sr == SegmentRouting(
        srgb=LabelBlock(17000, 24999),
        srlb=LabelBlock(0, 0),
        node_sids=(NodeSid(prefix=ip_network("192.0.2.7/32"), index=7),),
    )


def test_without_its_modules_it_is_unproven_and_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan, _ = make_plan(CASES["isis-bier-router-static"])
    monkeypatch.setenv("LLMSYNC_YANG_PATH", str(tmp_path))
    payload = render_plan(plan)["r1"]
    assert payload.unproven.startswith("LLMSYNC_YANG_PATH leads to no ietf-isis (RFCs of the IETF")
    assert configured_router(plan, "r1", payload.tree) == intended_router(plan, "r1")


def test_ospf_areas_may_be_numbers() -> None:
    tree = {
        "ietf-routing:routing": {
            "control-plane-protocols": {
                "control-plane-protocol": [
                    {
                        "type": "ietf-ospf:ospfv2",
                        "name": "o",
                        "ietf-ospf:ospf": {
                            "explicit-router-id": "192.0.2.1",
                            "areas": {
                                "area": [
                                    {
                                        "area-id": "0.0.1.1",
                                        "interfaces": {"interface": [{"name": "e1", "cost": 7}]},
                                    }
                                ]
                            },
                        },
                    }
                ]
            }
        },
        "ietf-interfaces:interfaces": {"interface": [{"name": "e1"}]},
    }
    state = read_router("r", tree)
    assert state.router_id == "192.0.2.1"
    assert state.interfaces["e1"].ospf is not None
    assert dataclasses.astuple(state.interfaces["e1"].ospf) == (7, False, "0.0.1.1")
