"""May the kernel be handed many packets as one, to cut them itself (UDP_SEGMENT)?

A real interface sends them cut.  A virtual one passes them on whole to what is behind it, where one
loss would take them all, a bridge would find them too long, and nothing measured would be true of
packets: there it is done only where the interface's own segmentation offload is off, so that the
kernel cuts them before.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from pathlib import Path
from typing import Any

from toolkit.transport import links

_SIOCETHTOOL = 0x8946
_ETHTOOL_GSTRINGS, _ETHTOOL_GSSET_INFO, _ETHTOOL_GFEATURES = 0x1B, 0x37, 0x3A
_ETHTOOL_SFEATURES = 0x3B
_SS_FEATURES, _NAME = 4, 32
_FEATURE = "tx-udp-segmentation"


def is_cut(interface: str) -> bool:
    """Whether what leaves through `interface` is packets as they were asked for."""
    if (Path("/sys/class/net") / interface / "device").exists():
        return True
    return not _offloads(interface)


def interface_of(interface: str) -> str | None:
    """Return the name of one of our interfaces, given by it or by an address that it has; None:
    there is none."""
    if any(name == interface for _, name in socket.if_nameindex()):
        return interface
    return links.of_address(interface) or None


def turn_off(interface: str) -> None:
    """Have the kernel cut UDP packets before `interface`: `ethtool -K ... tx-udp-segmentation off`.

    Raises OSError where that is not possible.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        number = _features(sock, interface).index(_FEATURE)
        words = number // 32 + 1
        wanted = (ctypes.c_uint32 * (2 + 2 * words))(_ETHTOOL_SFEATURES, words)
        wanted[2 + 2 * (words - 1)] = 1 << number % 32
        _ethtool(sock, interface, wanted)


def _offloads(interface: str) -> bool:
    """Whether UDP packets may leave uncut; True where that cannot be told."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            number = _features(sock, interface).index(_FEATURE)
            words = number // 32 + 1
            asked = (ctypes.c_uint32 * (2 + 4 * words))(_ETHTOOL_GFEATURES, words)
            _ethtool(sock, interface, asked)
            active = int(asked[2 + 4 * (words - 1) + 2])
    except (OSError, ValueError):
        return True
    return bool(active >> number % 32 & 1)


def _features(sock: socket.socket, interface: str) -> list[str]:
    """The names of all features that the kernel knows, in their order."""
    counted = (ctypes.c_uint32 * 5)(_ETHTOOL_GSSET_INFO, 0, 1 << _SS_FEATURES)
    _ethtool(sock, interface, counted)
    count = int(counted[4])
    head = struct.pack("III", _ETHTOOL_GSTRINGS, _SS_FEATURES, count)
    names = ctypes.create_string_buffer(head, len(head) + _NAME * count)
    _ethtool(sock, interface, names)
    raw = names.raw[len(head) :]
    return [raw[i * _NAME :][:_NAME].rstrip(b"\0").decode() for i in range(count)]


def _ethtool(sock: socket.socket, interface: str, buffer: ctypes.Array[Any]) -> None:
    request = struct.pack("16sQ16x", interface.encode(), ctypes.addressof(buffer))
    fcntl.ioctl(sock, _SIOCETHTOOL, request)
