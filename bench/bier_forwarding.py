"""What BIER forwarding costs: the reference engine, the kernel plane, and changing a table.

    python bench/bier_forwarding.py [--seconds S] [--rounds N] [--vectors]

- `reference_ratio_to_naive`: copies a second of `toolkit.bier.engine` (all rules of RFC 8279 and
  8296) against a bare loop that parses, follows the F-BMs and joins header and payload, without a
  check, a TTL rule or a counter.  BSL 256, 4 neighbors that own 64 bits each, packets of 1,400
  octets to all of them; runs alternate, the best of each counts.  `reference_ratio_fresh`: the same
  for BitStrings that never come twice, so that the engine can remember nothing.
- `ratio_ebpf_to_kernel`: how many times as fast the kernel plane forwards as Linux's own IP
  multicast routing, the lower one of fan-out 4 and 16.  Same wires (veth pairs), same source, same
  sinks, frames of 1,414 octets of both kinds, one CPU (`bier_wires`).  The kernel says what a frame
  costs, the time of its softirq thread is added; what the source and receiving cost, measured with
  a program that drops everything at the router's ingress, is subtracted from both.  Runs alternate,
  medians count.  Every copy is counted at the sinks.
- `update_us_*`: one route changed in a BIFT of 10,000 BFERs: `Routes.change` and `Engine.replace`;
  `kernel_update_us_*`: `Routes.change` and `KernelPlane.replace`; medians over changes of different
  BFERs.  `build_s_*`: all tables from nothing.  BSL 256 (40 sets) and 4096 (3 sets), 16 neighbors.
- `vectors_*`, with --vectors: [passed, applicable, not applicable] conformance vectors of a plane.

Not root, or no clang: the figures of the kernel are missing, why is said, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.bier.bift import BiftId, BiftKey, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl, set_and_bit
from toolkit.bier.engine import Arrived, Engine
from toolkit.bier.program import Interface, Program
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import Encapsulation
from toolkit.errors import EnvironmentProblem

SIZE = 1400
BFERS = 10_000
NEIGHBORS = 16
BURST = 20_000
"""Frames of one run in the kernel: the costs of setting up are not in its figure."""
Figures = dict[str, object]


class Naive:
    """The loop of RFC 8279 section 6.5 and nothing else."""

    WORDS = Struct("!III")

    def __init__(self, program: Program) -> None:
        (key,) = program.routes
        (self.id,) = (number for _space, number in program.bift_ids)
        entries = program.routes[key].tables[0].bift().entries
        self.rows = {p: (e.f_bm, e.neighbor, e.out_bift_id << 12) for p, e in entries.items()}
        self.octets = key.bsl // 8

    def receive(self, packet: bytes) -> list[tuple[object, bytes]]:
        first = self.WORDS.unpack_from(packet)[0]
        rows, octets, end = self.rows, self.octets, 12 + self.octets
        bits = int.from_bytes(packet[12:end], "big")
        rest, middle, payload = (first & 0xFFF) - 1, packet[4:12], packet[end:]
        out = []
        while bits:
            f_bm, neighbor, label = rows[(bits & -bits).bit_length()]
            taken = (bits & f_bm).to_bytes(octets, "big")
            bits &= ~f_bm
            out.append(
                (neighbor, b"".join(((label | rest).to_bytes(4, "big"), middle, taken, payload)))
            )
        return out


def reference(seconds: float) -> Figures:
    """Compare the engine with the bare loop."""
    from bier_wires import bier_frame, program

    four = program(4)
    engine, naive = four.engine(), Naive(four)
    whole = bier_frame(SIZE + 14)[14:]
    every = int.from_bytes(whole[12:44], "big")
    fresh = [whole[:12] + (every ^ n).to_bytes(32, "big") + whole[44:] for n in range(16_384)]
    mpls, core = Encapsulation.MPLS, Arrived.CORE
    wanted = sorted(out[1] for out in naive.receive(whole))
    if sorted(out.packet for out in engine.receive(whole, mpls, core, 0.0)) != wanted:
        raise SystemExit("the engine and the bare loop disagree")

    def by_engine(packets: list[bytes]) -> None:
        receive = engine.receive
        for packet in packets:
            receive(packet, mpls, core, 0.0)

    def by_loop(packets: list[bytes]) -> None:
        receive = naive.receive
        for packet in packets:
            receive(packet)

    figures: Figures = {}
    for name, packets in (("", [whole] * 512), ("_fresh", fresh)):
        best = {by_engine: 0.0, by_loop: 0.0}
        end = perf_counter() + seconds
        turns = 0
        while perf_counter() < end or turns < 5:
            turns += 1
            for run in best:
                start = perf_counter()
                run(packets)
                best[run] = max(best[run], 4 * len(packets) / (perf_counter() - start))
        ratio = best[by_engine] / best[by_loop]
        figures[f"engine_copies_per_s{name}"] = round(best[by_engine])
        figures[f"naive_copies_per_s{name}"] = round(best[by_loop])
        figures["reference_ratio" + (name or "_to_naive")] = round(ratio, 3)
        kind = "new BitStrings" if name else "one BitString"
        print(
            f"{kind}: engine {best[by_engine]:,.0f}, bare loop {best[by_loop]:,.0f} copies/s, "
            f"ratio {ratio:.2f} (best of {turns})", flush=True,
        )  # fmt: skip
    return figures


def large(bsl: Bsl) -> Program:
    """Return a BFR with 10,000 BFERs behind 16 neighbors."""
    hops = [
        Hop(Neighbor(f"n{n}", f"out{n}", mac=bytes((2, 0, 0, 0, 1, n))), 5000 + n)
        for n in range(NEIGHBORS)
    ]
    sets: dict[int, dict[int, Ways]] = {}
    for bfer in range(1, BFERS + 1):
        si, bit = set_and_bit(bfer, bsl.bits)
        sets.setdefault(si, {})[bit] = Ways((hops[bfer * 7919 % NEIGHBORS],))
    routes = {BiftKey(0, bsl.bits, si): Routes(bsl, ways) for si, ways in sets.items()}
    ports = {f"out{n}": Interface(Arrived.CORE) for n in range(NEIGHBORS)}
    return Program(
        interfaces=ports,
        routes=routes,
        bift_ids={BiftId(Encapsulation.MPLS, 100 + n): key for n, key in enumerate(routes)},
    )


def changes(bsl: Bsl, replace: Callable[..., None], program: Program, count: int) -> list[float]:
    """Move `count` BFERs to other neighbors; return microseconds of each change."""
    hops = sorted({h for r in program.routes.values() for h in r.tables[0].hops}, key=str)
    took = []
    for number in range(count):
        si, bit = set_and_bit(number * 7879 % BFERS + 1, bsl.bits)
        key = BiftKey(0, bsl.bits, si)
        way = Ways((hops[number % len(hops)],))
        start = perf_counter()
        replace(key, program.routes[key].change(bit, way))
        took.append((perf_counter() - start) * 1e6)
    return took


def updates(figures: Figures) -> None:
    """One route of many, in the engine."""
    for bsl in (Bsl.B256, Bsl.B4096):
        built = []
        for _turn in range(3):
            start = perf_counter()
            program = large(bsl)
            engine = Engine(program.bifts, program.bift_ids)
            built.append(perf_counter() - start)
        took = changes(bsl, engine.replace, program, 500)
        figures[f"build_s_{bsl.bits}"] = round(min(built), 3)
        figures[f"update_us_{bsl.bits}"] = round(statistics.median(took), 1)
        print(
            f"10,000 BFERs, BSL {bsl.bits}: built in {min(built):.3f} s; a change takes "
            f"{statistics.median(took):.0f} us, the slowest of 500 {max(took):.0f} us", flush=True,
        )  # fmt: skip
    figures["update_us"] = max(figures["update_us_256"], figures["update_us_4096"])  # type: ignore[type-var]
    figures["build_s"] = max(figures["build_s_256"], figures["build_s_4096"])  # type: ignore[type-var]


def kernel_updates(figures: Figures) -> None:
    """One route of many, in the kernel."""
    from bier_wires import Wires

    from toolkit.bier.runtime_ebpf import KernelPlane

    wires = Wires(NEIGHBORS)
    for bsl in (Bsl.B256, Bsl.B4096):
        program = large(bsl)
        with wires.space.entered(), KernelPlane() as plane:
            start = perf_counter()
            plane.load(program, backups={})
            loaded = perf_counter() - start
            took = changes(bsl, plane.replace, program, 500)
        figures[f"kernel_load_s_{bsl.bits}"] = round(loaded, 3)
        figures[f"kernel_update_us_{bsl.bits}"] = round(statistics.median(took), 1)
        figures[f"kernel_update_us_{bsl.bits}_slowest"] = round(max(took))
        print(
            f"kernel plane, BSL {bsl.bits}: loaded in {loaded:.3f} s; a change takes "
            f"{statistics.median(took):.0f} us, the slowest of 500 {max(took):.0f} us "
            "(it waits for packets on their way)", flush=True,
        )  # fmt: skip
    wires.close()


def kernel(rounds: int) -> Figures:
    """Compare the kernel plane with IP multicast routing."""
    from bier_wires import Wires, bier_frame, multicast_frame, softirq_ns

    wires = Wires(NEIGHBORS)
    before = os.sched_getaffinity(0)
    cpu = max(before)
    os.sched_setaffinity(0, {cpu})
    frames = {"bier": bier_frame(SIZE + 14), "multicast": multicast_frame(SIZE + 14)}
    figures: Figures = {}
    ratios = []

    def cost(kind: str, copies: int) -> float:
        """Return nanoseconds a frame."""
        wires.send(frames[kind], 200)
        start, counted = softirq_ns(cpu), wires.settled()
        took = wires.send(frames[kind], BURST)
        arrived = wires.settled(counted + BURST * copies) - counted
        took += (softirq_ns(cpu) - start) / BURST
        if arrived < 0.99 * BURST * copies:
            raise SystemExit(f"{kind}: {arrived} of {BURST * copies} copies arrived")
        return took * BURST * copies / arrived

    for fan_out in (1, 4, 16):
        costs: dict[str, list[float]] = {"bier": [], "multicast": []}
        drops: dict[str, list[float]] = {"bier": [], "multicast": []}
        for _round in range(rounds):
            for kind, router in (("bier", wires.bier), ("multicast", wires.multicast)):
                with wires.dropping():
                    drops[kind].append(cost(kind, 1))
                with router(fan_out):
                    costs[kind].append(cost(kind, fan_out))
        net = {}
        for kind, took in costs.items():
            middle, drop = statistics.median(took), statistics.median(drops[kind])
            net[kind] = middle - drop
            figures[f"{kind}_ns_{fan_out}"] = round(net[kind])
            figures[f"{kind}_copies_per_s_{fan_out}"] = round(fan_out * 1e9 / net[kind])
            print(
                f"fan-out {fan_out:2}, {kind:9}: {middle:7.0f} ns a frame ({min(took):.0f} to "
                f"{max(took):.0f}), {drop:.0f} of it for a frame that is dropped: "
                f"{fan_out * 1e3 / net[kind]:.2f} M copies/s", flush=True,
            )  # fmt: skip
        ratio = net["multicast"] / net["bier"]
        figures[f"ratio_ebpf_to_kernel_{fan_out}"] = round(ratio, 2)
        if fan_out > 1:
            ratios.append(ratio)
    figures["ratio_ebpf_to_kernel"] = round(min(ratios), 2)
    os.sched_setaffinity(0, before)
    wires.close()
    return figures


def vectors(figures: Figures) -> None:
    """Run the conformance vectors on every plane that there is here."""
    from toolkit.bier.conformance.judge import faults, lacking
    from toolkit.bier.conformance.plane import Plane
    from toolkit.bier.conformance.reference import ReferencePlane
    from toolkit.bier.conformance.socket_plane import SocketPlane
    from toolkit.bier.kernel.proving import EbpfPlane
    from toolkit.cli.vector_files import all_cases

    makers: list[Callable[[], Plane]] = [ReferencePlane, SocketPlane, EbpfPlane]
    for make in makers:
        try:
            plane = make()
        except EnvironmentProblem as problem:
            print(f"vectors: {problem}", file=sys.stderr)
            continue
        passed = applicable = left = 0
        for case in all_cases():
            vector = case.vector()
            if lacking(plane, vector):
                left += 1
                continue
            applicable += 1
            passed += not faults(plane, vector)
        figures[f"vectors_{plane.name}"] = [passed, applicable, left]
        print(
            f"vectors, {plane.name}: {passed} of {applicable} passed, {left} not applicable",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each pair in Python")
    parser.add_argument("--rounds", type=int, default=9, help="alternating runs in the kernel")
    parser.add_argument("--vectors", action="store_true", help="run the vectors: minutes")
    arguments = parser.parse_args()
    figures: Figures = {"bench": "bier_forwarding", "python": platform.python_version()}
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    figures |= reference(arguments.seconds)
    updates(figures)
    status = 0
    try:
        figures |= kernel(arguments.rounds)
        kernel_updates(figures)
    except EnvironmentProblem as problem:
        print(f"no figures of the kernel: {problem}", file=sys.stderr)
        status = 1
    if arguments.vectors:
        vectors(figures)
    figures["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(figures))
    return status


if __name__ == "__main__":
    raise SystemExit(main())
