"""What the hosts of a plan join by IGMP or MLD.  Pure.  RFC 3376, RFC 3810, RFC 4604."""

from __future__ import annotations

from toolkit.inventory.model import Transport
from toolkit.plan.model import Plan
from toolkit.state.model import Member


def members_of(plan: Plan) -> frozenset[Member]:
    """Return the memberships of every cloud in every delivery that hosts join.

    Over PIM, and with MVPN over whatever its tunnels are.  Any-source for PIM-SM, source-specific
    for all others.
    """
    joined = plan.flows_over(*(t for t in Transport if t.pim or plan.mvpn is not None))
    return frozenset(
        Member(cloud, flow.group, None if any_source else flow.source_address)
        for flow in joined
        for any_source in [flow.transport is Transport.PIM_SM]
        for cloud in flow.clouds
    )
