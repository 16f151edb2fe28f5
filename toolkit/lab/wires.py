"""Nodes joined by wires, on a jumping clock: a discrete-event network that carries real frames.

A wire has a capacity, a delay, an MTU and a loss probability each way.  A frame leaves when the
wire is free, takes its size over the capacity to go out, and arrives after the delay; a wire that
has more than its queue waiting drops the tail.  The clock jumps from event to event, so a lab's
minute costs only the work that is done in it, and the same seed gives the same run.

Pure: chance is the caller's `random`, time is the heap's.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

ETHERNET_HEADER = 14
QUEUE_SECONDS = 0.1
"""How much a wire queues before it drops the tail: seconds at its own capacity."""

Emission = tuple[str, bytes]
"""(port, frame)."""


class Node(Protocol):
    """Something with ports: a router or a host.  It answers frames with frames and never blocks."""

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called; None: never."""
        ...

    def receive(self, port: str, frame: bytes, now: float, /) -> Iterable[Emission]: ...

    def expire(self, now: float, /) -> Iterable[Emission]: ...


@dataclass(slots=True)
class Wire:
    """One direction of a cable."""

    node: str
    """The node at the far end."""
    port: str
    capacity: int
    """bit/s."""
    delay: float
    mtu: int
    """Bytes of network-layer packet."""
    loss: float = 0.0
    up: bool = True
    free_at: float = 0.0
    bytes: int = 0
    frames: int = 0
    lost: int = 0
    """Frames that chance took."""
    overflowed: int = 0
    """Frames that the queue had no room for."""
    dark: int = 0
    """Frames that were sent while the link was down, since it failed."""
    oversized: int = 0
    """Frames larger than the MTU."""


class Network:
    """The wires, the heap, and the loop."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        wires: Mapping[tuple[str, str], Wire],
        chance: Callable[[], float],
    ) -> None:
        """`wires` maps (node, port) to the wire that leaves there; `chance` gives 0 <= x < 1."""
        self.nodes = dict(nodes)
        self.wires = dict(wires)
        self.now = 0.0
        self.events = 0
        self._chance = chance
        self._heap: list[tuple[float, int, str, str, bytes]] = []
        self._order = 0
        self._calls: dict[int, Callable[[float], None]] = {}
        self._armed: dict[str, float] = {}

    def at(self, time: float, call: Callable[[float], None]) -> None:
        """Call `call(now)` when the clock gets to `time`."""
        self._order += 1
        self._calls[self._order] = call
        heapq.heappush(self._heap, (time, self._order, "", "", b""))

    def arm(self, name: str) -> None:
        """Make sure that the node is woken at its deadline.  After every call into a node."""
        deadline = self.nodes[name].deadline
        if deadline is None:
            return
        deadline = max(deadline, self.now)  # what is overdue happens now: the clock never runs back
        armed = self._armed.get(name)
        if armed is None or deadline < armed:
            self._armed[name] = deadline
            self._order += 1
            heapq.heappush(self._heap, (deadline, self._order, name, "", b""))

    def send(self, name: str, emissions: Iterable[Emission]) -> None:
        """Put frames on the wires that leave `name` now."""
        for port, frame in emissions:
            wire = self.wires.get((name, port))
            if wire is None:
                continue
            if not wire.up:
                wire.dark += 1
                continue
            size = len(frame)
            if size > wire.mtu + ETHERNET_HEADER:
                wire.oversized += 1
                continue
            start = wire.free_at if wire.free_at > self.now else self.now
            if start - self.now > QUEUE_SECONDS:
                wire.overflowed += 1
                continue
            wire.free_at = start + size * 8 / wire.capacity
            wire.bytes += size
            wire.frames += 1
            if wire.loss and self._chance() < wire.loss:
                wire.lost += 1
                continue
            self._order += 1
            heapq.heappush(
                self._heap, (wire.free_at + wire.delay, self._order, wire.node, wire.port, frame)
            )

    def run(self, until: float, finished: Callable[[], bool]) -> None:
        """Work until `finished`, or the clock passes `until`, or nothing is left to happen."""
        heap, nodes = self._heap, self.nodes
        while heap and not finished():
            time, order, name, port, frame = heapq.heappop(heap)
            if time > until:
                self.now = until
                return
            self.now = time
            self.events += 1
            if not name:
                self._calls.pop(order)(time)
                continue
            node = nodes[name]
            if port:
                emissions = node.receive(port, frame, time)
            else:
                if self._armed.get(name) == time:
                    del self._armed[name]
                if node.deadline is None or node.deadline > time:
                    self.arm(name)
                    continue
                emissions = node.expire(time)
            self.send(name, emissions)
            self.arm(name)
