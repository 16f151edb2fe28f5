"""ARCHITECTURE.md names every package, and its layers are those that import-linter holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_package_has_its_row() -> None:
    rows = set(re.findall(r"^\| `(toolkit/[\w/]+)`", TEXT, re.MULTILINE))
    packages = {
        folder.parent.relative_to(ROOT).as_posix()
        for folder in (ROOT / "toolkit").glob("**/__init__.py")
    }
    inside = ("toolkit/yang/_bindings", "toolkit/yang/pyang_plugins")
    assert rows == {n for n in packages if n != "toolkit" and not n.startswith(inside)}


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        c["layers"] for c in contracts["tool"]["importlinter"]["contracts"] if c["id"] == "layers"
    )
    section = TEXT.split("## Direction")[1].split("Enforced by")[0]
    told = [line.strip().split("   ")[0] for line in section.splitlines() if line.strip()]
    assert told == [layer.replace("toolkit.", "") for layer in layers]
