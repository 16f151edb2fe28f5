"""SR-P2MP as a whole: trees, label blocks and node SIDs of a plan, and their place in the lock.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Inventory, Transport
from toolkit.plan.instances import Instances
from toolkit.plan.model import Lock, SrPlan, TreePlan
from toolkit.plan.ports import link_ports
from toolkit.plan.sr_capabilities import check_blocks, check_replication
from toolkit.plan.trees import plan_trees


@dataclass(frozen=True, slots=True)
class ReplicationPlan:
    trees: Mapping[str, TreePlan] = field(default_factory=dict)
    """Delivery -> its tree."""
    node_sids: Mapping[str, int] = field(default_factory=dict)
    """Router -> index of its node SID."""
    blocks: SrPlan | None = None


NO_REPLICATION = ReplicationPlan()
"""Where no delivery goes over SR-P2MP."""


def plan_replication(
    inventory: Inventory, lock: Lock, problems: list[Problem]
) -> tuple[Lock, ReplicationPlan]:
    """Return the lock with all trees, and what routers are told of them.

    Adds to `problems`; the plan counts only where there are none.
    """
    problems += check_replication(inventory)
    sr = inventory.sr
    node_sids = _node_sids(inventory, lock, problems)
    names = [d.name for d in inventory.deliveries.values() if d.transport is Transport.SR_P2MP]
    instances = Instances(lock, names, sr.srlb, problems)
    ports = link_ports(inventory, lock.links)
    trees = plan_trees(inventory, lock.deliveries, ports, instances, problems)
    grown = replace(lock, trees=instances.trees, instances=instances.ids, digests=instances.digests)
    return grown, ReplicationPlan(trees, node_sids, SrPlan(srgb=sr.srgb, srlb=sr.srlb))


def plan_node_sids(inventory: Inventory, lock: Lock, problems: list[Problem]) -> ReplicationPlan:
    """Return node SIDs and label blocks alone, for tunnels of BIER (RFC 8279 section 6.9)."""
    problems += check_blocks(inventory)
    blocks = SrPlan(srgb=inventory.sr.srgb, srlb=inventory.sr.srlb)
    return ReplicationPlan(node_sids=_node_sids(inventory, lock, problems), blocks=blocks)


def _node_sids(inventory: Inventory, lock: Lock, problems: list[Problem]) -> dict[str, int]:
    srgb = inventory.sr.srgb
    node_sids = {name: lock.routers[name] for name in inventory.routers}
    last = max(node_sids.values(), default=0)
    if last >= len(srgb):
        what = f"{srgb} has node SIDs for {len(srgb) - 1} routers, not for router {last}"
        problems.append(
            Problem(Place(path="sr.srgb"), what, f"make it {last + 1} labels or longer")
        )
    return node_sids
