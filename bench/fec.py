"""Gb/s of source data that parity is made of, and that is restored with it, on one core.

    python bench/fec.py [--seconds S]

Every copy of ISA-L and numpy through `toolkit.delivery.fec`, cold: each block has other losses, so
its matrix is made anew, and blocks are taken in turn out of more memory than the caches hold.
Beside them pyeclib's own interface (at most 32 fragments), and memcpy of the same blocks: the limit
of anything that reads a block and writes as much.  CPU time, best of five rounds.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from toolkit.delivery import fec, isal
from toolkit.delivery.gf256 import Bytes, Codec, Numpy

SHAPES = ((128, 8776), (128, 1376), (200, 1376))
ENCODE = (1, 8, 20)
DECODE = (1, 3, 10, 20, 55)
MEMORY = 64 << 20
ROUNDS = 5


def gbps(work: Callable[[int], int], seconds: float) -> float:
    """Return the best rate of `work(i)`, which returns the bytes that it has dealt with."""
    best, i = 0.0, 0
    for _ in range(ROUNDS):
        done, start = 0, time.process_time()
        while (took := time.process_time() - start) < seconds / ROUNDS or not done:
            done += sum(work(n) for n in range(i, i + 4))
            i += 4
        best = max(best, done * 8 / took / 1e9)
    return best


def some_blocks(k: int, size: int) -> Bytes:
    count = MEMORY // (k * size)
    return np.random.default_rng(k).integers(0, 256, (count, k, size), np.uint8)


def encoding(codec: Codec, blocks: Bytes, rows: int) -> Callable[[int], int]:
    def work(i: int) -> int:
        fec.encode(blocks[i % len(blocks)], range(rows), codec)
        return blocks[0].nbytes

    return work


def decoding(codec: Codec, blocks: Bytes, lost: int) -> Callable[[int], int]:
    """Any bytes serve as parity: what is restored is not looked at here (the tests do)."""
    chance, k = random.Random(lost), blocks.shape[1]
    patterns = [sorted(chance.sample(range(k), lost)) for _ in range(2000)]
    parity = dict(enumerate(blocks[0, :lost].copy()))

    def work(i: int) -> int:
        fec.decode(blocks[i % len(blocks)], patterns[i % len(patterns)], parity, codec)
        return blocks[0].nbytes

    return work


def copying(blocks: Bytes) -> Callable[[int], int]:
    target = np.empty_like(blocks[0])

    def work(i: int) -> int:
        np.copyto(target, blocks[i % len(blocks)])
        return target.nbytes

    return work


def pyeclib_driver(seconds: float) -> dict[str, float]:
    """pyeclib's high-level interface at the most that it can: 28 + 4 fragments."""
    try:
        from pyeclib.ec_iface import ECDriver
    except ImportError:
        return {}
    driver = ECDriver(k=28, m=4, ec_type="isa_l_rs_vand")
    data = random.Random(1).randbytes(28 * 8776)
    fragments = driver.encode(data)

    def encode(_: int) -> int:
        driver.encode(data)
        return len(data)

    def decode(i: int) -> int:
        kept = [f for n, f in enumerate(fragments) if n not in (i % 28, (i + 7) % 28)]
        return len(driver.decode(kept))

    return {"encode_28_4_8776": gbps(encode, seconds), "decode_28_2_8776": gbps(decode, seconds)}


def label(path: str, *, gfni: bool) -> str:
    return Path(path).name + (" GFNI" if gfni else "") if path else "numpy"


def codecs() -> dict[str, Codec]:
    found: dict[str, Codec] = {}
    for path, _ in isal.candidates():
        try:
            library = isal.Library(path)
        except (OSError, AttributeError):
            continue
        found[label(path, gfni=library.gfni)] = library
    return {**found, "numpy": Numpy()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.4, help="for each figure")
    seconds = parser.parse_args().seconds
    print("in deliveries:", isal.backend())
    result: dict[str, dict[str, float]] = {}
    chosen = label(isal.backend().path, gfni=isal.backend().gfni)
    slowest = float("inf")
    for name, codec in codecs().items():
        figures = result[name] = {}
        for k, size in SHAPES:
            blocks = some_blocks(k, size)
            for rows in ENCODE:
                rate = gbps(encoding(codec, blocks, rows), seconds)
                figures[f"encode_{k}_{rows}_{size}"] = rate
            for lost in DECODE:
                rate = gbps(decoding(codec, blocks, lost), seconds)
                figures[f"decode_{k}_{lost}_{size}"] = rate
                if name == chosen and lost <= 10:
                    slowest = min(slowest, rate)
        show(name, figures)
    result["memcpy"] = {
        f"copy_{k}_{size}": gbps(copying(some_blocks(k, size)), seconds) for k, size in SHAPES
    }
    result["pyeclib"] = pyeclib_driver(seconds)
    for name in ("memcpy", "pyeclib"):
        show(name, result[name])
    rounded = {n: {key: round(v, 1) for key, v in f.items()} for n, f in result.items()}
    print(json.dumps({"decode_gbps_10_lost_or_less": round(slowest, 1), "gbps": rounded}))


def show(name: str, figures: dict[str, float]) -> None:
    print(name)
    for figure, rate in figures.items():
        print(f"    {figure:24} {rate:7.1f} Gb/s")


if __name__ == "__main__":
    main()
