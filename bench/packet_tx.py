"""Which way frames get onto an interface fastest: sendmmsg, or a ring shared with the kernel.

    mmsg          sendmmsg on a packet socket, header and payload in two pieces: PacketCarrier's way
    ring          PACKET_TX_RING (TPACKET_V2): header and payload are written into frames of the
                  ring, one call for a batch sends them
    ..._bypass    the same with PACKET_QDISC_BYPASS

One veth whose other end wants no frames of BIER's EtherType, so that they end there; and one to a
BFR (`llmsync bier forward --plane ebpf`) that copies each to three more.  Payloads are taken from a
source of 64 MiB, in batches of 64.  Turns of all ways alternate, and
the median of each counts.  `gbps` is by the CPU time of this process, which does the veth's work
too, so that whoever else uses this machine disturbs less; frames that came out at the other end are
counted.  `changed`: of frames that wait at the other end, how many are no more what was sent.
Needs root.  Last line: JSON.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import pack

import numpy as np

from toolkit.bier import wire
from toolkit.bier.runtime_namespace import entered
from toolkit.plan.imposition import bier_header
from toolkit.transport import mmsg

SIZES = (1500, 9000)
BATCH = 64
TURNS, SECONDS = 5, 0.2
HEADER = 14 + 44 + 28 + 24
"""Ethernet, BIER of 256 bits, IPv4 and UDP, ALC."""
SOURCE = 64 << 20
SLOTS = 1024
ROUTED = 3
"""Neighbors that a router copies every frame to."""
SOL_PACKET = 263
VERSION, TX_RING, BYPASS = 10, 13, 20
AVAILABLE, SEND_REQUEST = 0, 1
DATA = 32
"""Where a frame begins in its slot: behind struct tpacket2_hdr."""

Send = Callable[[np.ndarray, np.ndarray], None]
"""Sends a batch: headers, and payloads of one length that lie one after the other."""


@contextmanager
def network(mtu: int, *, routed: bool) -> Iterator[str]:
    """Namespaces and cables; this thread is in the first.  Yields the one that frames end in."""
    spaces = {end: f"lsbench-{os.getpid()}-{end}" for end in "abc"}
    with ExitStack() as stack:
        for name in spaces.values():
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        first = "far" if not routed else "in"
        cables = [("a", "near", "b", first)]
        cables += [("b", f"out{n}", "c", f"far{n}") for n in range(ROUTED * routed)]
        for number, (one, device, two, other) in enumerate(cables):
            macs = (f"02:00:00:00:{number:02x}:{end:02x}" for end in (1, 2))
            ip("link", "add", device, "address", next(macs), "mtu", str(mtu), "netns", spaces[one],
               "type", "veth", "peer", "name", other, "address", next(macs), "mtu", str(mtu),
               "netns", spaces[two])  # fmt: skip
            ip("-n", spaces[one], "link", "set", device, "up")
            ip("-n", spaces[two], "link", "set", other, "up")
        if routed:
            stack.enter_context(router(spaces["b"]))
        with Path(f"/run/netns/{spaces['a']}").open("rb") as opened, entered(opened.fileno()):
            yield spaces["c" if routed else "b"]


@contextmanager
def router(namespace: str) -> Iterator[None]:
    """A BFR in the kernel that copies every frame to all of its neighbors."""
    outs = range(ROUTED)
    document = {
        "name": "bench",
        "interfaces": {"in": {"bier": "core"}, **{f"out{n}": {"bier": "core"} for n in outs}},
        "neighbors": {
            f"n{n}": {"interface": f"out{n}", "mac": f"02:00:00:00:{n + 1:02x}:02"} for n in outs
        },
        "bifts": [{
            "bsl": 256, "bift_id": 100, "encapsulation": "non-mpls",
            "rows": [{"bits": [n + 1], "via": [{"neighbor": f"n{n}", "bift_id": 100}]}
                     for n in outs],
        }],
    }  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "toolkit.cli", "bier",
             "forward", file.name, "--plane", "ebpf"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            said = process.stderr.readline()
            if "forwards BIER" not in said:
                sys.exit(f"bench: {said}")
            yield
        finally:
            process.terminate()
            process.wait()


def ip(*words: str) -> str:
    done = subprocess.run(("ip", *words), check=False, capture_output=True, text=True, timeout=30)
    if done.returncode:
        sys.exit(f"bench: ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def arrived(namespace: str) -> int:
    shown = json.loads(ip("-n", namespace, "-j", "-s", "link", "show"))
    return sum(x["stats64"]["rx"]["packets"] for x in shown if x["ifname"].startswith("far"))


def opened(*, bypass: bool) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if bypass:
        sock.setsockopt(SOL_PACKET, BYPASS, 1)
    return sock


def by_mmsg(sock: socket.socket) -> Send:
    sock.bind(("near", 0))
    outbox = mmsg.Outbox(sock.fileno())

    def send(headers: np.ndarray, payload: np.ndarray) -> None:
        size = payload.size // len(headers)
        if outbox.send(headers, memoryview(payload), size, b"") != len(headers):
            sys.exit("bench: the interface's queue was full")

    return send


def by_ring(sock: socket.socket, size: int) -> Send:
    slot = -(-(DATA + 14 + size) // 1024) * 1024
    block = slot * 4
    sock.setsockopt(SOL_PACKET, VERSION, 1)
    sock.setsockopt(SOL_PACKET, TX_RING, pack("=IIII", block, SLOTS // 4, slot, SLOTS))
    mapped = mmap.mmap(sock.fileno(), block * SLOTS // 4)
    sock.bind(("near", 0))
    ring = np.frombuffer(mapped, np.uint8).reshape(SLOTS, slot)
    words = ring.view(np.uint32)
    at = 0

    def send(headers: np.ndarray, payload: np.ndarray) -> None:
        nonlocal at
        here = slice(at, at + BATCH)
        while words[here, 0].any():  # some have not left yet
            sock.send(b"")
        front, step = headers.shape[1], payload.size // BATCH
        ring[here, DATA : DATA + front] = headers
        ring[here, DATA + front : DATA + front + step] = payload.reshape(BATCH, step)
        words[here, 1] = front + step
        words[here, 0] = SEND_REQUEST
        sock.send(b"", socket.MSG_DONTWAIT)
        at = (at + BATCH) % SLOTS

    return send


def turn(
    send: Send, headers: np.ndarray, source: np.ndarray, step: int, seconds: float
) -> tuple[int, float]:
    """Send for so long; return frames, and frames for a second of CPU."""
    count, offset, room = 0, 0, len(source) - BATCH * step
    began, end = time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        send(headers, source[offset : offset + BATCH * step])
        count += BATCH
        offset = (offset + BATCH * step) % room
    return count, count / (time.process_time() - began)


def measure(size: int, source: np.ndarray, *, routed: bool) -> dict[str, float]:
    """Frames of `size` bytes of network layer for a second of CPU, by every way."""
    step = size + 14 - HEADER
    front = bytes.fromhex("020000000002020000000001ab37")
    bits, kind = (1 << ROUTED) - 1, wire.Encapsulation.NON_MPLS
    front += bier_header(100, 256, bits, wire.Proto.IPV4, 1, kind)
    headers = np.tile(np.frombuffer(front.ljust(HEADER, b"\0"), np.uint8), (BATCH, 1))
    found: dict[str, list[float]] = {}
    with network(size, routed=routed) as far, ExitStack() as stack:
        ways: dict[str, Send] = {}
        for bypass in (False, True):
            for name in ("mmsg", "ring"):
                sock = stack.enter_context(opened(bypass=bypass))
                made = by_mmsg(sock) if name == "mmsg" else by_ring(sock, size)
                ways[f"{name}{'_bypass' if bypass else ''}"] = made
        for send in ways.values():  # touches all slots of the rings, too
            for _ in range(2 * SLOTS // BATCH):
                send(headers, source[: BATCH * step])
        time.sleep(0.1)
        before, sent = arrived(far), 0
        for _ in range(TURNS):
            for name, send in random.sample(sorted(ways.items()), len(ways)):
                count, rate = turn(send, headers, source, step, SECONDS)
                sent += count
                found.setdefault(name, []).append(rate)
        time.sleep(0.1)
        wanted = sent * (ROUTED if routed else 1)
        if abs(arrived(far) - before - wanted) > 0.001 * wanted:
            sys.exit(f"bench: {arrived(far) - before} frames came of {wanted}")
    return {name: statistics.median(rates) for name, rates in found.items()}


def changed(size: int) -> dict[str, int]:
    """How many of the frames that wait in a queue at the other end are not what was sent.

    Of a ring the packet is made of the slot's own pages, which are written again soon: the kernel
    has to copy them for whoever keeps the packet.
    """
    found, count = {}, 2 * SLOTS
    step = size + 14 - HEADER
    for name in ("mmsg", "ring"):
        with network(size, routed=False) as far, ExitStack() as stack:
            with Path(f"/run/netns/{far}").open("rb") as there, entered(there.fileno()):
                queue = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
                queue.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
                queue.bind(("far", 0xAB37))
            queue.settimeout(1)
            sock = stack.enter_context(opened(bypass=False))
            send = by_mmsg(sock) if name == "mmsg" else by_ring(sock, size)
            for first in range(0, count, BATCH):
                numbers = np.arange(first, first + BATCH, dtype=">u4")
                headers = np.zeros((BATCH, HEADER), np.uint8)
                headers[:, 12:14] = 0xAB, 0x37
                headers[:, 14:18] = numbers.view(np.uint8).reshape(BATCH, 4)
                send(headers, np.repeat(numbers, step // 4).view(np.uint8))
            frames = [queue.recv(65536) for _ in range(count)]
            wanted = [n.to_bytes(4) for n in range(count)]
            found[name] = sum(
                f[14:18] != n or f[HEADER:] != n * (step // 4)
                for f, n in zip(frames, wanted, strict=True)
            )
    return found


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("bench: namespaces need root")
    source = np.frombuffer(np.random.default_rng(1).bytes(SOURCE), np.uint8)
    figures: dict[str, float] = {}
    for routed in (False, True):
        end = f"_to_{ROUTED}" if routed else ""
        for size in SIZES:
            rates = measure(size, source, routed=routed)
            for name in sorted(rates):
                rate, gbps = rates[name], rates[name] * (size + 14) * 8 / 1e9
                shown = f"copied to {ROUTED}" if routed else "one cable"
                print(f"{size:5} {shown:12} {name:12} {rate / 1e6:6.3f} Mpps {gbps:6.2f} Gb/s")
                figures[f"{name}_{size}{end}_gbps"] = round(gbps, 2)
            for name in ("ring", "mmsg_bypass", "ring_bypass"):
                figures[f"{name}_over_mmsg_{size}{end}"] = round(rates[name] / rates["mmsg"], 2)
    for name, count in changed(SIZES[-1]).items():
        print(f"{SIZES[-1]:5} {name:12} {count} of {2 * SLOTS} frames changed in the far queue")
        figures[f"{name}_changed"] = count
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
