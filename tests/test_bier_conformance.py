"""Every vector on the reference plane, each frame sent twice, and what the vectors cover."""

from __future__ import annotations

from collections import Counter

import pytest
from bier_cases import sample, stems
from bier_counts import note

from toolkit.bier.conformance.expansion import max_si
from toolkit.bier.conformance.judge import faults, lacking
from toolkit.bier.conformance.plane import Need
from toolkit.bier.conformance.reference import ReferencePlane
from toolkit.bier.conformance.vector import Receive, document, read_vector
from toolkit.bier.reason import Reason
from toolkit.cli.vector_files import all_cases, files

STEMS = stems()


@pytest.mark.parametrize("stem", STEMS)
def test_the_reference_plane_passes(stem: str, record_property: object) -> None:
    note(record_property, "reference", ["" for _case in STEMS[stem]])
    for case in STEMS[stem]:
        vector, plane = case.vector(), ReferencePlane()
        assert not lacking(plane, vector)
        assert faults(plane, vector) == [], case.name


def test_names_are_unique_and_every_vector_says_what_it_is_from() -> None:
    names = Counter(f"{case.group}/{case.name}" for case in all_cases())
    assert [name for name, count in names.items() if count > 1] == []
    for _group, content in files():
        for vector in content["vectors"]:
            assert vector["meaning"]
            assert vector["source"]


def test_all_lengths_encapsulations_and_sets_are_covered() -> None:
    axes = {case.name.partition("/")[2] for case in all_cases()}
    for bits in (64, 128, 256, 512, 1024, 2048, 4096):
        for encapsulation in ("mpls", "non-mpls"):
            for si in ("0", "1", "max"):
                assert f"bsl-{bits}/{encapsulation}/si-{si}" in axes


def test_the_largest_set_ends_within_the_bfr_ids() -> None:
    assert [max_si(32 << code) for code in range(1, 8)] == [255, 255, 254, 126, 62, 30, 14]


def test_every_reason_and_every_need_has_a_vector() -> None:
    reasons: set[str] = set()
    needs: set[Need] = set()
    for case in sample():
        vector = case.vector()
        needs |= vector.needs
        for step in vector.steps:
            if isinstance(step, Receive):
                reasons |= step.dropped.keys()
    assert set(Reason) - reasons == set()
    lengths = {need for need in Need if need.startswith("bsl-")}  # every vector is over these
    many = {Need.NEIGHBORS_256, Need.FANOUT_64}
    assert set(Need) - needs - lengths == many
    [long] = [c for c in all_cases() if c.name == "one-copy-for-each-bit/bsl-512/mpls/si-0"]
    assert many <= long.vector().needs


@pytest.mark.parametrize("stem", STEMS)
def test_what_is_exported_is_read_back_the_same(stem: str) -> None:
    vector = min(STEMS[stem], key=lambda case: len(case.name)).vector()
    written = document(vector)
    again = read_vector(written, "again")
    assert document(again) == written
    assert again.needs == vector.needs
    assert faults(ReferencePlane(), again, times=1) == []
