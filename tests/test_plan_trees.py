"""Trees under constraints: what is chosen, and what is said where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plan_inventories import inventory, star
from platform_cases import with_ports

from toolkit.errors import PlanError
from toolkit.inventory.model import (
    Disjointness,
    Inventory,
    LabelRange,
    Link,
    Platform,
    QosSettings,
    Router,
    SrSettings,
    Transport,
    TreeConstraints,
    TreeMetric,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK
from toolkit.plan.model import Lock, TreePlan
from toolkit.plan.transports import over

SQUARE = [
    Link(a="a", b="b", metric=10, delay=0.020, affinity=("gold",)),
    Link(a="b", b="d", metric=10, delay=0.020, affinity=("gold", "leased")),
    Link(a="a", b="c", metric=15, delay=0.001, te_metric=1),
    Link(a="c", b="d", metric=15, delay=0.001, te_metric=1, capacity=2_000_000_000),
]


def square(rate: int = 1_000_000_000, **constraints: Any) -> Inventory:
    made = over(
        inventory("abcd", SQUARE, clouds={"c-d": "d"}, repositories={"hub": "a"}),
        Transport.SR_P2MP,
    )
    tree = TreeConstraints(**constraints)
    return replace(
        made, deliveries={"model": replace(made.deliveries["model"], tree=tree, rate=rate)}
    )


def tree_of(made: Inventory, lock: Lock = EMPTY_LOCK) -> TreePlan:
    tree = make_plan(made, lock)[0].flows[0].tree
    assert tree is not None
    return tree


def problems(made: Inventory, lock: Lock = EMPTY_LOCK) -> list[str]:
    with pytest.raises(PlanError) as raised:
        make_plan(made, lock)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("constraints", "links"),
    [
        ({}, ("a-b", "b-d")),
        ({"metric": TreeMetric.TE}, ("a-c", "c-d")),
        ({"metric": TreeMetric.DELAY}, ("a-c", "c-d")),
        ({"exclude_any": ("leased",)}, ("a-c", "c-d")),
        ({"metric": TreeMetric.TE, "include_any": ("gold", "silver")}, ("a-b", "b-d")),
        ({"metric": TreeMetric.TE, "include_all": ("gold",)}, ("a-b", "b-d")),
    ],
)
def test_metric_and_affinities_choose_the_links(constraints: Any, links: tuple[str, ...]) -> None:
    assert tree_of(square(**constraints)).paths[0].links == links


def test_the_backup_goes_the_other_way_and_says_what_it_could_not_avoid() -> None:
    primary, backup = tree_of(square()).paths
    assert (primary.name, primary.preference, primary.instance_id) == ("primary", 200, 1)
    assert (backup.name, backup.preference, backup.instance_id) == ("backup", 100, 2)
    assert (backup.links, backup.shared) == (("a-c", "c-d"), ())
    narrow = square(exclude_any=("leased",))
    assert tree_of(narrow).paths[1].shared == ("a-c", "c-d")
    assert len(tree_of(square(disjoint=Disjointness.NONE)).paths) == 1


def test_a_shared_duct_is_avoided_where_it_is_asked_for() -> None:
    ducts = {"a-b": "north", "a-c": "north", "a-e": "south"}
    links = [
        *(replace(link, srlg=(ducts[link.name],)) if link.name in ducts else link
          for link in SQUARE),
        Link(a="a", b="e", metric=90, srlg=("south",)),
        Link(a="e", b="d", metric=90),
    ]  # fmt: skip
    made = square(disjoint=Disjointness.SRLG)
    routers = {**made.routers, "e": Router(name="e", domain="d")}
    wide = replace(made, links=tuple(links), routers=routers)
    assert tree_of(wide).paths[1].links == ("a-e", "e-d")
    delivery = replace(wide.deliveries["model"], tree=TreeConstraints())
    by_links = replace(wide, deliveries={"model": delivery})
    assert tree_of(by_links).paths[1].links == ("a-c", "c-d")


def test_the_cheaper_of_the_two_trees_is_taken() -> None:
    # Shortest paths reach x and y by links of 10 each; by way of x, y costs only 2 more.
    links = [Link(a="r", b="x", metric=10), Link(a="r", b="y", metric=10),
             Link(a="x", b="y", metric=2)]  # fmt: skip
    made = over(
        inventory("rxy", links, clouds={"cx": "x", "cy": "y"}, repositories={"hub": "r"}),
        Transport.SR_P2MP,
    )
    assert tree_of(made).paths[0].links == ("r-x", "x-y")


def test_links_that_bar_the_way_are_named_with_the_constraint() -> None:
    assert problems(square(exclude_any=("leased", "gold"), include_all=("silver",))) == [
        "deliveries.model: no tree of model reaches c-d: exclude_any bars a-b (gold); include_all "
        "bars a-c (without silver) (relax what `tree` asks for, send it slower than 1G, or add "
        "capacity)"
    ]


def test_bandwidth_that_others_have_reserved_is_named() -> None:
    made = square(rate=1_500_000_000, exclude_any=("leased",))
    twin = replace(made.deliveries["model"], name="twin")
    both = replace(made, deliveries={"model": made.deliveries["model"], "twin": twin})
    assert problems(both) == [
        "deliveries.twin: no tree of twin reaches c-d: exclude_any bars b-d (leased); c-d from c "
        "has 500M of 2G left for 1.5G (relax what `tree` asks for, send it slower than 1.5G, or "
        "add capacity)"
    ]


def test_a_cloud_on_a_router_that_does_not_replicate_is_named() -> None:
    made = square()
    bad = replace(made.routers["d"], replication=False)
    assert problems(replace(made, routers={**made.routers, "d": bad})) == [
        "clouds.c-d: c-d is part of model, but its router d has `replication: false` (attach it "
        "to a router that replicates, or leave it out of model)"
    ]


@pytest.mark.parametrize("platform", [Platform.JUNOS, Platform.VRP])
def test_a_platform_without_replication_is_crossed(platform: Platform) -> None:
    made = replace(square(), qos=QosSettings(dscp=None))
    router = replace(made.routers["b"], platform=platform)
    assert problems(with_ports(replace(made, routers={**made.routers, "b": router}))) == [
        f"routers.b: platform {platform} has no SR-P2MP, but b is to replicate (set `replication: "
        "false` on it: trees then cross it by a node SID and replicate elsewhere)"
    ]
    routers = {**made.routers, "b": replace(router, replication=False)}
    crossed = with_ports(replace(made, routers=routers))
    (branch,) = tree_of(crossed).paths[0].nodes["a"].branches
    assert (branch.router, branch.port) == ("d", None)


def test_blocks_that_are_too_small_or_overlap_are_named() -> None:
    made = square()
    small = SrSettings(srgb=LabelRange(16_000, 16_003), srlb=LabelRange(15_000, 15_002))
    assert problems(replace(made, sr=small)) == [
        "sr.srgb: 16000-16003 has node SIDs for 3 routers, not for router 4 (make it 5 labels or "
        "longer)",
        "sr.srlb: 15000-15002 has replication SIDs for 0 trees (4 each), not for tree 1 (make it "
        "4 labels or longer)",
    ]
    one = SrSettings(srgb=LabelRange(15_500, 16_500))
    assert problems(replace(made, sr=one)) == [
        "sr.srlb: the SRLB 15000-15999 overlaps the SRGB 15500-16500 (move one of them)"
    ]
    mixed = replace(
        made,
        sr=SrSettings(srgb=LabelRange(99_000, 101_000)),
        deliveries={
            **made.deliveries,
            "other": replace(made.deliveries["model"], name="other", transport=Transport.BIER),
        },
    )
    assert problems(mixed) == [
        "sr.srgb: 99000-101000 overlaps 100000-1048575, where BIFT-ids on reference come from "
        "(move the block)"
    ]


def test_tree_ids_end() -> None:
    lock = replace(EMPTY_LOCK, trees={f"gone{i}": i for i in range(1, 8095)})
    made = replace(square(), sr=SrSettings(srlb=LabelRange(100_000, 199_999)))
    assert problems(made, lock) == [
        "deliveries: tree 8095 is beyond the tree-ids 8193-16286 (use fewer trees; or remove names "
        "that left (8094) from the lock)"
    ]


def test_another_tree_is_another_instance_and_the_old_sid_is_not_used_again() -> None:
    made = square()
    first, lock = make_plan(made)
    second, grown = make_plan(square(metric=TreeMetric.TE), lock)
    third, _ = make_plan(made, grown)
    ids = [
        [(p.instance_id, p.nodes["a"].sid) for p in plan.flows[0].tree.paths]  # type: ignore[union-attr]
        for plan in (first, second, third)
    ]
    assert ids == [
        [(1, 15001), (2, 15002)],
        [(4, 15000), (3, 15003)],
        [(5, 15001), (6, 15002)],
    ]
    gone = replace(made, deliveries={})
    _, kept = make_plan(gone, lock)
    assert make_plan(made, kept)[0] == first


def test_a_star_needs_one_segment_a_router() -> None:
    plan, _ = make_plan(over(star(8), Transport.SR_P2MP))
    tree = plan.flows[0].tree
    assert tree is not None
    assert [len(path.nodes) for path in tree.paths] == [9, 9]
    assert len(tree.paths[1].shared) == 8
