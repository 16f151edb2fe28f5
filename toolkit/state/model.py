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
class OspfInterface:
    cost: int = 10
    passive: bool = False
    area: str = "0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeProtection:
    """What an edge interface takes from hosts: no PIM, no BIER but what a host was permitted to
    impose, and multicast from permitted sources alone."""

    sources: tuple[IpAddress, ...] = ()
    """Sources whose multicast is accepted, sorted; none: no multicast is."""
    bit_strings: Mapping[int, int] = field(default_factory=dict)
    """SI -> bits that the host may set, where it may impose BIER (RFC 8279 section 9)."""


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
    pim: bool = False
    """PIM runs on the interface: towards routers it makes neighbors, towards hosts it makes us the
    designated router."""
    membership: int | None = None
    """Version of IGMP (IPv6: MLD) that hosts may join groups by; None: they may not."""
    ttl_threshold: int = 0
    """Multicast packets with a smaller TTL, as sent, do not leave by the interface: its scope."""
    ospf: OspfInterface | None = None
    """None: no OSPF on this interface."""
    protection: EdgeProtection | None = None
    """None: it accepts whatever it understands."""
    mpls: bool = False
    """Labelled packets pass: segment routing, replication segments."""


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
class BierRouting:
    """How a BFR chooses ways, in all of its sub-domains."""

    maximum_paths: int = 1
    """Equal-cost ways to a BFER that entropy chooses from, 1 to 16 (RFC 8279 section 6.7)."""
    fast_reroute: str = "none"
    """`none`, `link` or `node`: what backup entries are for (draft-ietf-bier-frr)."""
    tunnel: str = "gre"
    """`gre`, `sr` or `vxlan`: what crosses routers that are no BFRs (RFC 8279 section 6.9); `none`:
    it sends BIER into no tunnel, and takes none out of one."""


PLAIN_BIER = BierRouting()


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
class StaticRp:
    """A rendezvous point that was configured (RFC 7761 section 3.7)."""

    address: IpAddress
    groups: IpNetwork
    """Groups that it serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PimRouting:
    """PIM-SM on a router (RFC 7761)."""

    rps: tuple[StaticRp, ...] = ()
    ssm_ranges: tuple[IpNetwork, ...] = ()
    """Groups of source-specific multicast (RFC 4607)."""
    spt_switchover: bool = True
    """Leave the shared tree at the first packet; False: never (RFC 7761 section 4.2.1)."""


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """Labels `lower` to `upper`, both included (RFC 8660 section 2)."""

    lower: int
    upper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSid:
    """A prefix SID of one of our loopbacks, as an index into every SRGB (RFC 8402 section 3.1)."""

    prefix: IpNetwork
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRouting:
    """SR-MPLS on a router (RFC 8660)."""

    srgb: LabelBlock
    srlb: LabelBlock
    node_sids: tuple[NodeSid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Downstream:
    """A downstream node of a replication segment (RFC 9524 section 2)."""

    node: IpAddress
    """Loopback of the downstream node."""
    sid: int
    """Its replication SID, an MPLS label."""
    interface: str | None = None
    """The interface to it; while that is down, or without one, the node SID leads there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSegment:
    """One node of one P2MP tree instance: <root, tree-id, instance-id> is its Replication-ID."""

    root: IpAddress
    tree_id: int
    instance_id: int
    sid: int
    """Our replication SID; at the root it is not received but stands for the segment all the
    same."""
    downstream: tuple[Downstream, ...] = ()
    leaf: bool = False
    """We are a leaf (with downstream nodes: a bud) and deliver to our hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePath:
    """A candidate path of a P2MP policy and the tree instance that is active on it."""

    name: str
    preference: int
    """The valid one with the highest preference is used (RFC 9960)."""
    instance_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class P2mpPolicy:
    """A P2MP policy at its root: <root, tree-id> (RFC 9960)."""

    name: str
    root: IpAddress
    tree_id: int
    candidate_paths: tuple[CandidatePath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFlow:
    """(S,G) that this root puts on a P2MP policy's tree."""

    source: IpAddress
    group: IpAddress
    root: IpAddress
    tree_id: int


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
class BgpSpeaker:
    """BGP towards other edge routers and route reflectors of the same AS (RFC 4271)."""

    as_number: int
    router_id: str
    neighbors: tuple[IpAddress, ...] = ()
    """Loopbacks, sorted."""
    clients: tuple[IpAddress, ...] = ()
    """Neighbors that it reflects routes to (RFC 4456)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mvpn:
    """A multicast VPN on an edge router (RFC 6513): the VRF that its hosts are in."""

    name: str
    rd: str
    """Route distinguisher (RFC 4364 section 4.2), as in `10.255.0.1:1`."""
    route_target: str
    """Imported and exported, as in `64512:1`."""
    tunnel: str
    """PMSI tunnel type (RFC 6514 section 5): `bier` (RFC 8556), `sr-p2mp` or `pim-ssm`."""
    interfaces: tuple[str, ...] = ()
    """Edge interfaces in the VRF."""
    sub_domain_id: int | None = None
    """`bier` only."""
    policies: tuple[str, ...] = ()
    """`sr-p2mp` only: names of the P2MP policies that flows from here go on."""
    group: IpAddress | None = None
    """`pim-ssm` only: the group that this router sends the VPN's packets to in the core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QosClass:
    """Packets with `dscp` are in a class of their own, served after everything else."""

    dscp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterState:
    name: str
    system_id: str = ""
    """Empty: the router runs no IS-IS."""
    areas: tuple[str, ...] = ()
    router_id: str = ""
    """OSPF router-id; empty: the router runs no OSPF."""
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    sub_domains: tuple[SubDomain, ...] = ()
    bier: BierRouting = PLAIN_BIER
    ingress_flows: tuple[IngressFlow, ...] = ()
    egress_flows: tuple[EgressFlow, ...] = ()
    sessions: tuple[Session, ...] = ()
    pim: PimRouting | None = None
    """None: the router forwards no IP multicast."""
    sr: SegmentRouting | None = None
    """None: the router does no segment routing."""
    replication_segments: tuple[ReplicationSegment, ...] = ()
    p2mp_policies: tuple[P2mpPolicy, ...] = ()
    tree_flows: tuple[TreeFlow, ...] = ()
    bgp: BgpSpeaker | None = None
    mvpns: tuple[Mvpn, ...] = ()
    qos: QosClass | None = None


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """What a host asks its router for by IGMP or MLD: it is the network's state, not a router's
    configuration."""

    host: str
    group: IpAddress
    source: IpAddress | None = None
    """None: any source, an (*,G) membership; else (S,G) (RFC 3376 include mode)."""


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
    members: frozenset[Member] = frozenset()
    """What the hosts have joined."""
