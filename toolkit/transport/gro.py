"""Datagrams that the kernel hands over several at a time (UDP_GRO), each payload into its place.

X.  A socket with this option gets packets of one flow that came together as one message, back to
back, with the length of each beside it.  Between the headers, which we know the length of, the
payloads are put where they belong all the same: one pair of pointers for each packet.  What comes
one by one is taken many messages at a time, as `mmsg.Inbox` does; which of the two it is, the last
messages tell.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from toolkit.transport import mmsg

_SOL_UDP, _UDP_GRO = 17, 104
CONTROL = socket.CMSG_SPACE(4)
"""Bytes of ancillary data that a message needs."""
_MAX_MESSAGE = 65536
_SINGLE = 4
"""Messages in a row with few packets, after which they are taken many at a time."""

Taken = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], list[bytes]]
"""Headers and sizes of the packets at the first spots, and whole datagrams that went elsewhere."""


def enable(sock: socket.socket) -> bool:
    """Ask for it; False: the kernel does not have it."""
    try:
        sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return mmsg.available


def segment_size(ancillary: Iterable[tuple[int, int, bytes]]) -> int | None:
    """Return the bytes of each packet in a message that came as `socket.recvmsg` says."""
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_UDP, _UDP_GRO):
            return int.from_bytes(data[:4], sys.byteorder)
    return None


class GroInbox:
    """Receives from a socket on which it is enabled; `header`: bytes before each payload."""

    def __init__(self, descriptor: int, header: int) -> None:
        self._descriptor, self._header = descriptor, header
        self.names = np.zeros((mmsg.MAX, mmsg.NAME), np.uint8)
        """Where the messages came from that were taken last: a sockaddr each."""
        self._headers = np.zeros((mmsg.MAX, header), np.uint8)
        self._control = np.zeros((mmsg.MAX, 4), np.uint64)
        self._messages = np.zeros(mmsg.MAX, mmsg.MMSGHDR)
        self._messages["name"] = self.names.ctypes.data + np.arange(mmsg.MAX) * mmsg.NAME
        self._messages["control"] = self._control.ctypes.data + np.arange(mmsg.MAX) * 32
        self._address = self._messages.ctypes.data
        # For one message: a header and a payload in turn.  For many: both, and room for the rest.
        self._turns = np.zeros((mmsg.MAX, 2), mmsg.IOVEC)
        self._turns["base"][:, 0] = self._headers.ctypes.data + np.arange(mmsg.MAX) * header
        self._turns["length"][:, 0] = header
        self._many = np.zeros((mmsg.MAX, 3), mmsg.IOVEC)
        self._many["base"][:, 0] = self._turns["base"][:, 0]
        self._many["length"][:, 0] = header
        self._rest = np.empty((mmsg.MAX, _MAX_MESSAGE), np.uint8)
        self._many["base"][:, 2] = self._rest.ctypes.data + np.arange(mmsg.MAX) * _MAX_MESSAGE
        self._many["length"][:, 2] = _MAX_MESSAGE
        self._pairs = self._turns["base"]
        self._lengths = self._messages["length"]
        self._name_lengths = self._messages["name_length"]
        self._control_lengths = self._messages["control_length"]
        self._steps = np.zeros(mmsg.MAX, np.uint32)
        self._many_set, self._pairs_set = True, 0
        self._size = 0
        self._few = 0
        """Messages with few packets, one after the other."""
        self.one = True
        """What was taken last was one message."""

    def wanted(self, size: int) -> int:
        """How many places for payloads of `size` bytes the next `receive` needs."""
        if self._few >= _SINGLE:
            return mmsg.MAX
        return min(_MAX_MESSAGE // (self._header + size) + 1, mmsg.MAX)

    def receive(self, spots: npt.NDArray[np.uint64], size: int) -> Taken | None:
        """Take what is there; None: nothing.

        `spots`: `wanted(size)` places for payloads of up to `size` bytes, in the order that is
        expected.
        """
        if size != self._size:
            self._size = size
            self._steps = np.full(mmsg.MAX, self._header + size, np.uint32)
            self._turns["length"][:, 1] = self._many["length"][:, 1] = size
        self.one = self._few < _SINGLE
        if self.one:
            return self._receive_one(spots, size)
        return self._receive_many(spots, size)

    def _receive_one(self, spots: npt.NDArray[np.uint64], size: int) -> Taken | None:
        """One message of many packets."""
        step = self._header + size
        pairs = len(spots)
        self._pairs[:pairs, 1] = spots
        if self._many_set or pairs != self._pairs_set:
            first = self._messages[:1]
            first["iov"], first["iov_length"] = self._turns.ctypes.data, 2 * pairs
            self._many_set, self._pairs_set = False, pairs
        if self._take(1) == 0:
            return None
        length, each = int(self._lengths[0]), self._each(0)
        if length > each and each != step:
            return self._headers[:0], self._lengths[:0], self._cut(length, each, step, spots)
        count = -(-length // step) or 1
        self._few = self._few + 1 if count <= 2 else 0
        sizes = self._steps[:count]
        if count * step != length:
            sizes = sizes.copy()
            sizes[-1] = length - (count - 1) * step
        return self._headers[:count], sizes, []

    def _receive_many(self, spots: npt.NDArray[np.uint64], size: int) -> Taken | None:
        """Many messages, most of them of one packet."""
        step = self._header + size
        self._many["base"][:, 1] = spots
        self._messages["iov"] = self._many.ctypes.data + np.arange(mmsg.MAX) * 48
        self._messages["iov_length"] = 3
        self._many_set = True
        got = self._take(mmsg.MAX)
        if got == 0:
            return None
        sizes = self._messages["length"][:got].copy()
        others: list[bytes] = []
        # A message is one packet unless it says otherwise, and says so only when it is more.
        several = [i for i in np.flatnonzero(sizes > 0).tolist() if self._each(i) < sizes[i]]
        for i in several:
            self._few = 0
            length, each = int(sizes[i]), self._each(i)
            whole = self._headers[i].tobytes() + ctypes.string_at(int(spots[i]), size)
            whole = (whole + self._rest[i, : max(length - step, 0)].tobytes())[:length]
            others += [whole[at : at + each] for at in range(0, length, each)]
            sizes[i] = 0
        return self._headers[:got], sizes, others

    def _take(self, count: int) -> int:
        self._name_lengths[:count] = mmsg.NAME
        self._control_lengths[:count] = 32
        got = mmsg.recvmmsg(self._descriptor, self._address, count, socket.MSG_DONTWAIT, None)
        if got < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                return 0
            raise OSError(number, os.strerror(number))
        return int(got)

    def _each(self, i: int) -> int:
        """Bytes of each packet in message `i`."""
        if self._control_lengths[i] < 20:
            return _MAX_MESSAGE
        return int(self._control[i, 2]) & 0xFFFFFFFF

    def _cut(self, length: int, each: int, step: int, spots: npt.NDArray[np.uint64]) -> list[bytes]:
        """Packets of another length than expected, which landed across headers and spots."""
        whole = b"".join(
            self._headers[i].tobytes() + ctypes.string_at(int(spots[i]), step - self._header)
            for i in range(min(-(-length // step), mmsg.MAX))
        )[:length]
        return [whole[at : at + each] for at in range(0, len(whole), each)]
