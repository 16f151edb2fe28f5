"""The plan: everything that follows from an inventory, as plain values.

Pure.  Made by `toolkit.plan.expand` in one step; rendering, verification, labs and reports read it
and decide nothing themselves.  Units as in `toolkit.inventory.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Encapsulation, Imposition, Platform, Policy, Transport
from toolkit.state.model import Cable, IpAddress, IpInterface


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
    """Edge router of the source."""
    sub_domain_id: int
    bsl: int
    clouds: tuple[str, ...]
    bfr_ids: Mapping[str, int]
    """Cloud name -> BFR-id of its edge router (the BFER)."""
    rate: int
    payload: int
    """Largest UDP payload in bytes that fits every link with all headers."""

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
