"""How many labelled packets a second one replication engine forwards, beside the BIER engine.

    python bench/srp2mp.py [--seconds S]

For 1 and 4 copies of packets of 1400 octets: a transit router of a tree, and the same as a BFR with
one BitString for every packet.  One process, one thread.  The last line is JSON: packets per
second of both, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bier_wires import bier_frame, program

from toolkit.bier.engine import Arrived
from toolkit.bier.engine import Engine as BierEngine
from toolkit.bier.wire import Encapsulation
from toolkit.srp2mp.engine import Engine
from toolkit.srp2mp.table import Branch, Segment
from toolkit.srp2mp.wire import Lse, encode

SID, SIZE, BURST = 15001, 1400, 1000


def engine(copies: int) -> Engine:
    branches = tuple(Branch(f"n{i}", f"n{i}", f"to-n{i}", (2000 + i,)) for i in range(copies))
    segment = Segment("r", 8193, 1, SID, False, branches)
    return Engine({SID: segment}.get)


def rate(burst: Callable[[], None], seconds: float) -> float:
    """Return packets per second; the best of three runs."""
    best = 0.0
    for _ in range(3):
        count, start = 0, perf_counter()
        while (spent := perf_counter() - start) < seconds / 3:
            burst()
            count += BURST
        best = max(best, count / spent)
    return best


def _labelled(router: Engine, packet: bytes) -> None:
    receive = router.receive
    for _ in range(BURST):
        receive(packet, 0.0, allowed=True)


def _bits(router: BierEngine, packet: bytes) -> None:
    receive, mpls, core = router.receive, Encapsulation.MPLS, Arrived.CORE
    for _ in range(BURST):
        receive(packet, mpls, core, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="for each figure")
    seconds = parser.parse_args().seconds
    packet = encode((Lse(SID, 64),)) + bytes(SIZE - 4)
    figures: dict[str, object] = {"bench": "srp2mp", "python": platform.python_version()}
    for copies in (1, 4):
        labels, bits = engine(copies), program(copies).engine()
        header = bier_frame(SIZE + 14)[14:]
        ours = rate(partial(_labelled, labels, packet), seconds)
        theirs = rate(partial(_bits, bits, header), seconds)
        print(f"{copies} copies: {ours:,.0f} packets/s by labels, {theirs:,.0f} by BitString")
        figures |= {
            f"labels_{copies}": round(ours), f"bier_{copies}": round(theirs),
            f"ratio_{copies}": round(ours / theirs, 2),
        }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
