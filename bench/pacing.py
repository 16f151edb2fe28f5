"""Pacing against the real clock: the rate that comes out, and the bursts that a receiver sees.

    python bench/pacing.py [--seconds S] [--full]

One process paces UDP packets over loopback, as a sender's loop does (select until the next is
due), another notes the kernel's time stamp of each.  `rate_error`: (bytes between the first and
the last packet's stamp) over that time, against the rate.  `burst_ms`: the largest number of
bytes in any millisecond, as time at the rate; pacing by the packet has 1, its bound is 6.5.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.delivery.pacing import Pacer

_STAMPS = 35
"""SO_TIMESTAMPNS of Linux."""
_TIME = struct.Struct("@qq")


def receive(sock: socket.socket, results: int) -> None:
    """Note when packets come until an empty one does; write seconds, bytes, burst to `results`."""
    stamps, sizes = array.array("d"), array.array("l")
    while True:
        data, ancillary, _, _ = sock.recvmsg(65536, 64)
        if not data:
            break
        seconds, nanoseconds = _TIME.unpack(ancillary[0][2][:16])
        stamps.append((seconds % 100_000) + nanoseconds / 1e9)
        sizes.append(len(data))
    first = worst = here = 0
    for last in range(len(stamps)):
        here += sizes[last]
        while stamps[last] - stamps[first] > 0.001:
            here -= sizes[first]
            first += 1
        worst = max(worst, here)
    document = {
        "packets": len(stamps), "seconds": stamps[-1] - stamps[0],
        "bytes": sum(sizes[:-1]), "burst": worst,
    }  # fmt: skip
    os.write(results, json.dumps(document).encode())


def send(sock: socket.socket, to: tuple[str, int], rate: int, size: int, seconds: float) -> Pacer:
    """Pace packets for `seconds`."""
    pacer, payload = Pacer(rate), bytes(size)
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        until, count = pacer.until(now), 0
        while count < 64 and pacer.next <= until:
            sock.sendto(payload, to)
            pacer.spend(size)
            count += 1
        select.select((), (), (), max(pacer.next - time.monotonic(), 0.0))
    pacer.until(time.monotonic())
    return pacer


def measure(rate: int, size: int, seconds: float) -> dict[str, float]:
    """One cell."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inward,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward,
    ):
        for option in (33, socket.SO_RCVBUF):  # SO_RCVBUFFORCE, where we may
            try:
                inward.setsockopt(socket.SOL_SOCKET, option, 64 * 2**20)
                break
            except PermissionError:
                continue
        inward.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
        inward.bind(("127.0.0.1", 0))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            receive(inward, writing)
            os._exit(0)
        os.close(writing)
        pacer = send(outward, inward.getsockname(), rate, size, seconds)
        time.sleep(0.2)
        outward.sendto(b"", inward.getsockname())
        seen = json.loads(os.read(reading, 65536))
        os.close(reading)
        os.waitpid(child, 0)
    pace = pacer.pace()
    return {
        "rate": rate, "payload": size, "packets": seen["packets"],
        "rate_error": round(seen["bytes"] * 8 / seen["seconds"] / rate - 1, 6),
        "drift": round(pace.drift, 6), "behind_s": round(pace.behind, 6),
        "burst_ms": round(seen["burst"] * 8 / rate * 1000, 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--full", action="store_true", help="more rates, and 5 seconds of each")
    args = parser.parse_args()
    rates = [10_000_000, 100_000_000, 1_000_000_000]
    if args.full:
        rates = [1_000_000, *rates, 2_000_000_000]
    cells = []
    for rate in rates:
        for size in (1400, 8800):
            cell = measure(rate, size, 5.0 if args.full else args.seconds)
            print(json.dumps(cell))
            cells.append(cell)
    print(json.dumps({
        "rate_error_max": max(abs(c["rate_error"]) for c in cells),
        "drift_error_max": max(abs(c["drift"] - c["rate_error"]) for c in cells),
        "burst_ms_max": max(c["burst_ms"] for c in cells if c["rate"] >= 100_000_000),
        "cells": cells,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
