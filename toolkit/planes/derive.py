"""Forwarding planes of a whole network, derived from its state.

Law: a plane follows from configurations, cables and failures alone; the same state gives the same
planes in whatever order they are asked for.  A Network makes each plane when it is first asked for,
and a plane its tables, and of these only the rows that are asked for: following one packet through
ten thousand routers costs one run of Dijkstra's algorithm for each of its BFERs.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from toolkit.planes.adjacency import NO_FAILURES, Adjacency, Failures
from toolkit.planes.bfrs import Bfrs, read_bfrs
from toolkit.planes.interior import identity
from toolkit.planes.mvpn import Overlay, VpnPart
from toolkit.planes.pim import PimPlane, pim_plane
from toolkit.planes.plane import Neighbors, Plane
from toolkit.planes.replication import Replication
from toolkit.planes.srdomain import SrDomain
from toolkit.planes.tables import LazyTables, RowMaker
from toolkit.planes.underlay import Underlay
from toolkit.state.model import End, IpAddress, NetworkState


class Network:
    """A state with some failures, and the planes that its routers then have."""

    def __init__(
        self,
        state: NetworkState,
        down: Failures = NO_FAILURES,
        candidates: tuple[Adjacency, ...] | None = None,
        intact: Network | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        """`candidates`: `adjacencies(state)`, where it is already known; `intact`: the network
        without failures, of which all is used again that these leave as it was; `origins`: as
        `Underlay` takes them."""
        self._intact = intact
        before = (None, None) if intact is None else (intact.underlay, intact.bfrs)
        self.underlay: Underlay = Underlay(state, down, candidates, before[0], origins)
        self.bfrs: Bfrs = read_bfrs(self.underlay, before[1])
        self.rows: RowMaker = RowMaker(
            self.underlay, self.bfrs, None if intact is None else intact.rows
        )
        self._tunnel_sources: frozenset[IpAddress] = (
            intact._tunnel_sources
            if intact is not None and intact.bfrs is self.bfrs
            else frozenset(
                bfr.bfr_prefix.network_address
                for of_router in self.bfrs.by_router.values()
                for bfr in of_router.values()
            )
        )
        self._far: dict[End, End] | None = None
        self._planes: dict[str, Plane] = {}

    @property
    def sr_domain(self) -> SrDomain:
        """What segment routing says throughout; failures do not change it."""
        return self.underlay.sr_domain

    def replication(self, name: str) -> Replication | None:
        """Return labels and trees of a router; None where nobody does segment routing."""
        domain = self.sr_domain
        if not domain.in_use:
            return None
        router, overlay = self.state.routers[name], self.overlay
        flows = None if overlay is None or not router.mvpns else overlay.tree_flows(router)
        return Replication(domain, self.underlay, name, flows)

    @cached_property
    def overlay(self) -> Overlay | None:
        """What BGP MVPN makes of the state; None where no router takes part in any."""
        used = any(router.mvpns for router in self.state.routers.values())
        return Overlay(self.underlay, self.bfrs) if used else None

    @property
    def state(self) -> NetworkState:
        return self.underlay.state

    @property
    def down(self) -> Failures:
        return self.underlay.down

    @property
    def routers(self) -> tuple[str, ...]:
        """Names of the routers that have not failed, sorted."""
        return tuple(self.underlay.graph.index)

    @property
    def adjacencies(self) -> tuple[Adjacency, ...]:
        """The adjacencies that are up."""
        return self.underlay.adjacencies

    def without(self, down: Failures, origins: Iterable[str] = ()) -> Network:
        """Return the same state with these failures instead of ours.

        What is known without failures is not found again where it is the same.  `origins`: routers
        that packets are going to be followed from.
        """
        intact = self if self.down == NO_FAILURES else self._intact
        return Network(self.state, down, intact=intact, origins=origins)

    def planes(self) -> dict[str, Plane]:
        """Return the plane of every router that has not failed, by name."""
        return {name: self.plane(name) for name in self.routers}

    def plane(self, name: str) -> Plane:
        """Return one router's plane; KeyError where the router does not exist or has failed."""
        if name not in self._planes:
            if name not in self.underlay.graph.index:
                raise KeyError(name)
            self._planes[name] = self._derive(name)
        return self._planes[name]

    @cached_property
    def _hosts(self) -> Mapping[End, str]:
        """Our end of a cable that is up -> the host at the other."""
        hosts, down = self.state.hosts, self.down
        if self._intact is not None and not any(
            {cable.a.node, cable.b.node} & hosts for cable in self._intact.underlay.cables_at(down)
        ):
            return self._intact._hosts
        return {
            ours: theirs.node
            for cable in self.state.cables
            if not down.cuts(cable)
            for ours, theirs in ((cable.a, cable.b), (cable.b, cable.a))
            if theirs.node in hosts
        }

    def _derive(self, name: str) -> Plane:
        router = self.state.routers[name]
        interfaces = tuple(self.underlay.interfaces(name))
        tables = LazyTables(self.rows, name)
        own = self.bfrs.by_router.get(name, {})
        protocol = self.underlay.protocol
        ingress, egress, vpn = router.ingress_flows, router.egress_flows, None
        if router.mvpns and self.overlay is not None:
            ingress += self.overlay.ingress(name)
            egress += self.overlay.egress(name)
            vpn = VpnPart(self.overlay, name)
        return Plane(
            router=name,
            system_id=router.system_id,
            router_id=router.router_id,
            protocol=protocol,
            addresses=frozenset(a.ip for i in interfaces for a in i.addresses),
            fib=self.underlay.lazy_fib(name),
            adjacencies=tuple(
                Neighbors(
                    port,
                    identity(self.state.routers[theirs.end.node], protocol),
                    theirs.end.node,
                )
                for port, (_ours, theirs) in sorted(self.underlay.ways(name).items())
            ),
            birt=tables.birt,
            bifts=tables.bifts,
            bift_ids=tables.bift_ids,
            encapsulations={
                (bfr.sub_domain_id, bsl): binding.encapsulation
                for bfr in own.values()
                for bsl, binding in bfr.bindings.items()
            },
            bfr_ids={bfr.sub_domain_id: bfr.bfr_id for bfr in own.values() if bfr.bfr_id},
            ingress_flows={(flow.source, flow.group): flow for flow in ingress},
            egress_flows={(flow.source, flow.group): flow for flow in egress},
            edge_interfaces={
                i.name: self._hosts[end]
                for i in interfaces
                if (end := End(name, i.name)) in self._hosts
            },
            core_bier=frozenset(i.name for i in interfaces if i.bier),
            accept_host_bier=frozenset(i.name for i in interfaces if i.accept_host_bier),
            protection={
                i.name: i.protection
                for i in interfaces
                if i.protection is not None and End(name, i.name) in self._hosts
            },
            tunnel_sources=self._tunnel_sources,
            left_out=tables.gaps,
            ways=tables.ways,
            pim=self.pim(name),
            replication=self.replication(name),
            vpn=vpn,
        )

    def pim(self, name: str) -> PimPlane | None:
        """Return PIM in a router; None where it runs none."""
        if self.state.routers[name].pim is None:
            return None
        if self._far is None:
            up = [cable for cable in self.state.cables if not self.down.cuts(cable)]
            self._far = {c.a: c.b for c in up} | {c.b: c.a for c in up}
        interfaces = {i.name: i for i in self.underlay.interfaces(name)}
        return pim_plane(self.state, name, interfaces, self._far.get)
