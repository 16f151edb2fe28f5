"""A packet socket on one interface: frames up and down.  Linux packet(7).

One socket, non-blocking, with a filter in the kernel (`toolkit.bier.packet_filter`); every frame
has Linux's virtio header before it, which says whether a checksum is still to be computed
(`toolkit.inet.offload`).  X: talks to the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import socket
from collections import Counter
from struct import Struct
from typing import Final

from toolkit.errors import EnvironmentProblem
from toolkit.inet import offload

SOL_PACKET: Final = 263
_ADD_MEMBERSHIP, _STATISTICS, _VNET_HDR, _IGNORE_OUTGOING = 1, 6, 15, 23
_ALL_MULTICAST, _PROMISCUOUS = 2, 1
_SO_ATTACH_FILTER, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 26, 32, 33
_ETH_P_ALL: Final = 3
BUFFER: Final = 16 << 20
"""Octets that the kernel keeps for us in each direction, where it lets us."""
LARGEST: Final = (1 << 16) + 64
"""Octets of the largest frame: an IP packet, and what is before it."""
_MEMBERSHIP: Final = Struct("=iHH8s")
_STATISTIC: Final = Struct("=II")
_SEND_ERRORS: Final = {
    errno.EAGAIN: "send-queue-full",
    errno.ENOBUFS: "send-queue-full",
    errno.ENETDOWN: "interface-down",
    errno.ENXIO: "interface-down",
    errno.ENODEV: "interface-down",
    errno.EMSGSIZE: "mtu-exceeded",
}


class PacketSocket:
    """Frames of one interface.  EnvironmentProblem where the kernel does not let us."""

    def __init__(self, interface: str, program: bytes) -> None:
        self.interface = interface
        self.kernel_dropped = 0
        """Frames that the kernel dropped since nobody read them in time."""
        self.failures: Counter[str] = Counter()
        """Frames that could not be sent, by reason."""
        self._joined: set[int] = set()
        self._buffer = bytearray(LARGEST)
        self._view = memoryview(self._buffer)
        try:
            # Protocol 0: nothing comes before the filter is there.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise EnvironmentProblem(
                "packet sockets need root, or the capability CAP_NET_RAW: run as root, or give "
                "the interpreter the capability (setcap cap_net_raw,cap_net_admin+ep)"
            ) from None
        except OSError as error:
            raise EnvironmentProblem(
                f"this kernel has no packet sockets (AF_PACKET): {error.strerror}"
            ) from error
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(SOL_PACKET, _IGNORE_OUTGOING, 1)
            self._socket.setsockopt(SOL_PACKET, _VNET_HDR, 1)
            self.filter(program)
            for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
                self._size(option)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise EnvironmentProblem(f"{interface}: {error.strerror or error}") from error

    def _size(self, option: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        except PermissionError:  # CAP_NET_RAW without CAP_NET_ADMIN: as much as everybody gets
            plain = socket.SO_SNDBUF if option == _SO_SNDBUFFORCE else socket.SO_RCVBUF
            self._socket.setsockopt(socket.SOL_SOCKET, plain, BUFFER)

    def filter(self, program: bytes) -> None:
        """Replace the kernel's filter."""
        kept = ctypes.create_string_buffer(program)
        header = Struct("@HP").pack(len(program) // 8, ctypes.addressof(kept))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)

    def join(self, ifindex: int, *, multicast: bool, everything: bool) -> None:
        """Get frames to all groups, or to all MAC addresses, from now on."""
        for kind, asked in ((_ALL_MULTICAST, multicast), (_PROMISCUOUS, everything)):
            if asked and kind not in self._joined:
                request = _MEMBERSHIP.pack(ifindex, kind, 0, b"")
                try:
                    self._socket.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, request)
                except OSError as error:
                    raise EnvironmentProblem(f"{self.interface}: {error.strerror}") from error
                self._joined.add(kind)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """Return the next frame, None where there is none."""
        try:
            size = self._socket.recv_into(self._buffer)
        except (
            OSError
        ):  # nothing there; or the link went down, which netlink says too, or the device is gone
            return None
        frame = bytes(self._view[offload.HEADER : size])
        if self._buffer[0] & 1:
            return offload.completed(frame, offload.parse(self._buffer))
        return frame

    def send(self, front: bytes, packet: bytes) -> bool:
        """Send a frame in two pieces; False where it was not taken, which is counted."""
        try:
            self._socket.sendmsg((offload.NONE, front, packet))
        except OSError as error:
            reason = _SEND_ERRORS.get(error.errno or 0, "send-failed")
            self.failures[reason] += 1
            return False
        return True

    def count_kernel_drops(self) -> int:
        """Ask the kernel what it dropped since it was asked last; return the sum of all."""
        try:
            counted = self._socket.getsockopt(SOL_PACKET, _STATISTICS, _STATISTIC.size)
        except OSError:  # it is closed: who scrapes counters may come late
            return self.kernel_dropped
        _frames, dropped = _STATISTIC.unpack(counted)
        self.kernel_dropped += dropped
        return self.kernel_dropped

    def close(self) -> None:
        self._socket.close()
