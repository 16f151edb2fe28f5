"""The unicast forwarding table of one router: longest prefix match.  RFC 1812 section 5.2.4.3.

Pure.  Routes are values; a lookup remembers its answers, as tables never change once made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from toolkit.state.model import IpAddress, IpNetwork

REMEMBERED: Final = 4096
"""Destinations whose route is remembered."""


class NextHop(NamedTuple):
    """Where a packet leaves by."""

    interface: str
    router: str = ""
    """The next router; empty where the destination is on the interface itself."""
    address: IpAddress | None = None
    """Of the next router on that interface."""


class Route(NamedTuple):
    prefix: IpNetwork
    metric: int
    next_hops: tuple[NextHop, ...]
    """Of equal cost, in the order of preference."""
    connected: bool = False
    """Our own interface's prefix; the others were computed by IS-IS."""


class Fib:
    """All routes of one router."""

    __slots__ = ("_by_length", "_known", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(
            sorted(routes, key=lambda r: (r.prefix.version, int(r.prefix[0]), r.prefix.prefixlen))
        )
        tables: dict[tuple[int, int], dict[int, Route]] = {}
        for route in self.routes:
            prefix = route.prefix
            shift = prefix.max_prefixlen - prefix.prefixlen
            table = tables.setdefault((prefix.version, shift), {})
            table[int(prefix.network_address) >> shift] = route
        self._by_length = {
            version: [(s, table) for (v, s), table in sorted(tables.items()) if v == version]
            for version in (4, 6)
        }
        self._known: dict[IpAddress, Route | None] = {}

    def lookup(self, destination: IpAddress) -> Route | None:
        """Return the route with the longest prefix that holds `destination`, None without one."""
        if destination in self._known:
            return self._known[destination]
        value = int(destination)
        found = None
        for shift, table in self._by_length[destination.version]:
            found = table.get(value >> shift)
            if found is not None:
                break
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[destination] = found
        return found
