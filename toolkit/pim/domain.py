"""All PIM routers of a network without packets: joins go from router to router until all is still.

Law: only routers that a message or a packet comes to have state, so that a tree costs its own size,
whatever the network's.  Messages are counted hop by hop: that is what a join, a leave or a move of
a route costs.  Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toolkit.pim.mfib import Mfib
from toolkit.pim.router import PimRouter, Send
from toolkit.pim.surroundings import Surroundings
from toolkit.state.model import IpAddress

Around = Callable[[str], Surroundings | None]
"""Router -> what its PIM knows; None where it runs none, or is down."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change took."""

    routers: frozenset[str]
    """Whose multicast table is not what it was."""
    messages: int
    """Join/Prune messages sent, each from one router to the next."""


class Domain:
    """The tree state of a network."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self.routers: dict[str, PimRouter] = {}
        """Those that have been asked for anything."""
        self.messages = 0
        self._queue: deque[tuple[str, Send]] = deque()

    def router(self, name: str) -> PimRouter | None:
        """Return a router; None where it runs no PIM or is down."""
        if name not in self.routers:
            around = self._around(name)
            if around is None:
                return None
            self.routers[name] = PimRouter(around)
        return self.routers[name]

    @property
    def version(self) -> int:
        """Changes whenever the state of any router does."""
        return sum(router.version for router in self.routers.values())

    def member(
        self,
        router: str,
        port: str,
        group: IpAddress,
        source: IpAddress | None = None,
        *,
        joined: bool = True,
    ) -> None:
        """A host behind `port` joins or leaves; `source` None: any (RFC 7761 section 4.1.6)."""
        found = self.router(router)
        if found is not None:
            self.send(router, found.membership(port, group, source, joined=joined))

    def send(self, router: str, sends: Iterable[Send]) -> None:
        """Put messages on their way."""
        self._queue += ((router, send) for send in sends)

    def settle(self) -> None:
        """Deliver messages until there are none."""
        while self._queue:
            name, send = self._queue.popleft()
            self.messages += 1
            port = self.routers[name].around.ports[send.port]
            neighbor = self.router(port.neighbor)
            if neighbor is not None:
                self.send(port.neighbor, neighbor.receive(port.neighbor_port, send.message))

    def mfibs(self) -> dict[str, Mfib]:
        """Return the tables of all routers that have entries."""
        tables = {name: router.mfib() for name, router in sorted(self.routers.items())}
        return {name: table for name, table in tables.items() if table}

    def cost(self, change: Callable[[], None]) -> Cost:
        """Make a change, let all settle, and return what that took.

        For the first join of a group, another receiver or a leave, `change` calls `member`; for a
        link or node that fails or comes back it calls `move`.
        """
        before, messages = self.mfibs(), self.messages
        change()
        self.settle()
        after = self.mfibs()
        changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
        return Cost(frozenset(changed), self.messages - messages)

    def move(self, around: Around) -> None:
        """Take another network's interfaces and routes; a router that is gone loses its state."""
        self._around = around
        for name in list(self.routers):
            now = around(name)
            if now is None:
                del self.routers[name]
            else:
                self.send(name, self.routers[name].move(now))
        self._queue = deque(entry for entry in self._queue if entry[0] in self.routers)
