"""How long it takes from an inventory to proven configurations, beside netlab on the same topology.

    python bench/render.py [ROUTERS ...] [--no-netlab]

First our own engine, a process for each size (1,000 and 10,000 routers by default): plan, render
and validate every payload against its schema; seconds of each step and peak memory.  Then whole
programs, from a file to configuration files on disk: `llmsync render` and `netlab create` (PyPI
networklab, in an environment of its own) on the same graph of 100 and of 400 routers.  netlab
configures FRRouting with addresses and IS-IS; ours has BIER, the overlay, edge protection and the
class of service besides, and is validated.

The last line is JSON.  `s_per_1000`: plan, render and validate at the largest size, for 1,000
routers; `growth`: seconds for a router at the largest size over those at the smallest (1 is
linear); `ratio_to_netlab`: netlab's time over ours, the lower of the two sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
from plan import generate

NETLAB = "networklab==26.10"
SIZES = (1_000, 10_000)
SHARED_SIZES = (100, 400)
RUNS = 3


def own(routers: int) -> dict[str, float]:
    """Return what one size takes; to be asked in a process of its own, for the peak memory."""
    from toolkit.plan.expand import make_plan
    from toolkit.render.payload import render_router
    from toolkit.yang.schema import reference_schema

    inventory = generate(routers, max(1, routers // 50))
    start = time.perf_counter()
    reference_schema()
    loaded = time.perf_counter()
    plan, _ = make_plan(inventory)
    planned = time.perf_counter()
    size = 0
    for name in plan.routers:
        size += len(render_router(plan, name).xml)  # rendered, validated, canonical
    done = time.perf_counter()
    return {
        "routers": routers,
        "schema_s": round(loaded - start, 3),
        "plan_s": round(planned - loaded, 3),
        "render_validate_s": round(done - planned, 3),
        "total_s": round(done - start, 3),
        "megabytes": round(size / 1e6, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _graph(routers: int) -> list[tuple[str, str]]:
    return [(link.a, link.b) for link in generate(routers, max(1, routers // 50)).links]


def write_inventory(routers: int, folder: Path) -> Path:
    """Write the network of `bench/plan.py` as an inventory file."""
    inventory = generate(routers, max(1, routers // 50))
    lines = ["name: bench", "domains: {d: {}}", "routers:"]
    lines += [f"  {name}: {{domain: d}}" for name in inventory.routers]
    lines += ["links:", *(f"  - {{a: {link.a}, b: {link.b}}}" for link in inventory.links)]
    lines += ["repositories: {hub: {router: r0}}", "clouds:"]
    lines += [f"  {cloud.name}: {{router: {cloud.router}}}" for cloud in inventory.clouds.values()]
    lines += ["deliveries: {model: {model: demo, from: hub, to: all}}"]
    lines += ["pools: {loopbacks: 10.128.0.0/16, links: 10.0.0.0/14, hosts: 10.64.0.0/14}"]
    path = folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


OVERRIDDEN = {
    "provider": "clab",
    "defaults.device": "frr",
    "addressing.loopback.ipv4": "10.255.0.0/16",
    "addressing.p2p.ipv4": "10.0.0.0/15",
    "addressing.mgmt.ipv4": "172.16.0.0/16",
    "addressing.mgmt.start": 20,
    "defaults.const.MAX_NODE_ID": 1000,
}
"""netlab's defaults hold some 250 nodes; its device is the one that is text alone."""


def write_topology(routers: int, folder: Path) -> Path:
    lines = [f"{key}: {value}" for key, value in OVERRIDDEN.items()]
    lines += ["module: [isis]", "nodes:", *(f"  r{n}:" for n in range(routers)), "links:"]
    lines += [f"- {a}-{b}" for a, b in _graph(routers)]
    path = folder / "topology.yml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def timed(command: list[str], folder: Path) -> float:
    """Return the seconds of a whole program.  Exits with its words where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: {(done.stdout + done.stderr)[-1000:]}")
    return taken


def beside_netlab(routers: int, programs: Path) -> dict[str, float]:
    """Run both on one graph, by turns, and return the medians."""
    llmsync = Path(sys.executable).with_name("llmsync")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory, topology = write_inventory(routers, folder), write_topology(routers, folder)
        for _ in range(RUNS):
            ours.append(timed([str(llmsync), "render", str(inventory), "-o", "ours"], folder))
            theirs.append(
                timed([str(programs / "netlab"), "create", "--quiet", str(topology)], folder)
            )
        made = (
            len(list((folder / "ours").glob("*.xml"))),
            len(list(folder.glob("node_files/*/isis"))),
        )
        if made != (routers, routers):
            sys.exit(f"bench: {made[0]} and {made[1]} configurations for {routers} routers")
    own_s, netlab_s = statistics.median(ours), statistics.median(theirs)
    return {
        "routers": routers,
        "llmsync_s": round(own_s, 2),
        "netlab_s": round(netlab_s, 2),
        "ratio": round(netlab_s / own_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, metavar="ROUTERS")
    parser.add_argument("--no-netlab", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(own(args.one)))
        return
    rows = []
    for size in args.sizes or SIZES:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], check=True, capture_output=True,
            text=True, env={**os.environ, "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(" ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    first, last = rows[0], rows[-1]
    figures: dict[str, object] = {
        "bench": "render",
        "sizes": rows,
        "s_per_1000": round(last["total_s"] / last["routers"] * 1000, 2),
        "growth": round(
            (last["total_s"] / last["routers"]) / (first["total_s"] / first["routers"]), 2
        ),
    }
    if not args.no_netlab:
        programs = peers.environment("netlab", NETLAB)
        print(f"# peer: netlab create --quiet topology.yml ({NETLAB}), overridden: {OVERRIDDEN}")
        pairs = []
        for size in SHARED_SIZES:
            pairs.append(beside_netlab(size, programs))
            print(" ".join(f"{key}={value}" for key, value in pairs[-1].items()), flush=True)
        figures["netlab"] = pairs
        figures["ratio_to_netlab"] = min(pair["ratio"] for pair in pairs)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
