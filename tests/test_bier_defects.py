"""The vectors can fail: every planted defect is found by at least one of them."""

from __future__ import annotations

from functools import cache

import pytest
from bier_cases import sample
from bier_defects import DEFECTS, Defect, plant

from toolkit.bier.conformance.judge import faults
from toolkit.bier.conformance.reference import ReferencePlane
from toolkit.bier.conformance.vector import Vector


@cache
def vectors() -> list[Vector]:
    return [case.vector() for case in sample()]


def found_by(defect: Defect) -> str:
    """Return the first vector that a defect fails; an exception is a failure too."""
    planted_where_programs_are_read = defect.function.startswith("toolkit.bier.bitstring:")
    known = [c.vector() for c in sample()] if planted_where_programs_are_read else vectors()
    for vector in known:
        try:
            if faults(ReferencePlane(), vector, times=1):
                return vector.name
        except Exception as error:  # noqa: BLE001 - a defect may do anything
            return f"{vector.name}: {type(error).__name__}"
    return ""


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_a_vector_finds_the_defect(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors()  # made while nothing is wrong yet
    plant(defect, monkeypatch)
    assert found_by(defect)


def test_without_a_defect_nothing_is_found() -> None:
    assert found_by(Defect("none", "", ())) == ""
