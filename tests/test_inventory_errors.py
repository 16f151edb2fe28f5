"""Broken inventories and exactly what is said of them.

A case is tests/errors/<case>.yaml, or a folder of files, and the text in <case>.txt beside it.
`LLMSYNC_UPDATE_GOLDEN=1 pytest tests/test_inventory_errors.py` rewrites the expectations: read the
difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.errors import ExitCode, InventoryError
from toolkit.inventory.load import load_inventory

HERE = Path(__file__).parent
CASES = sorted(p for p in (HERE / "errors").iterdir() if p.is_dir() or p.suffix == ".yaml")
UPDATE = os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1"


def said_of(case: Path) -> str:
    with pytest.raises(InventoryError) as caught:
        load_inventory(case.relative_to(HERE))
    assert caught.value.exit_code is ExitCode.INVALID
    return f"{caught.value}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_is_said_as_written_down(case, monkeypatch):
    monkeypatch.chdir(HERE)
    expected = case.with_suffix(".txt")
    said = said_of(case)
    if UPDATE:
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_the_cases_are_many_and_each_has_its_text():
    assert len(CASES) >= 30
    texts = {p.stem for p in (HERE / "errors").glob("*.txt")}
    assert texts == {case.stem for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_no_secret_is_ever_repeated(case, monkeypatch):
    monkeypatch.chdir(HERE)
    said = said_of(case)
    assert "hunter2" not in said
    assert "31337" not in said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_stands_at_a_line_of_its_file(case, monkeypatch):
    monkeypatch.chdir(HERE)
    with pytest.raises(InventoryError) as caught:
        load_inventory(case.relative_to(HERE))
    problems = caught.value.problems
    places = [(p.place.file, p.place.line) for p in problems]
    assert places == sorted(places)
    assert len(set(problems)) == len(problems)
    for file, line in places:
        named = HERE / file
        assert named.is_file() or (named.is_dir() and line == 0)
        if named.is_file():
            assert 1 <= line <= named.read_bytes().count(b"\n") + 1
