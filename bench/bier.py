"""How many BIER packets a second one engine forwards, in one process and one thread.

    python bench/bier.py [--seconds S]

For 1, 3 and 4 copies and payloads that fill 1400 and 8800 octets:  BSL 256, MPLS, a transit BFR.
Two kinds of traffic:  `one` BitString for every packet (a delivery), and `many`: a new BitString
each time (nothing can be remembered).  The last line is JSON: packets per second, and octets out.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.engine import Arrived, Engine
from toolkit.bier.wire import Encapsulation, Header, Proto

BSL = Bsl.B256
LABEL = 1000
KEY = BiftKey(0, BSL.bits, 0)


def engine(copies: int) -> Engine:
    """Return a BFR whose neighbors own equal shares of all 256 bits."""
    share = BSL.bits // copies
    entries: dict[int, Entry] = {}
    for number in range(copies):
        low = number * share
        high = BSL.bits if number == copies - 1 else low + share
        f_bm = (1 << high) - (1 << low)
        neighbor = Neighbor(f"n{number}", f"to-n{number}")
        entries |= {p: Entry(f_bm, neighbor, 2000 + number) for p in range(low + 1, high + 1)}
    return Engine({KEY: Bift(BSL, entries)}, {BiftId(Encapsulation.MPLS, LABEL): KEY})


def packet(size: int, bits: int) -> bytes:
    header = Header(
        encapsulation=Encapsulation.MPLS,
        bift_id=LABEL,
        ttl=64,
        proto=Proto.IPV4,
        bfir_id=1,
        bits=BitString(BSL, bits),
    ).encode()
    return header + bytes(size - len(header))


def measure(router: Engine, packets: list[bytes], seconds: float) -> float:
    """Return packets received per second; the best of three runs."""
    best = 0.0
    receive, mpls, core = router.receive, Encapsulation.MPLS, Arrived.CORE
    for _run in range(3):
        count, start = 0, perf_counter()
        while perf_counter() - start < seconds / 3:
            for data in packets:
                receive(data, mpls, core, 0.0)
            count += len(packets)
        best = max(best, count / (perf_counter() - start))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    seconds = parser.parse_args().seconds
    figures: dict[str, object] = {"bench": "bier", "python": platform.python_version()}
    every = (1 << BSL.bits) - 1
    for size in (1400, 8800):
        for copies in (1, 3, 4):
            router = engine(copies)
            rate = measure(router, [packet(size, every)] * 512, seconds)
            if router.forwarded != router.received * copies:
                raise SystemExit(f"{router.forwarded} copies of {router.received} packets")
            figures[f"one_{copies}x{size}_pps"] = round(rate)
            print(f"{size} octets, {copies} copies: {rate:12,.0f} packets/s", flush=True)
        router = engine(4)
        fresh = [packet(size, every ^ number) for number in range(8192)]  # more than it remembers
        rate = measure(router, fresh, seconds)
        figures[f"many_4x{size}_pps"] = round(rate)
        print(f"{size} octets, 4 copies, new BitStrings: {rate:12,.0f} packets/s", flush=True)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
