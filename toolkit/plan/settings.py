"""Settings of the whole network that the IGP, BGP or the IP header cannot express.

Pure.  The loader says the same with file and line; this is for inventories that programs build.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Igp, Inventory
from toolkit.plan.mvpn import signalled
from toolkit.plan.places import place_of

OSPF_COSTS = range(1, 65_536)
"""RFC 2328 appendix C.3."""
AS_NUMBERS = range(1, 65_535)
"""Two octets, so that a route target is the same on every platform; 65535 is reserved (RFC 7300).
"""
CODE_POINTS = range(64)
"""Six bits (RFC 2474 section 3)."""


def check_settings(inventory: Inventory) -> Iterator[Problem]:
    """Name costs, AS numbers and code points that there are not."""
    if inventory.igp is Igp.OSPF:
        for link in inventory.links:
            if link.metric not in OSPF_COSTS:
                what = f"{link.metric} is no cost of OSPF"
                yield Problem(place_of(link), what, f"use a metric of 1 to {OSPF_COSTS[-1]}")
    number = inventory.overlay.as_number
    if signalled(inventory) and number not in AS_NUMBERS:
        what = f"{number} is no AS number that route targets can hold"
        yield Problem(Place(path="overlay.as"), what, f"use 1 to {AS_NUMBERS[-1]}")
    dscp = inventory.qos.dscp
    if dscp is not None and dscp not in CODE_POINTS:
        what = f"{dscp} is no code point"
        yield Problem(Place(path="qos.dscp"), what, f"use 0 to {CODE_POINTS[-1]}")
