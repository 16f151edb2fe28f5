"""Standard and vendor YANG modules as test data: the folder `shared/yang` beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "yang"
_NAMES = ("ietf", "nokia/types", "nokia/conf", "nokia/standin", "junos", "huawei")
FOLDERS = tuple(SHARED / name for name in _NAMES if (SHARED / name).is_dir())
"""In these, each module stands once (nokia has two main modules of one name)."""
EXAMPLES = SHARED / "examples"

needs_modules = pytest.mark.skipif(
    len(FOLDERS) < len(_NAMES), reason="the YANG modules of vendors are not beside the project"
)
