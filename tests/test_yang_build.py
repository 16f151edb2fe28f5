"""The wheel: bindings are generated when it is built, and data files travel with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed: the wheel was not built")
pytest.importorskip("pyangbind", reason="pyangbind is not installed: the wheel was not built")

ROOT = Path(__file__).parent.parent
SOURCES = ("toolkit", "yang", "templates", "inventories/demo", "tests/vectors", "wireshark")
FILES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout: nothing generated in it."""
    if not (ROOT / "hatch_build.py").is_file():
        pytest.skip("not a source checkout: the wheel was not built")
    copy = tmp_path_factory.mktemp("checkout")
    for folder in SOURCES:
        ignore = shutil.ignore_patterns("__pycache__", "_bindings")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for file in FILES:
        shutil.copy(ROOT / file, copy / file)
    return copy


def build(source: Path, target: str) -> set[str]:
    """Build with this environment's hatchling and return the names inside."""
    out = source / "dist"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source, check=True, capture_output=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    (built,) = out.glob("*.whl" if target == "wheel" else "*.tar.gz")
    if target == "wheel":
        with zipfile.ZipFile(built) as wheel:
            return set(wheel.namelist())
    with tarfile.open(built) as sdist:
        return set(sdist.getnames())


def test_an_sdist_carries_the_hook_and_no_generated_code(source: Path) -> None:
    names = build(source, "sdist")
    assert any(name.endswith("/hatch_build.py") for name in names)
    assert any(name.endswith("/yang/llmsync-bier.yang") for name in names)
    assert not any("_bindings/" in name for name in names)


def test_a_wheel_carries_bindings_modules_and_templates(source: Path) -> None:
    names = build(source, "wheel")
    assert {
        "toolkit/yang/_bindings/__init__.py",
        "toolkit/yang/_bindings/reference.py",
        "toolkit/yang/pyang_plugins/prune.py",
        "toolkit/_data/yang/llmsync-bier.yang",
        "toolkit/_data/templates/isis/reference.j2",
        "toolkit/_data/inventories/demo/network.yaml",
        "toolkit/_data/tests/vectors/EXPORT.md",
        "toolkit/_data/tests/vectors/bier/header.json",
    } <= names
    assert not any(name.startswith(("tests/", "yang/", "templates/")) for name in names)
