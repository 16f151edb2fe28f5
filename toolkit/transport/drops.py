"""Packets that this host lost after they had crossed the network.

Three places, from the wire inwards: the card's ring, the kernel's backlog (one queue for each CPU),
and the sockets' own buffers.  The last is exact for a socket; the first two are the host's, and
other traffic's packets are among them.  Reads kernel counters; nothing is changed, but for packet
sockets, whose counters begin anew when they are read.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.transport import links

_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
"""The last is SK_MEMINFO_DROPS."""
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_STATISTICS = struct.Struct("=II")
_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Drops:
    """How many packets were lost where."""

    sockets: int = 0
    """By ours: their buffers were full."""
    backlog: int = 0
    """By the host's CPUs: too much at once."""
    card: int = 0
    """By the interfaces' rings."""

    @property
    def any(self) -> bool:
        return bool(self.sockets or self.backlog or self.card)

    def document(self) -> dict[str, int]:
        """As a result says it."""
        return {"sockets": self.sockets, "backlog": self.backlog, "card": self.card}

    def sentences(self) -> list[str]:
        """What a person should know, and what to do; empty: nothing was lost here."""
        found = []
        if self.sockets:
            found.append(
                f"{self.sockets} packets were lost on this host, not in the network: the socket "
                "buffer was full (sysctl -w net.core.rmem_max=67108864, a lower --rate at the "
                "sender, or a faster disk; llmsync doctor shows which)"
            )
        if self.backlog:
            found.append(
                f"the kernel dropped {self.backlog} packets of this host's traffic before any "
                "socket (sysctl -w net.core.netdev_max_backlog=10000, or more receive queues: "
                "ethtool -L DEVICE combined N)"
            )
        if self.card:
            found.append(f"network cards dropped {self.card} packets (ethtool -G DEVICE rx 4096)")
        return found


class KernelDrops:
    """Counts from now on.  The sockets must be open when it is read."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = tuple(sockets)
        self._packet = {s.fileno() for s in sockets if s.family == socket.AF_PACKET}
        self._own = [self._of(s) for s in self._sockets]
        self._taken = 0
        """By packet sockets: their counters begin anew at each look."""
        self._backlog, self._card = backlog(), card()

    def read(self) -> Drops:
        """What was lost since."""
        lost = 0
        for number, sock in enumerate(self._sockets):
            seen = self._of(sock)
            if sock.fileno() in self._packet:
                self._taken += seen
            else:
                lost += (seen - self._own[number]) % _WRAP
        return Drops(
            lost + self._taken, max(backlog() - self._backlog, 0), max(card() - self._card, 0)
        )

    def _of(self, sock: socket.socket) -> int:
        if sock.fileno() in self._packet:
            statistics = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
            return int(_STATISTICS.unpack(statistics)[1])
        return of_udp_socket(sock)


def of_udp_socket(sock: socket.socket) -> int:
    """Datagrams that a UDP socket has dropped since it was opened, modulo 2^32."""
    try:
        said = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return listed(sock)
    return int(_MEMINFO.unpack(said)[8]) if len(said) == _MEMINFO.size else listed(sock)


def listed(sock: socket.socket) -> int:
    """The same as /proc/net/udp has it, for kernels before 4.12; 0 where it is not listed."""
    inode = str(os.fstat(sock.fileno()).st_ino)
    table = "udp6" if sock.family == socket.AF_INET6 else "udp"
    for line in _lines(f"/proc/thread-self/net/{table}"):
        words = line.split()
        if len(words) >= 13 and words[9] == inode:
            return int(words[12])
    return 0


def backlog() -> int:
    """Packets that the CPUs' queues had no room for, since boot."""
    rows = [line.split() for line in _lines("/proc/net/softnet_stat")]
    return sum(int(row[1], 16) for row in rows if len(row) > 1)


def card() -> int:
    """Packets that cards had no room for, since boot."""
    try:
        return sum(link.missed for link in links.read())
    except OSError:
        return 0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
