"""Sockets that keep the host from refusing tunnels that end in us.

We see tunnels by packet sockets, beside the host's IP stack, which knows nobody for GRE or for
VXLAN's port and answers every packet with ICMP "protocol unreachable" or "port unreachable" (RFC
1122 section 3.2.2.1).  Where somebody is, it does not; these sockets are somebody, and take
nothing.  X: talks to the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
from struct import Struct
from typing import Final

from toolkit.inet import gre, vxlan

_SO_ATTACH_FILTER: Final = 26
_NOTHING: Final = Struct("=HBBI").pack(0x06, 0, 0, 0)
"""A filter that takes no packet."""
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


class TunnelGuard:
    """`open` what is there to be kept; `close`."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[int, int], socket.socket] = {}
        """<IP version, IP protocol>."""

    def open(self, versions: frozenset[int]) -> None:
        """Keep tunnels over these IP versions; what the host keeps already is left to it."""
        for version in versions:
            for kind, protocol in ((socket.SOCK_RAW, gre.PROTOCOL), (socket.SOCK_DGRAM, 0)):
                if (version, protocol) not in self._sockets:
                    with contextlib.suppress(OSError):  # a VXLAN device of the host has the port
                        self._sockets[version, protocol] = _opened(version, kind, protocol)

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()


def _opened(version: int, kind: int, protocol: int) -> socket.socket:
    opened = socket.socket(_FAMILIES[version], kind, protocol)
    try:
        kept = ctypes.create_string_buffer(_NOTHING)
        header = Struct("@HP").pack(1, ctypes.addressof(kept))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
        if kind == socket.SOCK_DGRAM:
            if version == 6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(("", vxlan.PORT))
    except OSError:
        opened.close()
        raise
    return opened
