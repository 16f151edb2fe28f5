"""The unicast forwarding table of one router: longest prefix match.  RFC 1812 section 5.2.4.3.

Pure.  Routes are values; a lookup remembers its answers, as tables never change once made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from toolkit.planes.prefixes import Prefixes
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
    """Our own interface's prefix; the others were computed by the IGP."""


class Fib:
    """All routes of one router."""

    __slots__ = ("_known", "_routes", "_table")

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(
            sorted(routes, key=lambda r: (r.prefix.version, int(r.prefix[0]), r.prefix.prefixlen))
        )
        self._table = Prefixes((route.prefix, route) for route in self._routes)
        self._known: dict[IpAddress, Route | None] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, by prefix."""
        return self._routes

    def lookup(self, destination: IpAddress) -> Route | None:
        """Return the route with the longest prefix that holds `destination`, None without one."""
        if destination in self._known:
            return self._known[destination]
        found = self._find(destination)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[destination] = found
        return found

    def _find(self, destination: IpAddress) -> Route | None:
        return next(self._table.holding(destination), None)


class LazyFib(Fib):
    """The same table, of which only what is asked for is made: single routes, or all."""

    __slots__ = ("_all", "_one")

    def __init__(
        self, one: Callable[[IpAddress], Route | None], all_routes: Callable[[], Iterable[Route]]
    ) -> None:
        """`one`: the route to a destination; `all_routes`: every route, as `Fib` takes them."""
        self._one, self._all = one, all_routes
        self._known = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        if not hasattr(self, "_routes"):
            self._routes = Fib(self._all()).routes
        return self._routes

    def _find(self, destination: IpAddress) -> Route | None:
        return self._one(destination)
