"""A BFR in operation: a node whose tables follow routes, and links that fail and come back.

draft-ietf-bier-frr (a failed link: backups at once, whatever the routes say later), RFC 8279
section 6.3.  Law: after any events the tables are those of a BFR that is started with the same
routes and links; a change of one BFER touches one table; everything happens between two packets.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.bier.bift import BiftKey
from toolkit.bier.bitstring import Bsl
from toolkit.bier.follow import Change, Event, Fib, Follower
from toolkit.bier.masks import Masks
from toolkit.bier.node import Node
from toolkit.bier.program import Program
from toolkit.bier.routes import Routes

MANY = 64
"""Changes of one table from which on it is made anew."""
FEW = 8
"""Tables whose backups are made anew while a link has failed already."""


class Live:
    """Owns the tables of `node`; `reprogrammed` counts the tables that were replaced.

    The engine's normal tables are those without the interfaces that were down when they were made
    (`_absorbed`); its backups are for one more.
    """

    def __init__(self, node: Node) -> None:
        self.node, self.reprogrammed = node, 0
        self.down: frozenset[str] = frozenset()
        """Interfaces that are down."""
        self._fib = Fib()
        self._begin(node.program)

    def _begin(self, program: Program) -> None:
        self._routes: dict[BiftKey, Routes] = dict(program.routes)
        self._absorbed: frozenset[str] = frozenset()
        self._stale: set[BiftKey] = set()
        """Tables whose backups are older than their routes."""
        self._protected = self._used()
        """Interfaces that there are backups for."""
        self._follower: Follower | None = None
        if program.following is not None:
            self._follower = Follower(program.following, self._fib)
            self._apply(self._follower.everything())
        if self.down != self._absorbed:
            self._absorb()

    @property
    def follows(self) -> bool:
        return self._follower is not None

    @property
    def routes(self) -> dict[BiftKey, Routes]:
        """The routes of every table but those given row by row."""
        return self._routes

    def reload(self, program: Program) -> None:
        """Be another BFR from now on, with the routes and links that are known."""
        self.node.load(program)
        self._begin(program)

    def route(self, event: Event) -> bool:
        """Follow a route; False where all routes have to be read again (`Synced`)."""
        if self._follower is None:
            return True
        changes = self._follower.take(event)
        if changes is None:
            return False
        self._apply(changes)
        return True

    def link(self, interface: str, *, up: bool) -> None:
        """A link has failed or is back: by backups at once, by the routes that are left after."""
        down = self.down - {interface} if up else self.down | {interface}
        if down == self.down:
            return
        self.down = down
        more = down - self._absorbed
        if down == self._absorbed:
            self.node.engine.switch_over(None)
        elif down > self._absorbed and len(more) == 1 and len(self._stale) <= FEW:
            while self._stale:
                self._protect(self._stale.pop())
            self.node.engine.switch_over(*more)  # False: nothing leaves by it
        else:
            self._absorb()

    def settle(self) -> bool:
        """Prepare for the next failure, a piece at a time: for idle moments.

        What has failed is taken out of the normal tables; then the backups of one table are made
        anew, where they are older than its routes.  False where there was nothing to do.
        """
        if self.down != self._absorbed:
            self._absorb()
        elif self._stale:
            self._protect(self._stale.pop())
        else:
            return False
        return True

    def _used(self) -> frozenset[str]:
        return frozenset(name for routes in self._routes.values() for name in routes.interfaces)

    def _protect(self, key: BiftKey) -> None:
        """Make the backups of one table anew."""
        routes = self._routes[key]
        # Those in use now: where something is down already, backups may be among them.
        tables_now = self._tables(routes)
        self._protected |= {hop.neighbor.interface for t in tables_now for hop in t.hops}
        for interface in self._protected:
            tables = routes.without(self._absorbed | {interface})
            self.node.engine.replace(key, tables, failed=interface)

    def _apply(self, changes: Iterable[Change]) -> None:
        by_key: dict[BiftKey, list[Change]] = {}
        for change in changes:
            by_key.setdefault(change.key, []).append(change)
        if not by_key:
            return
        if self.down != self._absorbed:
            self._absorb()
        self._stale |= by_key.keys()
        for key, of_key in by_key.items():
            routes = self._routes[key]
            if len(of_key) < MANY:
                for _key, position, ways in of_key:
                    routes.change(position, ways)
            else:
                after = dict(routes.ways) | {c.position: c.ways for c in of_key}
                routes = self._routes[key] = Routes(Bsl.of_bits(key.bsl), after)
            self.node.replace(key, self._tables(routes))
            self.reprogrammed += 1

    def _tables(self, routes: Routes) -> tuple[Masks, ...]:
        return routes.without(self._absorbed) if self._absorbed else routes.tables

    def _absorb(self) -> None:
        """Make the tables without the interfaces that are down the normal ones; their backups are
        made in idle moments."""
        self._absorbed, self._protected = self.down, frozenset()
        program = self.node.program
        tables = {key: self._tables(routes) for key, routes in self._routes.items()}
        self.node.engine.load(
            {**tables, **program.rows}, program.bift_ids, encapsulations=program.encapsulations
        )
        self.node.refresh()
        self._stale = set(self._routes)
        self.reprogrammed += len(tables)
