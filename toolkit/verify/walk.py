"""One packet of a delivery, followed symbolically from its source to every interface it leaves by.

Law: a walk takes what the planes say, not what the plan hopes; every copy ends as an arrival or as
a loss with its place and reason; it ends on any tables, loops included.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.verify.ground import Ground, Walk
from toolkit.verify.walk_bier import walk_bier
from toolkit.verify.walk_mvpn import walk_ssm
from toolkit.verify.walk_pim import walk_pim
from toolkit.verify.walk_sr import walk_sr

_WALKS: Mapping[Transport, Callable[[Ground, FlowPlan], Walk]] = {
    Transport.BIER: walk_bier,
    Transport.SR_P2MP: walk_sr,
    Transport.PIM_SSM: walk_ssm,
    Transport.PIM_SM: walk_pim,
}


def walk(ground: Ground, flow: FlowPlan, clouds: Collection[str] | None = None) -> Walk:
    """Return where one packet of `flow` goes.

    `clouds`: those to follow it for, None for all.  Over BIER the bits of others are not imposed,
    over PIM others do not join; over SR-P2MP a tree is always followed whole.
    """
    if clouds is None:
        return _WALKS[flow.transport](ground, flow)
    if flow.transport is Transport.BIER:
        return walk_bier(ground, flow, {flow.bfr_ids[cloud] for cloud in clouds})
    if flow.transport is Transport.PIM_SSM:
        return walk_ssm(ground, flow, clouds)
    if flow.transport.pim:
        return walk_pim(ground, flow, clouds)
    return walk_sr(ground, flow)
