"""How long a real network takes from its map to its verdict: Kdl of the Internet Topology Zoo, 754
routers.

    python bench/kdl.py [FILE.gml [CLOUDS]]

Runs the four commands as an operator would, each a process of its own: import of the GML file with
the repository at the most central node and clouds at the CLOUDS (8, or `all`) nodes that are
farthest apart, plan, render (every payload validated by libyang), and verify.  Where the import
promises nothing, since the graph has bridges, a policy is added all the same, so that what-if is
measured: every link failing once.  Prints seconds and peak memory of each and ends with one JSON
line.  Without the file, which is no part of this repository, it says so and measures nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

KDL = Path(__file__).parents[2] / "shared" / "topologies" / "Kdl.gml"


def timed(*arguments: str, fine: tuple[int, ...] = (0,)) -> tuple[float, float, str]:
    """Run `llmsync` and return its wall time in seconds, peak memory in MB, and standard output.

    Exits where the command does not end with one of the exit codes in `fine`.
    """
    command = [sys.executable, "-m", "toolkit.cli", *arguments]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode not in fine:
            raise SystemExit(f"bench: llmsync {' '.join(arguments)}: {errors.read()}")
        return took, usage.ru_maxrss / 1024, output.read()


def ask_for_a_policy(inventory: Path) -> None:
    """Add a policy to an inventory that has none."""
    if not any("\npolicies:" in file.read_text() for file in inventory.glob("*.yaml")):
        asked = "policies:\n  any-one-link: {scope: links, failures: 1}\n"
        (inventory / "policies.yaml").write_text(asked)


def measure(file: Path, clouds: str, folder: Path) -> dict[str, Any]:
    """Return the figures of one network."""
    inventory, payloads = folder / "inventory", folder / "payloads"
    steps = {
        "import": ("inventory", "import", "gml", f"{file}", "--output", f"{inventory}",
                   *(["--all"] if clouds == "all" else ["--farthest", clouds])),
        "plan": ("plan", f"{inventory}", "-o", "json"),
        "render": ("render", f"{inventory}", "-o", f"{payloads}"),
        "verify": ("verify", f"{inventory}", "-o", "json"),
    }  # fmt: skip
    figures: dict[str, Any] = {"bench": "kdl", "network": file.stem}
    printed: dict[str, str] = {}
    peaks: list[float] = []
    for step, arguments in steps.items():
        # Findings are a verdict, not a fault: a bridge is what it is.
        fine = (0, 1) if step == "verify" else (0,)
        took, peak, printed[step] = timed(*arguments, fine=fine)
        if step == "import":
            ask_for_a_policy(inventory)
        figures[f"{step}_s"] = round(took, 2)
        peaks.append(peak)
        print(f"{step:8} {took:6.2f} s {peak:6.0f} MB")
    plan, verdict = json.loads(printed["plan"]), json.loads(printed["verify"])
    figures |= {
        "total_s": round(sum(figures[f"{step}_s"] for step in steps), 2),
        "peak_mb": round(max(peaks)),
        "routers": len(plan["routers"]),
        "clouds": sum(host["kind"] == "cloud" for host in plan["hosts"].values()),
        "payloads": len(list(payloads.glob("*.xml"))),
        "policies": {
            check["id"]: f"{check['status']}: {check['reason']}"
            for check in verdict["checks"]
            if check["id"].startswith("policy-")
        },
    }
    return figures


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else KDL
    clouds = sys.argv[2] if len(sys.argv) > 2 else "8"
    if not file.exists():
        print(json.dumps({"bench": "kdl", "not_measured": f"there is no {file.name} at hand"}))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(file, clouds, Path(folder))))


if __name__ == "__main__":
    main()
