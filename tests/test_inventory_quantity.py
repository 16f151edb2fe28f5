"""Rates, delays and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.inventory.quantity import (
    HIGHEST_RATE,
    LOWEST_RATE,
    format_delay,
    format_rate,
    parse_delay,
    parse_mtu,
    parse_rate,
)
from toolkit.inventory.refusal import Refusal


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("100G", 100_000_000_000),
        ("2Gbit/s", 2_000_000_000),
        ("2.5Gbps", 2_500_000_000),
        ("400 Gb/s", 400_000_000_000),
        ("64k", 64_000),
        ("64Kbit", 64_000),
        ("1T", 1_000_000_000_000),
        ("100000000", 100_000_000),
        (10_000_000, 10_000_000),
        (" 10M ", 10_000_000),
    ],
)
def test_a_rate_is_bits_per_second(written, rate):
    assert parse_rate(written) == rate


@pytest.mark.parametrize(
    "written",
    ["", "G", "10GB", "10GB/s", "10Gi", "10m", "10Gs", "1e9", "-1G", "١G", "0.0000000001T",
     "1.0000000001G", "63999", 63_999, 10**16, True, None, 2.5, ["10G"], "9" * 99],
)  # fmt: skip
def test_what_is_no_rate_is_refused(written):
    with pytest.raises(Refusal):
        parse_rate(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("4ms", 0.004), ("250us", 0.00025), ("250µs", 0.00025), ("250μs", 0.00025), ("1s", 1.0),
     ("1.5 ms", 0.0015), ("800ns", 8e-7), ("0ms", 0.0)],
)  # fmt: skip
def test_a_delay_has_a_unit(written, seconds):
    assert parse_delay(written) == seconds


@pytest.mark.parametrize(
    "written", ["4", 4, 0.5, "ms", "-1ms", "4MS", "3s", "1m", "", None, True, [], "1e3ms"]
)
def test_what_is_no_delay_is_refused(written):
    with pytest.raises(Refusal):
        parse_delay(written)


@pytest.mark.parametrize("written", [575, 65536, "1500", True, None, 1500.0, "9k"])
def test_an_mtu_is_a_whole_number_of_bytes(written):
    assert parse_mtu(576) == 576
    assert parse_mtu(65535) == 65535
    with pytest.raises(Refusal):
        parse_mtu(written)


@settings(derandomize=True)
@given(st.integers(LOWEST_RATE, HIGHEST_RATE))
def test_a_rate_is_read_back_as_it_was_shown(rate):
    assert parse_rate(format_rate(rate)) == rate


@settings(derandomize=True)
@given(st.integers(0, 2_000_000_000))
def test_a_delay_is_read_back_as_it_was_shown(nanoseconds):
    delay = nanoseconds / 1_000_000_000
    assert parse_delay(format_delay(delay)) == delay


def test_rates_and_delays_are_shown_short():
    assert [format_rate(r) for r in (100_000_000_000, 2_500_000, 64_000)] == ["100G", "2.5M", "64k"]
    assert [format_delay(d) for d in (0.004, 0.00025, 1.0, 0.0)] == ["4ms", "250us", "1s", "0ms"]
