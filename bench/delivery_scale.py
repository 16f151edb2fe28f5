"""What a delivery costs as it grows: the sender's CPU with its receivers, memory with the size.

    python bench/delivery_scale.py [--receivers N ...] [--size MB] [--loss P]
                                   [--memory GB ...] [--full]

Engines in one process on a clock that jumps; no socket.  CPU: seconds of this process around the
sender's own calls, headers of packets included, for each byte of the *source*; several rounds, in
turn, the least of each counts.  Memory: a sparse file by the Source that users have (digested
first, every block checked again when it is read) to one receiver whose Sink forgets what it has
verified, each size in a process of its own, peak RSS.  `--full`: 70 GB as well.  The last line is
JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from delivery_engines import Sink, Source

from toolkit.delivery.burst import Burst
from toolkit.delivery.events import Feedback
from toolkit.delivery.model import Coding, Session, symbol_size
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.delivery.source import open_source

clock = time.process_time
PAYLOAD = 8972
HEADER = 24
ROUNDS = 3


class End:
    """One receiver, and the link to it that loses packets by chance."""

    def __init__(self, name: str, loss: float, seed: int) -> None:
        self.name, self.sink = name, Sink()
        chance = random.Random(seed)
        self._lost, self._loss = np.random.default_rng(seed), loss
        self.receiver = Receiver(name, self.sink, trusted=None, incarnation=1, chance=chance.random)

    def hand(self, burst: Burst, headers: np.ndarray | None, now: float) -> list[object]:
        """Bring the packets of a burst; payloads land in place, as from a socket."""
        kept = np.arange(max(burst.symbols, 1))
        if self._loss:
            kept = kept[self._lost.random(len(kept)) >= self._loss]
        landing = self.receiver.landing()
        if landing is None or headers is None or headers.shape[1] != HEADER:
            return self._singly(burst, set(kept.tolist()), now)
        if not len(kept):
            return []
        base = np.frombuffer(burst.payload, np.uint8).ctypes.data
        spots, sizes = landing.spots(len(kept)), np.empty(len(kept), np.uint32)
        for at, number in enumerate(kept.tolist()):
            begin = number * burst.symbol
            size = min(burst.symbol, len(burst.payload) - begin)
            ctypes.memmove(int(spots[at]), base + begin, size)
            sizes[at] = HEADER + size
        return self.receiver.landed(headers[kept], sizes, now)

    def _singly(self, burst: Burst, kept: set[int], now: float) -> list[object]:
        outputs: list[object] = []
        for number, packet in enumerate(burst.packets()):
            if number in kept:
                outputs += self.receiver.receive(packet.header + packet.payload, now)
        return outputs


def deliver(source, ends: list[End], rate: int) -> dict[str, float]:
    """Deliver once; return the sender's CPU and what it sent."""
    key = Ed25519PrivateKey.generate()
    session = Session(name="scale", tsi=1, key=key, rate=rate)
    numbers = {end.name: i for i, end in enumerate(ends)}
    sender = Sender(session, source, list(numbers))
    cpu = now = 0.0
    symbols = 0
    while not (sender.finished and all(e.receiver.finished for e in ends)):
        dues = [sender.deadline, *(e.receiver.deadline for e in ends)]
        now = max(now, min(d for d in dues if d is not None))
        said: list[tuple[str, object]] = []
        for end in ends:
            due = end.receiver.deadline
            if due is not None and due <= now:
                said += [(end.name, o) for o in end.receiver.expire(now)]
        begin = clock()
        bursts = [(b, b.headers() if b.symbols else None) for b in sender.bursts(now)]
        cpu += clock() - begin
        for burst, headers in bursts:
            symbols += burst.symbols
            for end in ends:
                if burst.mask >> numbers[end.name] & 1:
                    said += [(end.name, o) for o in end.hand(burst, headers, now)]
        begin = clock()
        for name, output in said:
            if isinstance(output, Feedback):
                sender.receive(name, output.message, now)
        cpu += clock() - begin
    size = source.manifest.size
    if not all(r.complete for r in sender.results()) or any(e.sink.bytes != size for e in ends):
        raise SystemExit(f"scale: not everybody has everything: {sender.results()}")
    return {"cpu": cpu, "symbols": symbols, "bytes_read": sender.bytes_read}


