"""Receivers that cannot keep up cost the others next to nothing, and get there at their own pace.

Times are of the jumping clock, so the share by which the others are slowed down is a fact of the
engines and not of this machine.
"""

from __future__ import annotations

import functools
import random

import pytest
from net import Weather
from net_slow import Host, SlowNet

from toolkit.delivery.model import Coding
from toolkit.delivery.progress import Cohort, SessionProgress

NAMES = ("fra", "lon", "nyc", "par")
RATE = 8_000_000
SIZE = 20_000_000
CODING = Coding(symbol=4000, block=5, parity=40)
SMALL_SEGMENTS = Coding(symbol=250, block=16, parity=60)
"""A megabyte each: a loss is reported soon."""
TENTH = RATE / 8 / 10


@functools.cache
def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def delivery(
    size: int = SIZE, coding: Coding = CODING, weather: Weather | None = None, **hosts: Host
) -> SlowNet:
    return SlowNet(
        {"weights": content(size)}, NAMES, coding=coding, rate=RATE, gather=0.1, hosts=hosts,
        weather=weather or Weather(delay=0.005),
    )  # fmt: skip


@functools.cache
def undisturbed(size: int = SIZE, coding: Coding = CODING) -> float:
    net = delivery(size, coding)
    net.run()
    return net.completed("fra")


def watched(net: SlowNet, every: float) -> list[SessionProgress]:
    """Run it; how it stood every so often."""
    seen: list[SessionProgress] = []

    def look() -> None:
        if not net.sender.finished:
            seen.append(net.sender.progress(net.now))
            net.at(net.now + every, look)

    net.at(every, look)
    net.run(limit=3000)
    for name in NAMES:
        assert net.sinks[name].placed == net.files
        assert max(net.sinks[name].writes.values()) == 1
    return seen


def cohorts(seen: list[SessionProgress], name: str) -> list[Cohort]:
    return [r.cohort for p in seen for r in p.receivers if r.receiver == name]


def test_one_at_a_tenth_of_the_rate_slows_the_others_by_less_than_2_percent() -> None:
    net = delivery(par=Host(reads=TENTH))
    seen = watched(net, 1.0)
    alone = undisturbed()
    for name in ("fra", "lon", "nyc"):
        assert net.completed(name) <= 1.02 * alone
    # It is never idle itself: blocks of the main stream first, then its own.
    assert net.completed("par") <= 1.05 * SIZE * 1.006 / TENTH
    assert set(cohorts(seen[2:20], "par")) == {Cohort.SLOW}
    whys = {r.why for p in seen[2:20] for r in p.receivers if r.receiver == "par"}
    assert all("Mbit/s and was waited for" in why for why in whys)
    assert set(cohorts(seen, "lon")) == {Cohort.MAIN}
    assert [r.counters.duplicates for r in net.receivers.values()] == [0] * 4
    # What came to it beside the main stream was not sent again.
    assert net.sent["par"] < 1.05 * SIZE / 4000


def test_among_many_it_is_found_as_soon() -> None:
    names = [f"r{i:02}" for i in range(24)]
    times = []
    for hosts in ({}, {"r17": Host(reads=TENTH)}):
        net = SlowNet(
            {"weights": content(SIZE)}, names, coding=Coding(symbol=8000, block=5, parity=40),
            rate=RATE, gather=0.1, hosts=hosts, weather=Weather(delay=0.005),
        )  # fmt: skip
        net.run(limit=3000)
        assert all(sink.placed == net.files for sink in net.sinks.values())
        times.append(max(net.completed(name) for name in names if name != "r17"))
    assert times[1] <= 1.02 * times[0]


def test_several_slow_ones_of_similar_pace_share_a_stream() -> None:
    net = delivery(nyc=Host(reads=0.11 * RATE / 8), par=Host(reads=0.1 * RATE / 8))
    watched(net, 1.0)
    assert max(net.completed("fra"), net.completed("lon")) <= 1.05 * undisturbed()
    packets = net.sender.tally.packets + net.sender.tally.repairs + net.sender.tally.late
    assert packets < 2.1 * SIZE / 4000, "what both lacked was sent twice"


def test_slow_ones_of_different_pace_do_not_wait_for_each_other() -> None:
    net = delivery(nyc=Host(reads=0.4 * RATE / 8), par=Host(reads=0.05 * RATE / 8))
    watched(net, 1.0)
    assert max(net.completed("fra"), net.completed("lon")) <= 1.05 * undisturbed()
    assert net.completed("nyc") <= 1.1 * SIZE * 1.006 / (0.4 * RATE / 8)
    assert net.completed("par") <= 1.1 * SIZE * 1.006 / (0.05 * RATE / 8)


