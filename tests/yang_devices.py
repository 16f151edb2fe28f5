"""A router whose modules are newer than ours, to fetch from and to be refused by."""

from __future__ import annotations

from pathlib import Path

from toolkit.datafiles import data_folder
from toolkit.yang.modulefile import base_folders
from toolkit.yang.reference import REFERENCE_FEATURES, REFERENCE_MODULES
from toolkit.yang.schema import Schema

REVISION = "2027-01-01"


def newer(folder: Path, module: str, *changes: tuple[str, str]) -> Schema:
    """Return the reference platform with `module` of 2027-01-01, changed in these places."""
    text = (data_folder("yang") / f"{module}.yang").read_text()
    first = text.index("  revision ")
    text = f'{text[:first]}  revision {REVISION} {{\n    description "Next.";\n  }}\n{text[first:]}'
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    folder.mkdir(exist_ok=True)
    (folder / f"{module}@{REVISION}.yang").write_text(text)
    search = (folder, data_folder("yang"), *base_folders())
    return Schema(REFERENCE_MODULES, search, features=REFERENCE_FEATURES)
