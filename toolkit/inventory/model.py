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
ASM_GROUPS = IPv4Network("239.1.0.0/16")  # administratively scoped (RFC 2365)
ASM_GROUPS_IPV6 = IPv6Network("ff18::/32")  # transient, organization-local (RFC 4291 section 2.7)
SSM_RANGES: tuple[IpNetwork, ...] = (
    IPv4Network("232.0.0.0/8"),
    *(IPv6Network(f"ff3{scope:x}::/32") for scope in range(16)),
)
"""RFC 4607 section 1."""


class Platform(StrEnum):
    """Router families that the grid of templates has a column for."""

    REFERENCE = "reference"
    IETF = "ietf"
    SROS = "sros"
    JUNOS = "junos"
    VRP = "vrp"
    IOSXR = "iosxr"
    FRR = "frr"


class Igp(StrEnum):
    """What routes between routers, and carries BIER's and SR's advertisements."""

    ISIS = "isis"
    """IS-IS, level 2 (ISO 10589, RFC 1195)."""
    OSPF = "ospf"
    """OSPFv2 in one area (RFC 2328); with IPv6 loopbacks OSPFv3 (RFC 5340)."""


class OverlaySignalling(StrEnum):
    """How edge routers know which of them want a flow."""

    STATIC = "static"
    """(S,G) mappings that the plan writes."""
    MVPN = "mvpn"
    """BGP MVPN (RFC 6513, RFC 6514; over BIER RFC 8556): they tell each other."""


class Transport(StrEnum):
    """How a delivery crosses the network."""

    BIER = "bier"
    SR_P2MP = "sr-p2mp"
    """Replication segments that the controller places (RFC 9524, RFC 9960)."""
    PIM_SSM = "pim-ssm"
    """Source trees of PIM-SM in the SSM range (RFC 7761 section 4.8, RFC 4607)."""
    PIM_SM = "pim-sm"
    """Any-source groups: a shared tree from a static RP, then source trees (RFC 7761)."""

    @property
    def pim(self) -> bool:
        return self in (Transport.PIM_SSM, Transport.PIM_SM)


class SptSwitchover(StrEnum):
    """When a last-hop router leaves the shared tree for the source's (RFC 7761 section 4.2.1)."""

    IMMEDIATE = "immediate"
    """At the first packet."""
    NEVER = "never"


class TreeMetric(StrEnum):
    """What a P2MP tree is short in."""

    IGP = "igp"
    TE = "te"
    DELAY = "delay"


class Disjointness(StrEnum):
    """What the second candidate path of a P2MP policy avoids of the first, as far as it can."""

    NONE = "none"
    """There is no second candidate path."""
    LINK = "link"
    NODE = "node"
    SRLG = "srlg"
    """Links, and what shares a risk with them."""


class Encapsulation(StrEnum):
    """BIER encapsulations (RFC 8296 sections 2.1 and 2.2)."""

    MPLS = "mpls"
    NON_MPLS = "non-mpls"


class BierTunnel(StrEnum):
    """What carries BIER across routers that are no BFRs (RFC 8279 section 6.9)."""

    GRE = "gre"
    SR = "sr"
    """The node SID of the next BFR above the BIER label (RFC 8660)."""
    VXLAN = "vxlan"


