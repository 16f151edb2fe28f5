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

GROUP, PORT = "232.7.7.9", 7007
BATCH = 64
HEADER = 8
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
_LIBC = c.CDLL(None, use_errno=True)
_ADD_SOURCE_MEMBERSHIP = 39


class Iovec(c.Structure):
    """struct iovec."""

    _fields_ = [("base", c.c_void_p), ("length", c.c_size_t)]


class Message(c.Structure):
    """struct mmsghdr."""

    _fields_ = [
        ("name", c.c_void_p), ("name_length", c.c_uint32), ("iovecs", c.POINTER(Iovec)),
        ("iovec_count", c.c_size_t), ("control", c.c_void_p), ("control_length", c.c_size_t),
        ("flags", c.c_int), ("_", c.c_int), ("length", c.c_uint),
    ]  # fmt: skip


def _messages(name: c.Array | None) -> tuple[c.Array, c.Array]:
    """Return messages of two pieces each, and the pieces."""
    pieces, messages = (Iovec * (2 * BATCH))(), (Message * BATCH)()
    for i, message in enumerate(messages):
        message.iovecs = c.cast(c.byref(pieces, 2 * i * c.sizeof(Iovec)), c.POINTER(Iovec))
        message.iovec_count = 2
        if name is not None:
            message.name, message.name_length = c.addressof(name), len(name)
    return messages, pieces


def send(address: str, file: str, rate: str, payload: str) -> None:
    step = int(payload) - HEADER
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton(GROUP)
    to = (c.c_char * 16).from_buffer_copy(name + bytes(8))
    messages, pieces = _messages(to)
    headers = (c.c_uint64 * BATCH)()
    with Path(file).open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        mapped = mmap.mmap(source.fileno(), size, prot=mmap.PROT_READ | mmap.PROT_WRITE,
                           flags=mmap.MAP_PRIVATE)  # fmt: skip
    base = c.addressof(c.c_char.from_buffer(mapped))
    packets = -(-size // step)
    for i in range(BATCH):
        pieces[2 * i].base, pieces[2 * i].length = c.addressof(headers) + 8 * i, HEADER
        pieces[2 * i + 1].length = step
    spacing = step * 8 / (float(rate[:-1]) * _UNITS[rate[-1]])
    due = time.monotonic()
    for first in range(0, packets, BATCH):
        count = min(BATCH, packets - first)
        for i in range(count):
            headers[i] = first + i
            pieces[2 * i + 1].base = base + (first + i) * step
        if first + count == packets:
            pieces[2 * count - 1].length = size - (packets - 1) * step
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        due = max(due, time.monotonic() - 0.01) + count * spacing
        at = 0
        while at < count:
            done = _LIBC.sendmmsg(sock.fileno(), c.byref(messages, at * c.sizeof(Message)),
                                  count - at, 0)  # fmt: skip
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
    messages, pieces = _messages(None)
    headers, data = (c.c_uint64 * BATCH)(), bytearray(BATCH * step)
    base = c.addressof(c.c_char.from_buffer(data))
    for i in range(BATCH):
        pieces[2 * i].base, pieces[2 * i].length = c.addressof(headers) + 8 * i, HEADER
        pieces[2 * i + 1].base, pieces[2 * i + 1].length = base + i * step, step
    view, written, last = memoryview(data), 0, 0
    target = os.open(file, os.O_CREAT | os.O_WRONLY, 0o644)
    sock.settimeout(None)
    wait_for_one, descriptor = 0x10000, sock.fileno()
    while True:
        if written:
            sock.settimeout(0.3)
            try:
                sock.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                break
            sock.settimeout(None)
        count = _LIBC.recvmmsg(descriptor, messages, BATCH, wait_for_one, None)
        i = 0
        while i < count:
            begin, number = i, headers[i]
            size = messages[i].length - HEADER
            i += 1
            while i < count and headers[i] == number + i - begin and size == (i - begin) * step:
                size += messages[i].length - HEADER
                i += 1
            at = begin * step
            written += os.pwrite(target, view[at : at + size], number * step)
        last = time.monotonic_ns()
    print(json.dumps({"written": written, "last": last}))


def main() -> None:
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
