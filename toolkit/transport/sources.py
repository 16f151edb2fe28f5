"""Which source addresses a receiver listens to: its sender's; others are counted and dropped."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from toolkit.transport.address import Address

_PORT = slice(2, 4)
_KNOWN = slice(2, 24)
"""Port and address, of either family."""
_MOST = 16
_HOST = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
"""Where port and address are in a sockaddr."""


class Sources:
    """`allowed`: addresses; port 0 stands for every port."""

    def __init__(self, allowed: Sequence[Address]) -> None:
        self.refused = 0
        self.last = ""
        """The last one that was refused."""
        self._known: set[bytes] = set()
        """Sockaddrs that were found to be taken."""
        self._exact = {(a.host.partition("%")[0], a.port) for a in allowed}
        self._hosts = {host for host, port in self._exact if port == 0}
        self._patterns = [
            (
                _HOST[a.family],
                np.frombuffer(socket.inet_pton(a.family, a.host.partition("%")[0]), np.uint8),
                np.frombuffer(a.port.to_bytes(2), np.uint8),
            )
            for a in allowed
        ]

    def allow(self, source: tuple[str, int]) -> bool:
        """Whether a datagram from `source` is taken; if not, it is counted."""
        host = source[0].partition("%")[0]
        if (host, source[1]) in self._exact or host in self._hosts:
            return True
        self.refused += 1
        self.last = f"{host}:{source[1]}"
        return False

    def foreign(self, names: npt.NDArray[np.uint8], family: int) -> npt.NDArray[np.bool_] | None:
        """Which of a batch are not taken; None: all are.  `names`: a sockaddr in each row."""
        first = names[0, _KNOWN].tobytes()
        if first in self._known and (
            len(names) == 1 or (names[:, _KNOWN] == names[0, _KNOWN]).all()
        ):
            return None
        right = np.zeros(len(names), np.bool_)
        for where, host, port in self._patterns:
            same = (names[:, where] == host).all(1)
            if port.any():
                same &= (names[:, _PORT] == port).all(1)
            right |= same
        if right.all():
            if len(self._known) < _MOST:
                self._known.add(first)
            return None
        wrong = ~right
        self.refused += int(wrong.sum())
        name = names[int(np.flatnonzero(wrong)[-1])]
        where = _HOST[socket.AddressFamily(family)]
        shown = socket.inet_ntop(family, name[where].tobytes())
        self.last = f"{shown}:{int.from_bytes(name[_PORT].tobytes())}"
        return wrong
