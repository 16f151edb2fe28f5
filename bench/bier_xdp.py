"""The kernel plane (tc) beside its XDP form: why the plane is what it is.

    python bench/bier_xdp.py [--rounds N]

Frames of 1,414 octets, BSL 256, on veth pairs and one CPU as in `bier_forwarding`, but brought by
an XDP redirect, so that native XDP gets them as a NIC's driver would give them.  Medians of
nanoseconds a frame, less what a frame costs that is dropped at the router's ingress in the same
form.  `xdp`: bench/bier_xdp.bpf.c, devmap broadcast and a program for each neighbor, XDP sinks;
`xdp_tc_sinks`: the same, sinks in tc as the plane has them.  `4 of 16`: the BitString names BFERs
behind a quarter of the neighbors.  The last line is JSON.  Root and clang are needed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from struct import pack

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bier_wires import BATCH, LABEL, Wires, bier_frame, softirq_ns

from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.libbpf import NATIVE, XDP, Link, Object, live_frames
from toolkit.errors import EnvironmentProblem

SOURCE = Path(__file__).parent / "bier_xdp.bpf.c"
FORWARDED = 2
BURST = 20_000


class Xdp:
    """The XDP form on the wires of `Wires`."""

    def __init__(self, wires: Wires, neighbors: int) -> None:
        self.wires = wires
        self._object = Object(wires.library, compiled(SOURCE))
        self._object.load()
        maps = {n: self._object.map(n) for n in ("neighbors", "rows", "bift_ids", "heads", "wire")}
        self._heads, self._counts = maps["heads"], self._object.map("counts")
        maps["bift_ids"].put(_key(LABEL), bytes(8))
        with wires.space.entered():  # a devmap looks for interfaces here
            maps["wire"].put(_key(0), _key(wires.index["from"]))
            for port in range(neighbors):
                low, high = port * 256 // neighbors, (port + 1) * 256 // neighbors
                index = wires.index[f"out{port}"]
                mask = ((1 << high) - (1 << low)).to_bytes(32, "big")
                label = (2000 + port) << 12 | 0x100
                maps["rows"].put(_key(index), pack("=I6s6s", label, bytes(6), bytes(6)) + mask)
                value = pack("=Ii", index, self._object.program("egress"))
                maps["neighbors"].put(_key(port), value)

    def at(self, program: str, *interfaces: str) -> list[Link]:
        """Put a program at interfaces; the links are the caller's to close."""
        number, wires = self._object.program(program), self.wires
        with wires.space.entered():
            return [Link(wires.library, number, wires.index[n], XDP, NATIVE) for n in interfaces]

    def cost(self, frame: bytes, cpu: int) -> float:
        """Return nanoseconds a frame."""
        wires, start = self.wires, softirq_ns(cpu)
        self._heads.put(_key(0), frame[:128])
        program, index = self._object.program("source"), wires.index["in"]
        with wires.space.entered():
            took = live_frames(wires.library, program, frame, index, BURST, BATCH)
        return took + (softirq_ns(cpu) - start) / BURST

    def forwarded(self) -> int:
        data = self._counts.get(_key(FORWARDED), 8 * self.wires.library.cpus)
        return sum(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))

    def close(self) -> None:
        self._object.close()


def _key(number: int) -> bytes:
    return number.to_bytes(4, sys.byteorder)


def measure(neighbors: int, copies: int, rounds: int) -> dict[str, float]:
    """Return the net cost of a frame in each form."""
    cpu = max(os.sched_getaffinity(0))
    frame = bier_frame(1414)
    if copies < neighbors:  # the lowest bits, at the end of the BitString
        octets = 32 * copies // neighbors
        frame = frame[:26] + bytes(32 - octets) + frame[58 - octets :]
    took: dict[str, list[float]] = {}
    wires = Wires(neighbors)
    xdp = Xdp(wires, neighbors)
    ends = [f"to{port}" for port in range(neighbors)]
    for _round in range(rounds):
        for name, programs in {
            "tc_drop": [("to_host", ["in"])],
            "tc": [("to_host", ["in"])],
            "xdp_drop": [("sink", ["in"])],
            "xdp": [("ingress", ["in"]), ("sink", ends)],
            "xdp_tc_sinks": [("ingress", ["in"]), ("to_host", ends)],
        }.items():
            with ExitStack() as stack:
                for program, where in programs:
                    for link in xdp.at(program, *where):
                        stack.callback(link.close)
                if name == "tc_drop":
                    stack.enter_context(wires.dropping())
                elif name == "tc":
                    stack.enter_context(wires.bier(neighbors))
                before = wires.settled(), xdp.forwarded()
                took.setdefault(name, []).append(xdp.cost(frame, cpu))
                arrived = wires.settled(before[0] + copies * BURST) - before[0]
                if name in ("tc", "xdp_tc_sinks") and arrived < 0.99 * copies * BURST:
                    raise SystemExit(f"{name}: {arrived} of {copies * BURST} copies arrived")
                if name == "xdp" and xdp.forwarded() - before[1] < 0.99 * copies * BURST:
                    raise SystemExit("xdp: copies are missing")
    xdp.close()
    wires.close()
    middle = {name: statistics.median(runs) for name, runs in took.items()}
    return {
        "tc": middle["tc"] - middle["tc_drop"],
        "xdp": middle["xdp"] - middle["xdp_drop"],
        "xdp_tc_sinks": middle["xdp_tc_sinks"] - middle["xdp_drop"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each form")
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    figures: dict[str, object] = {"bench": "bier_xdp"}
    try:
        for neighbors, copies in ((1, 1), (4, 4), (16, 16), (16, 4)):
            costs = measure(neighbors, copies, rounds)
            name = f"{copies}_of_{neighbors}"
            figures |= {f"{form}_ns_{name}": round(cost) for form, cost in costs.items()}
            figures[f"tc_to_xdp_{name}"] = round(costs["tc"] / costs["xdp"], 2)
            said = ", ".join(f"{form} {cost:.0f} ns" for form, cost in costs.items())
            print(f"{copies} of {neighbors} neighbors: {said}", flush=True)
    except EnvironmentProblem as problem:
        print(f"no figures: {problem}", file=sys.stderr)
        return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
