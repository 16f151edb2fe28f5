"""Receivers that cannot keep up, on the bad network of `net`: slow to read, behind thin links, or
out of reach for a while."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from net import TRUSTED, Net

from toolkit.delivery.receiver import Receiver

HEADERS = 28
"""What IPv4 and UDP add to a datagram, on a link."""


@dataclass
class Host:
    """One receiver's machine; sizes in bytes, rates in bytes a second."""

    socket: int = 128 * 2**10
    """Datagrams that wait beyond it are dropped."""
    reads: float = math.inf
    """How fast it takes datagrams out of its socket."""
    link: float = math.inf
    """How fast its link is, whose router keeps `queue` bytes and drops what is more."""
    queue: int = 16 * 2**10
    outages: Sequence[tuple[float, float]] = ()
    """From when till when nothing reaches it and nothing comes from it."""
    dropped: int = 0
    waiting: int = 0
    free_at: float = 0.0
    link_free_at: float = 0.0


@dataclass
class SlowNet(Net):
    """A Net whose receivers run on `hosts` (by name; those not named are as fast as can be)."""

    hosts: dict[str, Host] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self._starts += 1
        host = self.hosts.get(name)
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout,
            socket_room=2**20 if host is None else host.socket,
        )  # fmt: skip

    def out(self, name: str) -> bool:
        host = self.hosts.get(name)
        return host is not None and any(a <= self.now < b for a, b in host.outages)

    def _arrive(self, name: str, datagram: bytes) -> None:
        host = self.hosts.get(name)
        if host is None:
            super()._arrive(name, datagram)
        elif self.out(name):
            host.dropped += 1
        elif host.link < math.inf:
            size = len(datagram) + HEADERS
            behind = max(host.link_free_at - self.now, 0.0) * host.link
            if behind + size > host.queue:
                host.dropped += 1
                return
            host.link_free_at = max(host.link_free_at, self.now) + size / host.link
            self.at(host.link_free_at, lambda: self._into_socket(name, host, datagram))
        else:
            self._into_socket(name, host, datagram)

    def _into_socket(self, name: str, host: Host, datagram: bytes) -> None:
        if host.waiting + len(datagram) > host.socket:
            host.dropped += 1
            return
        host.waiting += len(datagram)
        host.free_at = max(host.free_at, self.now) + len(datagram) / host.reads

        def read() -> None:
            host.waiting -= len(datagram)
            super(SlowNet, self)._arrive(name, datagram)

        self.at(host.free_at, read)

    def completed(self, name: str) -> float:
        """When a receiver had everything, in seconds after the session's start."""
        receipt = self.sender.results()[list(self.names).index(name)]
        assert receipt.completed is not None, receipt
        return receipt.completed
