"""What the page says of a delivery over SR-P2MP: roles of routers and their state.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.inventory.model import Transport
from toolkit.lab.result import DeliveryResult
from toolkit.plan.model import FlowPlan, Plan, RouterPlan
from toolkit.report.quantity import count, plural

ROWS = "replication rows"
TRANSPORTS = {"sr-p2mp": "SR-P2MP"}
HOW = {"sr-p2mp": "the root puts each flow on a tree that the controller placed"}


def is_tree(result: DeliveryResult) -> bool:
    return result.transport == Transport.SR_P2MP.value


def role(flow: FlowPlan, router: str, leaves: frozenset[str]) -> str:
    """Return what a router is in the trees of a delivery (RFC 9524 section 2)."""
    paths = () if flow.tree is None else flow.tree.paths
    names = ["root"] if router == flow.bfir else []
    names += ["leaf"] if router in leaves else []
    on = [path.name for path in paths if router in path.nodes]
    if names:
        return ", ".join(names)
    return f"replicates ({', '.join(on)})" if on else "on no tree"


def node_label(plan: Plan, router: RouterPlan) -> str:
    """Return what stands under a router's name in pictures of a plan whose trees are SR-P2MP's;
    empty: the plan has BIER, too, whose words stand there."""
    flows = plan.flows
    if not flows or any(flow.transport is not Transport.SR_P2MP for flow in flows):
        return ""
    leaves = frozenset(plan.hosts[cloud].router for flow in flows for cloud in flow.clouds)
    if any(router.name == flow.bfir for flow in flows):
        return "root"
    if router.name in leaves:
        return "leaf"
    on = any(router.name in p.nodes for f in flows if f.tree is not None for p in f.tree.paths)
    return "replicates" if on else "node SIDs"


def routers_words(result: DeliveryResult, roles: Mapping[str, str]) -> str:
    """Return what all routers together hold."""
    holders = [use for use in result.routers if use.state_rows]
    rows = sum(use.state_rows for use in holders)
    transit = [use for use in holders if roles.get(use.router, "").startswith("replicates")]
    words = f"{plural(rows, 'row')} of replication state (segments and their downstream nodes, of "
    words += f"both candidate paths) in {plural(len(holders), 'router')}, {count(len(transit))} of "
    return words + "them with no receiver; more with every delivery."
