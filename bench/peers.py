"""Peers from the package index, each in an environment of its own, out of the way of ours."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent / "out" / "peers"


def environment(name: str, *requirements: str) -> Path:
    """Return the folder of programs of an environment with `requirements`, made where it lacks.

    Exits with the installer's words where they cannot be had.
    """
    folder = ROOT / name
    wanted = "\n".join(requirements)
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        print(f"# installing {' '.join(requirements)} into out/peers/{name}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, "install", "--quiet", *requirements], check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"bench: {' '.join(requirements)} cannot be installed: {done.stderr[-500:]}")
        stamp.write_text(wanted, "utf-8")
    return folder / "bin"
