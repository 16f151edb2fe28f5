"""A network device by which decapsulated packets enter this host's own IP stack.  Linux tun(4).

Why a device of its own: a packet that is sent out of an interface is never received on it, so an
edge interface cannot serve the host; the device needs no MAC address and no neighbor, and a program
joins on it as on any other interface (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP).  The kernel drops the
device when we close it.  X: talks to the kernel.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from struct import Struct
from typing import Final

from toolkit.errors import EnvironmentProblem

_DEVICE: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x400454CA
_TUN_WITHOUT_HEADER: Final = 0x1001
_REQUEST: Final = Struct("16sH22x")
DEFAULT_NAME: Final = "bier0"
_BURST: Final = 256
"""Packets thrown away before others have their turn."""


class HostInterface:
    """The device.  EnvironmentProblem where the kernel does not let us have it."""

    def __init__(self, name: str = DEFAULT_NAME) -> None:
        self.name = name
        self.failed = 0
        """Packets that the kernel did not take."""
        try:
            self._file = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise EnvironmentProblem(
                f"{_DEVICE}: {error.strerror}: packets for this host's own stack "
                "(egress with host: true) need it"
            ) from error
        try:
            fcntl.ioctl(self._file, _TUNSETIFF, _REQUEST.pack(name.encode(), _TUN_WITHOUT_HEADER))
        except OSError as error:
            os.close(self._file)
            why = {errno.EPERM: "needs root, or CAP_NET_ADMIN", errno.EBUSY: "is in use already"}
            said = why.get(error.errno or 0, error.strerror)
            raise EnvironmentProblem(
                f"the device {name} for this host's own stack: {said}"
            ) from None
        # Whoever the source is, the way back to it does not lead through this device.
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text("0", encoding="ascii")

    def fileno(self) -> int:
        return self._file

    def send(self, packet: bytes) -> None:
        """Let the host receive an IP packet."""
        try:
            os.write(self._file, packet)
        except OSError:
            self.failed += 1

    def discard(self) -> None:
        """Throw away what the host sends by the device (IGMP and MLD reports), not all at once.

        EnvironmentProblem where somebody has taken the device away.
        """
        try:
            for _turn in range(_BURST):
                os.read(self._file, 1 << 16)
        except BlockingIOError:
            pass
        except OSError as error:
            raise EnvironmentProblem(
                f"the device {self.name} for this host's own stack was taken away: {error.strerror}"
            ) from error

    def close(self) -> None:
        os.close(self._file)
