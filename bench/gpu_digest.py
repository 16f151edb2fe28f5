"""BLAKE3 over a device's memory: each way there is, beside a plain copy of the same bytes.

    python bench/gpu_digest.py [--gpu cpu|N] [--bytes SIZE] [--blocks SIZE,...] [--seconds S]

A call hashes `--bytes` in ranges of one block size, as blocks of a delivery lie in a tensor's
memory: each begins 8 bytes off a multiple of 256.  `odd` is the same at odd addresses.  The peer
is a copy on the device of the same ranges (bytes read, not bytes moved).  Times are those of a
host that waits for the digests, so launches and the way back are in them; the median counts.
Digests are compared between the ways and with the published vectors.  On a GPU machine without
the blake3 wheel this runs as it is.  The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.errors import EnvironmentProblem
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import open_device

VECTORS = Path(__file__).resolve().parent.parent / "tests/vectors/blake3.json"
MIB = 1 << 20


def median_seconds(run: Callable[[], object], seconds: float) -> float:
    run()
    times = []
    while sum(times) < seconds or len(times) < 3:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", default="cpu")
    parser.add_argument("--bytes", type=int, default=0, help="default: 64 MiB, on a GPU 4 GiB")
    parser.add_argument("--blocks", default="262144,1048576,2097152")
    parser.add_argument("--seconds", type=float, default=0.0, help="per figure")
    options = parser.parse_args()
    device = open_device(options.gpu)
    torch = device.torch
    if device.is_cpu:
        torch.set_num_threads(1)
    total = options.bytes or (64 * MIB if device.is_cpu else 4096 * MIB)
    seconds = options.seconds or (0.5 if device.is_cpu else 1.0)
    sizes = [int(size) for size in options.blocks.split(",")]

    ways, refused = [], {}
    for kind in ("blake3 wheel", "triton", "torch operations"):
        begin = time.perf_counter()
        try:
            ways.append(DeviceDigests(device, kinds=[kind]))
        except EnvironmentProblem as problem:
            refused[kind] = str(problem)
        else:
            print(f"{kind}: ready after {time.perf_counter() - begin:.2f} s")
    for kind, why in refused.items():
        print(f"{kind}: left out: {why}")

    vectors = json.loads(VECTORS.read_text())["vectors"]
    for way in ways:
        parts = []
        for v in vectors:
            place = device.empty(v["length"] + 8, "a vector")[v["length"] % 8 :][: v["length"]]
            place.copy_((torch.arange(v["length"]) % 251).to(torch.uint8))
            parts.append(place)
        if [d.hex() for d in way.blake3(parts)] != [v["hash"] for v in vectors]:
            raise SystemExit(f"{way.kind}: wrong digests of the published vectors")

    memory = device.empty(total + 512, "what is hashed")
    for at in range(0, total + 512, 256 * MIB):  # random bytes: equal ones would hide mistakes
        part = memory[at : at + 256 * MIB]
        part.copy_(torch.randint(0, 256, part.shape, dtype=torch.uint8, device=device.handle))
    target = device.empty(total + 512, "a copy of it")

    def synchronize() -> None:
        if not device.is_cpu:
            torch.cuda.synchronize(device.handle)

    figures: dict[str, object] = {}
    for label, skew in (("", 8), (" odd", 3)):
        for size in sizes:
            cuts = [(at + skew, at + skew + size) for at in range(0, total - size + 1, size)]
            ranges = [memory[a:b] for a, b in cuts]
            hashed = len(cuts) * size

            def copy(cuts: list[tuple[int, int]] = cuts, hashed: int = hashed) -> None:
                # One copy of all ranges: they lie behind each other.
                first = cuts[0][0]
                target[first : first + hashed].copy_(memory[first : first + hashed])
                synchronize()

            copied = hashed / median_seconds(copy, seconds)
            row: dict[str, object] = {"copy": copied}
            wanted = None
            for way in ways:
                if label and way.kind == "torch operations":
                    continue  # It copies into a buffer of its own: the address matters little.
                found = way.blake3(ranges)
                if wanted is not None and found != wanted:
                    raise SystemExit(f"{way.kind}: other digests than {ways[0].kind}")
                wanted = found
                rate = hashed / median_seconds(lambda w=way, r=ranges: w.blake3(r), seconds)
                row[way.kind] = {"bytes_per_s": rate, "ratio_to_copy": rate / copied}
                print(
                    f"{size >> 10:6d} KiB x {len(cuts):6d}{label}: {way.kind:17s}"
                    f"{rate / 1e9:9.3f} GB/s, {rate / copied:.3f} of a copy"
                )
            figures[f"{size}{label}"] = row
    best = ways[0].kind
    calls = {}
    for count in (n for n in (1, 8, 64) if n * MIB <= total):
        ranges = [memory[8 + n * MIB : 8 + (n + 1) * MIB] for n in range(count)]
        took = median_seconds(lambda r=ranges: ways[0].blake3(r), seconds)
        calls[count] = took
        print(f"a call of {count:2d} x 1 MiB: {best}: {took * 1e6:.0f} us")
    rates = [row[best]["bytes_per_s"] for row in figures.values()]  # type: ignore[index]
    result = {
        "bench": "gpu_digest",
        "device": device.title,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "bytes": total,
        "kind": best,
        "worst_bytes_per_s": min(rates),
        "best_bytes_per_s": max(rates),
        "seconds_per_call_of_mebibytes": calls,
        "refused": refused,
        "blocks": figures,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
