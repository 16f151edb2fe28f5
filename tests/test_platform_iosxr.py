"""Platform iosxr: read back as planned, references that no schema checks, and Tree-SID.

Cisco's modules may not be shipped, so nothing here is proven by a schema; golden payloads hold what
is sent.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree
from plan_inventories import inventory
from platform_cases import cases, larger, with_ports

from toolkit.cli.main import main
from toolkit.errors import PlanError, SchemaError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import (
    Delivery,
    Igp,
    Imposition,
    Inventory,
    Link,
    OverlaySettings,
    OverlaySignalling,
    Platform,
    Router,
    Transport,
    TreeConstraints,
    TreeMetric,
)
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.plan.model import Plan
from toolkit.plan.platforms import PLATFORMS
from toolkit.render.payload import Payload, render_plan, validate
from toolkit.state.branch import Branch
from toolkit.state.iosxr import read_router
from toolkit.state.iosxr_services import p2mp
from toolkit.state.model import EdgeProtection
from toolkit.yang.untyped import untyped_tree

CASES = cases(Platform.IOSXR)
GOLDEN = Path(__file__).parent / "golden" / "render"
UNPROVEN = "the modules of iosxr come from a device: llmsync yang fetch"


def rendered(declared: Inventory) -> tuple[Plan, dict[str, Payload]]:
    plan, _ = make_plan(declared)
    return plan, render_plan(plan)


@cache
def rendered_case(name: str) -> tuple[Plan, dict[str, Payload]]:
    return rendered(CASES[name])


def assert_reads_back(plan: Plan, payloads: dict[str, Payload]) -> None:
    for name, payload in payloads.items():
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
        if payload.platform is Platform.IOSXR:
            assert payload.unproven == UNPROVEN
            assert not payload.warnings
            etree.fromstring(payload.xml)


def test_there_are_cases_of_both_igps_and_of_every_transport() -> None:
    names = " ".join(CASES)
    for word in ("isis-sr-p2mp-static", "ospf-sr-p2mp-mvpn", "isis-sr-p2mp-reflected", "pim-sm-",
                 "ospf-pim-ssm-static-ipv6"):  # fmt: skip
        assert word in names
    assert "bier" not in names


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_reads_back_as_planned(name: str) -> None:
    assert_reads_back(*rendered_case(name))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(larger(Platform.IOSXR))
def test_larger_networks_read_back_as_planned(declared: Inventory) -> None:
    assert_reads_back(*rendered(declared))


@pytest.mark.parametrize(
    ("name", "router"),
    [
        ("isis-sr-p2mp-static", "r1"),
        ("isis-sr-p2mp-mvpn", "r4"),
        ("ospf-sr-p2mp-reflected", "r2"),
        ("isis-pim-sm-static-ipv6", "r1"),
    ],
)
def test_golden_payloads(name: str, router: str) -> None:
    xml = rendered_case(name)[1][router].xml
    file = GOLDEN / f"iosxr-{name}-{router}.xml"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.write_text(xml)
    assert xml == file.read_text()


@pytest.mark.parametrize("name", ["isis-sr-p2mp-static", "ospf-sr-p2mp-mvpn"])
def test_a_root_is_told_the_leaves_and_every_node_its_root(name: str) -> None:
    plan, payloads = rendered_case(name)
    flow = plan.flows[0]
    assert flow.tree is not None
    path = flow.tree.paths[0]
    root = p2mp(Branch(payloads[flow.bfir].tree))
    ends = next(
        entry
        for entry in root.one("p2mp-endpoint-sets").all("p2mp-endpoint-set")
        if entry.text("endpoint-set-name") == f"llmsync-{flow.delivery}"
    )
    told = {
        entry.text("endpoint-address")
        for entry in ends.one("p2mp-endpoint-set-addresses").all("p2mp-endpoint-set-address")
    }
    edges = {plan.hosts[cloud].router for cloud in flow.clouds} - {flow.bfir}
    assert told == {str(plan.routers[edge].loopback.ip) for edge in edges}
    policy = root.one("p2mp-policies").one("p2mp-policy")
    assert policy.number("p2m-ptree-sid", "mpls-label") == path.nodes[flow.bfir].sid
    address = str(plan.routers[flow.bfir].loopback.ip)
    for node in path.nodes:
        peers = Branch(payloads[node].tree).one("sr", "traffic-engineering", "pcc", "pce-peers")
        assert [peer.text("pce-address") for peer in peers.all("pce-peer")] == [address]
        taken = f"<sr-policy-name>llmsync-{flow.delivery}</sr-policy-name>" in payloads[node].xml
        assert taken == (path.nodes[node].leaf and node != flow.bfir)


def test_what_is_silent_is_the_plans_word_and_nothing_else() -> None:
    plan, payloads = rendered_case("isis-sr-p2mp-static")
    read = read_router("r1", payloads["r1"].tree)
    assert not read.replication_segments
    assert [policy.name for policy in read.p2mp_policies] == ["all", "few"]
    assert not read.p2mp_policies[0].candidate_paths
    assert set(PLATFORMS[Platform.IOSXR].silent) == {
        "sessions", "replication_segments", "p2mp_policies.candidate_paths",
    }  # fmt: skip
    assert read.tree_flows == intended_router(plan, "r1").tree_flows
    assert read.egress_flows == intended_router(plan, "r1").egress_flows != ()


def mixed(*, replication: bool = True) -> Inventory:
    """Return a ring of reference routers with one IOS XR router, `b`."""
    routers = {name: Router(name=name, domain="d") for name in "acd"}
    routers["b"] = Router(
        name="b", domain="d", platform=Platform.IOSXR, replication=replication, bier=False
    )
    made = inventory(
        routers,
        [Link(a="a", b="b"), Link(a="b", b="c"), Link(a="a", b="d", metric=90), ("d", "c")],
        clouds={"near": "d", "far": "c"},
        repositories={"hub": "a"},
    )
    delivery = Delivery(
        name="model", model="demo", source="hub", to=("near", "far"),
        transport=Transport.SR_P2MP, imposition=Imposition.ROUTER,
    )  # fmt: skip
    return with_ports(replace(made, deliveries={"model": delivery}))


def refused(declared: Inventory) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    return [str(problem) for problem in caught.value.problems]


def test_its_trees_are_not_shared_with_routers_that_are_told_theirs() -> None:
    assert refused(mixed()) == [
        "routers.b: b (iosxr) computes its trees itself, and cannot share one with a (reference), "
        "whose segments the plan places (set `replication: false` on it: trees then cross it by a "
        "node SID and replicate elsewhere)"
    ]


@pytest.mark.parametrize("igp", Igp)
def test_trees_of_others_cross_it_by_its_node_sid(igp: Igp) -> None:
    plan, payloads = rendered(replace(mixed(replication=False), igp=igp))
    assert_reads_back(plan, payloads)
    state = read_router("b", payloads["b"].tree)
    assert state.sr is not None
    assert [sid.index for sid in state.sr.node_sids] == [plan.routers["b"].node_sid]
    assert "traffic-engineering" not in payloads["b"].xml


def test_it_computes_no_tree_but_the_shortest_by_the_igp() -> None:
    declared = CASES["isis-sr-p2mp-static"]
    tree = TreeConstraints(metric=TreeMetric.DELAY)
    deliveries = {n: replace(d, tree=tree) for n, d in declared.deliveries.items() if n == "all"}
    (said,) = refused(replace(declared, deliveries=deliveries))
    assert said.startswith(
        "deliveries.all: all asks for a tree that is not the shortest by the IGP, and r1 (iosxr)"
    )


@pytest.mark.parametrize("name", ["isis-sr-p2mp-static", "isis-sr-p2mp-mvpn"])
def test_refused_with_ipv6(name: str) -> None:
    ipv6 = CASES["isis-pim-ssm-static-ipv6"].pools
    told = refused(replace(CASES[name], pools=ipv6))
    assert all(" (iosxr) cannot do " in said and " with ipv6: " in said for said in told)
    assert len(told) >= 4


def test_mvpn_over_pim_is_refused_with_the_way_out() -> None:
    signalled = OverlaySettings(signalling=OverlaySignalling.MVPN)
    told = refused(replace(CASES["isis-pim-ssm-static"], overlay=signalled))
    assert all("cannot do mvpn with pim-ssm: unicast packets of the VPN" in said for said in told)
    assert len(told) == 4


def test_a_vpn_over_pim_that_somebody_made_is_read_as_one() -> None:
    xml = rendered_case("isis-sr-p2mp-mvpn")[1]["r4"].xml
    made = re.sub(
        r"<static>\s*<segment-routing/>\s*</static>",
        "<default><ipv4><ipv4-address>232.9.9.9</ipv4-address></ipv4></default>",
        xml,
    )
    (vpn,) = read_router("r4", untyped_tree(made)).mvpns
    assert (vpn.tunnel, vpn.group) == ("pim-ssm", IPv4Address("232.9.9.9"))


def test_bier_is_refused_with_the_way_out() -> None:
    declared = CASES["isis-sr-p2mp-static"]
    deliveries = {
        name: replace(delivery, transport=Transport.BIER)
        for name, delivery in declared.deliveries.items()
    }
    told = refused(replace(declared, deliveries=deliveries))
    assert told[0].startswith("routers.r1: platform iosxr has no BIER")
    assert all("set `bier: false` on it" in said for said in told)
    assert len(told) == 6


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        ("<netmask>255.255.255.255", "<netmask>255.255.255.256"),
        ("<default-metric>10", "<default-metric>ten"),
        ("<address>239.1.0.0", "<address>239.1.0"),
        ("<mtu>9014", "<mtu>many"),
    ],
)
def test_values_that_cannot_be_read_are_problems_and_no_tracebacks(pattern: str, new: str) -> None:
    xml = rendered_case("isis-pim-sm-static")[1]["r1"].xml
    assert pattern in xml
    with pytest.raises(SchemaError, match="r1: a value cannot be read: "):
        validate("r1", xml.replace(pattern, new), Platform.IOSXR)


def test_protection_is_read_only_where_all_of_it_stands() -> None:
    plan, payloads = rendered_case("isis-pim-sm-static")
    xml = payloads["r1"].xml
    hub = next(port for port in plan.routers["r1"].ports if port.peer == "hub")

    def read(text: str) -> EdgeProtection | None:
        return read_router("r1", untyped_tree(text)).interfaces[hub.name].protection

    assert read(xml) == EdgeProtection(sources=(hub.peer_address.ip,))
    assert read(xml.replace("<protocol>pim</protocol>", "<protocol>tcp</protocol>")) is None
    assert read(re.sub("<ingress>.*?</ingress>", "", xml, flags=re.S)) is None
    opened = re.sub(
        "<sequence-number>100000</sequence-number>\\s*<deny>(.*?)</deny>",
        "<sequence-number>100000</sequence-number><permit>\\1</permit>",
        xml,
        flags=re.S,
    )
    assert opened != xml
    assert read(opened) is None


def test_a_class_that_a_port_lacks_is_no_class() -> None:
    xml = rendered_case("isis-pim-sm-static")[1]["r1"].xml
    assert read_router("r1", untyped_tree(xml)).qos is not None
    spoiled = re.sub("<service-policy.*?</service-policy>", "", xml, count=1, flags=re.S)
    assert read_router("r1", untyped_tree(spoiled)).qos is None


def test_everybody_may_join_where_nothing_says_otherwise() -> None:
    plan, payloads = rendered_case("isis-sr-p2mp-static")
    xml = payloads["r1"].xml
    near = next(port.name for port in plan.routers["r1"].ports if port.peer == "near")
    hub = next(port.name for port in plan.routers["r1"].ports if port.peer == "hub")
    read = read_router("r1", untyped_tree(xml)).interfaces
    assert (read[near].membership, read[hub].membership) == (None, None)
    opened = re.sub("<access-group>llmsync-none</access-group>|<disable/>", "", xml)
    read = read_router("r1", untyped_tree(opened)).interfaces
    assert (read[near].membership, read[hub].membership) == (3, 3)


FOREIGN = """
<router xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-router-isis-cfg"><isis><processes>
<process><process-id>core</process-id><nets><net><net-id>49.0009.0000.0000.0009.00</net-id></net>
</nets></process>
<process><process-id>llmsync</process-id><nets><net><net-id>49.0001.0000.0000.0001.00</net-id></net>
</nets></process></processes></isis></router>
"""


def test_our_process_is_read_and_not_somebody_elses() -> None:
    assert read_router("r", untyped_tree(FOREIGN)).system_id == "0000.0000.0001"
    theirs = FOREIGN.replace(">llmsync<", ">other<")
    assert read_router("r", untyped_tree(theirs)).system_id == "0000.0000.0009"


def test_areas_may_be_numbers() -> None:
    xml = rendered_case("ospf-pim-ssm-static")[1]["r1"].xml
    numbered = xml.replace("<area-id>0.0.0.0</area-id>", "<area-id>258</area-id>")
    areas = {
        interface.ospf.area
        for interface in read_router("r1", untyped_tree(numbered)).interfaces.values()
        if interface.ospf is not None
    }
    assert areas == {str(IPv4Address(258))}


INVENTORY = """
name: pair
domains: {d: {area: "49.0001"}}
routers: {r1: {domain: d, platform: iosxr}, r2: {domain: d}}
links: [{a: r1, b: r2, a_port: HundredGigE0/0/0/0}]
repositories: {hub: {router: r1, router_port: HundredGigE0/0/0/1}}
clouds: {c2: {router: r2}}
deliveries: {m: {model: demo, from: hub, to: all, transport: pim-ssm}}
"""


def test_render_says_what_is_not_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pair.yaml").write_text(INVENTORY)
    out = tmp_path / "out"
    assert main(["render", str(tmp_path / "pair.yaml"), "-o", str(out)]) == 0
    said = f"llmsync: {out}: 2 payloads, 1 valid, 1 not schema-proven: {UNPROVEN}"
    assert said in capsys.readouterr().err
    assert sorted(file.name for file in out.iterdir()) == ["r1.xml", "r2.xml"]


def test_ours_is_told_by_its_name() -> None:
    xml = rendered_case("isis-sr-p2mp-mvpn")[1]["r1"].xml
    names = re.findall(
        r"<(?:access-list|policy|endpoint-set|route-policy|policy-map|class-map|vrf)-name>"
        r"([^<]*)<", xml,
    )  # fmt: skip
    assert names
    assert all(name.startswith("llmsync") for name in names)
    descriptions = re.findall("<description>([^<]*)<", xml)
    assert descriptions
    assert all(text.startswith("llmsync: ") for text in descriptions)


def test_the_inventory_of_the_page_can_be_rendered(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "how-to" / "iosxr.md"
    (declared,) = re.findall("```yaml\n(.*?)```", page.read_text(), re.S)
    (tmp_path / "two-sites.yaml").write_text(declared)
    plan, payloads = rendered(load_inventory(tmp_path / "two-sites.yaml"))
    assert set(payloads) == {"ams1", "fra1"}
    for name, payload in payloads.items():
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
