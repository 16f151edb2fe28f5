"""Model delivery beside UFTP, udpcast and NORM: the same namespaces, losses and observers for all.

    python bench/delivery.py [--quick | --full] [--size MB] [--receivers N ...] [--mtu M ...]
                             [--loss P ...] [--tools NAME ...] [--no-unicast]

One sender and N receivers on a bridge (arena.py), files in tmpfs that was touched before, every
file compared by BLAKE3, time from the first frame with data to the last file in place, seen from
outside (contest.py).  Each tool runs with what serves it best (peers_multicast.py): several
settings, the best counts; a tool that does not deliver says why and has no figure.  `limit_gbps`:
packets to files without reliability and digests (raw_path.py).  `bytes_read_over_size`: by the
sender's own count, while it sends; `..._digesting_too`: what the kernel counted for the process
(/proc/PID/io), which digests the files before it sends.  `--quick`, the default: 256 MB,
{2, 4} receivers, MTU 9000, losses {0, 1 %}, without NORM; udpcast takes part at MTU 1500 only.
`--full`: 1 GB and every cell.  The last line is JSON.  Root is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import arena
import peers_multicast
import unicast
from contest import Outcome, Ring, digest, last_json

from toolkit.delivery.manifest import DIGEST_SIZE
from toolkit.delivery.model import DEFAULT_BLOCK, symbol_size

PEERS = ("uftp", "udpcast", "norm")
SCOUT = 256
"""MB that the settings of a tool are compared with, before the best is run with the whole size."""
GOALS = {
    "ratio_lossy": (">=", 3.0), "ratio_lossless_2": (">=", 1.0), "ratio_lossless_4": (">=", 2.0),
    "ratio_to_limit": (">=", 0.7), "time_unicast_over_ours": (">=", 5.0),
    "symbols_over_source_0.1%": ("<=", 1.01), "symbols_over_source_1%": ("<=", 1.04),
    "surplus_over_floor": ("<=", 1.1), "bytes_read_over_size": ("<=", 1.01),
}  # fmt: skip


class Files:
    """The files to deliver, made once for each size, and the rings they are delivered in."""

    def __init__(self) -> None:
        self.folder = arena.FILES / f"{arena.PREFIX}-{os.getpid()}"
        self.folder.mkdir()
        self._made: dict[int, tuple[Path, bytes]] = {}

    def ring(self, place: arena.Arena, megabytes: int) -> Ring:
        if megabytes not in self._made:
            path = self.folder / f"{megabytes}" / "model.bin"
            path.parent.mkdir()
            with path.open("wb") as file:
                for _ in range(megabytes):
                    file.write(os.urandom(1 << 20))
            self._made[megabytes] = path, digest(path)
        return Ring(place, *self._made[megabytes])

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def best(ring: Ring, scout: Ring, tool: str, loss: float, *, full: bool) -> Outcome | None:
    """Run a tool's settings, tell of each, and return the best; None: it has none for this MTU."""
    found = peers_multicast.settings(tool, ring.arena.mtu, loss, full=full)
    plans = dict(found)
    if not plans:
        return None
    if ring is not scout and len(plans) > 1:
        tried = [told(scout.deliver(tool, name, plan, loss)) for name, plan in plans.items()]
        winner = max(tried, key=lambda o: o.gbps or 0).setting
        plans = {winner: plans[winner]}
    outcomes = [told(ring.deliver(tool, n, p, loss, limit=240)) for n, p in plans.items()]
    return max(outcomes, key=lambda o: o.gbps or 0)


def told(outcome: Outcome) -> Outcome:
    speed = f"{outcome.gbps:.2f} Gb/s" if outcome.gbps else f"no figure: {outcome.reason}"
    print(
        f"  {outcome.tool} {outcome.setting}: {speed}, CPU {outcome.cpu:.1f} s, lost by chance "
        f"{outcome.loss:.3%}, no room in sockets {outcome.dropped}, {outcome.wall:.1f} s in all",
        flush=True,
    )
    return outcome


