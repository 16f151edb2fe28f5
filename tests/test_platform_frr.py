"""Every kind of network on FRR: FRR's own parser takes our text, nft our packet filter."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from frr_routers import needs_vtysh
from hypothesis import HealthCheck, given, settings
from platform_cases import cases, larger

from toolkit.cli.main import main
from toolkit.errors import PlanError, SchemaError
from toolkit.inventory.model import Platform
from toolkit.netconf.frr_text import daemons, foreign, merged, owned, parse, to_text, wanted
from toolkit.netconf.runtime_frr import Vtysh
from toolkit.netconf.runtime_linux import LinuxKernel
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.render.beside import beside
from toolkit.render.frr import text_of_state
from toolkit.render.payload import render_plan
from toolkit.state.model import (
    EdgeProtection,
    Interface,
    IsisInterface,
    Mvpn,
    OspfInterface,
    PimRouting,
    RouterState,
    StaticRp,
)

CASES = cases(Platform.FRR)
ROOT = os.geteuid() == 0
NFT = shutil.which("nft") is not None


def texts_of(inventory):
    plan, _ = make_plan(inventory)
    payloads = render_plan(plan)
    for name, payload in payloads.items():
        assert configured_router(plan, name, payload.tree) == intended_router(plan, name)
    return beside(plan, payloads.values())


@pytest.mark.interop
@needs_vtysh
@pytest.mark.parametrize("case", CASES)
def test_frr_reads_every_kind_of_network(case):
    texts = texts_of(CASES[case])
    seen = [text for name, text in texts.items() if name.endswith(".frr.conf")]
    assert len(seen) == 6
    for text in seen:
        assert Vtysh().check(text) == ()
    igp = {"isis": "isisd", "ospf": "ospf6d" if "ipv6" in case else "ospfd"}[case.split("-")[0]]
    assert all(igp in daemons(parse(text)) for text in seen)
    assert any("pim" in name for name in daemons(parse(seen[0]))) == ("-pim-" in case)
    assert any(name.endswith(".bift.yaml") for name in texts) == ("-bier-" in case)


@pytest.mark.interop
@pytest.mark.skipif(not (ROOT and NFT), reason="nft -c needs root, and the package nftables")
@pytest.mark.parametrize("case", ["isis-pim-ssm-static", "ospf-bier-host-static-ipv6"])
def test_nft_reads_every_filter(case):
    texts = texts_of(CASES[case])
    filters = [text for name, text in texts.items() if name.endswith(".nft")]
    assert len(filters) == 5  # r6 is filtered and classed by somebody else
    for text in filters:
        assert LinuxKernel().refuses(text) == ""
    assert LinuxKernel().refuses("table inet x { chain y { ip dscp 99 drop } }")


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(larger(Platform.FRR))
def test_every_line_of_ours_is_known_as_ours_and_goes_again(inventory):
    others = parse("hostname r\nrouter bgp 65000\n neighbor 192.0.2.2 remote-as 65001\nexit\n")
    for name, text in texts_of(inventory).items():
        if name.endswith(".frr.conf"):
            ours = parse(text)
            both = parse(to_text(merged(others, ours)))
            assert owned(both) == wanted(ours)
            assert foreign(both) == foreign(others)
            assert merged(both, ()) == others


def state(**fields: object) -> RouterState:
    e0 = Interface(
        name="e0", addresses=(ip_interface("10.0.0.0/31"), ip_interface("2001:db8::/127")),
        isis=IsisInterface(metric=30), ospf=OspfInterface(cost=7), pim=True,
    )  # fmt: skip
    e1 = Interface(
        name="e1", enabled=False, addresses=(ip_interface("10.1.0.1/30"),), pim=True, membership=2,
        isis=IsisInterface(passive=True), ospf=OspfInterface(passive=True, area="0.0.0.7"),
        protection=EdgeProtection(sources=(ip_address("10.1.0.2"),)),
    )  # fmt: skip
    lo = Interface(
        name="lo", addresses=(ip_interface("10.255.0.1/32"),),
        isis=IsisInterface(passive=True), ospf=OspfInterface(passive=True),
    )  # fmt: skip
    whole = RouterState(
        name="r1", system_id="0000.0000.0001", areas=("49.0001", "49.0002"),
        router_id="10.255.0.1", interfaces={"lo": lo, "e0": e0, "e1": e1},
        pim=PimRouting(
            rps=(StaticRp(address=ip_address("10.255.0.1"), groups=ip_network("239.1.0.0/16")),),
            ssm_ranges=(ip_network("232.0.0.0/8"), ip_network("239.232.0.0/16")),
            spt_switchover=False,
        ),
    )  # fmt: skip
    return replace(whole, **fields)  # type: ignore[arg-type]


WHOLE = """\
! /llmsync-pim:pim/static-rp[address='10.255.0.1'][group-prefix='239.1.0.0/16']
ip prefix-list llmsync-rp-1 seq 5 permit 239.1.0.0/16 le 32
! /llmsync-pim:pim
ip prefix-list llmsync-ssm seq 5 permit 232.0.0.0/8 le 32
! /llmsync-pim:pim
ip prefix-list llmsync-ssm seq 10 permit 239.232.0.0/16 le 32
! /llmsync-pim:pim
ip prefix-list llmsync-spt seq 5 permit any
! /llmsync-pim:pim
ipv6 prefix-list llmsync-spt seq 5 permit any
! /llmsync-pim:pim/static-rp[address='10.255.0.1'][group-prefix='239.1.0.0/16']
ip pim rp 10.255.0.1 prefix-list llmsync-rp-1
! /llmsync-pim:pim
ip pim ssm prefix-list llmsync-ssm
! /llmsync-pim:pim
ip pim spt-switchover infinity-and-beyond prefix-list llmsync-spt
! /llmsync-pim:pim
ipv6 pim spt-switchover infinity-and-beyond prefix-list llmsync-spt
! /llmsync-isis:isis
router isis llmsync
 is-type level-2-only
 net 49.0001.0000.0000.0001.00
 net 49.0002.0000.0000.0001.00
