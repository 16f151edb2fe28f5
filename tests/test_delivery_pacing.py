"""The rate that comes of pacing, on clocks that jump: exact, bounded bursts, honest drift."""

from __future__ import annotations

import random

import pytest

from toolkit.delivery.burst import MAX_BURST
from toolkit.delivery.pacing import CATCH_UP, QUANTUM, Pacer

UPTIME = 86400.0 * 365
"""A clock that has run for a year: a float then tells 4 ns apart at best."""
RATES = (100_000, 1_000_000, 10_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000)


def run(
    pacer: Pacer,
    start: float,
    packets: int,
    size: int,
    late: random.Random | None = None,
    latest: float = 0.002,
) -> list[tuple[float, int]]:
    """Drive a pacer as a runtime does; return (time, bytes) of every burst."""
    now, sent, bursts = start, 0, []
    while sent < packets:
        until = pacer.until(now)
        here = 0
        while pacer.next <= until and sent < packets:
            count = min(pacer.fits(size), packets - sent)
            pacer.spend(count * size)
            here += count * size
            sent += count
        if here:
            bursts.append((now, here))
        now = max(now, pacer.next)
        if late is not None:
            now += late.random() * latest
    pacer.until(now)
    return bursts


@pytest.mark.parametrize("size", [1400, 8800])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("late", [False, True])
def test_the_long_run_rate_is_right_to_a_thousandth(rate: int, size: int, late: bool) -> None:
    seconds = max(3000 * size * 8 / rate, 3.0 if late else 1.0)
    packets = int(seconds * rate / 8 / size)
    pacer = Pacer(rate)
    bursts = run(pacer, UPTIME, packets, size, random.Random(rate) if late else None)
    elapsed = bursts[-1][0] - bursts[0][0]
    before_last = sum(b for _, b in bursts[:-1])
    # A burst is at most QUANTUM and the lateness that is caught up away from its time.
    slack = (QUANTUM + 0.002 + size * 8 / rate) / elapsed if late else QUANTUM / elapsed
    assert before_last * 8 / elapsed == pytest.approx(rate, rel=max(0.001, slack))
    booked = packets * size * 8 / rate
    assert pacer.next - UPTIME == pytest.approx(booked, rel=1e-6, abs=1e-7)
    assert pacer.pace().drift == pytest.approx(0.0, abs=max(0.001, slack))
    assert pacer.pace().behind == 0.0


def test_rounding_does_not_add_up_at_100_gigabits_after_a_year() -> None:
    # 1400 bytes take 112 ns there and the clock has steps of 4 ns: seconds added up packet by
    # packet come out wrong by more than a thousandth.
    rate, size, packets = 100_000_000_000, 1400, 300_000
    pacer = Pacer(rate)
    pacer.until(UPTIME)
    start = pacer.next
    naive = start
    for _ in range(packets):
        pacer.spend(size)
        naive += size * 8 / rate
    true = packets * size * 8 / rate
    assert abs(naive - start - true) / true > 0.001
    assert abs(pacer.next - start - true) / true < 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_no_stretch_of_time_has_more_than_the_bound(seed: int) -> None:
    chance = random.Random(seed)
    rate, size = chance.choice(RATES[1:5]), chance.choice([1400, 8800])
    bursts = run(Pacer(rate), 1000.0, 4000, size, chance, latest=chance.choice([0.001, 0.02]))
    times = [t for t, _ in bursts]
    total, sums = 0, [0]
    for _, size_here in bursts:
        total += size_here
        sums.append(total)
    one_burst = max(size, Pacer(rate).allowance)
    for i in range(0, len(bursts), max(1, len(bursts) // 40)):
        for j in range(i, len(bursts)):
            bound = rate * (times[j] - times[i] + QUANTUM + CATCH_UP) / 8 + one_burst
            assert sums[j + 1] - sums[i] <= bound + 1


def burst(rate: int, size: int) -> int:
    pacer = Pacer(rate)
    pacer.until(100.0)
    return pacer.fits(size)


def test_a_burst_is_half_a_millisecond_of_the_rate_or_64_packets_and_at_least_one() -> None:
    assert burst(100_000, 8800) == 1
    assert burst(100_000_000, 1400) == 5  # 4.5 are 0.5 ms: the last one ends after it
    assert burst(1_000_000_000, 1400) == 45
    assert burst(100_000_000_000, 1400) == MAX_BURST
    assert Pacer(1_000_000_000).allowance == 62_500


def test_a_runtime_that_was_very_late_catches_up_a_little_and_the_rest_is_drift() -> None:
    rate, size = 8_000_000, 1000  # a packet each millisecond
    pacer = Pacer(rate)
    run(pacer, 10.0, 1000, size)
    late = pacer.next + 0.105
    until, count = pacer.until(late), 0
    while pacer.next <= until:
        pacer.spend(size)
        count += 1
    assert count == 6  # five that were missed in CATCH_UP, and the one that is due
    assert pacer.pace().behind == pytest.approx(0.1)
    run(pacer, pacer.next, 900, size)
    pace = pacer.pace()
    assert pace.busy == pytest.approx(2.0, abs=0.01)
    assert pace.drift == pytest.approx(-0.05, abs=0.002)
    assert pace.achieved == pytest.approx(0.95 * rate, rel=0.002)


def test_waiting_for_something_to_send_is_not_drift_and_earns_no_burst() -> None:
    rate, size = 8_000_000, 1000
    pacer = Pacer(rate)
    run(pacer, 10.0, 1000, size)
    pacer.rest(pacer.next)
    resumed = pacer.next + 30.0
    until, count = pacer.until(resumed), 0
    while pacer.next <= until:
        pacer.spend(size)
        count += 1
    assert count == 1
    run(pacer, pacer.next, 1000, size)
    pace = pacer.pace()
    assert pace.busy == pytest.approx(2.0, abs=0.01)
    assert pace.drift == pytest.approx(0.0, abs=0.001)
    assert pace.behind == 0.0


def test_a_changed_rate_counts_from_then_on_and_drift_is_against_what_was_asked() -> None:
    pacer = Pacer(8_000_000)
    run(pacer, 10.0, 1000, 1000)
    pacer.change(4_000_000)
    assert (pacer.rate, pacer.allowance) == (4_000_000, 250)
    run(pacer, pacer.next, 500, 1000)
    pace = pacer.pace()
    assert pace.rate == 4_000_000
    assert pace.achieved == pytest.approx(6_000_000, rel=0.002)
    assert pace.drift == pytest.approx(0.0, abs=0.001)


def test_nothing_measured_is_said_as_nothing() -> None:
    pace = Pacer(1000).pace()
    assert (pace.achieved, pace.drift, pace.busy) == (0.0, 0.0, 0.0)
