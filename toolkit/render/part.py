"""One router's part in a plan: what its templates are told.

Pure.  Templates lay out, they do not select: which flows start or end at a router is said here
once, for every platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Imposition, Transport
from toolkit.plan.intended import LOOPBACK
from toolkit.plan.model import FlowPlan, Plan, PortPlan, RouterPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    router: RouterPlan
    imposed: tuple[FlowPlan, ...]
    """Flows that the router puts a BitString on (BFIR, `imposition: router`)."""
    delivered: tuple[tuple[FlowPlan, tuple[PortPlan, ...]], ...]
    """Flows that the router hands to clouds by its overlay (BFER, leaf), and the ports of all of
    those clouds; with PIM it is the hosts that ask."""
    sessions: tuple[tuple[FlowPlan, str], ...]
    """Deliveries that start (`ingress`) or end (`egress`) here; the start counts where both do."""

    def variables(self) -> Mapping[str, object]:
        """Return what a template may name."""
        return {
            "router": self.router,
            "loopback": LOOPBACK,
            "imposed": self.imposed,
            "delivered": self.delivered,
            "sessions": self.sessions,
        }


def part_of(plan: Plan, name: str) -> Part:
    """Return router `name`'s part in `plan`."""
    router = plan.routers[name]
    delivered = []
    sessions = []
    for flow in plan.flows:
        clouds = {cloud for cloud in flow.clouds if plan.hosts[cloud].router == name}
        ports = tuple(port for port in router.ports if port.edge and port.peer in clouds)
        if ports:
            delivered.append((flow, ports))
        if flow.bfir == name:
            sessions.append((flow, "ingress"))
        elif ports:
            sessions.append((flow, "egress"))
    return Part(
        router=router,
        imposed=tuple(
            flow
            for flow in plan.flows
            if flow.bfir == name
            and flow.transport is Transport.BIER
            and flow.imposition is Imposition.ROUTER
        ),
        delivered=tuple((flow, ports) for flow, ports in delivered if not flow.transport.pim),
        sessions=tuple(sessions),
    )
