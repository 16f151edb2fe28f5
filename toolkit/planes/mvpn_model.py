"""Joins, routes and tunnels of a multicast VPN, as values.  RFC 6513, RFC 6514.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from toolkit.state.model import IpAddress, IpNetwork, Member

Flow = tuple[IpAddress, IpAddress]
"""(S,G)."""
BIER, SR_P2MP, PIM_SSM = "bier", "sr-p2mp", "pim-ssm"


class JoinCut(StrEnum):
    """Why a member's join leads to nothing."""

    PORT_DOWN = "port-down"
    NOT_IN_VRF = "not-in-vrf"
    """The interface of the member is in no multicast VPN."""
    NO_MEMBERSHIP = "no-membership"
    """Neither IGMP nor MLD there, or a version that cannot name sources."""
    NO_SOURCE = "no-source"
    """No edge router has the source in a VRF."""
    NOT_HEARD = "not-heard"
    """BGP routes do not pass between the two edge routers."""
    ROUTE_TARGET = "route-target"
    """They do not import each other's routes."""
    NEXT_HOP = "next-hop"
    """No route leads to the other edge router."""
    TUNNEL_TYPE = "tunnel-type"
    SUB_DOMAIN = "sub-domain"
    """BIER, and the two are not in one sub-domain."""
    NO_BFR_ID = "no-bfr-id"
    """BIER, and the member's router has no BFR-id in the sub-domain."""


@dataclass(frozen=True, slots=True)
class Join:
    """What became of one member's join."""

    member: Member
    router: str
    port: str
    root: str = ""
    """Edge router that the source is behind; empty: not known."""
    cut: JoinCut | None = None
    """None: it stands."""


@dataclass(frozen=True, slots=True)
class VpnRoute:
    """A unicast route of a VRF: a prefix of our own, or one behind another edge router."""

    prefix: IpNetwork
    router: str
    """Edge router that has it."""
    address: IpAddress | None = None
    """Next hop: that router's address in BGP; None: it is our own."""
    port: str = ""
    """Our own interface."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A source tree of the core that carries a VPN's packets in GRE (RFC 6513 section 12.1)."""

    source: IpAddress
    """The root's address in BGP."""
    group: IpAddress
