"""Everything one BFR is told: tables, interfaces, and the flows at the edge of the domain.

RFC 8279 sections 4.3 (overlay), 6 (tables); the same value programs the reference engine, the
socket runtime and the kernel plane.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from toolkit.bier.bift import Bift, BiftId, BiftKey
from toolkit.bier.birt import TunnelKind
from toolkit.bier.engine import IP, Arrived, Engine
from toolkit.bier.follow_model import Following
from toolkit.bier.masks import Masks
from toolkit.bier.oam_model import Addresses
from toolkit.bier.routes import Routes
from toolkit.bier.wire import Encapsulation, Proto

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


class Flow(NamedTuple):
    """An (S,G)."""

    source: IpAddress
    group: IpAddress


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of the BFR."""

    arrived: Arrived = Arrived.EDGE
    """What BIER that comes in by it is."""
    mac: bytes | None = None
    """6 octets, its own; None: whatever the host says."""
    permitted: Mapping[BiftKey, int] | None = None
    """Bits that the host behind it may address; None: all.  Only where hosts may impose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imposition:
    """What a BFIR does with an (S,G) packet (RFC 8279 section 4.3, RFC 8296 section 3)."""

    sub_domain: int
    bsl: int
    """In bits."""
    sets: Mapping[int, int]
    """SI -> BitString value."""
    ttl: int = 64
    tc: int = 0
    dscp: int = 0
    interfaces: frozenset[str] | None = None
    """Where the source is; None: on any interface that is not the core's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What a BFER does with an (S,G) packet that was delivered to it."""

    interfaces: tuple[str, ...] = ()
    """Frames with the group's MAC address leave by these."""
    bfirs: frozenset[int] | None = None
    """BFIR-ids that may send it; None: all."""
    host: bool = False
    """The IP stack of the BFER itself gets it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """Tunnels that end here: BIER is taken out of them (RFC 8279 section 6.9)."""

    kind: TunnelKind
    addresses: frozenset[IpAddress] = frozenset()
    """Of our own: outer destinations; of GRE and VXLAN."""
    sources: frozenset[IpAddress] = frozenset()
    """BFRs at the other ends: outer sources; of GRE and VXLAN."""
    vni: int = 0
    """Of VXLAN."""
    labels: frozenset[int] = frozenset()
    """Of SR_MPLS: our own SIDs, popped where they stand above a BIER label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A whole BFR."""

    name: str = ""
    bfr_ids: Mapping[int, int] = field(default_factory=dict)
    """Sub-domain -> our BFR-id: what a BFIR writes into the header."""
    salt: int = 0
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    routes: Mapping[BiftKey, Routes] = field(default_factory=dict)
    rows: Mapping[BiftKey, Bift] = field(default_factory=dict)
    """Tables given row by row, with F-BMs of their own: what `routes` cannot say (RFC 8279 section
    6.7.1, and tables that are wrong)."""
    bift_ids: Mapping[BiftId, BiftKey] = field(default_factory=dict)
    encapsulations: Mapping[tuple[int, int], Encapsulation] = field(default_factory=dict)
    protos: frozenset[int] = IP
    bfirs: frozenset[tuple[int, int]] | None = None
    """<sub-domain, BFIR-id> that the overlay has a context for; None: all."""
    ingress: Mapping[Flow, Imposition] = field(default_factory=dict)
    sources: Mapping[IpNetwork, Mapping[BiftKey, int]] = field(default_factory=dict)
    """As BFIR: the bits that sources may be sent to; see `permitted`."""
    egress: Mapping[Flow, Disposition] = field(default_factory=dict)
    oam: Addresses | None = None
    """Who is who in BIER OAM; None: echo requests are not answered (`oam_program`)."""
    terminations: tuple[Termination, ...] = ()
    """Besides the tunnels to our own neighbors, which end here in the other direction."""
    following: Following | None = None
    """Some of `routes` follow those of the host; None: none does."""

    def permitted(self, source: IpAddress) -> Mapping[BiftKey, int] | None:
        """Return the bits that flows of a source may be sent to, by table; None: all.

        Of several lists the one of the longest prefix counts; a table that it lacks has no bits.
        """
        lists = [network for network in self.sources if source in network]
        return self.sources[max(lists, key=lambda n: n.prefixlen)] if lists else None

    @property
    def taken(self) -> frozenset[int]:
        """Protos that somebody here takes: the overlay, and who answers OAM."""
        return self.protos if self.oam is None else self.protos | {Proto.OAM}

    @property
    def bifts(self) -> dict[BiftKey, Bift | tuple[Masks, ...]]:
        """The tables in use while nothing has failed."""
        return {**{key: routes.tables for key, routes in self.routes.items()}, **self.rows}

    @property
    def backups(self) -> dict[str, dict[BiftKey, tuple[Masks, ...]]]:
        """Interface -> the tables that its failure changes."""
        found: dict[str, dict[BiftKey, tuple[Masks, ...]]] = {}
        for key, routes in self.routes.items():
            for interface in routes.interfaces:
                found.setdefault(interface, {})[key] = routes.without({interface})
        return found

    def engine(self) -> Engine:
        """Return the reference engine with these tables and all counters at 0."""
        return Engine(
            self.bifts,
            self.bift_ids,
            encapsulations=self.encapsulations,
            backups=self.backups,
            protos=self.taken,
            bfirs=self.bfirs,
            salt=self.salt,
        )

    def reload(self, engine: Engine) -> None:
        """Make an engine that already counts this BFR; ValueError as `Engine.load`."""
        engine.load(
            self.bifts, self.bift_ids, encapsulations=self.encapsulations, backups=self.backups
        )
        engine.overlay(protos=self.taken, bfirs=self.bfirs, salt=self.salt)
