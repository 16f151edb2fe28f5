"""The BIRT of a BFR that follows its host's routes: routes in, changes of single BFERs out.

RFC 8279 section 6.3 (BIRT: BFR-id -> BFR-prefix -> BFR-NBR, by the routing underlay).  A BFER's
route is the most specific one that covers its BFR-prefix; of several for one prefix that with the
lowest metric is in use, and the next best gives backups (draft-ietf-bier-frr).  A next hop is a
BFR-NBR where it is the address of a known peer; else a tunnel leads to the BFER, where there is one
(section 6.9), or it has a null neighbor.  Law: whatever
events came, and in whatever order, the ways are those that follow from the routes that are left.
Pure: whoever listens to the kernel says what it heard.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from toolkit.bier.bift import BiftKey, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import set_and_bit
from toolkit.bier.ecmp import MAX_WAYS
from toolkit.bier.follow_model import Following, IpAddress
from toolkit.bier.routes import Ways

IpNetwork = IPv4Network | IPv6Network


class NextHop(NamedTuple):
    interface: str
    address: IpAddress | None = None
    """None: the destination itself is on the link."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the host's table."""

    prefix: IpNetwork
    hops: tuple[NextHop, ...] = ()
    """Of equal cost; empty where packets are thrown away (blackhole, unreachable)."""
    metric: int = 0
    local: bool = False
    """To the host itself."""


class Added(NamedTuple):
    """The host has a new route."""

    route: Route
    replace: bool = False
    """Instead of any other for the same prefix and metric."""


class Removed(NamedTuple):
    """The host has lost a route."""

    route: Route


class Synced(NamedTuple):
    """These are all routes, whatever was said before."""

    routes: tuple[Route, ...]


Event = Added | Removed | Synced


class Change(NamedTuple):
    """The BFER at a bit position of a table is reached another way."""

    key: BiftKey
    position: int
    ways: Ways


class Fib:
    """The routes of a host, as far as they are known."""

    def __init__(self) -> None:
        self._routes: dict[IpNetwork, list[Route]] = {}
        self._lengths: dict[int, Counter[int]] = {4: Counter(), 6: Counter()}
        """IP version -> length of a prefix -> how many there are."""

    def take(self, event: Event) -> Iterable[IpNetwork] | None:
        """Note an event; return the prefixes that it touches, None where it is not understood:
        what has gone was not known, so that somebody has to read all routes again."""
        if isinstance(event, Synced):
            return self._sync(event.routes)
        prefix = event.route.prefix
        known = list(self._routes.get(prefix, ()))
        if isinstance(event, Removed):
            if event.route not in known:
                return None
            known.remove(event.route)
        else:
            if event.replace:
                known = [r for r in known if r.metric != event.route.metric]
            if event.route not in known:
                known.append(event.route)
            known.sort(key=lambda route: route.metric)  # stable: the first of equals stays first
        self._put(prefix, known)
        return (prefix,)

    def _put(self, prefix: IpNetwork, routes: list[Route]) -> None:
        if (prefix in self._routes) != bool(routes):
            self._lengths[prefix.version][prefix.prefixlen] += 1 if routes else -1
        if routes:
            self._routes[prefix] = routes
        else:
            self._routes.pop(prefix, None)

    def _sync(self, routes: Iterable[Route]) -> set[IpNetwork]:
        found: dict[IpNetwork, list[Route]] = {}
        for route in routes:
            of_prefix = found.setdefault(route.prefix, [])
            if route not in of_prefix:
                of_prefix.append(route)
        for of_prefix in found.values():
            of_prefix.sort(key=lambda route: route.metric)
        before, self._routes = self._routes, found
        for version in self._lengths:
            self._lengths[version] = Counter(p.prefixlen for p in found if p.version == version)
        return {p for p in before.keys() | found.keys() if before.get(p) != found.get(p)}

    def lookup(self, address: IpAddress) -> tuple[Route, ...]:
        """Return the routes of the most specific prefix around an address, the best first."""
        kind = IPv4Network if address.version == 4 else IPv6Network
        width, value = address.max_prefixlen, int(address)
        lengths = self._lengths[address.version]
        for length in sorted((n for n, count in lengths.items() if count), reverse=True):
            shift = width - length
            routes = self._routes.get(kind((value >> shift << shift, length)))
            if routes:
                return tuple(routes)
        return ()


