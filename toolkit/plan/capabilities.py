"""What each platform can do for BIER, and what follows for a domain made of several of them.

Pure.  A platform without an entry in `BIER` has no BIER configuration at all.  RFC 8279 section 2
gives the outer bounds (BFR-ids 1..65535, sets 0..255), vendors narrow them.  A BIER domain can do
what all of its BFRs can do, so the plan is held to the smallest limit among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from toolkit.errors import Place, Problem
from toolkit.inventory.model import BierTunnel, Encapsulation, Inventory, Platform, Router
from toolkit.plan.places import place_of
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import BSLS, MAX_BFR_ID, MAX_SETS, BierCapability

MAXIMUM_PATHS = 16

BIER: Mapping[Platform, BierCapability] = MappingProxyType(
    {platform: facts.bier for platform, facts in PLATFORMS.items() if facts.bier is not None}
)

NO_BIER = "set `bier: false` on it: its neighbors then reach each other across it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The largest BFR-id of the domain, and who sets it."""

    bfr_id: int
    reason: str
    place: Place
    remedy: str


def bfrs(inventory: Inventory) -> tuple[Router, ...]:
    """Return the routers that take part in BIER (RFC 8279 section 2)."""
    return tuple(r for r in inventory.routers.values() if r.bier)


def check_platforms(inventory: Inventory) -> list[Problem]:
    """Name every router whose platform cannot do what the inventory asks of it."""
    asked = inventory.bier
    family = inventory.pools.loopbacks.version
    problems = []
    if asked.bsl not in BSLS:
        lengths = ", ".join(map(str, BSLS))
        what = f"{asked.bsl} is no BitString length"
        problems.append(Problem(Place(path="bier.bsl"), what, f"use one of {lengths}"))
    if not 0 <= asked.sub_domain <= 255:
        what = f"{asked.sub_domain} is no sub-domain"
        problems.append(Problem(Place(path="bier.sub_domain"), what, "use 0 to 255"))
    if not 1 <= asked.maximum_paths <= MAXIMUM_PATHS:
        what = f"{asked.maximum_paths} is no number of equal-cost ways"
        remedy = f"use 1 to {MAXIMUM_PATHS}"
        problems.append(Problem(Place(path="bier.maximum_paths"), what, remedy))
    if asked.tunnel is BierTunnel.SR and asked.encapsulation is Encapsulation.NON_MPLS:
        what = "a node SID carries BIER in MPLS only, and bier.encapsulation is non-mpls"
        remedy = "set bier.tunnel to gre or vxlan, or bier.encapsulation to mpls"
        problems.append(Problem(Place(path="bier.tunnel"), what, remedy))
    for router in bfrs(inventory):
        can = BIER.get(router.platform)
        name = f"{router.name} ({router.platform})"
        remedy = NO_BIER
        if can is None:
            what = f"platform {router.platform} has no BIER, but {router.name} is to be a BFR"
        elif asked.encapsulation not in can.encapsulations:
            why = f": {can.note}" if can.note else ""
            what = f"{name} cannot join a BIER domain with {asked.encapsulation} encapsulation{why}"
            if can.encapsulations:
                offered = " or ".join(sorted(can.encapsulations))
                remedy += f"; or set bier.encapsulation to {offered}"
        elif asked.bsl in BSLS and asked.bsl not in can.bsls:
            lengths = ", ".join(map(str, sorted(can.bsls)))
            what = f"{name} forwards BitStrings of {lengths} bits, not of {asked.bsl}"
            remedy += f"; or set bier.bsl to {lengths}"
        elif family not in can.versions:
            families = " and ".join(f"IPv{v}" for v in sorted(can.versions))
            what = f"{name} takes {families} BFR-prefixes, but the pools are IPv{family}"
        elif asked.maximum_paths > 1 and not can.ecmp:
            what = f"{name} does not spread BIER over equal-cost ways"
            remedy += "; or set bier.maximum_paths to 1"
        elif asked.fast_reroute not in can.fast_reroute:
            what = f"{name} does not route BIER around the failure of a {asked.fast_reroute}"
            remedy = f"set bier.fast_reroute to {' or '.join(sorted(can.fast_reroute))}"
        else:
            continue
        problems.append(Problem(place_of(router), what, remedy))
    return problems


def domain_limit(inventory: Inventory) -> Limit:
    """Return the largest BFR-id that every BFR of the domain can deal with.

    The minimum over the BFRs, 256 sets of the BSL, and 65535 (RFC 8279 section 2).
    """
    bsl = inventory.bier.bsl
    limit = Limit(
        bfr_id=MAX_BFR_ID,
        reason="BFR-ids end at 65535",
        place=Place(path="bier"),
        remedy="split the network into several",
    )
    if bsl * MAX_SETS < limit.bfr_id:
        limit = Limit(
            bfr_id=bsl * MAX_SETS,
            reason=f"{MAX_SETS} sets of {bsl} bits are all there are",
            place=Place(path="bier.bsl"),
            remedy="use a longer BitString",
        )
    for router in bfrs(inventory):
        can = BIER.get(router.platform)
        if can and can.max_bfr_id < limit.bfr_id:
            limit = Limit(
                bfr_id=can.max_bfr_id,
                reason=f"{router.name} ({router.platform}) knows no BFR-id above {can.max_bfr_id}",
                place=place_of(router),
                remedy=NO_BIER,
            )
    return limit
