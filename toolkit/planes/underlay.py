"""The routing underlay that the IGP makes of a state: who advertises what, who reaches whom, how.

RFC 8279 section 4.1 (routing underlay), RFC 5305 (wide metrics, prefixes), ISO/IEC 10589; RFC 2328
sections 12.4.1 (stub networks) and 16.1, in one area.  Law: a router knows what reachable routers
advertise and its own interfaces, nothing else.  Shortest paths are computed once for each router,
from it or towards it, when first asked for.  What failures leave as it was is taken from the
underlay without them.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from toolkit.igp.graph import Edge, Graph
from toolkit.igp.inward import InwardPaths, PathsOnTheWay, inward_paths
from toolkit.igp.spf import UNREACHABLE, ShortestPaths, shortest_paths
from toolkit.planes.adjacency import NO_FAILURES, Adjacency, Failures, Side, adjacencies
from toolkit.planes.fib import Fib, LazyFib, NextHop, Route
from toolkit.planes.interior import Protocol, circuit, identity, in_vrf, protocol_of, rank
from toolkit.planes.prefixes import Prefixes
from toolkit.planes.srdomain import SrDomain
from toolkit.state.model import Cable, Interface, IpAddress, IpNetwork, NetworkState

INFINITE: Final = 1 << 62
"""A distance that no sum of two others is less than, if one of them is this."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix in a router's link state PDU, or in its router-LSA."""

    network: IpNetwork
    metric: int