exit
!
! /llmsync-ospf:ospf
router ospf
 ospf router-id 10.255.0.1
exit
!
! /llmsync-ospf:ospf
router ospf6
 ospf6 router-id 10.255.0.1
exit
!
"""


def test_a_router_in_frr_s_own_words():
    text = text_of_state(state(), {"e0": "r2 e0,\n link <r1-r2> & more"})
    assert text.startswith(WHOLE)
    found = {section.header: section.lines for section in parse(text)}
    assert found["interface lo"] == (
        "description llmsync: lo", "ip address 10.255.0.1/32", "ip router isis llmsync",
        "isis passive", "ip ospf area 0.0.0.0", "ip ospf cost 10", "ip ospf passive", "ip pim",
    )  # fmt: skip
    assert found["interface e0"] == (
        "description llmsync: r2 e0, link <r1-r2> & more", "ip address 10.0.0.0/31",
        "ipv6 address 2001:db8::/127", "ip router isis llmsync", "ipv6 router isis llmsync",
        "isis metric 30", "isis network point-to-point", "ip ospf area 0.0.0.0", "ip ospf cost 7",
        "ip ospf network point-to-point", "ipv6 ospf6 area 0.0.0.0", "ipv6 ospf6 cost 7",
        "ipv6 ospf6 network point-to-point", "ip pim", "ipv6 pim",
    )  # fmt: skip
    assert found["interface e1"] == (
        "description llmsync: e1", "ip address 10.1.0.1/30", "shutdown",
        "ip router isis llmsync", "isis passive", "ip ospf area 0.0.0.7", "ip ospf cost 10",
        "ip ospf passive", "ip pim", "ip igmp", "ip igmp version 2", "ip pim passive",
    )  # fmt: skip
    assert owned(parse(text)) == wanted(parse(text))


@pytest.mark.interop
@needs_vtysh
def test_frr_reads_it():
    assert Vtysh().check(text_of_state(state(), {})) == ()


def test_an_empty_router_has_no_text():
    assert text_of_state(RouterState(name="r1"), {}) == ""


@pytest.mark.parametrize("name", ["e 0", "a" * 16, "e0\nrouter bgp 1", "", "..", "e/0", 'e"0'])
def test_a_name_that_linux_has_not_is_refused(name):
    with pytest.raises(SchemaError, match="is no name of a Linux interface"):
        text_of_state(RouterState(name="r1", interfaces={name: Interface(name=name)}), {})


def test_what_frr_has_no_words_for_is_refused():
    e0 = Interface(name="e0", ttl_threshold=3)
    mvpn = Mvpn(name="v", rd="10.255.0.1:1", route_target="64512:1", tunnel="bier")
    with pytest.raises(SchemaError) as caught:
        text_of_state(state(interfaces={"e0": e0}, mvpns=(mvpn,)), {})
    assert [problem.what for problem in caught.value.problems] == [
        "FRR has no TTL threshold", "FRR's BGP carries no MVPN routes",
    ]  # fmt: skip


def test_render_writes_what_the_host_gets_beside_the_payload(tmp_path, capsys):
    file = tmp_path / "network.yaml"
    file.write_text(
        "name: two\ndomains: {d: {area: '49.0001'}}\n"
        "routers: {r1: {domain: d, platform: frr}, r2: {domain: d}}\n"
        "links: [{a: r1, b: r2, a_port: enp1s0}]\n"
        "repositories: {hub: {router: r2, capacity: 1G}}\n"
        "clouds: {c: {router: r1, router_port: enp2s0, capacity: 1G, gpus: 1}}\n"
        "deliveries: {m: {model: demo, from: hub, to: all, transport: bier, rate: 1M}}\n"
    )
    assert main(["render", str(file), "-o", str(tmp_path / "out")]) == 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"r1.xml", "r1.frr.conf", "r1.bift.yaml", "r2.xml"} <= files
    assert not any(name.startswith("r2.") and name != "r2.xml" for name in files)
    assert "interface enp2s0\n" in (tmp_path / "out" / "r1.frr.conf").read_text()
    assert main(["bier", "forward", str(tmp_path / "out" / "r1.bift.yaml"), "--check"]) == 0


def test_mvpn_on_frr_is_refused_with_the_way_out():
    from platform_cases import MVPN

    inventory = replace(CASES["isis-bier-router-static"], overlay=MVPN)
    with pytest.raises(PlanError) as caught:
        make_plan(inventory)
    assert "FRRouting's BGP carries no MVPN routes" in str(caught.value)
    assert "leave overlay.signalling static" in str(caught.value)