class Follower:
    """Where every BFER is, for the tables that follow the routes."""

    def __init__(self, following: Following, fib: Fib) -> None:
        self._following, self._fib = following, fib
        self._neighbors: dict[Neighbor, Neighbor] = {}
        """Equal ones are one object: what goes before a copy is remembered by it."""
        by_version: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        for (sub_domain, bfr_id), prefix in following.bfers.items():
            by_version[prefix.version].append((int(prefix), sub_domain, bfr_id))
        self._sorted = {version: sorted(rows) for version, rows in by_version.items()}
        self._ways: dict[tuple[BiftKey, int], Ways] = {}

    def take(self, event: Event) -> list[Change] | None:
        """Note an event; return what changes by it, None where all routes must be read again."""
        touched = self._fib.take(event)
        if touched is None:
            return None
        rows: dict[tuple[int, int], None] = {}
        for prefix in touched:
            rows |= dict.fromkeys(self._covered(prefix))
        return self._changes(rows)

    def everything(self) -> list[Change]:
        """Return a change for every BFER that is not as told last (at first: for every one)."""
        return self._changes(self._following.bfers)

    def _covered(self, prefix: IpNetwork) -> Iterator[tuple[int, int]]:
        """Yield <sub-domain, BFR-id> of the BFERs whose BFR-prefix lies in a prefix."""
        rows = self._sorted[prefix.version]
        low = bisect_left(rows, (int(prefix.network_address), -1, -1))
        high = bisect_right(rows, (int(prefix.broadcast_address), 1 << 16, 1 << 17))
        for _address, sub_domain, bfr_id in rows[low:high]:
            yield sub_domain, bfr_id

    def _changes(self, bfers: Iterable[tuple[int, int]]) -> list[Change]:
        changes: list[Change] = []
        following = self._following
        for sub_domain, bfr_id in bfers:
            prefix = following.bfers[sub_domain, bfr_id]
            own = following.own.get(sub_domain) == bfr_id
            routes = () if own else self._fib.lookup(prefix)
            for bsl in following.lengths.get(sub_domain, ()):
                si, position = set_and_bit(bfr_id, bsl)
                key = BiftKey(sub_domain, bsl, si)
                if key not in following.tables:
                    continue
                ways = Ways(local=True) if own else self._ways_by(routes, prefix, key)
                if self._ways.get((key, position)) != ways:
                    self._ways[key, position] = ways
                    changes.append(Change(key, position, ways))
        return changes

    def _ways_by(self, routes: tuple[Route, ...], prefix: IpAddress, key: BiftKey) -> Ways:
        if not routes:
            return Ways()
        best, others = routes[0], [r for r in routes[1:] if r.metric > routes[0].metric]
        if best.local:
            return Ways(local=True)
        backup = [hop for route in others for hop in self._hops(route, prefix, key)]
        hops = self._hops(best, prefix, key)[:MAX_WAYS]
        return Ways(hops, backup=tuple(hop for hop in backup if hop not in hops) if hops else ())

    def _hops(self, route: Route, prefix: IpAddress, key: BiftKey) -> tuple[Hop, ...]:
        found: dict[Hop, None] = {}
        for interface, address in route.hops:
            hop = self._hop(interface, prefix if address is None else address, prefix, key)
            if hop is not None:
                found[hop] = None
        return tuple(found)

    def _hop(
        self, interface: str, address: IpAddress, prefix: IpAddress, key: BiftKey
    ) -> Hop | None:
        """Return the BFR-NBR at a next hop; of a BFER that has a tunnel, else the BFER itself."""
        following, tunnel = self._following, None
        if interface not in following.interfaces:
            return None
        peer = following.peers.get(address)
        if peer is None and address.is_link_local:  # one address, another router on each link
            peer = following.peers.get(ip_address(f"{address}%{interface}"))
        if peer is None:
            peer = following.peers.get(prefix)
            if peer is None or peer.tunnel is None:
                return None
            tunnel = peer.tunnel
        base = peer.bases.get((key.sub_domain, key.bsl))
        bift_id = following.tables[key] if base is None else base + key.si
        if bift_id is None:
            return None
        found = Neighbor(peer.router, interface, address, tunnel)
        return Hop(self._neighbors.setdefault(found, found), bift_id)