class Underlay:
    """The IGP over one state with some failures."""

    def __init__(
        self,
        state: NetworkState,
        down: Failures = NO_FAILURES,
        candidates: tuple[Adjacency, ...] | None = None,
        intact: Underlay | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        """`candidates`: the adjacencies of the state without failures, where already known;
        `intact`: the whole underlay of the state without failures; `origins`: routers that packets
        start at, as far as somebody is going to follow any (they change no answer)."""
        self.state, self.down, self._intact = state, down, intact
        if intact is not None:
            candidates = intact.adjacencies
        self.protocol: Protocol = protocol_of(state) if intact is None else intact.protocol
        """Which IGP it is; it follows from the configurations, whatever has failed."""
        self._candidates = adjacencies(state) if candidates is None else candidates
        cables = state.cables if intact is None else intact.cables_at(down)
        self.cut = frozenset(e for c in cables if down.cuts(c) for e in (c.a, c.b))
        """Interfaces at failed cables, and the hosts' ends of these."""
        self.changed = frozenset(end.node for end in self.cut) | down.nodes
        """Nodes that failed, or lost an interface: all others are as they were."""
        self._ways: dict[str, dict[str, tuple[Side, Side]]] = {}
        self._lost: list[Edge] = []
        if intact is None:
            up = (name for name in state.routers if name not in down.nodes)
            self.graph = Graph.of(up, (e for a in self.adjacencies for e in _edges(a)))
        else:
            failed = (a for a in intact.adjacencies_at(self.changed) if _failed(a, down))
            lost = (edge for adjacency in failed for edge in _edges(adjacency))
            self.graph, self._lost = intact.graph.without(down.nodes, lost)
        self._origins = [name for name in origins if name in self.graph.index]
        self._paths: dict[str, ShortestPaths] = {}
        self._outward: dict[str, InwardPaths] = {}
        self._toward: dict[str, PathsOnTheWay] = {}
        self._inward: dict[str, InwardPaths] = {}
        self._far: dict[str, tuple[int, ...]] = {}
        self._prefixes: dict[str, tuple[Prefix, ...]] = {}
        self._holders: dict[IpAddress, tuple[tuple[str, Prefix], ...]] = {}
        self._next_hops: dict[str, dict[int, tuple[NextHop, ...]]] = {}
        self._own: dict[str, dict[IpNetwork, Route]] = {}

    @cached_property
    def sr_domain(self) -> SrDomain:
        """What segment routing says throughout; failures do not change it."""
        return SrDomain(self.state) if self._intact is None else self._intact.sr_domain

    @cached_property
    def adjacencies(self) -> tuple[Adjacency, ...]:
        """The adjacencies that are up."""
        return tuple(a for a in self._candidates if not _failed(a, self.down))

    @cached_property
    def _adjacencies_of(self) -> dict[str, list[Adjacency]]:
        found: dict[str, list[Adjacency]] = {}
        for adjacency in self.adjacencies:
            for node in {adjacency.a.end.node, adjacency.b.end.node}:
                found.setdefault(node, []).append(adjacency)
        return found

    def adjacencies_at(self, nodes: Iterable[str]) -> Iterator[Adjacency]:
        """Yield the adjacencies with an end at one of these nodes; some of them twice."""
        for node in nodes:
            yield from self._adjacencies_of.get(node, ())

    @cached_property
    def _cables_by(self) -> dict[str, list[Cable]]:
        """Name of a link or of a node -> the cables that its failure cuts, and others."""
        found: dict[str, list[Cable]] = {}
        for cable in self.state.cables:
            for name in {cable.link, cable.a.node, cable.b.node}:
                found.setdefault(name, []).append(cable)
        return found

    def cables_at(self, down: Failures) -> set[Cable]:
        """Return all cables that failures may have cut."""
        return {c for name in down.links | down.nodes for c in self._cables_by.get(name, ())}

    def ways(self, router: str) -> dict[str, tuple[Side, Side]]:
        """Return interface -> (our side, their side) of the router's adjacencies."""
        if self._intact is not None and router not in self.changed:
            return self._intact.ways(router)
        if router not in self._ways:
            self._ways[router] = {
                ours.end.port: (ours, theirs)
                for adjacency in (self._intact or self).adjacencies_at([router])
                if not _failed(adjacency, self.down)
                for ours, theirs in adjacency.sides()
                if ours.end.node == router
            }
        return self._ways[router]

    def paths(self, router: str) -> ShortestPaths:
        """Return the shortest paths from a router that has not failed."""
        if router not in self._paths:
            self._paths[router] = shortest_paths(self.graph, router)
        return self._paths[router]

    def inward(self, router: str) -> InwardPaths:
        """Return the shortest paths to a router that has not failed."""
        if router not in self._inward:
            self._inward[router] = (
                inward_paths(self.graph, router)
                if self._intact is None
                else self._intact.inward(router).without(self.graph, self._lost)
            )
        return self._inward[router]

    def far(self, router: str) -> tuple[int, ...]:
        """Return the distances to a router that has not failed, by number; INFINITE: no path."""
        if router not in self._far:
            self._far[router] = tuple(
                INFINITE if far == UNREACHABLE else far for far in self.inward(router).distance
            )
        return self._far[router]

    def toward(self, router: str) -> InwardPaths | PathsOnTheWay:
        """Return the same, for who asks about nodes on the way from the origins."""
        if not self._origins or router in self._inward:
            return self.inward(router)
        if router not in self._toward:
            number, origins = self.graph.index[router], map(self.outward, self._origins)
            self._toward[router] = PathsOnTheWay(
                number, self.graph, origins, lambda: self.inward(router)
            )
        return self._toward[router]

    def outward(self, router: str) -> InwardPaths:
        """Return the distances from a router: those towards it in the graph turned round."""
        if router not in self._outward:
            turned = self.graph.turned()
            if self._intact is None:
                self._outward[router] = inward_paths(turned, router)
            else:
                lost = [Edge(e.target, e.source, e.metric, e.port) for e in self._lost]
                self._outward[router] = self._intact.outward(router).without(turned, lost)
        return self._outward[router]

    def interfaces(self, router: str) -> Iterator[Interface]:
        """Yield the interfaces that are up: enabled, and not at the end of a failed cable."""
        cut = {end.port for end in self.cut if end.node == router} if self.cut else set()
        for interface in self.state.routers[router].interfaces.values():
            if interface.enabled and interface.name not in cut:
                yield interface

    def prefixes(self, router: str) -> tuple[Prefix, ...]:
        """Return what a router advertises: the prefixes of its interfaces in the IGP."""
        if self._intact is not None and router not in self.changed:
            return self._intact.prefixes(router)
        if router not in self._prefixes:
            best: dict[IpNetwork, int] = {}
            if identity(self.state.routers[router], self.protocol):
                apart = in_vrf(self.state.routers[router])
                for interface in self.interfaces(router):
                    configured = circuit(interface, self.protocol)
                    if configured is not None and interface.name not in apart:
                        for address in interface.addresses:
                            metric = best.get(address.network, configured.metric)
                            best[address.network] = min(metric, configured.metric)
            self._prefixes[router] = tuple(Prefix(n, m) for n, m in best.items())
        return self._prefixes[router]

    def next_hops(self, router: str, first_hops: int) -> tuple[NextHop, ...]:
        """Return the next hops of a set of first hops (bits, as in `ShortestPaths`), best first.

        The order is (identifier, name, interface) of the next router: the same whoever asks.
        """
        known = self._next_hops.setdefault(router, {})
        if first_hops not in known:
            known[first_hops] = tuple(
                hop for position, hop in self._ranked(router) if first_hops >> position & 1
            )
        return known[first_hops]

    def rank(self, router: str) -> str:
        """Return the router's identifier in the IGP, as it is ordered by."""
        return rank(self.state.routers[router], self.protocol)

    def _ranked(self, router: str) -> list[tuple[int, NextHop]]:
        graph, ways = self.graph, self.ways(router)
        ranked = []
        for position, (number, _metric, port) in enumerate(graph.out[graph.index[router]]):
            name = graph.names[number]
            key = (self.rank(name), name, port)
            ranked.append((key, position, NextHop(port, name, ways[port][1].address.ip)))
        ranked.sort(key=lambda item: item[0])
        return [(position, hop) for _key, position, hop in ranked]

    def fib(self, router: str) -> Fib:
        """Return the router's table: connected prefixes, then the cheapest advertised ones."""
        return Fib(self.routes(router))

    def lazy_fib(self, router: str) -> LazyFib:
        """Return the same table, made as far as it is asked for."""
        return LazyFib(lambda to: self.route(router, to), lambda: self.routes(router))

    @cached_property
    def _advertised(self) -> Prefixes[tuple[str, Prefix]]:
        return Prefixes(
            (prefix.network, (name, prefix))
            for name in self.graph.index
            for prefix in self.prefixes(name)
        )

    def holders(self, destination: IpAddress) -> tuple[tuple[str, Prefix], ...]:
        """Return (router, prefix) of all that is advertised and holds `destination`: the longest
        prefixes first, then by router."""
        if destination not in self._holders:
            if self._intact is None:
                found = tuple(self._advertised.holding(destination))
            else:  # failures take prefixes away, or leave one that costs more
                found = tuple(
                    (name, prefix)
                    for name, before in self._intact.holders(destination)
                    if name in self.graph.index
                    for prefix in (self.prefixes(name) if name in self.changed else (before,))
                    if prefix.network == before.network
                )
            self._holders[destination] = found
        return self._holders[destination]

    def route(self, router: str, destination: IpAddress) -> Route | None:
        """Return what `fib(router).lookup(destination)` would, without making the whole table."""
        number = self.graph.index[router]
        own = [route for n, route in self._connected(router).items() if destination in n]
        connected = max(own, key=lambda route: route.prefix.prefixlen, default=None)
        longest = -1 if connected is None else connected.prefix.prefixlen
        network, metric, bits = None, 0, 0
        for name, prefix in self.holders(destination):
            if prefix.network.prefixlen <= longest or (network and prefix.network != network):
                break  # what follows is shorter
            to = self.inward(name)
            far = to.distance[number]
            if far in (0, UNREACHABLE):
                continue
            if network is None or far + prefix.metric < metric:
                network, metric, bits = prefix.network, far + prefix.metric, to.first_hops(number)
            elif far + prefix.metric == metric:
                bits |= to.first_hops(number)
        return (
            connected if network is None else Route(network, metric, self.next_hops(router, bits))
        )

    def routed(self, destination: IpAddress) -> frozenset[str]:
        """Return the routers that have a route to `destination`."""
        holders = {name for name, _prefix in self.holders(destination)}
        ways = [self.inward(name).distance for name in sorted(holders)]
        return frozenset(
            name
            for name, number in self.graph.index.items()
            if any(distance[number] not in (0, UNREACHABLE) for distance in ways)
            or any(destination in network for network in self._connected(name))
        )

    def _connected(self, router: str) -> dict[IpNetwork, Route]:
        if self._intact is not None and router not in self.changed:
            return self._intact._connected(router)
        if router not in self._own:
            apart = in_vrf(self.state.routers[router])
            self._own[router] = {
                address.network: Route(
                    address.network, 0, (NextHop(interface.name),), connected=True
                )
                for interface in self.interfaces(router)
                if interface.name not in apart
                for address in interface.addresses
            }
        return self._own[router]

    def routes(self, router: str) -> Iterator[Route]:
        """Yield connected routes, then the cheapest of each other prefix that nodes advertise."""
        connected = self._connected(router)
        yield from connected.values()
        paths = self.paths(router)
        best: dict[IpNetwork, tuple[int, int]] = {}  # metric, and first hops as bits
        for number in paths.order[1:]:
            for prefix in self.prefixes(self.graph.names[number]):
                if prefix.network in connected:
                    continue
                metric = paths.distance[number] + prefix.metric
                known = best.get(prefix.network)
                if known is None or metric < known[0]:
                    best[prefix.network] = metric, paths.first_hops[number]
                elif metric == known[0]:
                    best[prefix.network] = metric, known[1] | paths.first_hops[number]
        for network, (metric, bits) in best.items():
            yield Route(network, metric, self.next_hops(router, bits))


def _edges(adjacency: Adjacency) -> Iterator[Edge]:
    for ours, theirs in adjacency.sides():
        yield Edge(ours.end.node, theirs.end.node, ours.metric, ours.end.port)


def _failed(adjacency: Adjacency, down: Failures) -> bool:
    nodes = down.nodes
    return (
        adjacency.link in down.links
        or adjacency.a.end.node in nodes
        or adjacency.b.end.node in nodes
    )
