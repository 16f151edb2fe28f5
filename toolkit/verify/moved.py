"""The planes of a network after failures, made anew only where the failures can have changed them.

Pure.  Law: what a plane holds beside its tables follows from its router's own interfaces and flows
and from BFR-prefixes, so it is used again where neither the router nor an interface of it has
failed.  The tables are those of the network after the failures; which shortest paths these leave as
they were, the derivation itself knows (`toolkit.igp.inward`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane
from toolkit.planes.tables import LazyTables


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
        if name in network.underlay.changed or network.bfrs is not self._base.bfrs:
            return network.plane(name)
        tables = LazyTables(network.rows, name)
        return replace(
            self._base.plane(name),
            fib=network.underlay.lazy_fib(name),
            birt=tables.birt,
            bifts=tables.bifts,
            bift_ids=tables.bift_ids,
            left_out=tables.gaps,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._network.routers)

    def __len__(self) -> int:
        return len(self._network.routers)
