"""Quantities as people read them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.report.quantity import count, duration, factor, plural, rate, size, tick_labels, ticks


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (91_642_311, "91.6 MB"),
        (999_600, "1 MB"), (70_000_000_000, "70 GB"), (1.5e18, "1500 PB"), (None, "–"),
    ],
)  # fmt: skip
def test_sizes_are_decimal_with_three_digits(value, text) -> None:
    assert plain(size(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("inf"), "–"), (float("nan"), "–"), (0, "0 s"), (2e-7, "0.2 µs"),
        (0.0000421, "42.1 µs"), (0.0042, "4.2 ms"), (0.413, "413 ms"), (0.9999, "1 s"),
        (2.284, "2.28 s"), (61.26, "61.3 s"), (119.9, "120 s"), (125, "2 min 05 s"),
        (7_260, "2 h 01 min"), (-125, "−2 min 05 s"),
    ],
)  # fmt: skip
def test_durations_choose_their_unit(value, text) -> None:
    assert plain(duration(value)) == text


def test_rates_counts_factors_and_plurals() -> None:
    assert plain(rate(100_000_000_000)) == "100 Gbit/s"
    assert plain(count(10412)) == "10 412"
    assert count(None) == "–"
    assert [factor(557, 98), factor(12_000, 100), factor(1, 0), factor(0, 1)] == [
        "5.7×", "120×", "–", "–",
    ]  # fmt: skip
    assert factor(float("inf"), 1) == factor(1, float("nan")) == "–"
    assert [plain(plural(1, "router")), plain(plural(2, "copy", "copies"))] == [
        "1 router", "2 copies",
    ]  # fmt: skip


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_ticks_are_few_round_evenly_spaced_and_reach_the_end(highest) -> None:
    values = ticks(highest)
    assert values[0] == 0
    assert values[-1] >= highest * 0.999999
    assert 4 <= len(values) <= 9
    steps = [b - a for a, b in pairwise(values)]
    assert max(steps) == pytest.approx(min(steps))
    assert len(set(tick_labels(values))) == len(values)


@pytest.mark.parametrize("nothing", [0.0, -1.0, float("nan"), float("inf")])
def test_an_axis_without_a_figure_is_still_an_axis(nothing) -> None:
    assert ticks(nothing) == (0.0, 1.0)


def test_all_labels_of_an_axis_have_one_unit() -> None:
    assert [plain(t) for t in tick_labels((0.0, 0.25, 0.5))] == ["0", "250 ms", "500 ms"]
    assert [plain(t) for t in tick_labels((0.0, 2.5, 5.0))] == ["0", "2.5 s", "5 s"]
    assert [plain(t) for t in tick_labels((0.0, 300.0, 600.0))] == ["0", "5 min", "10 min"]