class FastReroute(StrEnum):
    """What backup entries of BFRs are computed for (draft-ietf-bier-frr)."""

    NONE = "none"
    LINK = "link"
    """The failure of a link."""
    NODE = "node"
    """The failure of the router at its other end, as far as there is a way around it."""


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
    replication: bool = True
    """False: no replication segments (RFC 9524); it forwards by node SIDs and is crossed by one."""
    pim: bool = True
    """False: no PIM; no tree may lead through it."""
    edge_protection: bool = True
    """False: what its edge ports accept from hosts is somebody else's to filter."""
    qos: bool = True
    """False: the class of service on its ports is somebody else's."""
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
    affinity: tuple[str, ...] = ()
    """Administrative groups by name (RFC 7308): what constraints of trees speak of."""
    te_metric: int | None = None
    """TE metric (RFC 5305 section 3.7); None: the IGP metric."""
    a_port: str = ""
    b_port: str = ""
    """Physical ports, in the platform's words (`1/1/c1/1`); empty: the plan's, if it may."""
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
    router_port: str = ""
    """The physical port of its router, in the platform's words; empty: as `Link.a_port`."""
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
    router_port: str = ""
    """The physical port of its router, in the platform's words; empty: as `Link.a_port`."""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeConstraints:
    """What a P2MP tree is computed under (SR-P2MP); its bandwidth is the delivery's rate."""

    metric: TreeMetric = TreeMetric.IGP
    exclude_any: tuple[str, ...] = ()
    """No link with one of these affinities."""
    include_any: tuple[str, ...] = ()
    """Only links with at least one of these; empty: all."""
    include_all: tuple[str, ...] = ()
    """Only links with all of these."""
    disjoint: Disjointness = Disjointness.LINK


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
    """BIER only: other transports leave replication to routers."""
    tree: TreeConstraints = field(default_factory=TreeConstraints)
    """SR-P2MP only."""
    rate: int = 1_000_000_000
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`failures` core elements of `scope` may fail at once and `clouds` are still served."""

    name: str
    scope: str = "links"
    """`links` (core links) or `nodes` (routers without a host)."""
    failures: int = 1
    clouds: tuple[str, ...] = ()
    """Empty: all that a delivery goes to."""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Where the plan takes addresses from; all of one address family."""

    loopbacks: IpNetwork = LOOPBACKS
    links: IpNetwork = LINKS
    hosts: IpNetwork = HOSTS
    groups: IpNetwork = GROUPS
    """SSM groups (RFC 4607)."""
    asm_groups: IpNetwork | None = None
    """Any-source groups, of PIM-SM; None: `ASM_GROUPS`, with IPv6 loopbacks `ASM_GROUPS_IPV6`."""

    @property
    def any_source(self) -> IpNetwork:
        """The pool of any-source groups in force."""
        if self.asm_groups is not None:
            return self.asm_groups
        return ASM_GROUPS if self.loopbacks.version == 4 else ASM_GROUPS_IPV6


@dataclass(frozen=True, slots=True, kw_only=True)
class BierSettings:
    sub_domain: int = 0
    bsl: int = 256
    """BitString length in bits."""
    encapsulation: Encapsulation = Encapsulation.MPLS
    tunnel: BierTunnel = BierTunnel.GRE
    maximum_paths: int = 1
    """Equal-cost ways to a BFER that flows spread over, 1 to 16 (RFC 8279 section 6.7)."""
    fast_reroute: FastReroute = FastReroute.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PimSettings:
    rp: str = ""
    """Router whose loopback is the static RP (RFC 7761 section 3.7); empty: the plan takes the one
    from which the clouds are nearest."""
    spt_switchover: SptSwitchover = SptSwitchover.IMMEDIATE
    ssm_ranges: tuple[IpNetwork, ...] = SSM_RANGES
    """Groups that have source trees only."""


@dataclass(frozen=True, slots=True)
class LabelRange:
    """MPLS labels `lower` to `upper`, both included."""

    lower: int
    upper: int

    def __contains__(self, label: int) -> bool:
        return self.lower <= label <= self.upper

    def __len__(self) -> int:
        return self.upper - self.lower + 1

    def __str__(self) -> str:
        return f"{self.lower}-{self.upper}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SrSettings:
    """Label blocks of segment routing, the same on every router (RFC 8660 section 2)."""

    srgb: LabelRange = LabelRange(16_000, 23_999)
    """Node SIDs."""
    srlb: LabelRange = LabelRange(15_000, 15_999)
    """Replication SIDs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlaySettings:
    signalling: OverlaySignalling = OverlaySignalling.STATIC
    as_number: int = 64_512
    """Of the BGP sessions (MVPN); the first private one (RFC 6996)."""
    route_reflectors: tuple[str, ...] = ()
    """Routers that reflect routes between edge routers (RFC 4456); empty: a full mesh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QosSettings:
    dscp: int | None = 1
    """Packets with it get a class of their own; 1 is LE (RFC 8622); None: nobody is told."""


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
    pim: PimSettings = field(default_factory=PimSettings)
    sr: SrSettings = field(default_factory=SrSettings)
    igp: Igp = Igp.ISIS
    overlay: OverlaySettings = field(default_factory=OverlaySettings)
    qos: QosSettings = field(default_factory=QosSettings)
