"""How long `llmsync --help` takes, beside a bare interpreter and `pip --help` in the same run.

Ends with one JSON line: seconds (minimum of the runs) and the ratios.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time


def fastest(command: list[str], runs: int = 7) -> float:
    """Return the shortest wall time of `command` in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    bare = fastest([sys.executable, "-c", "pass"])
    ours = fastest([sys.executable, "-m", "toolkit.cli", "--help"])
    pip = fastest([sys.executable, "-m", "pip", "--help"])
    print(json.dumps({
        "help_s": round(ours, 4), "bare_python_s": round(bare, 4), "pip_help_s": round(pip, 4),
        "ratio_to_bare": round(ours / bare, 2), "ratio_to_pip": round(ours / pip, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
