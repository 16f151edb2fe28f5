"""Broken files to import, and exactly what is said of them.

A case is a file of tests/import_errors; what is said stands in <file>.txt beside it.
`LLMSYNC_UPDATE_GOLDEN=1 pytest tests/test_inventory_import_errors.py` rewrites that: read it before
you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.cli.main import main

HERE = Path(__file__).parent
CASES = sorted(p for p in (HERE / "import_errors").iterdir() if p.suffix != ".txt")
UPDATE = os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1"


def source_of(case: Path) -> str:
    if case.suffix == ".gml":
        return "gml"
    return "containerlab" if ".clab" in case.name else "ansible"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_problem_is_said_as_written_down(case, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(HERE)
    out = tmp_path / "out"
    file = str(case.relative_to(HERE))
    assert main(["inventory", "import", source_of(case), file, "--output", str(out)]) == 2
    printed, said = capsys.readouterr()
    expected = case.with_name(case.name + ".txt")
    if UPDATE:
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert printed == ""
    assert not out.exists()
    assert "hunter2" not in said
    assert "internal error" not in said


def test_the_cases_are_many_and_each_has_its_text():
    assert len(CASES) >= 20
    texts = {p.name for p in (HERE / "import_errors").glob("*.txt")}
    assert texts == {case.name + ".txt" for case in CASES}
