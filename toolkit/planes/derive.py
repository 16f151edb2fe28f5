"""Forwarding planes of a whole network, derived from its state.

Law: a plane follows from configurations, cables and failures alone; the same state gives the same
planes in whatever order they are asked for.  A Network makes each plane when it is first asked for,
so that looking at one router of ten thousand costs one run of Dijkstra's algorithm.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.planes.adjacency import NO_FAILURES, Adjacency, Failures, adjacencies
from toolkit.planes.bfrs import Bfrs, read_bfrs
from toolkit.planes.birt import make_tables
from toolkit.planes.plane import Neighbors, Plane
from toolkit.planes.replication import Replication
from toolkit.planes.srdomain import SrDomain
from toolkit.planes.underlay import Underlay
from toolkit.state.model import IpAddress, NetworkState


class Network:
    """A state with some failures, and the planes that its routers then have."""

    def __init__(
        self,
        state: NetworkState,
        down: Failures = NO_FAILURES,
        candidates: tuple[Adjacency, ...] | None = None,
    ) -> None:
        """`candidates`: `adjacencies(state)`, where it is already known."""
        self._candidates = adjacencies(state) if candidates is None else candidates
        self.underlay = Underlay(state, down, self._candidates)
        self.bfrs: Bfrs = read_bfrs(self.underlay)
        self._tunnel_sources: frozenset[IpAddress] = frozenset(
            bfr.bfr_prefix.network_address
            for of_router in self.bfrs.by_router.values()
            for bfr in of_router.values()
        )
        self._hosts = {
            (ours.node, ours.port): theirs.node
            for cable in state.cables
            if not down.cuts(cable)
            for ours, theirs in ((cable.a, cable.b), (cable.b, cable.a))
            if theirs.node in state.hosts
        }
        self._planes: dict[str, Plane] = {}
        self._sr_domain: SrDomain | None = None

    @property
    def sr_domain(self) -> SrDomain:
        """What segment routing says throughout; failures do not change it."""
        if self._sr_domain is None:
            self._sr_domain = SrDomain(self.state)
        return self._sr_domain

    def replication(self, name: str) -> Replication | None:
        """Return labels and trees of a router; None where nobody does segment routing."""
        domain = self.sr_domain
        return Replication(domain, self.underlay, name) if domain.in_use else None

    @property
    def state(self) -> NetworkState:
        return self.underlay.state

    @property
    def down(self) -> Failures:
        return self.underlay.down

    @property
    def routers(self) -> tuple[str, ...]:
        """Names of the routers that have not failed, sorted."""
        return self.underlay.graph.names

    @property
    def adjacencies(self) -> tuple[Adjacency, ...]:
        """The adjacencies that are up."""
        return self.underlay.adjacencies

    def without(self, down: Failures) -> Network:
        """Return the same state with these failures instead of ours.

        The adjacencies of the state without failures are filtered, not found again.
        """
        network = Network(self.state, down, self._candidates)
        network._sr_domain = self.sr_domain
        return network

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

    def _derive(self, name: str) -> Plane:
        router = self.state.routers[name]
        interfaces = tuple(self.underlay.interfaces(name))
        tables = make_tables(self.underlay, self.bfrs, name)
        own = self.bfrs.by_router.get(name, {})
        return Plane(
            router=name,
            system_id=router.system_id,
            addresses=frozenset(a.ip for i in interfaces for a in i.addresses),
            fib=self.underlay.fib(name),
            adjacencies=tuple(
                Neighbors(
                    port,
                    self.state.routers[theirs.end.node].system_id,
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
            ingress_flows={(flow.source, flow.group): flow for flow in router.ingress_flows},
            egress_flows={(flow.source, flow.group): flow for flow in router.egress_flows},
            edge_interfaces={
                i.name: self._hosts[name, i.name]
                for i in interfaces
                if (name, i.name) in self._hosts
            },
            core_bier=frozenset(i.name for i in interfaces if i.bier),
            accept_host_bier=frozenset(i.name for i in interfaces if i.accept_host_bier),
            tunnel_sources=self._tunnel_sources,
            gaps=tables.gaps,
            replication=self.replication(name),
        )


def derive(state: NetworkState, down: Failures = NO_FAILURES) -> Mapping[str, Plane]:
    """Return the plane of every router that has not failed, by name."""
    return Network(state, down).planes()


def derive_one(state: NetworkState, router: str, down: Failures = NO_FAILURES) -> Plane:
    """Return one router's plane; KeyError where the router does not exist or has failed."""
    return Network(state, down).plane(router)
