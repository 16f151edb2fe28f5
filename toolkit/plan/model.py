"""The plan: everything that follows from an inventory, as plain values.

Pure.  Made by `toolkit.plan.expand` in one step; rendering, verification, labs and reports read it
and decide nothing themselves.  Units as in `toolkit.inventory.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.inventory.model import (
    Encapsulation,
    Igp,
    Imposition,
    LabelRange,
    Platform,
    Policy,
    Transport,
)
from toolkit.state.model import (
    PLAIN_BIER,
    BgpSpeaker,
    BierRouting,
    Cable,
    EdgeProtection,
    IpAddress,
    IpInterface,
    IpNetwork,
    Mvpn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPlan:
    """One router interface: towards a router (core) or a host (edge)."""

    name: str
    address: IpInterface
    peer: str
    """Name of the router or host at the other end."""
    peer_port: str
    peer_address: IpInterface
    edge: bool
    link: str
    """The inventory's name of the link; a host's own name for an edge port."""
    metric: int
    mtu: int
    capacity: int
    delay: float
    accept_host_bier: bool = False
    hardware: str = ""
    """The physical port, in the platform's words, where that is not `name`."""
    protection: EdgeProtection | None = None
    """What an edge port takes from its host; None on core ports and where nobody asked."""
    vpn: str = ""
    """The VRF that an edge port is in: no IGP and no PIM of the core there; empty: in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubDomainPlan:
    """One router's part in one sub-domain."""

    sub_domain_id: int
    bfr_id: int | None
    """None on a transit BFR."""
    bsl: int
    encapsulation: Encapsulation
    bift_id_base: int
    """First BIFT-id (MPLS: first label of the block); SI n has base + n."""
    max_si: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan:
    name: str
    platform: Platform
    domain: str
    region: str
    loopback: IpInterface
    """Also the BFR-prefix (RFC 8279 section 2)."""
    system_id: str
    area: str
    ports: tuple[PortPlan, ...]
    bfr: bool
    sub_domains: tuple[SubDomainPlan, ...]
    """Empty where the router is no BFR."""
    bier: BierRouting = PLAIN_BIER
    """How it chooses ways, where it is a BFR."""
    pim: bool = False
    """PIM runs on its ports."""
    router_id: str = ""
    """Identifies it in OSPF and BGP; an IPv4 address, as text (RFC 2328 section 1.2)."""
    ospf_area: str = "0.0.0.0"
    loopback_name: str = "lo0"
    """Interface of the loopback, in the platform's words."""
    node_sid: int | None = None
    """Index of its node SID in every SRGB; None: it does no segment routing."""
    qos: bool = True
    """False: the plan's class of service is not configured on its ports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPlan:
    """A downstream node of a replication segment (RFC 9524 section 2)."""

    router: str
    sid: int
    """Its replication SID."""
    port: str | None
    """Our port to it; None: across other routers, by its node SID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNodePlan:
    """One router's replication segment of one tree instance."""

    router: str
    sid: int
    branches: tuple[BranchPlan, ...]
    leaf: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePathPlan:
    """A candidate path and its tree instance (RFC 9960)."""

    name: str
    """`primary` or `backup`."""
    preference: int
    instance_id: int
    nodes: Mapping[str, TreeNodePlan]
    """Router -> its segment, the root first, parents before children."""
    links: tuple[str, ...]
    """Names of the links that it stands on, sorted."""
    shared: tuple[str, ...] = ()
    """Links, routers and risks that the second path could not avoid of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePlan:
    """A P2MP policy: <root, tree-id> (RFC 9960)."""

    root: str
    tree_id: int
    paths: tuple[TreePathPlan, ...]
    """By preference, the highest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PimPlan:
    """PIM-SM throughout the network (RFC 7761)."""

    rp: str
    """Router that is the rendezvous point; empty: no delivery needs one."""
    rp_address: IpAddress | None
    groups: IpNetwork
    """Any-source groups that the RP serves."""
    ssm_ranges: tuple[IpNetwork, ...]
    spt_switchover: bool
    """At the first packet; False: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SrPlan:
    """Label blocks of every router."""

    srgb: LabelRange
    srlb: LabelRange


@dataclass(frozen=True, slots=True, kw_only=True)
class MvpnPlan:
    """BGP MVPN between the edge routers (RFC 6513, RFC 6514).

    The plan's `pim` then is that of the core alone: there where the tunnel is `pim-ssm`.
    """

    vpn: str
    """Name of the VRF."""
    as_number: int
    route_target: str
    speakers: Mapping[str, BgpSpeaker]
    """Router -> its BGP: edge routers and route reflectors."""
    instances: Mapping[str, Mvpn]
    """Edge router -> its part in the VPN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QosPlan:
    """The class that routers put deliveries into."""

    name: str
    """Of the code point, as RFCs write it: `LE`, `CS1`, `AF11`; `DSCP 5` where it has no name."""
    dscp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """A repository or a GPU cloud on its edge port."""

    name: str
    kind: str
    """`repository` or `cloud`."""
    router: str
    router_port: str
    port: str
    address: IpInterface
    gateway: IpAddress
    region: str
    capacity: int
    delay: float
    mtu: int
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPlan:
    """One delivery as the network sees it."""

    delivery: str
    model: str
    transport: Transport
    imposition: Imposition
    tsi: int
    """Transport Session Identifier (RFC 5651)."""
    source: str
    """Name of the repository host."""
    source_address: IpAddress
    group: IpAddress
    port: int
    """UDP destination port of the data packets."""
    control_port: int
    """UDP port of the source host that receivers report to."""
    bfir: str
    """Edge router of the source: the BFIR, the root of the tree, the first-hop router."""
    sub_domain_id: int
    bsl: int
    clouds: tuple[str, ...]
    bfr_ids: Mapping[str, int]
    """Cloud name -> BFR-id of its edge router (the BFER); empty where it does not go over BIER."""
    rate: int
    payload: int
    """Largest UDP payload in bytes that fits every link with all headers."""
    tree: TreePlan | None = None
    """SR-P2MP only."""

    def bit_strings(self, clouds: frozenset[str] | None = None) -> dict[int, int]:
        """SI -> BitString value that reaches `clouds` (all of the flow's by default).

        RFC 8279 section 3: SI = (id - 1) div BSL, bit = (id - 1) mod BSL + 1.
        """
        sets: dict[int, int] = {}
        for cloud, bfr_id in self.bfr_ids.items():
            if clouds is None or cloud in clouds:
                si, bit = divmod(bfr_id - 1, self.bsl)
                sets[si] = sets.get(si, 0) | 1 << bit
        return sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    routers: Mapping[str, RouterPlan]
    hosts: Mapping[str, HostPlan]
    cables: tuple[Cable, ...]
    flows: tuple[FlowPlan, ...]
    policies: tuple[Policy, ...]
    pim: PimPlan | None = None
    """None: no delivery goes over PIM.  With `mvpn` the core's, which carries the tunnels."""
    sr: SrPlan | None = None
    """None: no delivery goes over SR-P2MP."""
    igp: Igp = Igp.ISIS
    mvpn: MvpnPlan | None = None
    """None: the overlay is static."""
    qos: QosPlan | None = None
    """None: routers are told nothing of classes."""

    def qos_of(self, router: str) -> QosPlan | None:
        """Return the class that the router has for deliveries; None: it is told nothing."""
        return self.qos if self.routers[router].qos else None

    def flows_over(self, *transports: Transport) -> tuple[FlowPlan, ...]:
        """Return the flows that go over one of these."""
        return tuple(flow for flow in self.flows if flow.transport in transports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Identifiers that must never change once given: stable allocation.

    Names that left the inventory stay here, so that re-adding them re-uses their identifiers.
    """

    bfr_ids: Mapping[str, int]
    """Router name -> BFR-id."""
    routers: Mapping[str, int]
    """Router name -> index (loopback, system-id and label block follow from it)."""
    links: Mapping[str, int]
    """Link name -> index of its prefix."""
    hosts: Mapping[str, int]
    """Host name -> index of its prefix."""
    deliveries: Mapping[str, int]
    """Delivery name -> TSI."""
    trees: Mapping[str, int] = field(default_factory=dict)
    """Delivery name -> index of its P2MP tree (tree-id and replication SIDs follow from it)."""
    instances: Mapping[str, int] = field(default_factory=dict)
    """`<delivery> <candidate path>` -> instance-id of its tree."""
    digests: Mapping[str, int] = field(default_factory=dict)
    """`<delivery> <candidate path>` -> digest of the tree that has this instance-id: another tree
    gets another instance."""
    rps: Mapping[str, int] = field(default_factory=dict)
    """Router that was planned to be the rendezvous point -> 1: a new cloud moves it no more."""
