"""BGP MVPN in the plan: sessions, the VPN's instances, what ports are told, what is refused."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network, ip_address

import pytest
from hypothesis import given, settings
from plan_inventories import inventory, star
from platform_cases import MVPN, cases, larger

from toolkit.errors import PlanError
from toolkit.inventory.model import (
    Delivery,
    Igp,
    Imposition,
    Inventory,
    OverlaySettings,
    Platform,
    Pools,
    QosSettings,
    Router,
    Transport,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.members import members_of
from toolkit.plan.model import Plan
from toolkit.plan.mvpn import LARGEST_MESH
from toolkit.state.model import Member

REFERENCE = cases(Platform.REFERENCE)


def plan_of(name: str) -> Plan:
    return make_plan(REFERENCE[name])[0]


def said_of(declared: Inventory) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    return [str(problem) for problem in caught.value.problems]


def test_edge_routers_are_a_full_mesh():
    mvpn = plan_of("isis-bier-router-mvpn").mvpn
    assert mvpn is not None
    assert list(mvpn.speakers) == list(mvpn.instances) == ["r1", "r3", "r4", "r6"]
    assert [str(a) for a in mvpn.speakers["r4"].neighbors] == [
        "10.255.0.1", "10.255.0.3", "10.255.0.6",
    ]  # fmt: skip
    assert not any(speaker.clients for speaker in mvpn.speakers.values())
    assert (mvpn.as_number, mvpn.route_target) == (64512, "64512:1")


def test_reflectors_know_each_other_and_all_clients():
    mvpn = plan_of("isis-bier-router-reflected").mvpn
    assert mvpn is not None
    shown = {
        name: ([str(a) for a in s.neighbors], [str(a) for a in s.clients])
        for name, s in mvpn.speakers.items()
    }
    edges = ["10.255.0.1", "10.255.0.3", "10.255.0.6"]
    assert shown["r1"] == (["10.255.0.2", "10.255.0.4"], [])
    assert shown["r2"] == (sorted([*edges, "10.255.0.4"]), edges)
    assert shown["r4"] == (sorted([*edges, "10.255.0.2"]), edges)
    assert "r2" not in mvpn.instances  # it has no host
    assert "r4" in mvpn.instances


@settings(max_examples=60, deadline=None)
@given(larger(Platform.REFERENCE))
def test_every_session_has_two_ends_and_reaches_everybody(declared):
    plan, _ = make_plan(declared)
    if plan.mvpn is None:
        return
    owner = {router.loopback.ip: name for name, router in plan.routers.items()}
    speakers = plan.mvpn.speakers
    sessions = {n: {owner[a] for a in s.neighbors} for n, s in speakers.items()}
    for name, peers in sessions.items():
        assert name not in peers
        assert all(name in sessions[peer] for peer in peers)
    for one in plan.mvpn.instances:
        for other in plan.mvpn.instances:
            # directly, or by a reflector that both are told by (RFC 4456 section 6)
            via = {
                r for r in sessions[one] & sessions[other]
                if {plan.routers[one].loopback.ip, plan.routers[other].loopback.ip}
                & set(speakers[r].clients)
            }  # fmt: skip
            assert one == other or other in sessions[one] or via


def test_an_instance_says_what_its_tunnel_needs():
    bier = plan_of("ospf-bier-router-mvpn").mvpn
    assert bier is not None
    one = bier.instances["r1"]
    assert (one.rd, one.tunnel, one.sub_domain_id) == ("10.255.0.1:1", "bier", 0)
    assert (one.policies, one.group) == ((), None)
    assert one.interfaces == ("host-hub", "host-near")
    replicated = plan_of("isis-sr-p2mp-mvpn").mvpn
    assert replicated is not None
    assert replicated.instances["r1"].policies == ("all", "few")
    assert replicated.instances["r3"].policies == ()
    assert replicated.instances["r1"].sub_domain_id is None
    pim = plan_of("isis-pim-ssm-mvpn").mvpn
    assert pim is not None
    assert {str(i.group) for i in pim.instances.values()} == {"232.1.255.255"}
    ipv6 = plan_of("isis-pim-ssm-mvpn-ipv6").mvpn
    assert ipv6 is not None
    assert str(ipv6.instances["r1"].group) == "ff3e::8000:ffff"
    assert ipv6.instances["r1"].rd == "0.0.0.1:1"


def test_ports_of_hosts_are_in_the_vpn():
    plan = plan_of("isis-bier-router-mvpn")
    for router in plan.routers.values():
        for port in router.ports:
            assert port.vpn == ("llmsync" if port.edge else "")
    static = plan_of("isis-bier-router-static")
    assert not any(port.vpn for router in static.routers.values() for port in router.ports)


def test_the_core_runs_pim_for_its_tunnels_alone():
    assert plan_of("isis-bier-router-mvpn").pim is None
    plan = plan_of("isis-pim-ssm-mvpn")
    assert plan.pim is not None
    assert plan.pim.rp == ""
    group = plan.mvpn.instances["r1"].group if plan.mvpn else None
    assert any(group in held for held in plan.pim.ssm_ranges)


@pytest.mark.parametrize(
    "name", ["isis-bier-router-mvpn", "isis-sr-p2mp-mvpn", "isis-pim-ssm-mvpn"]
)
def test_hosts_join_sources_whatever_the_tunnel(name):
    plan = plan_of(name)
    source = plan.hosts["hub"].address.ip
    groups = {flow.delivery: flow.group for flow in plan.flows}
    assert members_of(plan) == {
        *(Member(cloud, groups["all"], source) for cloud in ("c3", "c4", "c6", "near")),
        *(Member(cloud, groups["few"], source) for cloud in ("c4", "c6")),
    }
    assert members_of(plan_of("isis-bier-router-static")) == frozenset()


@pytest.mark.parametrize(
    ("name", "less"),
    [("isis-bier-router", 4), ("isis-sr-p2mp", 4), ("isis-pim-ssm", 24)],
)
def test_packets_have_room_for_what_the_tunnel_adds(name, less):
    def narrow(declared: Inventory) -> Inventory:
        links = tuple(dataclasses.replace(k, mtu=1400) for k in declared.links)
        return dataclasses.replace(declared, links=links)

    static, _ = make_plan(narrow(REFERENCE[f"{name}-static"]))
    mvpn, _ = make_plan(narrow(REFERENCE[f"{name}-mvpn"]))
    assert [f.payload - less for f in static.flows] == [f.payload for f in mvpn.flows]


def small(**deliveries: tuple[Transport, Imposition]) -> Inventory:
    whole = inventory("ab", [("a", "b")], clouds={"gpu": "b"}, repositories={"hub": "a"})
    made = {
        name: Delivery(
            name=name,
            model="demo",
            source="hub",
            to=("gpu",),
            transport=transport,
            imposition=imposition,
        )
        for name, (transport, imposition) in deliveries.items()
    }
    return dataclasses.replace(whole, deliveries=made, overlay=MVPN)


def test_what_mvpn_does_not_carry_is_refused_with_a_way_out():
    assert said_of(
        small(
            m1=(Transport.BIER, Imposition.HOST),
            m2=(Transport.PIM_SM, Imposition.ROUTER),
            m3=(Transport.PIM_SSM, Imposition.ROUTER),
        )
    ) == [
        "deliveries.m1: the host imposes the BitStrings of m1, and MVPN tells routers of them "
        "(set `imposition: router`, or set `overlay.signalling: static`)",
        "deliveries.m2: m2 goes over pim-sm, which is no tunnel of MVPN here "
        "(set its `transport` to bier, sr-p2mp, pim-ssm, or set `overlay.signalling: static`)",
        "deliveries.m3: m3 goes over pim-ssm, but m1 over bier: one VPN has one kind of tunnel "
        "(use one transport for all deliveries, or set `overlay.signalling: static`)",
    ]


def test_a_large_mesh_needs_reflectors():
    whole = star(LARGEST_MESH - 1)
    mvpn = dataclasses.replace(whole, overlay=MVPN)
    assert make_plan(mvpn)[0].mvpn is not None  # with the core, which has the repository
    larger_ = dataclasses.replace(star(LARGEST_MESH), overlay=MVPN)
    assert said_of(larger_) == [
        "overlay.route_reflectors: 129 edge routers are too many for sessions from each to each "
        "(name two or more routers that reflect)"
    ]
    overlay = dataclasses.replace(MVPN, route_reflectors=("core",))
    plan, _ = make_plan(dataclasses.replace(larger_, overlay=overlay))
    assert plan.mvpn is not None
    assert len(plan.mvpn.speakers["core"].clients) == 128
    assert len(plan.mvpn.speakers["e1"].neighbors) == 1


def test_settings_that_there_are_not():
    whole = small(m=(Transport.BIER, Imposition.ROUTER))
    links = (dataclasses.replace(whole.links[0], metric=65536),)
    overlay = dataclasses.replace(MVPN, as_number=65535)
    wrong = dataclasses.replace(
        whole, igp=Igp.OSPF, links=links, overlay=overlay, qos=QosSettings(dscp=64)
    )
    assert said_of(wrong) == [
        "links.a-b: 65536 is no cost of OSPF (use a metric of 1 to 65535)",
        "overlay.as: 65535 is no AS number that route targets can hold (use 1 to 65534)",
        "qos.dscp: 64 is no code point (use 0 to 63)",
    ]
    assert make_plan(dataclasses.replace(wrong, links=whole.links, overlay=MVPN, qos=QosSettings()))


def test_a_reflector_is_a_router():
    whole = small(m=(Transport.BIER, Imposition.ROUTER))
    overlay = dataclasses.replace(MVPN, route_reflectors=("z",))
    assert said_of(dataclasses.replace(whole, overlay=overlay)) == [
        "overlay.route_reflectors: z is to reflect routes, and there is no such router "
        "(name a router)"
    ]


def test_the_last_group_is_the_vpns():
    whole = small(m=(Transport.PIM_SSM, Imposition.ROUTER))
    tight = dataclasses.replace(whole, pools=Pools(groups=IPv4Network("232.1.0.0/31")))
    assert said_of(tight) == [
        "pools.groups: 232.1.0.0/31 has no group left for the VPN: m has the last "
        "(use a larger pool)"
    ]
    wider = dataclasses.replace(whole, pools=Pools(groups=IPv4Network("232.1.0.0/30")))
    plan, _ = make_plan(wider)
    assert plan.mvpn is not None
    assert plan.mvpn.instances["a"].group == ip_address("232.1.0.3")
    make_plan(dataclasses.replace(tight, overlay=OverlaySettings()))


def test_a_router_that_cannot_end_tunnels_is_not_in_the_vpn():
    whole = small(m=(Transport.BIER, Imposition.ROUTER))
    routers = {**whole.routers, "c": Router(name="c", domain="d", bier=False)}
    clouds = {
        **whole.clouds,
        "idle": dataclasses.replace(whole.clouds["gpu"], name="idle", router="c"),
    }
    plan, _ = make_plan(dataclasses.replace(whole, routers=routers, clouds=clouds))
    assert plan.mvpn is not None
    assert list(plan.mvpn.instances) == ["a", "b"]
    assert [port.vpn for port in plan.routers["c"].ports] == [""]