def test_a_slow_one_that_becomes_fast_goes_with_the_others_again() -> None:
    size, coding = SIZE // 2, Coding(symbol=500, block=10, parity=40)
    host = Host(reads=TENTH)
    net = delivery(size, coding, par=host)
    net.at(3.0, lambda: setattr(host, "reads", 100 * RATE))
    seen = watched(net, 0.5)
    during = cohorts(seen, "par")
    assert Cohort.SLOW in during
    assert cohorts([p for p in seen if p.elapsed > 8.0], "par")[0] is Cohort.MAIN
    assert during[-1] is Cohort.MAIN
    # Half a second to notice it, and the segment during which it comes back.
    assert net.completed("fra") <= undisturbed(size, coding) + 0.5 + 2.5
    # What it missed in the meantime comes at the end, to it alone.
    assert net.completed("par") <= 2 * undisturbed(size, coding)


def test_a_thin_link_that_loses_what_is_too_much_is_slow_too() -> None:
    net = delivery(SIZE // 2, SMALL_SEGMENTS, par=Host(link=TENTH, socket=2**20))
    seen = watched(net, 1.0)
    assert net.completed("fra") <= 1.02 * undisturbed(SIZE // 2, SMALL_SEGMENTS)
    assert net.completed("par") <= 1.3 * SIZE / 2 * 1.22 / TENTH
    [why] = {r.why for p in seen[4:10] for r in p.receivers if r.receiver == "par"}
    assert why.startswith("it loses 9")


@pytest.mark.parametrize("outage", [0.05, 0.1])
def test_a_burst_of_losses_is_not_slowness(outage: float) -> None:
    size = SIZE // 8
    hosts = {"par": Host(outages=[(t / 2, t / 2 + outage) for t in range(2, 6)])}
    net = delivery(size, SMALL_SEGMENTS, **hosts)
    seen = watched(net, 0.1)
    assert set(cohorts(seen, "par")) == {Cohort.MAIN}
    assert hosts["par"].dropped > 100


def test_random_loss_at_one_is_not_slowness() -> None:
    size = SIZE // 8
    net = delivery(size, SMALL_SEGMENTS, weather=Weather(loss=0.1, delay=0.005))
    seen = watched(net, 0.1)
    assert {c for name in NAMES for c in cohorts(seen, name)} == {Cohort.MAIN}


def test_when_all_are_slow_the_sender_waits_and_nobody_is_set_apart() -> None:
    size = SIZE // 8
    net = delivery(size, par=Host(reads=TENTH), nyc=Host(reads=TENTH), lon=Host(reads=TENTH),
                   fra=Host(reads=TENTH))  # fmt: skip
    seen = watched(net, 0.5)
    assert {c for name in NAMES for c in cohorts(seen, name)} == {Cohort.MAIN}


def test_one_that_does_not_answer_is_set_apart_until_it_does() -> None:
    size = SIZE // 4
    net = delivery(size, SMALL_SEGMENTS, par=Host(outages=[(1.0, 2.0)]))
    seen = watched(net, 0.1)
    assert net.completed("fra") <= undisturbed(size, SMALL_SEGMENTS) + 0.35
    silent = [r.why for p in seen for r in p.receivers if r.receiver == "par" and r.why]
    assert "it does not answer" in silent
    assert cohorts(seen, "par")[-1] is Cohort.MAIN


@pytest.mark.parametrize("seed", range(4))
def test_with_loss_doubles_and_restarts_slow_ones_end_right(seed: int) -> None:
    chance = random.Random(seed)
    weather = Weather(loss=0.02, delay=0.005, jitter=0.01, double=0.01, corrupt=0.002)
    net = delivery(
        SIZE // 10, SMALL_SEGMENTS, weather,
        par=Host(reads=TENTH * chance.uniform(0.5, 3)), nyc=Host(reads=TENTH * 2),
    )  # fmt: skip
    net.seed = seed
    for name in ("par", "fra"):
        net.kill_and_restart(name, chance.uniform(0.5, 6.0), 0.2)
    watched(net, 1.0)


def test_without_addressing_a_slow_one_is_not_waited_for_either() -> None:
    net = delivery(SIZE // 2, par=Host(reads=TENTH))
    net.targeted = False
    net.__post_init__()
    watched(net, 1.0)
    for name in ("fra", "lon", "nyc"):
        assert net.completed(name) <= 1.04 * undisturbed(SIZE // 2)
