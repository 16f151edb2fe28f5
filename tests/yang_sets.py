"""Standard and vendor YANG modules as test data: the folder `shared/yang` beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

_BESIDE = [folder / "shared" / "yang" for folder in Path(__file__).parents[2:4]]
SHARED = next((folder for folder in _BESIDE if folder.is_dir()), _BESIDE[0])
"""Beside the project, or one folder further up, as for a work tree of git."""
_NAMES = ("ietf", "nokia/types", "nokia/conf", "nokia/standin", "junos", "huawei")
FOLDERS = tuple(SHARED / name for name in _NAMES if (SHARED / name).is_dir())
"""In these, each module stands once (nokia has two main modules of one name)."""
EXAMPLES = SHARED / "examples"

needs_modules = pytest.mark.skipif(
    len(FOLDERS) < len(_NAMES), reason="the YANG modules of vendors are not beside the project"
)
