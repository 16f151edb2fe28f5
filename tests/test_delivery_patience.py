"""How soon and how often the two ends repeat themselves, and how long they wait for each other."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from net import KEY, TRUSTED, MemorySink, MemorySource, Net, Weather

from toolkit.delivery import control, events
from toolkit.delivery.control import Done, Have, Join
from toolkit.delivery.ending import LAST_WORDS
from toolkit.delivery.model import Coding, Session, Standing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender

CODING = Coding(symbol=64, block=8, parity=32)
FILES = {"a.bin": random.Random(1).randbytes(5000), "b.bin": b"short"}
TIMEOUT = 30.0
"""The default of `send` and `receive`."""
ENOUGH = math.ceil(math.log(1e-4) / math.log(1 - 0.7**2))
"""Questions of which, at 30 % loss each way, one is answered but for one time in 10,000."""


def receiver(sink: MemorySink | None = None) -> Receiver:
    return Receiver(
        "fra", sink or MemorySink(FILES), trusted=TRUSTED, incarnation=1, chance=lambda: 0.99,
        timeout=TIMEOUT,
    )  # fmt: skip


def sender() -> Sender:
    session = Session(name="m", tsi=7, key=KEY, gather=0.0, timeout=TIMEOUT)
    return Sender(session, MemorySource(FILES, CODING), ["fra"])


def said(outputs: list[events.ReceiverOutput]) -> list[object]:
    return [control.parse(o.message).body for o in outputs if isinstance(o, events.Feedback)]


def alone(engine: Receiver, now: float, until: float = math.inf) -> list[tuple[float, object]]:
    """What a receiver says, and when, while nothing reaches it."""
    spoken: list[tuple[float, object]] = []
    while engine.deadline is not None and engine.deadline < until:
        now = max(now, engine.deadline)
        spoken += [(now, body) for body in said(engine.expire(now))]
    return spoken


def together(engine: Receiver, source: Sender, packets: int) -> float:
    """Let both talk until so many packets are sent, or all has come; return the time."""
    now, sent = 0.0, 0
    outputs = engine.expire(now)
    while sent < packets and not any(isinstance(o, events.Completed) for o in outputs):
        for output in outputs:
            if isinstance(output, events.Feedback):
                source.receive("fra", output.message, now)
        now, outputs = now + 0.01, []
        for packet in source.poll(now, packets - sent):
            sent += 1
            outputs += engine.receive(packet.header + packet.payload, now)
        outputs += engine.expire(now)
    return now


@pytest.mark.parametrize("seed", range(12))
def test_at_30_percent_loss_both_ways_all_complete(seed: int) -> None:
    names = [f"r{i}" for i in range(6)]
    files = {"a": random.Random(seed).randbytes(20_000), "b": b"b" * 700}
    net = Net(files, names, seed=seed, weather=Weather(loss=0.3, delay=0.02), timeout=TIMEOUT)
    net.run()
    for result in net.sender.results():
        assert result.standing is Standing.COMPLETE, result
        assert net.sinks[result.receiver].placed == files
    assert net.now < TIMEOUT


def test_a_join_that_was_lost_is_soon_repeated_and_then_ever_more_rarely() -> None:
    joins = [now for now, body in alone(receiver(), 0.0, TIMEOUT) if isinstance(body, Join)]
    assert joins[1] < 0.13
    waits = [b - a for a, b in itertools.pairwise(joins)]
    assert [round(w, 2) for w in waits] == sorted(round(w, 2) for w in waits)
    assert max(waits) < 2.5
    assert ENOUGH <= len(joins) < 20


def test_a_receiver_whose_fdt_was_lost_has_it_long_before_a_timer_fires() -> None:
    first = sender()
    engine = receiver()
    first.poll(0.0)
    [join] = [o for o in engine.expire(0.0) if isinstance(o, events.Feedback)]
    first.receive("fra", join.message, 0.01)
    lost = first.poll(0.01)
    assert any(p.payload for p in lost)
    now = engine.deadline or 0.0
    [join] = [o for o in engine.expire(now) if isinstance(o, events.Feedback)]
    first.receive("fra", join.message, now)
    polls = [p for p in first.poll(now) if not p.payload]
    assert polls
    assert now < 0.13
    outputs = [o for p in polls for o in engine.receive(p.header, now)]
    outputs += engine.expire(now + 0.01)
    for output in outputs:
        if isinstance(output, events.Feedback):
            first.receive("fra", output.message, now + 0.01)
    again = first.poll(now + 0.01)
    assert {p.toi for p in again if p.payload} == {p.toi for p in lost if p.payload}


@pytest.mark.parametrize("packets", [0, 2, 6, 40])
def test_a_receiver_asks_often_enough_before_it_gives_up(packets: int) -> None:
    engine = receiver()
    heard = together(engine, sender(), packets)
    questions = [
        now for now, body in alone(engine, heard, heard + TIMEOUT) if isinstance(body, Join | Have)
    ]
    assert len(questions) >= ENOUGH
    assert not engine.finished


@pytest.mark.parametrize("packets", [1, 6, 40])
def test_a_sender_asks_often_enough_before_it_gives_up(packets: int) -> None:
    source = sender()
    now = together(receiver(), source, packets)
    asked: dict[float, int] = {}
    while not source.finished:
        now = max(now, source.deadline or now)
        asked[now] = sum(not p.payload for p in source.poll(now))
    assert sum(map(bool, asked.values())) >= ENOUGH
    assert source.results()[0].standing is Standing.LOST


def test_the_last_word_is_repeated_until_it_cannot_have_been_lost() -> None:
    engine = receiver()
    source = sender()
    now = together(engine, source, 1000)
    spoken = [body for _, body in alone(engine, now) if isinstance(body, Done)]
    assert len(spoken) == LAST_WORDS - 1  # The first was said when the last block came.
    assert 0.3**LAST_WORDS < 1e-4 / 100
    assert engine.finished


@pytest.mark.parametrize("targeted", [True, False])
def test_a_hundred_that_join_at_once_do_not_storm(targeted: bool) -> None:
    names = [f"r{i}" for i in range(100)]
    weather = Weather(loss=0.05, delay=0.08)
    net = Net({"a": bytes(200)}, names, weather=weather, targeted=targeted, seed=3)
    net.run()
    assert {r.standing for r in net.sender.results()} == {Standing.COMPLETE}
    spoken = [[type(body) for body in said(net.outputs[name])] for name in names]
    joins = [kinds.count(Join) for kinds in spoken]
    assert max(joins) <= 8
    assert sum(joins) < 4 * len(names)
    # Without addressing, every question goes to everybody and everybody answers.
    assert sum(map(len, spoken)) < (20 if targeted else 120) * len(names)


def test_both_times_of_a_receiver_are_of_the_senders_clock() -> None:
    net = Net(FILES, ["fra"], rate=300_000)
    net.kill_and_restart("fra", 0.15, 3.0)
    net.run()
    [result] = net.sender.results()
    assert result.joined is not None
    assert result.completed is not None
    assert result.receipt is not None
    assert result.receipt.verified < 3.0 < result.joined < result.completed


@pytest.mark.parametrize("rate", [64_000, 1_000_000])
@pytest.mark.parametrize("targeted", [True, False])
def test_a_slow_sender_asks_for_signs_of_life_before_it_gives_anybody_up(
    rate: int, targeted: bool
) -> None:
    # 600 kB at 64 kbit/s: 75 s for one segment, and a receiver may be silent for 30 s.
    files = {"slow.bin": random.Random(2).randbytes(600_000)}
    coding = Coding(symbol=1000, block=200, parity=32)
    net = Net(files, ["fra", "par"], coding=coding, rate=rate, targeted=targeted, timeout=TIMEOUT)
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 2
    assert net.sender.tally.repairs == 0
