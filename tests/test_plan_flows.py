"""Flows: the payload that fits every link, and deliveries that cannot be served."""

from __future__ import annotations

import dataclasses

import pytest
from plan_inventories import IPV6_POOLS, inventory

from toolkit.errors import PlanError, Problem
from toolkit.inventory.model import (
    BierSettings,
    Encapsulation,
    Imposition,
    Inventory,
    Link,
    Pools,
    Router,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.flows import CONTROL_PORT, DATA_PORT


def network(
    *,
    core: int = 9000,
    source: int = 9000,
    cloud: int = 9000,
    crossed: bool = False,
    imposition: Imposition = Imposition.HOST,
    bier: BierSettings | None = None,
    pools: Pools | None = None,
) -> Inventory:
    """Return source - m - edge, with MTUs; `crossed`: m is no BFR."""
    declared = inventory(
        {
            "a": Router(name="a", domain="d"),
            "m": Router(name="m", domain="d", bier=not crossed),
            "z": Router(name="z", domain="d"),
        },
        [Link(a="a", b="m"), Link(a="m", b="z", mtu=core)],
        clouds={"gpu": "z"},
        repositories={"hub": "a"},
        imposition=imposition,
        bier=bier,
        pools=pools,
    )
    return dataclasses.replace(
        declared,
        clouds={"gpu": dataclasses.replace(declared.clouds["gpu"], mtu=cloud)},
        repositories={"hub": dataclasses.replace(declared.repositories["hub"], mtu=source)},
    )


def payload(declared: Inventory) -> int:
    plan, _ = make_plan(declared)
    return plan.flows[0].payload


def problems(declared: Inventory) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        make_plan(declared)
    return caught.value.problems


@pytest.mark.parametrize("encapsulation", Encapsulation)
@pytest.mark.parametrize(
    ("pools", "crossed", "headers"),
    [
        # IP + UDP + BIER (12 + 32), and outer IP + GRE (4) where a non-BFR may be crossed
        (Pools(), False, 20 + 8 + 44),
        (Pools(), True, 20 + 8 + 44 + 20 + 4),
        (IPV6_POOLS, False, 40 + 8 + 44),
        (IPV6_POOLS, True, 40 + 8 + 44 + 40 + 4),
    ],
)
def test_the_payload_leaves_room_for_every_header(
    encapsulation: Encapsulation, pools: Pools, crossed: bool, headers: int
) -> None:
    bier = BierSettings(encapsulation=encapsulation)
    declared = network(core=1500, crossed=crossed, pools=pools, bier=bier)
    assert payload(declared) == 1500 - headers


def test_a_longer_bitstring_takes_its_bytes() -> None:
    assert payload(network(bier=BierSettings(bsl=1024))) == 9000 - 28 - 12 - 128


def test_access_links_carry_only_the_headers_that_are_on_them() -> None:
    assert payload(network(cloud=1500)) == 1500 - 28
    assert payload(network(source=1500)) == 1500 - 28 - 44
    assert payload(network(source=1500, imposition=Imposition.ROUTER)) == 1500 - 28


def test_a_non_bfr_at_the_edge_of_the_network_is_never_crossed() -> None:
    declared = network()
    stub = Router(name="stub", domain="d", bier=False)
    declared = dataclasses.replace(
        declared,
        routers={**declared.routers, "stub": stub},
        links=(*declared.links, Link(a="stub", b="a")),
    )
    assert payload(declared) == 9000 - 28 - 44


def test_too_little_room_names_the_link_and_what_is_missing() -> None:
    (problem,) = problems(network(core=600, bier=BierSettings(bsl=4096)))
    assert str(problem) == (
        "deliveries.model: link m-z leaves 48 bytes of payload after all headers"
        " (raise its MTU by 208 bytes, or use a shorter BitString)"
    )


def test_a_link_must_carry_what_its_family_requires() -> None:
    (problem,) = [p for p in problems(network(core=1279, pools=IPV6_POOLS)) if "IPv6" in p.what]
    assert str(problem.place) == "links.m-z"
    assert problem.remedy == "use 1280 to 65535"
    make_plan(network(core=1280, pools=IPV6_POOLS))


def test_a_repository_behind_a_non_bfr_cannot_send() -> None:
    declared = network()
    declared = dataclasses.replace(
        declared,
        routers={
            **declared.routers,
            "a": dataclasses.replace(declared.routers["a"], bier=False),
        },
    )
    (problem,) = problems(declared)
    assert problem.what == "hub is part of model, but its router a is no BFR"


def test_a_cloud_behind_a_non_bfr_is_no_problem_while_nothing_is_sent_to_it() -> None:
    declared = network()
    old = Router(name="old", domain="d", bier=False)
    idle = dataclasses.replace(declared.clouds["gpu"], name="idle", router="old")
    declared = dataclasses.replace(
        declared,
        routers={**declared.routers, "old": old},
        clouds={**declared.clouds, "idle": idle},
    )
    plan, lock = make_plan(declared)
    assert "old" not in lock.bfr_ids
    assert plan.hosts["idle"].router == "old"


def test_ports_are_dynamic_and_out_of_the_way_of_ephemeral_ones() -> None:
    assert 60999 < DATA_PORT < CONTROL_PORT <= 65535
