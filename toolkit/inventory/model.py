"""What the operator declares: routers, links, repositories, GPU clouds, deliveries, policies.

Pure values without addresses of our choosing: everything that follows from them is the plan's.
Units: capacities and rates in bit/s, delays in seconds, sizes and MTUs in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from toolkit.errors import Place

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

NOWHERE = Place()
"""Of what was built by a program, not read from a file."""
LOOPBACKS = IPv4Network("10.255.0.0/16")
LINKS = IPv4Network("10.0.0.0/16")
HOSTS = IPv4Network("10.1.0.0/16")
GROUPS = IPv4Network("232.1.0.0/16")


class Platform(StrEnum):
    """Router families that the grid of templates has a column for."""

    REFERENCE = "reference"
    IETF = "ietf"
    SROS = "sros"
    JUNOS = "junos"
    VRP = "vrp"
    IOSXR = "iosxr"
    FRR = "frr"


class Transport(StrEnum):
    """How a delivery crosses the network."""

    BIER = "bier"


class Encapsulation(StrEnum):
    """BIER encapsulations (RFC 8296 sections 2.1 and 2.2)."""

    MPLS = "mpls"
    NON_MPLS = "non-mpls"


class Imposition(StrEnum):
    """Who imposes the BitString: the sending host, or the edge router per (S,G)."""

    HOST = "host"
    ROUTER = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A reference to a secret, never the secret itself."""

    kind: str
    """`env`, `file` or `agent` (the SSH agent; `name` is empty)."""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """How a router's NETCONF server is reached (RFC 6242)."""

    host: str
    port: int = 830
    username: str = ""
    password: Secret | None = None
    key: Secret | None = None
    host_key: str = ""
    """The server's public key in OpenSSH form; empty: known_hosts decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """An operator's network."""

    name: str
    area: str = "49.0001"
    """IS-IS area address (ISO 10589)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    name: str
    domain: str
    region: str = ""
    platform: Platform = Platform.REFERENCE
    loopback: IpAddress | None = None
    """None: the plan takes one from `Pools.loopbacks`."""
    bier: bool = True
    """False: the router cannot do BIER and is crossed as a non-BFR (RFC 8279 section 6.9)."""
    management: Management | None = None
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A point-to-point link between two routers (a core link)."""

    a: str
    b: str
    name: str = ""
    """Unique in the inventory.  Empty becomes `a-b`; the loader numbers parallel ones: `a-b-2`."""
    metric: int = 10
    capacity: int = 100_000_000_000
    delay: float = 0.001
    mtu: int = 9000
    """Largest network-layer packet in bytes, without the Ethernet header."""
    srlg: tuple[str, ...] = ()
    """Shared risk link groups (RFC 5307): what fails together."""
    place: Place = NOWHERE

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"{self.a}-{self.b}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Where models are sent from; a host beside its router."""

    name: str
    router: str
    capacity: int = 100_000_000_000
    delay: float = 0.0001
    mtu: int = 9000
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A GPU cloud: a receiver host beside its router."""

    name: str
    router: str
    region: str = ""
    capacity: int = 10_000_000_000
    delay: float = 0.0001
    mtu: int = 9000
    gpus: int = 8
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    name: str
    model: str
    """A file, a folder, or `demo` for the packaged demonstration model."""
    source: str
    """Name of a repository."""
    to: tuple[str, ...]
    """Names of clouds; `all` in the file is expanded by the loader."""
    transport: Transport = Transport.BIER
    imposition: Imposition = Imposition.HOST
    rate: int = 1_000_000_000
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`failures` core elements of `scope` may fail at once and every cloud is still served."""

    name: str
    scope: str = "links"
    """`links` (core links) or `nodes` (routers without a host)."""
    failures: int = 1
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Where the plan takes addresses from; all of one address family."""

    loopbacks: IpNetwork = LOOPBACKS
    links: IpNetwork = LINKS
    hosts: IpNetwork = HOSTS
    groups: IpNetwork = GROUPS
    """SSM groups (RFC 4607)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BierSettings:
    sub_domain: int = 0
    bsl: int = 256
    """BitString length in bits."""
    encapsulation: Encapsulation = Encapsulation.MPLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """A whole, consistent inventory: every name that is referred to exists."""

    name: str
    domains: Mapping[str, Domain]
    routers: Mapping[str, Router]
    links: tuple[Link, ...]
    repositories: Mapping[str, Repository]
    clouds: Mapping[str, Cloud]
    deliveries: Mapping[str, Delivery]
    policies: tuple[Policy, ...] = ()
    pools: Pools = field(default_factory=Pools)
    bier: BierSettings = field(default_factory=BierSettings)
