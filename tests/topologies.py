"""Where topology files come from: a few of our own, and the Zoo's beside the project.

The Zoo's files are not ours to ship; tests that read them say so when they are not there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ZOO = HERE.parent.parent / "shared" / "topologies"
OWN = HERE / "imports"
NAMES = ("Cernet", "Chinanet", "Colt", "Geant2012", "Kdl", "UsCarrier")


def zoo(name: str) -> Path:
    """Return the path of a Zoo file; skip the test where the folder is not there."""
    found = next(
        (p / "shared/topologies" for p in HERE.parents if (p / "shared/topologies").is_dir()), ZOO
    )
    path = found / f"{name}.gml"
    if not path.is_file():
        pytest.skip(f"no Internet Topology Zoo beside the project: {path.name} is in ../shared")
    return path
