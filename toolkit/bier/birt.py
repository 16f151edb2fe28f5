"""The Bit Index Routing Table: which BFER has which BFR-id, and by which BFR-NBR it is reached.

RFC 8279 section 6.3 (table), 6.2 (BFR-NBR), 6.9 (a BFR-NBR across routers that are no BFRs).  Law:
rows are values; a row may hold several equal-cost neighbors, best first, so that ECMP (section 6.7)
is a choice made by whoever builds the BIFT, not a different table (`Bift.build` takes the first).
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A GRE tunnel (RFC 2784) that carries BIER across non-BFRs (RFC 8279 section 6.9)."""

    local: IPv4Address | IPv6Address
    """Our BFR-prefix: source of the outer header."""
    remote: IPv4Address | IPv6Address
    """The neighbor's BFR-prefix: destination of the outer header."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BFR-NBR: the next BFR on the way, and how a packet gets there."""

    router: str
    interface: str
    """Ours, towards the neighbor; of a tunnel, the one its outer packets leave by."""
    address: IPv4Address | IPv6Address | None = None
    """Of the next hop on that interface."""
    tunnel: Tunnel | None = None
    """None: the neighbor is at the other end of the interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One BFER as this BFR sees it."""

    bfr_id: int
    bfr_prefix: IPv4Network | IPv6Network
    router: str
    """Name of the BFER."""
    local: bool = False
    """The BFER is this BFR itself."""
    neighbors: tuple[Neighbor, ...] = field(default=())
    """Of equal cost, best first; empty on the local row."""
    metric: int = 0
    """Distance to the BFER in the routing underlay."""
