"""What the hosts of a plan join by IGMP or MLD.  Pure.  RFC 3376, RFC 3810, RFC 4604."""

from __future__ import annotations

from toolkit.inventory.model import Transport
from toolkit.plan.model import Plan
from toolkit.state.model import Member


def members_of(plan: Plan) -> frozenset[Member]:
    """Return the memberships of every cloud in every delivery over PIM.

    Source-specific for PIM-SSM, any-source for PIM-SM.
    """
    return frozenset(
        Member(cloud, flow.group, flow.source_address if ssm else None)
        for flow in plan.flows_over(Transport.PIM_SSM, Transport.PIM_SM)
        for ssm in [flow.transport is Transport.PIM_SSM]
        for cloud in flow.clouds
    )
