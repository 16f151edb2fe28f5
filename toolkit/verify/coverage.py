"""What the verification models and what it does not: the statements that every report carries.

Pure.  Law: a reader must not believe more than was looked at.  A statement names what is left out
and what that means for the result.
"""

from __future__ import annotations

from toolkit.inventory.model import Encapsulation, Platform, Transport
from toolkit.plan.model import Plan
from toolkit.state.model import NetworkState, Source
from toolkit.verify.coverage_transports import CANDIDATE_PATHS, of_transports
from toolkit.verify.proof import planned_parts
from toolkit.verify.statement import Statement

_ALWAYS = (
    Statement(
        "Packets",
        True,
        "every packet of every delivery was followed bit by bit from its source through BIFTs and "
        "overlay to the clouds' interfaces, with TTL, tunnels and packet sizes.",
    ),
    Statement(
        "IGP convergence time",
        False,
        "after a failure the new paths are judged, not the seconds until routers use them; packets "
        "lost meanwhile are repaired, and their number is not predicted.",
    ),
    Statement(
        "Equal-cost paths",
        False,
        "one neighbor is taken for each BFER, as the reference router does; a router that spreads "
        "by entropy uses other links as well.",
    ),
    Statement(
        "Link loads",
        False,
        "whether the rate of a delivery fits the links of its tree was not checked.",
    ),
    Statement(
        "Hardware limits",
        False,
        "table sizes, replication rates and line-card support of BIER are not known from a "
        "configuration.",
    ),
    Statement(
        "Access lists and policers",
        False,
        "what edge interfaces take from hosts was judged; other filters and policers on a router "
        "were not read.",
    ),
    Statement(
        "Real MTUs",
        False,
        "MTUs are those configured; what a carrier's circuit passes was not measured.",
    ),
)
_SPREAD = Statement(
    "Equal-cost paths",
    True,
    "each delivery was followed by the entropy of its flow over the ways that routers choose from.",
)
_VPN = Statement(
    "BGP and labels of the VPN",
    False,
    "sessions, routes and joins follow from configurations and from the plan's members, without "
    "messages and timers; labels of VPN unicast and how the core resolves its next hops were not "
    "looked at, beyond their octets and the route to the other edge router.",
)
_DEVICE_STATE = Statement(
    "Device state",
    False,
    "forwarding was derived from configuration; no router was asked for its own tables.",
)
_DEVICE_STATE_READ = Statement(
    "Device state",
    True,
    "forwarding was derived from configuration and compared with the tables that routers show.",
)


def coverage(
    plan: Plan, state: NetworkState, *, device_state_read: bool = False
) -> tuple[Statement, ...]:
    """Return what was modelled of this network and what was not.

    `device_state_read`: routers were asked for their own tables, and these were compared.
    """
    used = frozenset(flow.transport for flow in plan.flows)
    spreads = used == {Transport.BIER} and any(
        router.bier.maximum_paths > 1 for router in state.routers.values()
    )
    statements = [
        *(
            _SPREAD
            if spreads and statement.topic == _SPREAD.topic
            else of_transports(statement, used)
            for statement in _ALWAYS
        ),
        _DEVICE_STATE_READ if device_state_read else _DEVICE_STATE,
    ]
    if Transport.SR_P2MP in used:
        statements += CANDIDATE_PATHS
    if state.source is Source.PLAN:
        text = "what was judged is the plan itself, not what is on routers."
        statements.append(Statement("Configurations", False, text))
    else:
        what = "running" if state.source is Source.RUNNING else "rendered"
        text = f"the {what} configurations were judged and compared with the plan."
        statements.append(Statement("Configurations", True, text))
    if state.source is not Source.PLAN:
        statements += [Statement(what, False, why) for what, why in planned_parts(plan)]
    if plan.mvpn is not None:
        statements.append(_VPN)
    platforms = sorted({r.platform for r in plan.routers.values()} - {Platform.REFERENCE})
    if platforms:
        text = f"how {', '.join(platforms)} differ from the reference router in tie-breaking, "
        statements.append(Statement("Other platforms", False, text + "timers and defaults."))
    parts = (s for r in plan.routers.values() for s in r.sub_domains)
    if any(s.encapsulation is Encapsulation.MPLS for s in parts):
        text = "BIFT-ids were compared with each other, not with labels that LDP, RSVP-TE or "
        statements.append(
            Statement("Labels of others", False, text + "segment routing may have taken.")
        )
    if plan.pim is not None:
        text = "neighbors follow from configuration; links are point-to-point, so no router is "
        text += "elected and no Assert is sent; state does not run out while nothing changes."
        statements.append(Statement("PIM Hellos, Asserts and timers", False, text))
    return tuple(statements)


def not_modelled(
    plan: Plan, state: NetworkState, *, device_state_read: bool = False
) -> tuple[Statement, ...]:
    """Return only what was left out."""
    statements = coverage(plan, state, device_state_read=device_state_read)
    return tuple(s for s in statements if not s.modelled)
