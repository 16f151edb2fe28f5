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

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
_MMSGHDR = np.dtype(
    [
        ("name", "u8"), ("name_length", "u4"), ("_a", "u4"), ("iov", "u8"), ("iov_length", "u8"),
        ("control", "u8"), ("control_length", "u8"), ("flags", "u4"), ("_b", "u4"),
        ("length", "u4"), ("_c", "u4"),
    ]
)  # fmt: skip
_NAME = 28
"""Bytes of a sockaddr_in6."""
_TRUNCATED = 0x20
_WAITFORONE = 0x10000

available = sys.platform == "linux" and struct.calcsize("P") == 8

if available:
    _libc = ctypes.CDLL(None, use_errno=True)
    _sendmmsg = _libc.sendmmsg
    _recvmmsg = _libc.recvmmsg
    _sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    _recvmmsg.argtypes = [*_sendmmsg.argtypes, ctypes.c_void_p]


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
        self.iov = np.zeros((MAX, 2), _IOVEC)
        self.messages = np.zeros(MAX, _MMSGHDR)
        step = self.iov.strides[0]
        start = self.iov.ctypes.data
        self.messages["iov"] = np.arange(MAX, dtype=np.uint64) * np.uint64(step) + np.uint64(start)
        self.messages["iov_length"] = 2
        self.address = self.messages.ctypes.data
        self.step = self.messages.strides[0]


class Outbox(_Batch):
    """Sends runs of packets whose payloads lie one after the other."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._counting = np.arange(MAX, dtype=np.uint64)
        self._name = np.zeros(_NAME, np.uint8)
        self.messages["name"] = self._name.ctypes.data

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
        head, body = self.iov["base"][:count].T
        head[:] = np.uint64(headers.ctypes.data) + numbers * np.uint64(size)
        body[:] = np.uint64(base) + numbers * np.uint64(symbol)
        self.iov["length"][:count] = size, symbol
        self.iov["length"][count - 1, 1] = len(content) - (count - 1) * symbol
        self._name[: len(to)] = np.frombuffer(to, np.uint8)
        self.messages["name_length"][:count] = len(to)
        done = 0
        while done < count:
            sent = _sendmmsg(self._descriptor, self.address + done * self.step, count - done, 0)
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
        self.names = np.zeros((MAX, _NAME), np.uint8)
        """Where they came from: a sockaddr each."""
        self.iov["base"][:, 0] = self.headers.ctypes.data + np.arange(MAX) * header
        self.iov["length"][:, 0] = header
        self.messages["name"] = self.names.ctypes.data + np.arange(MAX) * _NAME
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
        self.messages["name_length"][:count] = _NAME
        got = _recvmmsg(self._descriptor, self.address, count, socket.MSG_DONTWAIT, None)
        if got < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                return self.messages["length"][:0]
            raise OSError(number, os.strerror(number))
        sizes = self.messages["length"][:got]
        sizes += self.messages["flags"][:got] & np.uint32(_TRUNCATED)
        return sizes
