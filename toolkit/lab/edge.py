"""What an edge interface of a laboratory's router takes from its host.

RFC 8279 section 9, RFC 8296 section 5: no PIM, multicast from permitted sources alone; which bits a
host may set is the BIER engine's to refuse (`Plane.permitted`).  IGMP and MLD are welcome.  Pure.
"""

from __future__ import annotations

from toolkit.inet import ip
from toolkit.pim.igmp import HOP_BY_HOP, ICMPV6, IGMP
from toolkit.pim.wire import PROTOCOL as PIM
from toolkit.state.model import EdgeProtection

MEMBERSHIP = frozenset({IGMP, ICMPV6, HOP_BY_HOP})
"""Protocols that hosts join groups by; MLD is in ICMPv6, behind a Hop-by-Hop header."""


def refused(protection: EdgeProtection, outer: ip.Header) -> str:
    """Return why an IP packet from a host is not taken; empty: it is."""
    if outer.protocol == PIM:
        return "edge-pim"
    if (
        outer.destination.is_multicast
        and outer.protocol not in MEMBERSHIP
        and outer.source not in protection.sources
    ):
        return "edge-source"
    return ""
