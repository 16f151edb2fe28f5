"""What a change of P2MP trees costs: messages of the controller and rows that routers touch.

Pure.  For comparisons with other transports.  A message is one router's configuration change in one
stage of make before break (`toolkit.srp2mp.update`); a row is a replication segment, a downstream
node, a candidate path, a flow at the root or an interface of an egress flow, added or removed (what
changes is both).  Nothing but trees and overlay is counted: what a failure does to interfaces is
not the controller's doing.  Until the controller has acted, node SIDs protect branches over failed
links without any message.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from toolkit.inventory.model import Cloud, Inventory
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Lock, Plan
from toolkit.state.model import RouterState

Rows = frozenset[tuple[Hashable, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCost:
    """One change of the trees of a plan."""

    routers: tuple[str, ...]
    """Routers whose trees or overlay change, sorted."""
    messages: int
    """Of the controller: every router counts once in each stage that changes it."""
    rows: int
    """Rows added and rows removed, on all routers."""
    stages: int
    """Transactions: 3 where a tree in use becomes another, else 1, or 0 where nothing changes."""


def tree_cost(before: Plan, after: Plan) -> TreeCost:
    """Return what it takes to get from one plan's trees to another's.

    A router that is only in one of the plans has no rows in the other, and no message goes to one
    that `after` does not have.
    """
    old = {name: _rows(r) for name, r in intended_state(before).routers.items()}
    new = {name: _rows(r) for name, r in intended_state(after).routers.items()}
    none: Rows = frozenset()
    gone = {name: old.get(name, none) - rows for name, rows in new.items()}
    come = {name: rows - old.get(name, none) for name, rows in new.items()}
    touched = tuple(sorted(name for name in new if gone[name] or come[name]))
    rows = sum(len(gone[name]) + len(come[name]) for name in touched)
    if not touched:
        return TreeCost(routers=(), messages=0, rows=0, stages=0)
    if not _moves(before, after):
        return TreeCost(routers=touched, messages=len(touched), rows=rows, stages=1)
    make = {n for n in touched if any(row[0] != "path" for row in come[n])}
    switch = {n for n in touched if any(row[0] == "path" for row in come[n] | gone[n])}
    clear = {n for n in touched if any(row[0] != "path" for row in gone[n])}
    messages = len(make) + len(switch) + len(clear)
    return TreeCost(routers=touched, messages=messages, rows=rows, stages=3)


def cost_of_leaving(inventory: Inventory, lock: Lock, delivery: str, cloud: str) -> TreeCost:
    """Return what it costs to take a cloud out of a delivery: its branch is pruned.

    Raises PlanError where the inventory cannot be planned; so do the others.
    """
    return _between(inventory, _without(inventory, delivery, cloud), lock)


def cost_of_joining(inventory: Inventory, lock: Lock, delivery: str, cloud: str) -> TreeCost:
    """Return what it costs to put a cloud into a delivery that has all others of its clouds."""
    return _between(_without(inventory, delivery, cloud), inventory, lock)


def cost_of_new_cloud(inventory: Inventory, lock: Lock, delivery: str, cloud: Cloud) -> TreeCost:
    """Return what it costs to add a cloud to the network and to a delivery."""
    wanted = inventory.deliveries[delivery]
    grown = replace(
        inventory,
        clouds={**inventory.clouds, cloud.name: cloud},
        deliveries={
            **inventory.deliveries,
            delivery: replace(wanted, to=(*wanted.to, cloud.name)),
        },
    )
    return _between(inventory, grown, lock)


def cost_of_failure(inventory: Inventory, lock: Lock, name: str) -> TreeCost:
    """Return what it costs when the controller plans without a link, or a router and its links.

    `name`: of a link, or of a router without a host.  Raises PlanError where no tree is left.
    """
    left = tuple(k for k in inventory.links if name not in (k.name, k.a, k.b))
    routers = {n: router for n, router in inventory.routers.items() if n != name}
    return _between(inventory, replace(inventory, links=left, routers=routers), lock)


def _without(inventory: Inventory, delivery: str, cloud: str) -> Inventory:
    wanted = inventory.deliveries[delivery]
    less = replace(wanted, to=tuple(name for name in wanted.to if name != cloud))
    return replace(inventory, deliveries={**inventory.deliveries, delivery: less})


def _between(before: Inventory, after: Inventory, lock: Lock) -> TreeCost:
    first, grown = make_plan(before, lock)
    second, _ = make_plan(after, grown)
    return tree_cost(first, second)


def _moves(before: Plan, after: Plan) -> bool:
    """Say whether a tree that is in use becomes another instance."""
    instances = [
        {f.delivery: {p.instance_id for p in f.tree.paths} for f in plan.flows if f.tree}
        for plan in (before, after)
    ]
    old, new = instances
    return any(old[name] - new[name] for name in old.keys() & new.keys())


def _rows(router: RouterState) -> Rows:
    """Return the rows of a router's trees and overlay; the first item says what a row is."""
    rows: set[tuple[Hashable, ...]] = set()
    for segment in router.replication_segments:
        key = segment.root, segment.tree_id, segment.instance_id
        rows.add(("segment", *key, segment.sid, segment.leaf))
        rows |= {("branch", *key, d.node, d.sid, d.interface) for d in segment.downstream}
    for policy in router.p2mp_policies:
        rows |= {
            ("path", policy.root, policy.tree_id, p.name, p.preference, p.instance_id)
            for p in policy.candidate_paths
        }
    rows |= {("flow", f.source, f.group, f.root, f.tree_id) for f in router.tree_flows}
    rows |= {
        ("egress", flow.source, flow.group, port)
        for flow in router.egress_flows
        for port in flow.interfaces
    }
    return frozenset(rows)
