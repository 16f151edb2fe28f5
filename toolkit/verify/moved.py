"""The planes of a network after failures, made anew only where the failures can have changed them.

Pure.  Law: a plane is re-used only by proof.  BIER tables follow from a router's shortest paths and
from what BFRs advertise; a failed link that lies on none of a router's shortest paths leaves all of
these as they were, and so does a failed router that nothing is reached through and that is no
BFER.  A route is re-used where, besides, the same routers advertise prefixes that hold its
destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from toolkit.igp.spf import UNREACHABLE
from toolkit.planes.birt import make_tables
from toolkit.planes.derive import Network
from toolkit.planes.fib import Fib, Route
from toolkit.planes.plane import Plane
from toolkit.state.model import IpAddress


class MovedFib(Fib):
    """A table of which only the rows that are asked for are made: a failure set asks for few."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[IpAddress], Route | None]) -> None:
        super().__init__(())
        self._make = make

    def lookup(self, destination: IpAddress) -> Route | None:
        if destination not in self._known:
            self._known[destination] = self._make(destination)
        return self._known[destination]


class MovedPlanes(Mapping[str, Plane]):
    """Router -> plane of `network`, which is `base` with failures of core links and core routers.

    A plane that has moved has its new BIER and unicast tables; what else it holds (edge interfaces,
    flows) is as before, since no host is attached to what failed.
    """

    def __init__(self, base: Network, network: Network) -> None:
        self._base, self._network = base, network
        self._made: dict[str, Plane] = {}
        down = network.down
        index = base.underlay.graph.index
        self._edges = tuple(
            (index[ours.end.node], index[theirs.end.node], ours.metric)
            for adjacency in base.adjacencies
            if adjacency.link in down.links
            for ours, theirs in adjacency.sides()
        )
        self._ends = frozenset(
            end.node
            for cable in network.state.cables
            if down.cuts(cable)
            for end in (cable.a, cable.b)
        )
        """Nodes that lost an interface, and with it a connected route."""
        self._nodes = frozenset(index[name] for name in down.nodes if name in index)
        self._same = _others_unchanged(base, network)

    def __getitem__(self, name: str) -> Plane:
        if name not in self._network.underlay.graph.index:
            raise KeyError(name)
        if name not in self._made:
            before = self._base.plane(name)
            unmoved = self._same and not self._is_moved(name)
            made = self._unmoved(before) if unmoved else self._moved(before)
            self._made[name] = replace(made, replication=self._network.replication(name))
        return self._made[name]

    def _unmoved(self, before: Plane) -> Plane:
        """The shortest paths are the same, so a route is, where the same routers offer it."""
        name, fib = before.router, before.fib
        if name in self._ends:
            return replace(before, fib=MovedFib(lambda to: self._network.underlay.route(name, to)))

        def route(destination: IpAddress) -> Route | None:
            was, now = self._base.underlay, self._network.underlay
            if was.holders(destination) == now.holders(destination):
                return fib.lookup(destination)
            return now.route(name, destination)

        return replace(before, fib=MovedFib(route))

    def _moved(self, before: Plane) -> Plane:
        underlay = self._network.underlay
        tables = make_tables(underlay, self._network.bfrs, before.router)
        return replace(
            before,
            fib=MovedFib(lambda to: underlay.route(before.router, to)),
            birt=tables.birt,
            bifts=tables.bifts,
            bift_ids=tables.bift_ids,
            gaps=tables.gaps,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._network.routers)

    def __len__(self) -> int:
        return len(self._network.routers)

    def _is_moved(self, name: str) -> bool:
        paths = self._base.underlay.paths(name)
        distance = paths.distance
        for source, target, metric in self._edges:
            if distance[source] != UNREACHABLE and distance[source] + metric == distance[target]:
                return True
        return bool(self._nodes) and any(
            parent in self._nodes for parents in paths.parents for parent in parents
        )


def _others_unchanged(base: Network, network: Network) -> bool:
    """True where every router that is up advertises what it did, and no BFER has failed."""
    before, after = base.bfrs.by_router, network.bfrs.by_router
    failed = before.keys() - after.keys()
    return (
        all(before.get(name) == parts for name, parts in after.items())
        and failed <= network.down.nodes
        and not any(part.bfr_id for name in failed for part in before[name].values())
    )
