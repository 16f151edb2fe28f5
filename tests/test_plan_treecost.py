"""What a change of a tree costs, counted by hand on a network of five routers."""

from __future__ import annotations

from dataclasses import replace

from plan_inventories import inventory

from toolkit.inventory.model import Cloud, Disjointness, Inventory, Transport, TreeConstraints
from toolkit.plan.expand import make_plan
from toolkit.plan.transports import over
from toolkit.plan.treecost import (
    TreeCost,
    cost_of_failure,
    cost_of_joining,
    cost_of_leaving,
    cost_of_new_cloud,
    tree_cost,
)

WAYS = [("a", "b"), ("b", "c"), ("b", "d"), ("a", "e"), ("e", "d")]
"""Clouds at c and d, the hub at a.  Of equal costs the tree is a > b > c and a > b > d."""


def made() -> Inventory:
    whole = over(
        inventory("abcde", WAYS, clouds={"cc": "c", "cd": "d"}, repositories={"hub": "a"}),
        Transport.SR_P2MP,
    )
    one = TreeConstraints(disjoint=Disjointness.NONE)
    delivery = replace(whole.deliveries["model"], tree=one)
    return replace(whole, deliveries={"model": delivery})


def test_nothing_changes_for_nothing() -> None:
    plan, _ = make_plan(made())
    assert tree_cost(plan, plan) == TreeCost(routers=(), messages=0, rows=0, stages=0)


def test_a_cloud_that_leaves_and_one_that_joins() -> None:
    _, lock = make_plan(made())
    # Old: segments at a, b, c, d and branches a-b, b-c, b-d.  New: a, b, c and a-b, b-c.
    # Rows: 7 + 5, a candidate path gone and come, and the egress interface at d gone.
    leaves = cost_of_leaving(made(), lock, "model", "cd")
    # make a, b, c; switch a; break a, b, c, d
    assert leaves == TreeCost(routers=("a", "b", "c", "d"), messages=8, rows=15, stages=3)
    joins = cost_of_joining(made(), lock, "model", "cd")
    assert joins == TreeCost(routers=("a", "b", "c", "d"), messages=8, rows=15, stages=3)


def test_a_second_cloud_at_a_leaf_costs_one_row() -> None:
    _, lock = make_plan(made())
    cost = cost_of_new_cloud(made(), lock, "model", Cloud(name="cd2", router="d"))
    assert cost == TreeCost(routers=("d",), messages=1, rows=1, stages=1)


def test_a_failed_link_of_the_tree_makes_another_and_one_beside_it_nothing() -> None:
    _, lock = make_plan(made())
    cost = cost_of_failure(made(), lock, "b-d")
    # New: segments at a, b, c, e, d and branches a-b, b-c, a-e, e-d: 9 rows for 7, and the path.
    # make a, b, c, d, e; switch a; break a, b, c, d
    assert cost == TreeCost(routers=("a", "b", "c", "d", "e"), messages=10, rows=18, stages=3)
    assert cost_of_failure(made(), lock, "e-d").messages == 0
    assert cost_of_failure(made(), lock, "e").rows == 0
