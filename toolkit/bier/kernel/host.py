"""What the kernel says of interfaces, and the device that frames for this BFR come out of.

X: asks and changes the network namespace of the thread that calls.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path
from struct import pack, unpack, unpack_from
from typing import Final, NamedTuple

from toolkit.bier.runtime_namespace import entered
from toolkit.errors import EnvironmentProblem

_GET_FLAGS, _SET_FLAGS, _GET_MTU, _SET_MTU = 0x8913, 0x8914, 0x8921, 0x8922
_GET_MAC, _SET_QUEUE, _MAKE_TUN = 0x8927, 0x8943, 0x400454CA
_TAP, _NO_INFORMATION, _UP = 0x0002, 0x1000, 0x1
_NAMESPACE: Final = "/proc/thread-self/ns/net"
QUEUE: Final = 16384
"""Frames that wait for user space."""
FRAME: Final = 1 << 16


class Home:
    """The network namespace that this was made in: interfaces are looked for there."""

    def __init__(self) -> None:
        self._fd = os.open(_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be there; who is there already needs no privilege for it."""
        if os.path.sameopenfile(self._fd, here := os.open(_NAMESPACE, os.O_RDONLY)):
            os.close(here)
            yield
            return
        os.close(here)
        with entered(self._fd):
            yield

    def close(self) -> None:
        os.close(self._fd)


class Device(NamedTuple):
    """One interface of the host."""

    ifindex: int
    mac: bytes
    mtu: int


def device(name: str) -> Device | None:
    """Return what the kernel says of an interface; None where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            index = socket.if_nametoindex(name)
            mac = ioctl(asking, _GET_MAC, pack("16s24x", name.encode()))
            mtu = ioctl(asking, _GET_MTU, pack("16s24x", name.encode()))
        except OSError:
            return None
    return Device(index, mac[18:24], int(unpack_from("=i", mtu, 16)[0]))


class Delivery:
    """A TAP device: what the kernel program sends to it, user space reads, a frame a read.

    The kernel removes it with the last file descriptor, also after a crash.
    """

    def __init__(self) -> None:
        try:
            self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise EnvironmentProblem(
                f"packets for this BFER need /dev/net/tun: {error.strerror}; in a container pass "
                "it in (docker run --device /dev/net/tun)"
            ) from error
        try:
            wanted = pack("16sH22x", b"llmbier%d", _TAP | _NO_INFORMATION)
            made = ioctl(self._fd, _MAKE_TUN, wanted)
            self.name = made[:16].rstrip(b"\0").decode()
            self._bring_up()
            self.ifindex = socket.if_nametoindex(self.name)
        except OSError as error:
            os.close(self._fd)
            raise EnvironmentProblem(
                f"no TAP device for the packets of this BFER: {error.strerror}; it needs root "
                "(CAP_NET_ADMIN)"
            ) from error

    def _bring_up(self) -> None:
        quiet = Path("/proc/sys/net/ipv6/conf") / self.name / "disable_ipv6"
        with suppress(OSError):  # no IPv6 in this kernel: nothing to keep quiet
            quiet.write_text("1")
        name = self.name.encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            ioctl(asking, _SET_QUEUE, pack("16si20x", name, QUEUE))
            ioctl(asking, _SET_MTU, pack("16si20x", name, FRAME - 15))
            flags = unpack("=16sh22x", ioctl(asking, _GET_FLAGS, pack("16s24x", name)))[1]
            ioctl(asking, _SET_FLAGS, pack("16sh22x", name, flags | _UP))

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes | None:
        """Return the next frame, None where there is none yet."""
        try:
            return os.read(self._fd, FRAME)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EnvironmentProblem(
                f"{self.name}, the device for the packets of this BFER, was taken away: "
                f"{error.strerror}"
            ) from error

    @property
    def lost(self) -> int:
        """Frames that did not fit the queue."""
        for line in Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines():
            name, _colon, figures = line.partition(":")
            if name.strip() == self.name:
                return int(figures.split()[11])
        return 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
