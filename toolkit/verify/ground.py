"""What a walk stands on, and what it finds: arrivals, losses, links and routers touched.

Pure.  The same for every transport; `toolkit.verify.walk` chooses who walks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from toolkit.bier.bift import BiftKey, Copy
from toolkit.inet.ip import DEFAULT_TTL
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.paths import Paths
from toolkit.planes.plane import Plane
from toolkit.state.model import Cable, End, Member
from toolkit.verify import places

TTL = DEFAULT_TTL
"""What a BFIR imposes (the default of `Engine.impose`), and a host."""


class Ground(Protocol):
    """What the walk needs to know of a network; `Scene` is one."""

    @property
    def plan(self) -> Plan: ...
    def plane(self, name: str) -> Plane | None: ...
    def far(self, end: End) -> End | None: ...
    def mtu(self, end: End) -> int | None: ...
    @property
    def cables(self) -> Mapping[End, Cable]: ...
    @property
    def paths(self) -> Paths: ...
    @property
    def members(self) -> frozenset[Member]: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A copy that reached a host."""

    host: str
    path: tuple[str, ...]
    """Routers, that of the source first; over BIER the BFRs alone."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Bits, or a delivery to a host, that went no further."""

    router: str
    """Where; the source host when it did not even leave."""
    reason: str
    """`loop`, `ttl`, `mtu`, `refused` or `dropped`."""
    text: str
    path: tuple[str, ...]
    bfr_ids: frozenset[int] = frozenset()
    """BIER: whose bits were lost; empty: those of the router itself."""
    link: Cable | None = None
    """Where `reason` is `mtu`."""
    clouds: frozenset[str] = frozenset()
    """Other transports: which clouds of the delivery lose the packet by it, as far as known."""
    kind: str = ""
    """Kind of the finding that it is; empty: a general check names it."""
    at: str = ""
    """Where on the router that is configured: a YANG path; of a loss that has a `kind`."""
    to: str = ""
    """PIM: the node that the packet was on its way to."""

    def of(self, clouds: Iterable[str]) -> Loss:
        """Return the loss as one that these clouds suffer by."""
        return replace(self, clouds=frozenset(clouds))


@dataclass(slots=True)
class Trail:
    """Where one bit of a packet over BIER went."""

    links: set[str] = field(default_factory=set)
    routers: set[str] = field(default_factory=set)
    """What the way stands on: failures of other links and routers leave it as it is."""
    hosts: set[str] = field(default_factory=set)
    """Who got the packet by it."""
    ended: bool = False
    """It came to a BFER."""


@dataclass(slots=True)
class Walk:
    """Where the packets of one delivery go."""

    arrivals: list[Arrival] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    links: dict[Cable, int] = field(default_factory=dict)
    """Cable -> bytes of the largest packet over it, from the network-layer header on."""
    tunnels: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    """BIER: (BFR, routers crossed, next BFR)."""
    tunnel_kinds: set[tuple[str, str, str]] = field(default_factory=set)
    """BIER: (BFR, next BFR, kind) of those tunnels."""
    copies: list[tuple[str, BiftKey, Copy]] = field(default_factory=list)
    """BIER: (BFR, BIFT, copy) of BFRs that choose among ways or have backup entries."""
    touched_links: set[str] = field(default_factory=set)
    touched_routers: set[str] = field(default_factory=set)
    """What the tree stands on: failures of other links and routers leave it as it is."""
    trails: dict[int, Trail] = field(default_factory=dict)
    """BIER: BFR-id, as it was imposed -> the way of its bit."""

    @property
    def reached(self) -> frozenset[str]:
        return frozenset(a.host for a in self.arrivals)


def vpn_label(plan: Plan) -> int:
    """Bytes of the label that tells a VPN apart inside its tunnels (RFC 6514 section 5, RFC 8556
    section 3.1)."""
    return 4 if plan.mvpn is not None else 0


def refused_source(flow: FlowPlan, router: str, port: str) -> Loss:
    """Return the loss of a packet whose source an edge interface does not take."""
    text = f"{router} {port} takes no multicast from {flow.source_address}"
    at = places.protection(port)
    return Loss(router, "refused", text, (router,), kind="edge-source-refused", at=at)


def hosts_of(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    """Return host -> its arrivals."""
    hosts: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        hosts.setdefault(arrival.host, []).append(arrival)
    return hosts
