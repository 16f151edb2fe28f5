"""In which order routers take a new configuration.  Pure."""

from __future__ import annotations

from toolkit.plan.model import Plan


def order(plan: Plan) -> list[set[str]]:
    """Return the routers by role: make before break needs egress before transit before ingress."""
    ingress = {flow.bfir for flow in plan.flows}
    egress = {plan.hosts[cloud].router for flow in plan.flows for cloud in flow.clouds} - ingress
    return [egress, set(plan.routers) - egress - ingress, ingress]
