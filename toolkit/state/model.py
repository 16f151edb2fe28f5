"""Network state as values, whatever its source: plan, rendered payloads, running configuration.

Pure.  Analysis (`toolkit.verify`) and forwarding (`toolkit.planes`) read only this.  The state says
what each device is *configured* to do; what follows from it (adjacencies, routes, BIFTs) is
derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

IpAddress = IPv4Address | IPv6Address
IpInterface = IPv4Interface | IPv6Interface
IpNetwork = IPv4Network | IPv6Network


class Source(StrEnum):
    """Where a state was read from."""

    PLAN = "plan"
    RENDERED = "rendered"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class IsisInterface:
    metric: int = 10
    passive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    name: str
    enabled: bool = True
    addresses: tuple[IpInterface, ...] = ()
    mtu: int | None = None
    """Largest network-layer packet in bytes."""
    isis: IsisInterface | None = None
    """None: no IS-IS on this interface, so no adjacency over it."""
    bier: bool = False
    """BIER may be sent and received on this interface (core side)."""
    accept_host_bier: bool = False
    """An edge interface whose host may impose BIER itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BierEncapsulation:
    """One <sub-domain, BSL> binding: BIFT-ids run from `base` to `base + max_si` (RFC 8401 6.2)."""

    kind: str
    """`mpls` or `non-mpls`."""
    bsl: int
    base: int
    max_si: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubDomain:
    sub_domain_id: int
    bfr_prefix: IpNetwork
    bfr_id: int | None = None
    """None on a transit BFR (RFC 8279 section 2)."""
    encapsulations: tuple[BierEncapsulation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressFlow:
    """(S,G) that this BFIR imposes a BitString on: SI -> BitString value (bit 1 is 1 << 0)."""

    source: IpAddress
    group: IpAddress
    sub_domain_id: int
    bsl: int
    sets: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressFlow:
    """(S,G) that this BFER hands to its edge interfaces."""

    source: IpAddress
    group: IpAddress
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A delivery session that this edge router knows of (llmsync-delivery)."""

    name: str
    tsi: int
    source: IpAddress
    group: IpAddress
    role: str
    """`ingress` or `egress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterState:
    name: str
    system_id: str = ""
    """Empty: the router runs no IS-IS."""
    areas: tuple[str, ...] = ()
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    sub_domains: tuple[SubDomain, ...] = ()
    ingress_flows: tuple[IngressFlow, ...] = ()
    egress_flows: tuple[EgressFlow, ...] = ()
    sessions: tuple[Session, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class End:
    """One end of a cable."""

    node: str
    """Router or host name."""
    port: str


@dataclass(frozen=True, slots=True, order=True)
class Cable:
    """A physical link.  It exists whatever is configured on it."""

    a: End
    b: End
    link: str = ""
    """The inventory's name of the link (`fra1-par1`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkState:
    source: Source
    routers: Mapping[str, RouterState]
    cables: tuple[Cable, ...] = ()
    """Router-to-router cables and router-to-host cables alike."""
    hosts: frozenset[str] = frozenset()
    """Names of the nodes in `cables` that are hosts, not routers."""