def limit(ring: Ring, rates: list[str]) -> float | None:
    """Return Gb/s that reach the slowest receiver's file on the path without reliability."""
    found = 0.0
    for rate in rates:
        outcome = ring.deliver("limit", rate, peers_multicast.raw(rate), 0.0)
        ends = [last_json(said) for said in outcome.receivers_said]
        first = min((s.first for s in outcome.seen), default=0)
        if first and all(ends):
            speed = min(e["written"] * 8 / (e["last"] - first) for e in ends)
            written = min(e["written"] for e in ends) / ring.source.stat().st_size
            print(f"  limit {rate}: {speed:.2f} Gb/s, {written:.1%} written", flush=True)
            found = max(found, speed)
    return found or None


def costs(outcome: Outcome, size: int, mtu: int) -> dict[str, object]:
    """Return what our delivery cost beyond the file: from our reports, and from frames counted."""
    symbol = symbol_size(mtu - 28)
    source = -(-size // symbol)
    report = outcome.report
    sent = sum(int(report.get(k, 0)) for k in ("packets", "repairs", "late"))
    blocks = -(-source // DEFAULT_BLOCK)
    needed = source + -(-blocks * DIGEST_SIZE // symbol)  # FDT and manifest are short here
    surplus = [s.data / needed - 1 for s in outcome.seen]
    floors = [s.data_lost / (s.data - s.data_lost) for s in outcome.seen]
    over = [s / floor for s, floor in zip(surplus, floors, strict=True) if floor]
    return {
        "symbols_over_source": round(sent / source, 4),
        "frames_over_source": round(outcome.frames_sent / source, 4),
        "surplus": round(max(surplus), 5),
        "surplus_over_floor": round(max(over), 3) if over else None,
        "duplicates": sum(int(last_json(s).get("duplicates", 0)) for s in outcome.receivers_said),
        "bytes_read_over_size": round(int(report.get("bytes_read", 0)) / size, 3),
        "bytes_read_digesting_too": round(int(outcome.read or 0) / size, 3),
    }  # fmt: skip


def cell(
    ring: Ring, scout: Ring, loss: float, tools: list[str], *, full: bool
) -> dict[str, object]:
    place = ring.arena
    print(f"{place.receivers} receivers, MTU {place.mtu}, loss {loss:.1%}", flush=True)
    row: dict[str, object] = {"receivers": place.receivers, "mtu": place.mtu, "loss": loss}
    for tool in tools:
        outcome = best(ring, scout, tool, loss, full=full)
        if outcome is None:
            continue
        row[f"{tool}_gbps"] = outcome.gbps and round(outcome.gbps, 3)
        row[f"{tool}_setting"], row[f"{tool}_cpu_s"] = outcome.setting, round(outcome.cpu, 2)
        if outcome.gbps is None:
            row[f"{tool}_reason"] = outcome.reason
        elif tool == "llmsync":
            row |= costs(outcome, ring.source.stat().st_size, place.mtu)
    if not loss:
        rates = ["10G", "6G", "3G"] if place.mtu > 1500 else ["3G", "2G", "1G"]
        row["limit_gbps"] = limit(scout, rates if full else rates[:1])
    peers = [row[k] for p in PEERS if (k := f"{p}_gbps") in row and row[k]]
    if "llmsync_gbps" in row and peers:
        row["ratio"] = round((row["llmsync_gbps"] or 0.0) / max(peers), 3)
    if row.get("limit_gbps"):
        row["limit_gbps"] = round(row["limit_gbps"], 3)
        row["ratio_to_limit"] = round((row.get("llmsync_gbps") or 0.0) / row["limit_gbps"], 3)
    print("  " + json.dumps(row), flush=True)
    return row


def summary(rows: list[dict]) -> dict[str, object]:
    """Return the figures that the goals speak of; None where no cell has them."""

    def lowest(key: str, wanted) -> float | None:
        return min((r[key] for r in rows if key in r and wanted(r)), default=None)

    def highest(key: str, wanted) -> float | None:
        return max((r[key] for r in rows if key in r and wanted(r)), default=None)

    return {
        "ratio_lossy": lowest("ratio", lambda r: r["loss"]),
        "ratio_lossless_2": lowest("ratio", lambda r: not r["loss"] and r["receivers"] == 2),
        "ratio_lossless_4": lowest("ratio", lambda r: not r["loss"] and r["receivers"] == 4),
        "ratio_to_limit": lowest("ratio_to_limit", lambda _r: True),
        "symbols_over_source_0.1%": highest("symbols_over_source", lambda r: r["loss"] == 0.001),
        "symbols_over_source_1%": highest("symbols_over_source", lambda r: r["loss"] == 0.01),
        "surplus_over_floor": highest("surplus_over_floor", lambda r: r["surplus_over_floor"]),
        "bytes_read_over_size": highest("bytes_read_over_size", lambda _r: True),
    }


def met(figures: dict[str, object]) -> dict[str, object]:
    goals = {}
    for name, (way, goal) in GOALS.items():
        got = figures.get(name)
        if got is not None:
            goals[name] = f"{got} {way} {goal}: " + (
                "met" if (got >= goal if way == ">=" else got <= goal) else "NOT met"
            )
    return goals


def table(rows: list[dict]) -> str:
    """Return the cells as docs/performance.md shows them."""
    columns = ("llmsync", *PEERS, "limit")
    lines = [
        "| receivers | MTU | loss | " + " | ".join(columns) + " | ours to the best peer |",
        "|---" * (len(columns) + 4) + "|",
    ]
    for row in rows:
        speeds = []
        for name in columns:
            value = row.get(f"{name}_gbps", "")
            speeds.append(f"{value:.2f}" if value else "failed" if value is None else "")
        head = f"| {row['receivers']} | {row['mtu']} | {row['loss']:.1%} | "
        lines.append(head + " | ".join(speeds) + f" | {row.get('ratio', '')} |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="the default: under 60 s")
    kind.add_argument("--full", action="store_true", help="every cell, 1 GB, NORM as well")
    parser.add_argument("--size", type=int, metavar="MB")
    parser.add_argument("--receivers", type=int, nargs="+")
    parser.add_argument("--mtu", type=int, nargs="+")
    parser.add_argument("--loss", type=float, nargs="+", help="0.01 is 1 %%")
    parser.add_argument("--tools", nargs="+", choices=("llmsync", *PEERS))
    parser.add_argument("--no-unicast", action="store_true", help="without the shared uplink")
    args = parser.parse_args()
    full = args.full
    args.size = args.size or (1000 if full else 256)
    args.receivers = args.receivers or ([2, 3, 4] if full else [2, 4])
    args.mtu = args.mtu or ([1500, 9000] if full else [9000])
    args.loss = args.loss or ([0.0, 0.001, 0.01] if full else [0.0, 0.01])
    args.tools = args.tools or ["llmsync", "uftp", "udpcast", *(["norm"] if full else [])]
    return args


def main() -> int:
    args = arguments()
    if lacks := arena.lacking():
        print(f"no figures: {lacks}", file=sys.stderr)
        print(json.dumps({"bench": "delivery", "skipped": lacks}))
        return 0
    arena.sweep()
    begin = time.monotonic()
    versions = peers_multicast.versions()
    print(", ".join(f"{name} {version}" for name, version in versions.items()), flush=True)
    files, rows, uplink = Files(), [], []
    try:
        for mtu in args.mtu:
            for receivers in args.receivers:
                with arena.Arena(receivers, mtu) as place:
                    ring = files.ring(place, args.size)
                    scout = files.ring(place, min(SCOUT, args.size))
                    scout = ring if scout.source == ring.source else scout
                    for loss in args.loss:
                        row = cell(ring, scout, loss, args.tools, full=args.full)
                        rows.append(row)
        for mtu in args.mtu if not args.no_unicast else ():
            with arena.Arena(unicast.RECEIVERS, mtu) as place:
                ring = files.ring(place, 256 if args.full else 64)
                uplink.append(unicast.measure(ring, told))
    finally:
        files.close()
    print(table(rows))
    figures = summary(rows)
    ratios = [u["time_unicast_over_ours"] or 0.0 for u in uplink]
    figures["time_unicast_over_ours"] = min(ratios, default=None)
    print(json.dumps({
        "bench": "delivery", "size": args.size << 20, "load": os.getloadavg()[0],
        "versions": versions,
        "cells": rows, "uplink": uplink, **figures, "goals": met(figures),
        "seconds": round(time.monotonic() - begin, 1),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
