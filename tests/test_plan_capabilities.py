"""Vendor limits: what a domain of several platforms can be asked for."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network
from itertools import pairwise

import pytest
from plan_inventories import IPV6_POOLS, inventory, star
from platform_cases import MVPN, with_ports

from toolkit.errors import PlanError, Problem
from toolkit.inventory.model import (
    BierSettings,
    Encapsulation,
    Imposition,
    Inventory,
    Platform,
    Pools,
    QosSettings,
    Router,
)
from toolkit.plan.capabilities import BIER, domain_limit
from toolkit.plan.expand import make_plan
from toolkit.plan.platforms.facts import MAX_SETS


def problems(declared: Inventory) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    return caught.value.problems


def domain(*platforms: Platform, bier: BierSettings | None = None, **more: object) -> Inventory:
    """Return a chain of routers, one a platform, a source at the first and a cloud at the last."""
    names = [f"{platform}{i}" for i, platform in enumerate(platforms)]
    made = inventory(
        {
            name: Router(name=name, domain="d", platform=platform, edge_protection=False)
            for name, platform in zip(names, platforms, strict=True)
        },
        list(pairwise(names)),
        clouds={"gpu": names[-1]},
        repositories={"hub": names[0]},
        imposition=Imposition.ROUTER,
        bier=bier,
        **more,
    )
    return with_ports(dataclasses.replace(made, overlay=MVPN, qos=QosSettings(dscp=None)))


def test_three_vendors_meet_at_256_bits_over_mpls() -> None:
    declared = domain(Platform.SROS, Platform.REFERENCE, Platform.JUNOS, Platform.IETF)
    plan, _ = make_plan(declared)
    blocks = {r.platform: r.sub_domains[0].bift_id_base for r in plan.routers.values()}
    for platform, base in blocks.items():
        assert base in BIER[platform].labels
    assert domain_limit(declared).bfr_id == 1024


@pytest.mark.parametrize("platform", [p for p in BIER if p is not Platform.VRP])
def test_no_label_block_leaves_its_range_whatever_the_index(platform: Platform) -> None:
    can = BIER[platform]
    assert min(can.labels) >= 16
    assert max(can.labels) < 1 << 20
    assert can.stride * min(can.bsls) >= min(can.max_bfr_id, MAX_SETS * min(can.bsls))
    blocks = len(can.labels) // can.stride
    assert can.labels.start + blocks * can.stride <= can.labels.stop


def test_label_blocks_start_over_where_a_range_is_used_up() -> None:
    can = BIER[Platform.REFERENCE]
    blocks = len(can.labels) // can.stride
    names = [f"r{i}" for i in range(1, blocks + 2)]
    plan, _ = make_plan(inventory(names, pools=Pools(loopbacks=IPv4Network("10.248.0.0/16"))))
    bases = [plan.routers[name].sub_domains[0].bift_id_base for name in names]
    assert len(set(bases)) == blocks
    assert bases[-1] == bases[0]


def test_bfr_ids_end_where_the_weakest_bfr_ends() -> None:
    declared = star(1030)
    make_plan(declared)
    core = dataclasses.replace(declared.routers["core"], platform=Platform.JUNOS)
    told = problems(dataclasses.replace(declared, routers={**declared.routers, "core": core}))
    (problem,) = (p for p in told if "need a BFR-id" in p.what)
    assert str(problem.place) == "routers.core"
    assert problem.what == (
        "1031 edge routers need a BFR-id, only 1024 can be had:"
        " core (junos) knows no BFR-id above 1024"
    )
    assert "bier: false" in problem.remedy


def test_a_router_that_is_no_bfr_limits_nobody() -> None:
    declared = dataclasses.replace(star(1030), qos=QosSettings(dscp=None))
    old = Router(name="old", domain="d", platform=Platform.JUNOS, bier=False)
    plan, _ = make_plan(dataclasses.replace(declared, routers={**declared.routers, "old": old}))
    assert plan.routers["e1030"].sub_domains[0].max_si == 4


def test_short_bitstrings_run_out_of_sets() -> None:
    limit = domain_limit(star(2, bsl=64))
    assert (limit.bfr_id, str(limit.place)) == (64 * 256, "bier.bsl")
    assert domain_limit(star(2, bsl=512)).bfr_id == 65535


@pytest.mark.parametrize("platform", [Platform.IOSXR])
def test_a_platform_without_bier_must_be_declared_so(platform: Platform) -> None:
    declared = domain(Platform.REFERENCE, platform, Platform.REFERENCE)
    (problem,) = problems(declared)
    assert problem.what == f"platform {platform} has no BIER, but {platform}1 is to be a BFR"
    crossed = dataclasses.replace(declared.routers[f"{platform}1"], bier=False)
    plan, _ = make_plan(
        dataclasses.replace(declared, routers={**declared.routers, crossed.name: crossed})
    )
    assert not plan.routers[crossed.name].bfr


@pytest.mark.parametrize("encapsulation", Encapsulation)
def test_bierv6_joins_no_other_domain(encapsulation: Encapsulation) -> None:
    settings = BierSettings(encapsulation=encapsulation)
    (problem,) = problems(
        domain(Platform.REFERENCE, Platform.VRP, Platform.REFERENCE, bier=settings)
    )
    assert problem.what == (
        f"vrp1 (vrp) cannot join a BIER domain with {encapsulation} encapsulation:"
        " it speaks BIERv6, which no other platform understands"
    )


@pytest.mark.parametrize("platform", [Platform.JUNOS, Platform.SROS])
def test_mpls_only_platforms_say_which_encapsulation_they_know(platform: Platform) -> None:
    settings = BierSettings(encapsulation=Encapsulation.NON_MPLS)
    (problem,) = problems(domain(Platform.REFERENCE, platform, bier=settings))
    assert problem.remedy.endswith("or set bier.encapsulation to mpls")


@pytest.mark.parametrize("platform", [Platform.JUNOS, Platform.SROS])
def test_other_bitstring_lengths_are_refused_where_they_are_unknown(platform: Platform) -> None:
    (problem,) = problems(domain(Platform.REFERENCE, platform, bier=BierSettings(bsl=512)))
    assert problem.what == f"{platform}1 ({platform}) forwards BitStrings of 256 bits, not of 512"


def test_an_ipv6_bfr_prefix_is_refused_where_it_is_unknown() -> None:
    told = problems(domain(Platform.REFERENCE, Platform.SROS, pools=IPV6_POOLS))
    what = "sros1 (sros) takes IPv4 BFR-prefixes, but the pools are IPv6"
    assert what in [problem.what for problem in told]


@pytest.mark.parametrize("platform", [Platform.JUNOS, Platform.SROS])
def test_host_imposition_needs_a_router_that_accepts_it(platform: Platform) -> None:
    declared = domain(platform, Platform.REFERENCE)
    make_plan(declared)
    delivery = dataclasses.replace(declared.deliveries["model"], imposition=Imposition.HOST)
    told = problems(dataclasses.replace(declared, deliveries={"model": delivery}))
    assert (
        f"deliveries.model: {platform}0 ({platform}) has no way to accept BIER packets from a host"
        " (set `imposition: router`)"
    ) in map(str, told)


def test_settings_outside_of_the_rfc_are_refused() -> None:
    told = problems(domain(Platform.REFERENCE, bier=BierSettings(bsl=100, sub_domain=256)))
    assert [(str(p.place), p.what) for p in told] == [
        ("bier.bsl", "100 is no BitString length"),
        ("bier.sub_domain", "256 is no sub-domain"),
    ]
