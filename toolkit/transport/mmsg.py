"""sendmmsg and recvmmsg: many datagrams for one system call.

The one door to these two calls, which Python has no names for.  Message headers and pointers are
laid out once, in arrays; a batch fills in what differs.  Linux on 64 bit; `available` says
whether this host is one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

import numpy as np
import numpy.typing as npt

MAX = 64
"""Datagrams of a batch at most."""

IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
MMSGHDR = np.dtype(
    [
        ("name", "u8"), ("name_length", "u4"), ("_a", "u4"), ("iov", "u8"), ("iov_length", "u8"),
        ("control", "u8"), ("control_length", "u8"), ("flags", "u4"), ("_b", "u4"),
        ("length", "u4"), ("_c", "u4"),
    ]
)  # fmt: skip
_CONTROL = np.dtype(
    [("length", "u8"), ("level", "u4"), ("type", "u4"), ("size", "u2"), ("_a", "u2"), ("_b", "u4")]
)
"""struct cmsghdr with 16 bits behind it, padded."""
_SOL_UDP, _UDP_SEGMENT = 17, 103
_MAX_SEGMENTED = 65000
_NOT_SEGMENTED = {errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
"""What a kernel or a device says that cannot cut packets."""
NAME = 28
"""Bytes of a sockaddr_in6."""
_TRUNCATED = 0x20

available = sys.platform == "linux" and struct.calcsize("P") == 8

if available:
    _libc = ctypes.CDLL(None, use_errno=True)
    _sendmmsg = _libc.sendmmsg
    recvmmsg = _libc.recvmmsg
    _sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    recvmmsg.argtypes = [*_sendmmsg.argtypes, ctypes.c_void_p]


def sockaddr(family: int, host: str, port: int) -> bytes:
    """Return a struct sockaddr_in or sockaddr_in6; `host` may name an interface: `fe80::1%eth0`."""
    if family == socket.AF_INET:
        return (
            struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
        )
    address, _, interface = host.partition("%")
    scope = socket.if_nametoindex(interface) if interface else 0
    return (
        struct.pack("=H", family) + struct.pack("!HI", port, 0)
        + socket.inet_pton(socket.AF_INET6, address) + struct.pack("=I", scope)
    )  # fmt: skip


class _Batch:
    """Message headers of MAX datagrams, two pieces each: a header and a payload."""

    def __init__(self) -> None:
        self.iov = np.zeros((MAX, 2), IOVEC)
        self.messages = np.zeros(MAX, MMSGHDR)
        step = self.iov.strides[0]
        start = self.iov.ctypes.data
        self.messages["iov"] = np.arange(MAX, dtype=np.uint64) * np.uint64(step) + np.uint64(start)
        self.messages["iov_length"] = 2
        self.address = self.messages.ctypes.data
        self.step = self.messages.strides[0]


class Outbox(_Batch):
    """Sends runs of packets whose payloads lie one after the other.

    `segmented`: hand the kernel up to 64 KiB at once, which it cuts into packets as late as it can
    (UDP_SEGMENT); given up by itself where the kernel or the device cannot.
    """

    def __init__(self, descriptor: int, *, segmented: bool = False) -> None:
        super().__init__()
        self.segmented = segmented
        self._descriptor = descriptor
        self._counting = np.arange(MAX, dtype=np.uint64)
        self._name = np.zeros(NAME, np.uint8)
        self.messages["name"] = self._name.ctypes.data
        self._control = np.zeros(1, _CONTROL)
        self._control["length"], self._control["level"] = _CONTROL.itemsize - 6, _SOL_UDP
        self._control["type"] = _UDP_SEGMENT
        self._runs = self.messages.copy()
        """Messages of several packets each."""
        self._runs["control"] = self._control.ctypes.data
        self._runs["control_length"] = _CONTROL.itemsize
        self._runs_address = self._runs.ctypes.data

    def send(
        self,
        headers: npt.NDArray[np.uint8],
        payload: memoryview,
        symbol: int,
        to: bytes,
    ) -> int:
        """Send headers[i] with the i-th `symbol` bytes of `payload`; the last may be shorter.

        `to`: a sockaddr, empty on a socket that is connected or bound to an interface.
        Returns how many were sent before the socket would have blocked, all but always all.
        Raises OSError for the first one that cannot be sent.
        """
        count, size = headers.shape
        content = np.frombuffer(payload, np.uint8)
        base, numbers = content.ctypes.data if len(content) else 0, self._counting[:count]
        iov = self.iov
        iov["base"][:count, 0] = np.uint64(headers.ctypes.data) + numbers * np.uint64(size)
        iov["base"][:count, 1] = np.uint64(base) + numbers * np.uint64(symbol)
        iov["length"][:count] = size, symbol
        iov["length"][count - 1, 1] = len(content) - (count - 1) * symbol
        self._name[: len(to)] = np.frombuffer(to, np.uint8)
        each = min(_MAX_SEGMENTED // (size + symbol), count) if self.segmented else 1
        if each > 1:
            try:
                return self._send_runs(count, each, size + symbol, len(to))
            except OSError as error:
                if error.errno not in _NOT_SEGMENTED:
                    raise
                self.segmented = False
        self.messages["name_length"][:count] = len(to)
        return self._send(self.address, count)

    def _send_runs(self, count: int, each: int, size: int, name: int) -> int:
        """Send in messages of `each` packets of `size` bytes."""
        runs = self._runs[: -(-count // each)]
        runs["iov"] = self.messages["iov"][:count:each]
        runs["iov_length"] = 2 * each
        runs["iov_length"][-1] = 2 * (count - each * (len(runs) - 1))
        runs["name_length"] = name
        self._control["size"] = size
        return min(self._send(self._runs_address, len(runs)) * each, count)

    def _send(self, address: int, count: int) -> int:
        done = 0
        while done < count:
            sent = _sendmmsg(self._descriptor, address + done * self.step, count - done, 0)
            if sent < 0:
                number = ctypes.get_errno()
                if number == errno.EINTR:
                    continue
                if number in (errno.EAGAIN, errno.ENOBUFS):
                    return done
                raise OSError(number, os.strerror(number))
            done += sent
        return done


class Inbox(_Batch):
    """Receives batches: `header` bytes of each datagram into a table, the rest to given spots."""

    def __init__(self, descriptor: int, header: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.headers = np.zeros((MAX, header), np.uint8)
        """The first bytes of the datagrams that came last."""
        self.names = np.zeros((MAX, NAME), np.uint8)
        """Where they came from: a sockaddr each."""
        self.iov["base"][:, 0] = self.headers.ctypes.data + np.arange(MAX) * header
        self.iov["length"][:, 0] = header
        self.messages["name"] = self.names.ctypes.data + np.arange(MAX) * NAME
        self._header = header
        self._size = 0

    def receive(self, spots: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.uint32]:
        """Return the bytes of each datagram that came; none when none is there.

        `spots`: where the rest of each goes, `size` bytes of room each.  A datagram that is longer
        says so by a size beyond that room.
        """
        count = len(spots)
        self.iov["base"][:count, 1] = spots
        if size != self._size:
            self.iov["length"][:, 1] = self._size = size
        self.messages["name_length"][:count] = NAME
        got = recvmmsg(self._descriptor, self.address, count, socket.MSG_DONTWAIT, None)
        if got < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                return self.messages["length"][:0]
            raise OSError(number, os.strerror(number))
        sizes = self.messages["length"][:got]
        sizes += self.messages["flags"][:got] & np.uint32(_TRUNCATED)
        return sizes
