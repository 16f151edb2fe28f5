"""Where the files that ship with the package lie: in the wheel, or in a source checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """Return a folder that ships: `yang`, `tests/vectors`, ...; installed copies come first."""
    installed = _HERE / "_data" / name
    return installed if installed.is_dir() else _HERE.parent / name
