"""The path that any tool here must take, and nothing else: what bench/delivery.py calls the limit.

    send ADDRESS FILE RATE PAYLOAD        sendmmsg of slices of the mapped file, no copy of ours
    receive ADDRESS FILE PAYLOAD          recvmmsg, and pwrite of what is contiguous

No repair, no digest, no handshake: a packet that is lost is lost.  The receiver prints how much it
wrote and when it wrote last.
"""

from __future__ import annotations

import ctypes as c
import errno
import json
import mmap
import os
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np

GROUP, PORT = "232.7.7.9", 7007
BATCH = 64
HEADER = 8
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
_LIBC = c.CDLL(None, use_errno=True)
_ADD_SOURCE_MEMBERSHIP, _WAIT_FOR_ONE = 39, 0x10000
_MESSAGE = np.dtype([
    ("name", "u8"), ("name_length", "u8"), ("iovecs", "u8"), ("iovec_count", "u8"),
    ("control", "u8"), ("control_length", "u8"), ("flags", "u8"), ("length", "u4"), ("_", "u4"),
])  # fmt: skip
"""struct mmsghdr."""


class Messages:
    """BATCH messages of a header (a number) and a payload each."""

    def __init__(self, name: bytes = b"") -> None:
        self.headers = np.zeros(BATCH, np.uint64)
        self.pieces = np.zeros((BATCH, 2, 2), np.uint64)
        """Address and length (struct iovec), of the header and of the payload."""
        self.messages = np.zeros(BATCH, _MESSAGE)
        self._name = np.frombuffer(name.ljust(16, b"\0"), np.uint8)
        rows = np.arange(BATCH, dtype=np.uint64)
        self.pieces[:, 0, 0] = self.headers.ctypes.data + rows * HEADER
        self.pieces[:, 0, 1] = HEADER
        self.messages["iovecs"] = self.pieces.ctypes.data + rows * 32
        self.messages["iovec_count"] = 2
        if name:
            self.messages["name"], self.messages["name_length"] = self._name.ctypes.data, len(name)

    def at(self, number: int) -> c.c_void_p:
        return c.c_void_p(self.messages.ctypes.data + number * _MESSAGE.itemsize)


def send(address: str, file: str, rate: str, payload: str) -> None:
    step = int(payload) - HEADER
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton(GROUP)
    out = Messages(name + bytes(8))
    with Path(file).open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        mapped = mmap.mmap(source.fileno(), size, prot=mmap.PROT_READ)
    base = np.frombuffer(mapped, np.uint8).ctypes.data
    packets = -(-size // step)
    rows = np.arange(BATCH, dtype=np.uint64)
    out.pieces[:, 1, 1] = step
    spacing = step * 8 / (float(rate[:-1]) * _UNITS[rate[-1]])
    due = time.monotonic()
    for first in range(0, packets, BATCH):
        count = min(BATCH, packets - first)
        out.headers[:] = first + rows
        out.pieces[:, 1, 0] = base + (first + rows) * step
        if first + count == packets:
            out.pieces[count - 1, 1, 1] = size - (packets - 1) * step
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        due = max(due, time.monotonic() - 0.01) + count * spacing
        at = 0
        while at < count:
            done = _LIBC.sendmmsg(sock.fileno(), out.at(at), count - at, 0)
            if done < 0 and c.get_errno() not in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
                sys.exit(f"raw: sendmmsg: {os.strerror(c.get_errno())}")
            at += max(done, 0)


def receive(address: str, file: str, payload: str) -> None:
    step = int(payload) - HEADER
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((GROUP, PORT))
    request = socket.inet_aton(GROUP) + socket.inet_aton(address) + socket.inet_aton("10.77.0.1")
    sock.setsockopt(socket.IPPROTO_IP, _ADD_SOURCE_MEMBERSHIP, request)
    into, data = Messages(), np.empty(BATCH * step, np.uint8)
    into.pieces[:, 1, 0] = data.ctypes.data + np.arange(BATCH, dtype=np.uint64) * step
    into.pieces[:, 1, 1] = step
    view, written, last = memoryview(data), 0, 0
    target = os.open(file, os.O_CREAT | os.O_WRONLY, 0o644)
    while True:
        if written:
            sock.settimeout(0.3)
            try:
                sock.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                break
            sock.settimeout(None)
        count = _LIBC.recvmmsg(sock.fileno(), into.at(0), BATCH, _WAIT_FOR_ONE, None)
        if count <= 0:
            continue
        sizes = into.messages["length"][:count].astype(np.int64) - HEADER
        numbers = into.headers[:count].astype(np.int64)
        whole = (np.diff(numbers) == 1) & (sizes[:-1] == step)
        ends = [*(np.flatnonzero(~whole) + 1).tolist(), count]
        begin = 0
        for end in ends:
            at, length = begin * step, int(sizes[begin:end].sum())
            written += os.pwrite(target, view[at : at + length], int(numbers[begin]) * step)
            begin = end
        last = time.monotonic_ns()
    print(json.dumps({"written": written, "last": last}))


def main() -> None:
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
