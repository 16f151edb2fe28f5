"""The planes of a network after failures, made anew only where the failures can have changed them.

Pure.  Law: what a plane holds beside its tables follows from its router's own interfaces and flows
and from BFR-prefixes, so it is used again where neither the router nor an interface of it has
failed.  The tables are those of the network after the failures; which shortest paths these leave as
they were, the derivation itself knows (`toolkit.igp.inward`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane
from toolkit.planes.tables import LazyTables
from toolkit.state.model import IpAddress, IpNetwork


class MovedPlanes(Mapping[str, Plane]):
    """Router -> plane of `network`, which is `base` with failures."""

    def __init__(self, base: Network, network: Network) -> None:
        self._base, self._network = base, network
        self._made: dict[str, Plane] = {}

    def __getitem__(self, name: str) -> Plane:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Plane:
        network = self._network
        if (
            name in network.underlay.changed
            or network.bfrs is not self._base.bfrs
            or network.state.routers[name].mvpns
        ):
            return network.plane(name)
        tables = LazyTables(network.rows, name)
        return replace(
            self._base.plane(name),
            fib=network.underlay.lazy_fib(name),
            birt=tables.birt,
            bifts=tables.bifts,
            bift_ids=tables.bift_ids,
            left_out=tables.gaps,
            ways=tables.ways,
            replication=network.replication(name),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._network.routers)

    def __len__(self) -> int:
        return len(self._network.routers)


class Steadiness:
    """Whether failures leave all that is advertised about the addresses that matter: those of the
    sources, which reports go to, BFR-prefixes, which rows and tunnels lead to, and those of RPs and
    of node SIDs, which joins and labels do."""

    def __init__(self, base: Network, sources: Iterable[IpAddress]) -> None:
        self._base = base
        matters = [(address.version, int(address), "") for address in sources]
        matters += [
            (part.bfr_prefix.version, int(part.bfr_prefix.network_address), name)
            for name, parts in base.bfrs.by_router.items()
            for part in parts.values()
        ]
        for name, router in base.state.routers.items():
            rps = () if router.pim is None else router.pim.rps
            matters += [(rp.address.version, int(rp.address), "") for rp in rps]
            sids = () if router.sr is None else router.sr.node_sids
            matters += [(s.prefix.version, int(s.prefix.network_address), name) for s in sids]
        self._matters = sorted(matters)

    def holds(self, down: Failures) -> bool:
        """Say so of these failures; what they change at all is then who reaches whom."""
        parts = (self._base.bfrs.by_router.get(name, {}) for name in down.nodes)
        return not any(
            part.bfr_id for of_router in parts for part in of_router.values()
        ) and not any(
            owner not in down.nodes for prefix in self._gone(down) for owner in self._inside(prefix)
        )

    def _gone(self, down: Failures) -> Iterator[IpNetwork]:
        """Yield the prefixes of all interfaces that have failed."""
        routers = self._base.state.routers
        nodes = (routers[name] for name in down.nodes if name in routers)
        failed = [interface for router in nodes for interface in router.interfaces.values()]
        for cable in self._base.underlay.cables_at(down):
            for end in (cable.a, cable.b) if down.cuts(cable) else ():
                router = routers.get(end.node)
                if router is not None and end.port in router.interfaces:
                    failed.append(router.interfaces[end.port])
        for interface in failed:
            for address in interface.addresses:
                yield address.network

    def _inside(self, prefix: IpNetwork) -> Iterator[str]:
        """Yield the owners of addresses that matter and that `prefix` holds; "": a source."""
        first = int(prefix.network_address)
        at = bisect_left(self._matters, (prefix.version, first, ""))
        for version, number, owner in self._matters[at:]:
            if version != prefix.version or number >= first + prefix.num_addresses:
                return
            yield owner
