"""Broken BIFT documents and exactly what is said of them.

A case is tests/bift_errors/<case>.yaml (or .json) and the text in <case>.txt beside it.
`LLMSYNC_UPDATE_GOLDEN=1 pytest tests/test_bier_document_errors.py` rewrites the expectations: read
the difference before you keep it.
"""

from __future__ import annotations

import copy
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bier_document_text import FULL
from test_bier_follow import DOCUMENT as FOLLOWING

from toolkit.bier.document import BiftFileError, read_program
from toolkit.cli.bier_file import load_program
from toolkit.errors import ExitCode

HERE = Path(__file__).parent
CASES = sorted(p for p in (HERE / "bift_errors").iterdir() if p.suffix in (".yaml", ".json"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_is_said_as_written_down(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(BiftFileError) as caught:
        load_program(case.relative_to(HERE))
    assert caught.value.exit_code is ExitCode.INVALID
    expected, said = case.with_suffix(".txt"), f"{caught.value}\n"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1":
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 1 << 33), st.text(max_size=8), st.floats(),
    st.lists(st.integers(0, 70), max_size=3), st.dictionaries(st.text(max_size=5), st.integers()),
)  # fmt: skip


def places(value: Any, route: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to a value and to all that is in it."""
    found = [route]
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += places(value[key], (*route, key))
    return found


@given(st.sampled_from([FULL, FOLLOWING]), st.integers(0, 1000), WRONG)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_anywhere_is_read_or_refused(
    told: dict[str, Any], where: int, wrong: object
) -> None:
    """Nothing but BiftFileError; and its engine can be made of whatever is read."""
    document: Any = copy.deepcopy(told)
    routes = places(document)[1:]
    *parents, last = routes[where % len(routes)]
    inside = document
    for key in parents:
        inside = inside[key]
    inside[last] = wrong
    with suppress(BiftFileError):
        read_program(document).engine()


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("x.json", "x.yaml"):
        (folder / name).write_bytes(data)
        with suppress(BiftFileError):
            load_program(folder / name)


def test_the_cases_are_broken_and_the_full_document_is_not() -> None:
    assert len(CASES) >= 6
    read_program(copy.deepcopy(FULL))
    assert yaml.safe_load(CASES[0].read_text(encoding="utf-8"))
