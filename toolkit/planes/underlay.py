"""The routing underlay that IS-IS makes of a state: who advertises what, who reaches whom, and how.

RFC 8279 section 4.1 (routing underlay), RFC 5305 (wide metrics, prefixes), ISO/IEC 10589.  Law: a
router knows what reachable routers advertise and its own interfaces, nothing else.  Shortest paths
are computed once for each router.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import UNREACHABLE, ShortestPaths, shortest_paths
from toolkit.planes.adjacency import NO_FAILURES, Adjacency, Failures, Side, adjacencies
from toolkit.planes.fib import Fib, NextHop, Route
from toolkit.state.model import Interface, IpAddress, IpNetwork, NetworkState


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix in a router's link state PDU."""

    network: IpNetwork
    metric: int


class Underlay:
    """IS-IS over one state with some failures."""

    def __init__(
        self,
        state: NetworkState,
        down: Failures = NO_FAILURES,
        candidates: tuple[Adjacency, ...] | None = None,
    ) -> None:
        """`candidates`: the adjacencies of the state without failures, where already known."""
        self.state, self.down = state, down
        if candidates is None:
            candidates = adjacencies(state)
        self.adjacencies = tuple(a for a in candidates if not _failed(a, down))
        self._cut = {
            end for cable in state.cables if down.cuts(cable) for end in (cable.a, cable.b)
        }
        self._ways: dict[str, dict[str, tuple[Side, Side]]] = {}
        for adjacency in self.adjacencies:
            for ours, theirs in adjacency.sides():
                self._ways.setdefault(ours.end.node, {})[ours.end.port] = ours, theirs
        self.graph = Graph.of(
            (name for name in state.routers if name not in down.nodes),
            (
                Edge(ours.end.node, theirs.end.node, ours.metric, ours.end.port)
                for adjacency in self.adjacencies
                for ours, theirs in adjacency.sides()
            ),
        )
        self._paths: dict[str, ShortestPaths] = {}
        self._reversed: Graph | None = None
        self._to: dict[str, tuple[int, ...]] = {}
        self._prefixes: dict[str, tuple[Prefix, ...]] = {}
        self._holders: dict[IpAddress, tuple[tuple[str, Prefix], ...]] = {}
        self._next_hops: dict[str, dict[int, tuple[NextHop, ...]]] = {}

    def ways(self, router: str) -> dict[str, tuple[Side, Side]]:
        """Return interface -> (our side, their side) of the router's adjacencies."""
        return self._ways.get(router, {})

    def paths(self, router: str) -> ShortestPaths:
        """Return the shortest paths from a router that has not failed."""
        if router not in self._paths:
            self._paths[router] = shortest_paths(self.graph, router)
        return self._paths[router]

    def interfaces(self, router: str) -> Iterator[Interface]:
        """Yield the interfaces that are up: enabled, and not at the end of a failed cable."""
        cut = {end.port for end in self._cut if end.node == router} if self._cut else set()
        for interface in self.state.routers[router].interfaces.values():
            if interface.enabled and interface.name not in cut:
                yield interface

    def prefixes(self, router: str) -> tuple[Prefix, ...]:
        """Return what a router advertises: the prefixes of its interfaces that IS-IS is told of."""
        if router not in self._prefixes:
            best: dict[IpNetwork, int] = {}
            if self.state.routers[router].system_id:
                for interface in self.interfaces(router):
                    if interface.isis is not None:
                        for address in interface.addresses:
                            metric = best.get(address.network, interface.isis.metric)
                            best[address.network] = min(metric, interface.isis.metric)
            self._prefixes[router] = tuple(Prefix(n, m) for n, m in best.items())
        return self._prefixes[router]

    def next_hops(self, router: str, first_hops: int) -> tuple[NextHop, ...]:
        """Return the next hops of a set of first hops (`ShortestPaths.first_hops`), best first.

        The order is (system-id, name, interface) of the next router: the same whoever asks.
        """
        known = self._next_hops.setdefault(router, {})
        if first_hops not in known:
            known[first_hops] = tuple(
                hop for position, hop in self._ranked(router) if first_hops >> position & 1
            )
        return known[first_hops]

    def _ranked(self, router: str) -> list[tuple[int, NextHop]]:
        paths, ways = self.paths(router), self.ways(router)
        ranked = []
        for position, (number, _metric, port) in enumerate(paths.graph.out[paths.root]):
            name = paths.graph.names[number]
            key = (self.state.routers[name].system_id, name, port)
            ranked.append((key, position, NextHop(port, name, ways[port][1].address.ip)))
        ranked.sort(key=lambda item: item[0])
        return [(position, hop) for _key, position, hop in ranked]

    def fib(self, router: str) -> Fib:
        """Return the router's table: connected prefixes, then the cheapest advertised ones."""
        paths = self.paths(router)
        advertised = (
            (number, prefix)
            for number in paths.order[1:]
            for prefix in self.prefixes(paths.graph.names[number])
        )
        return Fib(self._routes(router, self._connected(router), advertised))

    def holders(self, destination: IpAddress) -> tuple[tuple[str, Prefix], ...]:
        """Return (router, prefix) of all that is advertised and holds `destination`."""
        if destination not in self._holders:
            self._holders[destination] = tuple(
                (name, prefix)
                for name in self.graph.names
                for prefix in self.prefixes(name)
                if destination in prefix.network
            )
        return self._holders[destination]

    def route(self, router: str, destination: IpAddress) -> Route | None:
        """Return what `fib(router).lookup(destination)` would, without making the whole table.

        Where one router alone offers the destination, the distances of all others to it are
        computed once, for whoever asks: one run serves a whole tree.
        """
        offered = self.holders(destination)
        if router not in self._paths and len(offered) == 1 and offered[0][0] != router:
            return self._route_to(router, destination, *offered[0])
        paths = self.paths(router)
        connected = {n: r for n, r in self._connected(router).items() if destination in n}
        advertised = (
            (self.graph.index[name], prefix)
            for name, prefix in self.holders(destination)
            if name != router and paths.reaches(name)
        )
        routes = self._routes(router, connected, advertised)
        return max(routes, key=lambda route: route.prefix.prefixlen, default=None)

    def _route_to(
        self, router: str, destination: IpAddress, holder: str, prefix: Prefix
    ) -> Route | None:
        """Return the route to what `holder` alone offers, from distances to it."""
        connected = max(
            (r for n, r in self._connected(router).items() if destination in n),
            key=lambda route: route.prefix.prefixlen,
            default=None,
        )
        if connected is not None and connected.prefix.prefixlen >= prefix.network.prefixlen:
            return connected
        distance = self._distances_to(holder)
        own = distance[self.graph.index[router]]
        if own == UNREACHABLE:
            return connected
        hops = []
        ways = self.ways(router)
        for number, metric, port in self.graph.out[self.graph.index[router]]:
            if distance[number] != UNREACHABLE and distance[number] + metric == own:
                name = self.graph.names[number]
                key = (self.state.routers[name].system_id, name, port)
                hops.append((key, NextHop(port, name, ways[port][1].address.ip)))
        hops.sort(key=lambda hop: hop[0])
        return Route(prefix.network, own + prefix.metric, tuple(hop for _key, hop in hops))

    def _distances_to(self, router: str) -> tuple[int, ...]:
        if router not in self._to:
            if self._reversed is None:
                self._reversed = self.graph.reversed()
            self._to[router] = shortest_paths(self._reversed, router).distance
        return self._to[router]

    def _connected(self, router: str) -> dict[IpNetwork, Route]:
        return {
            address.network: Route(address.network, 0, (NextHop(interface.name),), connected=True)
            for interface in self.interfaces(router)
            for address in interface.addresses
        }

    def _routes(
        self,
        router: str,
        connected: dict[IpNetwork, Route],
        advertised: Iterable[tuple[int, Prefix]],
    ) -> Iterator[Route]:
        """Yield connected routes, then the cheapest of each other prefix that nodes advertise."""
        yield from connected.values()
        paths = self.paths(router)
        best: dict[IpNetwork, tuple[int, int]] = {}  # metric, and first hops as bits
        for number, prefix in advertised:
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


def _failed(adjacency: Adjacency, down: Failures) -> bool:
    nodes = down.nodes
    return (
        adjacency.link in down.links
        or adjacency.a.end.node in nodes
        or adjacency.b.end.node in nodes
    )
