"""Reads the conformance vectors that ship with the package, or a folder of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.bier.conformance.expansion import Case, cases
from toolkit.datafiles import data_folder


def files(folder: Path | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (group, content) of every vector file, by name."""
    where = data_folder("tests/vectors") / "bier" if folder is None else folder
    for path in sorted(where.glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def all_cases(folder: Path | None = None) -> Iterator[Case]:
    """Yield every case of every file, in the order of the files."""
    for group, content in files(folder):
        yield from cases(content, group)
