"""A BFR in operation: a node whose tables follow routes, and links that fail and come back.

draft-ietf-bier-frr (a failed link: backups at once, whatever the routes say later), RFC 8279
section 6.3.  Law: after any events the tables are those of a BFR that is started with the same
routes and links; a change of one BFER touches one table; everything happens between two packets.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from toolkit.bier.bift import BiftKey
from toolkit.bier.bitstring import Bsl
from toolkit.bier.follow import Change, Event, Fib, Follower
from toolkit.bier.lookup import Bifts
from toolkit.bier.node import Node
from toolkit.bier.program import Program
from toolkit.bier.routes import Routes

MANY = 64
"""Changes of one table from which on it is made anew."""
FEW = 8
"""Tables whose backups are made anew while a link has failed already."""


class Live:
    """Owns the tables of `node`; `reprogrammed` counts the tables that were replaced."""

    def __init__(self, node: Node) -> None:
        self.node, self.reprogrammed = node, 0
        self.down: frozenset[str] = frozenset()
        """Interfaces that are down."""
        self._fib = Fib()
        self._reduced = False
        """The engine's normal tables are already those without `down`."""
        self._stale: set[BiftKey] = set()
        """Tables whose backups are older than their routes."""
        self._protected: frozenset[str] = frozenset()
        """Interfaces that there are backups for."""
        self._begin(node.program)

    def _begin(self, program: Program) -> None:
        self._routes: dict[BiftKey, Routes] = dict(program.routes)
        self._reduced, self._stale = False, set()
        self._protected = _interfaces(self._routes)
        self._follower: Follower | None = None
        if program.following is not None:
            self._follower = Follower(program.following, self._fib)
            self._apply(self._follower.everything())
        if self.down:
            self._reduce()

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
        if not down and not self._reduced and not self._stale:
            self.node.engine.switch_over(None)
        elif not down:
            self._restore()
        elif len(down) == 1 and not up and not self._reduced and len(self._stale) <= FEW:
            while self._stale:
                self._protect(self._stale.pop())
            self.node.engine.switch_over(interface)  # False: nothing leaves by it
        else:
            self._reduce()

    def settle(self) -> bool:
        """Make the backups of one table anew, where they are older than its routes: a piece of work
        for an idle moment.  False where there was none."""
        if not self._stale or self.down:
            return False
        self._protect(self._stale.pop())
        return True

    def _protect(self, key: BiftKey) -> None:
        routes = self._routes[key]
        self._protected |= routes.interfaces
        for interface in self._protected:
            leaves = interface in routes.interfaces
            tables = routes.without({interface}) if leaves else routes.tables
            self.node.engine.replace(key, tables, failed=interface)

    def _apply(self, changes: Iterable[Change]) -> None:
        by_key: dict[BiftKey, list[Change]] = {}
        for change in changes:
            by_key.setdefault(change.key, []).append(change)
        if not by_key:
            return
        if self.down and not self._reduced:
            self._reduce()
        self._stale |= by_key.keys()
        for key, of_key in by_key.items():
            routes = self._routes[key]
            if len(of_key) < MANY:
                for _key, position, ways in of_key:
                    routes.change(position, ways)
            else:
                after = dict(routes.ways) | {c.position: c.ways for c in of_key}
                routes = self._routes[key] = Routes(Bsl.of_bits(key.bsl), after)
            self.node.replace(key, routes.without(self.down) if self.down else routes.tables)
            self.reprogrammed += 1

    def _reduce(self) -> None:
        """Make the tables that are left without the interfaces that are down the normal ones."""
        self._load({key: routes.without(self.down) for key, routes in self._routes.items()})
        self._reduced = True

    def _restore(self) -> None:
        """Back to the tables with all interfaces, and to backups for each of them."""
        backups: dict[str, dict[BiftKey, Bifts]] = {}
        for key, routes in self._routes.items():
            for interface in routes.interfaces:
                backups.setdefault(interface, {})[key] = routes.without({interface})
        self._load({key: routes.tables for key, routes in self._routes.items()}, backups)
        self._reduced, self._stale = False, set()
        self._protected = frozenset(backups)

    def _load(
        self,
        tables: dict[BiftKey, Bifts],
        backups: dict[str, dict[BiftKey, Bifts]] | None = None,
    ) -> None:
        program = self.node.program
        self.node.engine.load(
            {**tables, **program.rows},
            program.bift_ids,
            encapsulations=program.encapsulations,
            backups=backups,
        )
        self.node.refresh()
        self.reprogrammed += len(tables)


def _interfaces(tables: Mapping[BiftKey, Routes]) -> frozenset[str]:
    return frozenset(name for routes in tables.values() for name in routes.interfaces)
