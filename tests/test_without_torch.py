"""`make test` alone installs no torch: every test module must load without it, and say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_module_loads_without_torch() -> None:
    modules = [
        str(path.relative_to(HERE.parent))
        for path in sorted(HERE.glob("test_*.py"))
        if "torch" in path.read_text() and path.name != Path(__file__).name
    ]
    assert len(modules) > 20
    code = (
        "import sys\n"
        "for absent in ('torch', 'transformers', 'triton'):\n"
        "    sys.modules[absent] = None\n"
        "import pytest\n"
        "sys.exit(pytest.main(['-q', '--collect-only', '-n', '0', '-p', 'no:cacheprovider',\n"
        "                      *sys.argv[1:]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], cwd=HERE.parent, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
