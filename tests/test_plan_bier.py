"""Equal-cost ways, tunnels and fast reroute in a plan: what routers are told, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_plan_capabilities import domain
from test_plan_flows import network, payload, problems

from toolkit.inventory.model import (
    BierSettings,
    BierTunnel,
    Encapsulation,
    FastReroute,
    LabelRange,
    Platform,
    SrSettings,
)
from toolkit.plan.document import plan_document
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.render.payload import render_router
from toolkit.state.model import PLAIN_BIER, BierRouting
from toolkit.state.reference import read_router
from toolkit.verify.difference import compare, layout

SETTINGS = BierSettings(
    tunnel=BierTunnel.VXLAN, maximum_paths=4, fast_reroute=FastReroute.NODE
)  # fmt: skip


def test_settings_come_through_yang_to_every_bfr_and_to_no_other_router() -> None:
    plan, _ = make_plan(network(crossed=True, bier=SETTINGS))
    intended = intended_state(plan)
    said = BierRouting(maximum_paths=4, fast_reroute="node", tunnel="vxlan")
    for name, routing in (("a", said), ("m", PLAIN_BIER), ("z", said)):
        payload = render_router(plan, name)
        assert read_router(name, payload.tree).bier == routing == intended.routers[name].bier
    routers = plan_document(plan)["routers"]
    assert isinstance(routers, dict)
    assert routers["a"]["bier"] == {
        "maximum_paths": 4, "fast_reroute": "node", "tunnel": "vxlan",
    }  # fmt: skip
    assert "bier" not in routers["m"]


def test_defaults_are_written_nowhere() -> None:
    plan, _ = make_plan(network())
    payload = render_router(plan, "a")
    for leaf in ("maximum-paths", "fast-reroute", "tunnel"):
        assert leaf not in payload.xml
    assert read_router("a", payload.tree).bier == PLAIN_BIER


def test_a_setting_that_differs_is_a_difference_of_configuration() -> None:
    plan, _ = make_plan(network(bier=SETTINGS))
    router = intended_state(plan).routers["a"]
    found = compare(layout(router), layout(replace(router, bier=PLAIN_BIER)))
    assert [(d.path, d.wanted, d.found) for d in found] == [
        ("/llmsync-bier:bier/fast-reroute", "node", "none"),
        ("/llmsync-bier:bier/maximum-paths", "4", "1"),
        ("/llmsync-bier:bier/tunnel", "vxlan", "gre"),
    ]


@pytest.mark.parametrize(
    ("tunnel", "room"), [(BierTunnel.GRE, 24), (BierTunnel.SR, 4), (BierTunnel.VXLAN, 50)]
)
def test_packets_leave_room_for_the_tunnel_that_may_carry_them(
    tunnel: BierTunnel, room: int
) -> None:
    whole = 9000 - 28 - 12 - 32
    bier = BierSettings(tunnel=tunnel)
    assert payload(network(bier=bier)) == whole
    assert payload(network(bier=bier, crossed=True)) == whole - room
    assert payload(network(bier=replace(bier, fast_reroute=FastReroute.LINK))) == whole - room


def test_node_sids_are_planned_for_tunnels_without_any_tree() -> None:
    plan, _ = make_plan(network(crossed=True, bier=BierSettings(tunnel=BierTunnel.SR)))
    assert {name: router.node_sid for name, router in plan.routers.items()} == {
        "a": 1, "m": 2, "z": 3,
    }  # fmt: skip
    assert all(router.sr for router in intended_state(plan).routers.values())
    assert "<node-sid>" in render_router(plan, "m").xml
    plain, _ = make_plan(network(crossed=True))
    assert plain.sr is None


def test_a_node_sid_carries_no_bier_without_mpls() -> None:
    bier = BierSettings(tunnel=BierTunnel.SR, encapsulation=Encapsulation.NON_MPLS)
    (problem,) = problems(network(bier=bier))
    assert str(problem) == (
        "bier.tunnel: a node SID carries BIER in MPLS only, and bier.encapsulation is non-mpls "
        "(set bier.tunnel to gre or vxlan, or bier.encapsulation to mpls)"
    )


def test_labels_of_tunnels_do_not_meet_those_of_bier() -> None:
    declared = network(bier=BierSettings(tunnel=BierTunnel.SR))
    declared = replace(declared, sr=SrSettings(srgb=LabelRange(99_990, 100_100)))
    (problem,) = problems(declared)
    assert str(problem) == (
        "sr.srgb: 99990-100100 overlaps 100000-1048575, where BIFT-ids on reference come from "
        "(move the block)"
    )
    short = replace(declared, sr=SrSettings(srgb=LabelRange(16_000, 16_002)))
    (problem,) = problems(short)
    assert problem.what == "16000-16002 has node SIDs for 2 routers, not for router 3"


@pytest.mark.parametrize("paths", [0, 17])
def test_no_more_ways_than_entropy_can_choose_from(paths: int) -> None:
    (problem,) = problems(network(bier=BierSettings(maximum_paths=paths)))
    assert str(problem) == (
        f"bier.maximum_paths: {paths} is no number of equal-cost ways (use 1 to 16)"
    )


def test_a_platform_that_takes_the_first_way_only_is_named() -> None:
    declared = domain(Platform.REFERENCE, Platform.SROS, bier=BierSettings(maximum_paths=2))
    (problem,) = problems(declared)
    assert problem.what == "sros1 (sros) does not spread BIER over equal-cost ways"
    assert problem.remedy.endswith("or set bier.maximum_paths to 1")
