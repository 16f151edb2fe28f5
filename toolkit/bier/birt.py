"""The Bit Index Routing Table: which BFER has which BFR-id, and by which BFR-NBR it is reached.

RFC 8279 section 6.3 (table), 6.2 (BFR-NBR), 6.9 (a BFR-NBR across routers that are no BFRs).  Law:
rows are values; a row may hold several equal-cost neighbors, best first, so that ECMP (section 6.7)
is a choice made by whoever builds the BIFT, not a different table (`Bift.build` takes the first).
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


class TunnelKind(StrEnum):
    """What carries BIER across routers that are no BFRs.  All are pipes: TTLs are not copied."""

    GRE = "gre"
    """GRE over IP (RFC 2784, RFC 4023); the protocol type is BIER's EtherType."""
    VXLAN = "vxlan"
    """VXLAN (RFC 7348): the inner Ethernet frame has BIER's EtherType."""
    SR_MPLS = "sr-mpls"
    """The neighbor's node SID (RFC 8660) above the BIER label; only for BIER in MPLS."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What carries BIER across non-BFRs (RFC 8279 section 6.9)."""

    local: IPv4Address | IPv6Address
    """Our BFR-prefix: source of the outer header."""
    remote: IPv4Address | IPv6Address
    """The neighbor's BFR-prefix: destination of the outer header."""
    kind: TunnelKind = TunnelKind.GRE
    labels: tuple[int, ...] = ()
    """SR_MPLS: what is pushed above the BIER label, outermost first."""
    vni: int = 0
    """VXLAN: the VXLAN Network Identifier, 24 bits."""

    def __post_init__(self) -> None:
        if (self.kind is TunnelKind.SR_MPLS) != bool(self.labels):
            raise ValueError("an sr-mpls tunnel, and no other, has labels")
        if any(not 0 <= label < 1 << 20 for label in self.labels):
            raise ValueError("a label does not fit its 20 bits")
        if not 0 <= self.vni < 1 << 24:
            raise ValueError("a VNI does not fit its 24 bits")


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
    mac: bytes | None = None
    """6 octets: of the next hop on that interface; None: whoever sends has to ask (RFC 826)."""
    pinned: bool = False
    """Of a tunnel: its packets leave by `interface` whatever unicast routes say, since the way
    around a failure starts there."""


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
