"""The path that any tool here must take, and nothing else: what bench/delivery.py calls the limit.

    send ADDRESS FILE RATE PAYLOAD        slices of the mapped file, no copy of ours
    receive ADDRESS FILE PAYLOAD          pwrite of what is contiguous

Packets leave and come as ours do: sendmmsg with UDP_SEGMENT, recvmsg with UDP_GRO
(toolkit.transport), numbers before payloads.  No repair, no digest, no handshake: a packet that is
lost is lost.  The receiver prints how much it wrote and when it wrote last.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.transport import gro, mmsg

GROUP, PORT = "232.7.7.9", 7007
HEADER = 8
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
_RCVBUFFORCE, _ADD_SOURCE_MEMBERSHIP = 33, 39


def send(address: str, file: str, rate: str, payload: str) -> None:
    step = int(payload) - HEADER
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    out = mmsg.Outbox(sock.fileno(), segmented=True)
    name = mmsg.sockaddr(socket.AF_INET, GROUP, PORT)
    with Path(file).open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        mapped = memoryview(mmap.mmap(source.fileno(), size, prot=mmap.PROT_READ))
    packets = -(-size // step)
    rows = np.arange(mmsg.MAX, dtype=np.uint64)
    spacing = step * 8 / (float(rate[:-1]) * _UNITS[rate[-1]])
    due = time.monotonic()
    for first in range(0, packets, mmsg.MAX):
        count = min(mmsg.MAX, packets - first)
        headers = (rows[:count] + np.uint64(first)).view(np.uint8).reshape(count, HEADER)
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        due = max(due, time.monotonic() - 0.01) + count * spacing
        out.send(headers, mapped[first * step : (first + count) * step], step, name)


def receive(address: str, file: str, payload: str) -> None:
    step = int(payload) - HEADER
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 16 << 20)
    sock.bind((GROUP, PORT))
    request = socket.inet_aton(GROUP) + socket.inet_aton(address) + socket.inet_aton("10.77.0.1")
    sock.setsockopt(socket.IPPROTO_IP, _ADD_SOURCE_MEMBERSHIP, request)
    gro.enable(sock)
    inbox, data = gro.GroInbox(sock.fileno(), HEADER), np.empty(mmsg.MAX * step, np.uint8)
    spots = np.uint64(data.ctypes.data) + np.arange(mmsg.MAX, dtype=np.uint64) * np.uint64(step)
    view, written, last = memoryview(data), 0, 0
    target = os.open(file, os.O_CREAT | os.O_WRONLY, 0o644)
    while True:
        taken = inbox.receive(spots[: inbox.wanted(step)], step)
        if taken is None:
            sock.settimeout(0.3 if written else None)
            try:
                sock.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                break
            continue
        headers, found, others = taken
        sizes = found.astype(np.int64) - HEADER
        numbers = headers.view(np.uint64)[:, 0].astype(np.int64)
        whole = (np.diff(numbers) == 1) & (sizes[:-1] == step)
        ends = [*(np.flatnonzero(~whole) + 1).tolist(), *([len(sizes)] if len(sizes) else [])]
        begin = 0
        for end in ends:
            at, length = begin * step, int(np.maximum(sizes[begin:end], 0).sum())
            written += os.pwrite(target, view[at : at + length], int(numbers[begin]) * step)
            begin = end
        for datagram in others:
            number = int.from_bytes(datagram[:HEADER], sys.byteorder)
            written += os.pwrite(target, datagram[HEADER:], number * step)
        last = time.monotonic_ns()
    print(json.dumps({"written": written, "last": last}))


def main() -> None:
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
