"""What reports say of routers where a delivery goes over PIM instead of BIER.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.lab.result import DeliveryResult
from toolkit.plan.model import FlowPlan, Plan, RouterPlan
from toolkit.report.quantity import count, plural

ROWS = "multicast rows"
TRANSPORTS = {"pim-ssm": "PIM-SSM", "pim-sm": "PIM-SM"}
HOW = {
    "pim-ssm": "routers join the source's tree, hop by hop",
    "pim-sm": "routers join a shared tree from a rendezvous point, then the source's",
}


def is_pim(result: DeliveryResult) -> bool:
    return result.transport in TRANSPORTS


def node_label(plan: Plan, router: RouterPlan) -> str:
    """Return what stands under a router's name; empty where it is for BIER to say."""
    if plan.pim is None or any(not flow.transport.pim for flow in plan.flows):
        return ""
    if not router.pim:
        return "no PIM"
    return "rendezvous point" if plan.pim.rp == router.name else "PIM"


def role(plan: Plan, flow: FlowPlan | None, router: RouterPlan, egress: set[str]) -> str:
    """Return a router's role in a delivery (RFC 7761 section 3)."""
    names = []
    if flow is not None and router.name == flow.bfir:
        names.append("first hop")
    if router.name in egress:
        names.append("last hop")
    if plan.pim is not None and plan.pim.rp == router.name:
        names.append("RP")
    return ", ".join(names) or ("transit" if router.pim else "transit, no PIM")


def routers_words(result: DeliveryResult, roles: Mapping[str, str]) -> str:
    """Return what all routers together hold."""
    rows = sum(use.state_rows for use in result.routers)
    holding = [use for use in result.routers if use.state_rows]
    inside = sum("transit" in roles.get(use.router, "") for use in holding)
    words = f"{plural(rows, 'multicast row')} in {plural(len(holding), 'router')} because of this "
    return words + f"delivery, {count(inside)} of them in transit; every delivery adds its own."
