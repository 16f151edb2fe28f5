"""The forwarding plane of one router: all tables that packets meet, and how YANG shows them.

RFC 8279 section 4 (underlay, BIER layer, flow overlay in one router).  Law: a plane is a value,
made by `toolkit.planes.derive`, and its tables never change, whether they are made already or when
first looked at; engines run on it, NETCONF shows it (`state_tree`, the config false parts of
our modules in the JSON of RFC 7951).  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.bier.bift import Bift, BiftId, BiftKey, Forwarding
from toolkit.bier.birt import Row
from toolkit.bier.bitstring import bfr_id_at, positions
from toolkit.bier.ecmp import salt_of
from toolkit.bier.engine import IP, Arrived, Engine
from toolkit.bier.lookup import Bifts
from toolkit.bier.snapshot import counters_tree
from toolkit.bier.wire import Encapsulation
from toolkit.pim.engine import MulticastUse
from toolkit.planes.bfrs import Gap
from toolkit.planes.bier_shown import bifts_tree, protection_tree
from toolkit.planes.fib import Fib
from toolkit.planes.interior import Protocol
from toolkit.planes.jsonvalue import Json
from toolkit.planes.mvpn import VpnPart
from toolkit.planes.pim import PimPlane
from toolkit.planes.pim_shown import pim_tree
from toolkit.planes.replication import Replication
from toolkit.planes.srtree import split, sr_tree
from toolkit.planes.tables import LazyBifts
from toolkit.planes.ways import Ways
from toolkit.state.model import EdgeProtection, EgressFlow, IngressFlow, IpAddress

Flow = tuple[IpAddress, IpAddress]
"""(S,G)."""


@dataclass(frozen=True, slots=True)
class Neighbors:
    """One adjacency of the IGP as a router sees it."""

    interface: str
    identifier: str
    """System-id of the neighbor, over OSPF its router-id."""
    router: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    router: str
    system_id: str
    """Over IS-IS; empty: it runs none."""
    router_id: str
    """Over OSPF."""
    addresses: frozenset[IpAddress]
    """Our own: packets to them are for us."""
    fib: Fib
    """That of the core: interfaces in a VRF are not in it."""
    adjacencies: tuple[Neighbors, ...]
    birt: Mapping[tuple[int, int], Mapping[int, Row]]
    """(sub-domain, BSL in bits) -> BFR-id -> row."""
    bifts: Mapping[BiftKey, Bift]
    bift_ids: Mapping[BiftId, BiftKey]
    """What a BIFT-id that arrives here, in its encapsulation, selects."""
    encapsulations: Mapping[tuple[int, int], Encapsulation]
    """(sub-domain, BSL in bits) -> encapsulation."""
    bfr_ids: Mapping[int, int]
    """Sub-domain -> our own BFR-id, where we have one."""
    ingress_flows: Mapping[Flow, IngressFlow]
    egress_flows: Mapping[Flow, EgressFlow]
    edge_interfaces: Mapping[str, str]
    """Interface -> host behind it; those that are up."""
    core_bier: frozenset[str]
    """Interfaces that carry BIER by our own configuration: what comes in by them is the core's.

    Whether the far end agrees is no matter here: rows lead over links with BIER at both ends only.
    """
    accept_host_bier: frozenset[str]
    """Edge interfaces whose hosts may impose BIER."""
    protection: Mapping[str, EdgeProtection]
    """Edge interfaces that take from hosts only what is said here."""
    tunnel_sources: frozenset[IpAddress]
    """BFR-prefixes of the BFRs that may send us BIER in GRE."""
    left_out: Callable[[], tuple[Gap, ...]]
    """Returns `gaps`: they are known only when all of the BIER tables are."""
    ways: Ways | None = field(default=None, compare=False)
    """Tables for every choice of entropy, of which `bifts` is the first, and for failures; None:
    `bifts` is all there is."""
    pim: PimPlane | None = None
    """None: the router runs no PIM."""
    replication: Replication | None = field(default=None, compare=False)
    """Labels and trees of SR-P2MP, made when they are asked for; None: nobody does segment
    routing."""

    protocol: Protocol = Protocol.ISIS
    """The IGP."""
    vpn: VpnPart | None = field(default=None, compare=False)
    """Unicast in the VRFs of an edge router; None: it has none."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the BIER tables leave out, as far as this router is concerned."""
        return self.left_out()

    @property
    def bfr(self) -> bool:
        return bool(self.bift_ids)

    @property
    def encapsulation(self) -> Encapsulation | None:
        """That of the lowest <sub-domain, BSL>; None where the router is no BFR."""
        return self.encapsulations[min(self.encapsulations)] if self.encapsulations else None

    def forward(self, key: BiftKey, bits: int, entropy: int = 0) -> Forwarding:
        """Return what the BIFT `key` does with a BitString value; KeyError without such a BIFT.

        Of tables that are made when asked for, only the rows of these bits are.
        """
        if isinstance(self.bifts, LazyBifts):
            return self.bifts.forward(key, bits, entropy)
        return self.bifts[key].forward(bits)

    def destinations(self, key: BiftKey, bits: int) -> Iterator[tuple[int, IpAddress]]:
        """Yield (bit position, BFR-prefix) of the rows of these bits."""
        if isinstance(self.bifts, LazyBifts):
            yield from self.bifts.destinations(key, bits)
            return
        rows = self.birt.get((key.sub_domain, key.bsl), {})
        for position in positions(bits):
            row = rows.get(bfr_id_at(key.si, position, key.bsl))
            if row is not None:
                yield position, row.bfr_prefix.network_address

    def engine(self, protos: Iterable[int] = IP) -> Engine:
        """Return a BIER engine with these tables and all counters at 0."""
        engine = Engine({}, {}, protos=protos, salt=salt_of(self.router))
        self.reload(engine)
        return engine

    def reload(self, engine: Engine) -> None:
        """Give these tables to an engine that already counts."""
        bifts: Mapping[BiftKey, Bifts] = self.bifts
        backups: Mapping[str, Mapping[BiftKey, Bifts]] = {}
        if self.ways is not None:
            bifts, backups = self.ways.tables, self.ways.backups
        engine.load(bifts, self.bift_ids, encapsulations=self.encapsulations, backups=backups)

    def arrived(self, interface: str, tunnel_source: IpAddress | None = None) -> Arrived:
        """Say what BIER that came in by `interface` is, for `Engine.receive`.

        `tunnel_source`: the outer source address of BIER in GRE (RFC 8279 section 6.9).  It counts
        as the core's only from a BFR of the domain and not through an edge interface: a host could
        write any source address.
        """
        if tunnel_source is not None:
            inside = interface not in self.edge_interfaces and tunnel_source in self.tunnel_sources
            return Arrived.CORE if inside else Arrived.EDGE
        if interface in self.core_bier:
            return Arrived.CORE
        return Arrived.HOST_EDGE if interface in self.accept_host_bier else Arrived.EDGE

    def permitted(self, interface: str) -> Mapping[BiftKey, int] | None:
        """Return the bits that the host behind an edge interface may address; None: all (RFC 8279
        section 9)."""
        protection = self.protection.get(interface)
        if protection is None:
            return None
        return {
            key: protection.bit_strings[key.si]
            for key in self.bift_ids.values()
            if key.si in protection.bit_strings
        }

    def takes_source(self, interface: str, source: IpAddress) -> bool:
        """Say whether multicast of a source is taken on an interface."""
        protection = self.protection.get(interface)
        return protection is None or source in protection.sources

    def state_tree(
        self, counters: Mapping[str, int] | None = None, multicast: MulticastUse | None = None
    ) -> dict[str, Json]:
        """Return the config false nodes of our modules that this plane knows.

        `counters`: those of an engine (`Engine.counters`); without them no counters are shown.
        `multicast`: what the multicast engine has come to; without it no multicast table.
        """
        tree: dict[str, Json] = {}
        if self.bfr:
            bier: dict[str, Json] = {"bift": bifts_tree(self.bifts, self.bift_ids, self.ways)}
            if self.ways is not None and self.ways.protection:
                bier["protection"] = protection_tree(self.ways)
            if counters is not None:
                bier["counters"] = counters_tree(split(counters)[1])
            tree["llmsync-bier:bier"] = bier
        if self.pim is not None:
            tree |= pim_tree(self.pim, multicast)
        if self.protocol is Protocol.ISIS and self.system_id:
            tree["llmsync-isis:isis"] = self._isis_tree()
        if self.protocol is Protocol.OSPF and self.router_id:
            tree["llmsync-ospf:ospf"] = self._ospf_tree()
        if self.replication is not None:
            tree |= sr_tree(self.replication, counters, alone=not self.bfr)
        return tree

    def _isis_tree(self) -> Json:
        return {
            "adjacency": [
                {
                    "interface": neighbor.interface,
                    "neighbor-system-id": neighbor.identifier,
                    "neighbor-hostname": neighbor.router,
                }
                for neighbor in self.adjacencies
            ],
            "route": self._routes(),
        }

    def _ospf_tree(self) -> Json:
        return {
            "neighbor": [
                {"interface": neighbor.interface, "router-id": neighbor.identifier}
                for neighbor in self.adjacencies
            ],
            "route": self._routes(),
        }

    def _routes(self) -> Json:
        return [
            {
                "prefix": str(route.prefix),
                "metric": route.metric,
                "next-hop": [hop.interface for hop in route.next_hops],
            }
            for route in self.fib.routes
            if not route.connected
        ]