def scaling(counts: list[int], megabytes: int, loss: float) -> dict[str, object]:
    """Return CPU of the sender for each source byte, by receivers, without and with loss."""
    source = Source(
        np.random.default_rng(0).bytes(megabytes << 20), Coding(symbol=symbol_size(PAYLOAD))
    )
    size, figures = source.manifest.size, {}
    for lost in (0.0, loss):
        least: dict[int, float] = {}
        symbols: dict[int, float] = {}
        for turn in range(ROUNDS):
            for count in counts:
                ends = [End(f"r{i}", lost, turn * 1000 + i) for i in range(count)]
                done = deliver(source, ends, 10_000_000_000)
                least[count] = min(least.get(count, 1e9), done["cpu"])
                symbols[count] = max(symbols.get(count, 0.0), done["symbols"])
        first = counts[0]
        for count in counts:
            growth = least[count] / least[first]
            more = symbols[count] / symbols[first]
            print(
                f"loss {lost:.1%}, {count} receivers: {least[count] / size * 1e9:.3f} ns a byte of "
                f"the source ({size * 8 / least[count] / 1e9:.1f} Gb/s), {growth:.3f} of {first}; "
                f"symbols {symbols[count] / symbols[first]:.4f} of {first}",
                flush=True,
            )
            name = f"at_{lost:.0%}_{count}"
            figures[f"ns_per_byte_{name}"] = round(least[count] / size * 1e9, 4)
            figures[f"symbols_growth_{name}"] = round(more, 4)
        worst = max(least[n] / least[first] for n in counts)
        beyond = max(least[n] / least[first] / (symbols[n] / symbols[first]) for n in counts)
        figures[f"cpu_growth_at_{lost:.0%}"] = round(worst, 3)
        figures[f"cpu_growth_over_symbols_at_{lost:.0%}"] = round(beyond, 3)
    return figures


def memory(gigabytes: int) -> dict[str, object]:
    """Deliver a sparse file of this size here; return the peak of RSS in MB, and the rates."""
    chosen = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix=f"lsbench-{os.getpid()}-", dir=chosen) as folder:
        path = Path(folder) / "model.bin"
        path.touch()
        os.truncate(path, gigabytes * 10**9)
        start = time.monotonic()
        source = open_source(path, Coding(symbol=symbol_size(PAYLOAD)))
        digested = time.monotonic()
        done = deliver(source, [End("r0", 0.0, 1)], 100_000_000_000)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    took = time.monotonic() - digested
    return {
        "gigabytes": gigabytes, "peak_rss_mb": round(int(peak[1]) / 1024, 1),
        "digest_s": round(digested - start, 1), "deliver_s": round(took, 1),
        "engines_gbps": round(gigabytes * 8 / took, 2),
        "bytes_read_over_size": round(done["bytes_read"] / (gigabytes * 10**9), 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--receivers", type=int, nargs="+", default=[1, 2, 4, 16, 64])
    parser.add_argument("--size", type=int, default=32, metavar="MB")
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--memory", type=int, nargs="*", metavar="GB")
    parser.add_argument("--full", action="store_true", help="memory at 70 GB as well")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(memory(args.one)))
        return
    figures: dict[str, object] = {"bench": "delivery_scale", "size": args.size << 20}
    figures |= scaling(args.receivers, args.size, args.loss)
    sizes = args.memory if args.memory is not None else ([1, 10, 70] if args.full else [1, 10])
    found = []
    for gigabytes in sizes:
        command = [sys.executable, __file__, "--one", str(gigabytes)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(said.splitlines()[-1]))
        print(found[-1], flush=True)
    figures["memory"] = found
    if len(found) > 1:
        growth = found[-1]["peak_rss_mb"] / found[0]["peak_rss_mb"]
        figures["memory_growth"] = round(growth, 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
