"""Many receivers and long objects: what repairs cost, how soon it ends, how much is said about it.

The floors are those that cannot be undercut.  A sender must put out, for every block, its k source
symbols and as many more as the receiver that lost most of it lost; a receiver must be sent what it
lost.  Both are compared as they came about, and the sender's also with what is to be expected.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from fleet import AtTheRoot, Bursty, Fleet, Losses, Numbers
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, TRUSTED, MemorySink, MemorySource

from toolkit.delivery import control, wire
from toolkit.delivery.control import Report
from toolkit.delivery.events import Feedback
from toolkit.delivery.fec import Partition
from toolkit.delivery.foresight import Foresight
from toolkit.delivery.masks import bits, mask_of, numbers
from toolkit.delivery.model import Coding, Session, Standing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.schedule import Round
from toolkit.delivery.sender import Sender
from toolkit.delivery.track import SendObject, Track

RTT = 0.02
END = 2 * RTT + 0.05
"""Seconds after the last source symbol by which everybody has everything."""


def blocks(count: int, symbol: int = 1400) -> int:
    """Bytes of so many blocks."""
    return count * 128 * symbol


def expected(receivers: int, loss: float, k: int) -> float:
    """Symbols that a sender needs beyond k, as a part of k, with parity and ideal feedback: the
    maximum over the receivers of how many each loses until k have arrived (Pascal's law)."""
    total, arrived, at_most, chance = 0.0, 0, 0.0, (1 - loss) ** k
    while at_most < 1 - 1e-12:
        at_most = min(at_most + chance, 1.0)
        total += 1 - at_most**receivers
        arrived += 1
        chance *= loss * (k + arrived - 1) / arrived
    return total / k


@pytest.mark.parametrize(
    ("receivers", "loss", "percent"),
    [(10, 0.001, 0.52), (10, 0.01, 2.28), (30, 0.0001, 0.23), (30, 0.001, 0.73), (30, 0.01, 2.89),
     (30, 0.05, 9.86), (100, 0.001, 0.99), (100, 0.01, 3.59)],
)  # fmt: skip
def test_what_is_expected_is_less_than_rounds_that_send_all_that_is_lacking(
    receivers: int, loss: float, percent: float
) -> None:
    # `percent`: the table of an earlier study, in which every round sends its own maximum.
    chance, total = np.random.default_rng(1), 0
    for _ in range(2000):
        lacks = chance.binomial(200, loss, receivers)
        while lacks.any():
            total += int(lacks.max())
            lacks = chance.binomial(lacks, loss)
    assert total / 2000 / 2 == pytest.approx(percent, rel=0.04)
    assert 0.85 * percent < 100 * expected(receivers, loss, 200) < 1.01 * percent


def frugal(fleet: Fleet, allowed: float = 1.1) -> None:
    """Everybody has everything, and hardly more was sent than had to be."""
    assert all(r.complete for r in fleet.sender.results())
    assert fleet.sent - fleet.symbols >= fleet.floor
    assert fleet.sent - fleet.symbols <= allowed * fleet.floor + 2
    surplus = fleet.addressed - fleet.symbols
    assert (surplus >= fleet.lost).all()
    assert (surplus <= 1.1 * fleet.lost + 2).all()
    assert (surplus == fleet.lost + fleet.useless).all()
    spare = np.array([r.spare for r in fleet.sender.results()])
    assert (fleet.useless <= spare).all()


@pytest.mark.parametrize("loss", [0.0001, 0.001, 0.01, 0.05])
@pytest.mark.parametrize("receivers", [10, 30, 100])
def test_repairs_cost_what_they_must_and_the_end_is_soon(receivers: int, loss: float) -> None:
    fleet = Fleet(receivers, blocks(1000), Losses(loss, receivers), delay=RTT / 2)
    fleet.run()
    frugal(fleet)
    floor = expected(receivers, loss, 128)
    deviation = math.sqrt(floor * 128 * 1000) / 128_000  # Of 1,000 blocks, generously.
    assert fleet.surplus == pytest.approx(floor, rel=0.1, abs=4 * deviation)
    # At 5 % a poll of several copies, or a margin, fails now and then: that is one round more.
    assert fleet.tail <= (END if loss < 0.05 else END + RTT + 0.03)


def test_bursts_cost_no_more_than_what_they_lose() -> None:
    fleet = Fleet(30, blocks(600), Bursty(0.01, 3, 5.0, 30))
    fleet.run()
    frugal(fleet)


def test_what_is_lost_before_the_first_branch_is_repaired_once_for_all() -> None:
    fleet = Fleet(30, blocks(600), AtTheRoot(0.01, 5))
    fleet.run()
    frugal(fleet)
    assert fleet.surplus < 1.15 * 0.01 / 0.99


def test_without_addressing_everybody_is_sent_what_the_worst_needs() -> None:
    fleet = Fleet(30, blocks(300), Losses(0.01, 5), targeted=False)
    fleet.run()
    assert all(r.complete for r in fleet.sender.results())
    assert (fleet.addressed == fleet.sent).all()
    assert fleet.surplus < 1.35 * expected(30, 0.01, 128)


def test_a_thousand_receivers() -> None:
    fleet = Fleet(1000, blocks(400), Losses(0.01, 8), rate=200_000_000)
    fleet.run()
    frugal(fleet, allowed=1.15)
    assert fleet.surplus < 1.15 * expected(1000, 0.01, 128)
    # Hundreds of polls of a thousand answers each, and no millisecond has those of one.
    assert fleet.busiest < 1000


@pytest.mark.parametrize(
    "size",
    [
        10**11,
        pytest.param(10**12, marks=pytest.mark.soak),
        pytest.param(2 * 10**12 + 1, marks=pytest.mark.soak),
    ],
)
def test_a_terabyte_costs_the_sender_no_memory(size: int) -> None:
    coding = Coding(symbol=65_000, block=200, parity=55)
    fleet = Fleet(3, size, Losses(0.00001, 8), coding=coding, rate=100_000_000_000)
    open_at_once = 0

    def look() -> None:
        nonlocal open_at_once
        tracks = fleet.sender._ledger._tracks
        open_at_once = max(open_at_once, *(len(t.open) + len(t.runs) for t in tracks))
        if not fleet.sender.finished:
            fleet.at(fleet.now + 5.0, look)

    fleet.at(5.0, look)
    fleet.run()
    frugal(fleet)
    assert size <= fleet.sender.bytes_read <= 1.001 * size
    assert open_at_once < 100


def test_who_comes_late_costs_exactly_what_it_has_missed() -> None:
    fleet = Fleet(4, blocks(1000), Losses(0.0, 1), late={3: 1.4})
    fleet.run()
    assert all(r.complete for r in fleet.sender.results())
    assert (fleet.addressed == fleet.symbols).all()
    missed = fleet.sent - fleet.symbols
    assert missed == fleet.sender.tally.late
    assert fleet.sender.tally.repairs == 0
    sent_before = 0.4 / (8 * 1424 / 1e9)
    assert missed == pytest.approx(sent_before, abs=128 * 120)  # A segment more or less.


@pytest.mark.parametrize("when", [0.3, 0.3333, 0.4])
def test_who_leaves_in_the_middle_of_a_round_costs_the_others_nothing(when: float) -> None:
    fleet = Fleet(10, blocks(500), Losses(0.01, 4), leave={7: when}, timeout=5.0)
    fleet.run()
    stayed = [r for r in fleet.sender.results() if r.receiver != "r7"]
    assert all(r.complete for r in stayed)
    assert fleet.sender.results()[7].standing is Standing.LOST
    surplus = np.delete(fleet.addressed - fleet.symbols, 7)
    assert (surplus <= 1.1 * np.delete(fleet.lost, 7) + 2).all()
    assert np.delete(fleet.completed, 7).max() < 3.0
    # Repairs waited for it now and then, and were sent for the others alone in the end.
    assert fleet.sent - fleet.symbols < 1.3 * expected(10, 0.01, 128) * fleet.symbols


@pytest.mark.parametrize("symbol", [1400, 8776])
def test_what_64_receivers_say_is_a_thousandth_of_what_they_are_told(symbol: int) -> None:
    fleet = Fleet(64, blocks(500 if symbol < 2000 else 100, symbol), Losses(0.0, 1),
                  coding=Coding(symbol=symbol))  # fmt: skip
    fleet.run()
    assert fleet.message_bytes < 0.0015 * fleet.bytes_sent


@pytest.mark.parametrize("targeted", [True, False])
def test_256_receivers_do_not_all_speak_at_once(targeted: bool) -> None:
    fleet = Fleet(256, blocks(100), Losses(0.01, 9), targeted=targeted)
    fleet.run()
    assert all(r.complete for r in fleet.sender.results())
    rounds = fleet.messages / 256
    assert rounds < 50
    assert fleet.busiest < 400


class Given(Losses):
    """Loses as many as it is told."""

    lost = 0

    def of(self, which: Numbers, symbols: int) -> np.ndarray:  # type: ignore[type-arg]
        return np.full(len(which), self.lost)


@pytest.mark.parametrize("seed", range(3))
def test_the_fleet_answers_as_a_receiver_does(seed: int) -> None:
    chance = random.Random(seed)
    coding = Coding(symbol=64, block=8, parity=32)
    content = {"model": chance.randbytes(64 * 8 * 40)}
    source, sink = MemorySource(content, coding), MemorySink(content)
    sender = Sender(Session(name="m", tsi=7, key=KEY, gather=0.0), source, ["r0"])
    real = Receiver("r0", sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5)
    losses = Given(0.0, 1)
    fleet = Fleet(1, 64 * 8 * 40, losses, coding=coding)
    alone = np.array([0])
    now, compared, outputs = 0.0, 0, real.expire(0.0)
    while sink.placed is None:
        now += 0.01
        for output in outputs:
            if isinstance(output, Feedback):
                sender.receive("r0", output.message, now)
        outputs = []
        for burst in sender.bursts(now, 64):
            lost = 0
            for packet in burst.packets():
                if burst.symbols and burst.toi > 1 and chance.random() < 0.2:
                    lost += 1
                else:
                    outputs += real.receive(packet.header + bytes(packet.payload), now)
            if burst.symbols and burst.toi > 1:
                losses.lost = lost
                fleet._data(burst, alone)
            elif not burst.symbols and burst.toi > 1:
                poll = wire.parse(burst.prefix)[0].poll()
                assert poll is not None
                outputs += real.expire(now + 0.009)
                said = [control.parse(o.message).body for o in outputs if isinstance(o, Feedback)]
                answer = [b for b in said if isinstance(b, Report) and b.poll_id == poll.poll_id]
                lacks = fleet._lacks(burst.toi, poll.first, poll.count, alone)[0].tobytes()
                assert [a.lacks for a in answer[-1:]] in ([lacks], [])
                compared += len(answer)
        assert now < 10
    assert compared > 5
    assert fleet.completed[0] < math.inf


# ----- one round


@st.composite
def reports(draw: st.DrawFn) -> tuple[int, dict[int, bytes], bytes, int]:
    count = draw(st.integers(1, 6))
    receivers = draw(st.integers(1, 12))
    reported = draw(st.sets(st.integers(0, receivers - 1)))
    lacks = {b: draw(st.binary(min_size=count, max_size=count)) for b in reported}
    some = {b: bytes(v % 11 if v < 200 else 255 for v in lack) for b, lack in lacks.items()}
    used = draw(st.binary(min_size=count, max_size=count))
    return receivers, some, bytes(u % 33 for u in used), draw(st.integers(0, 2))


@given(reports())
def test_a_packet_goes_to_those_that_lack_what_it_brings(
    drawn: tuple[int, dict[int, bytes], bytes, int],
) -> None:
    receivers, lacks, used, rounds = drawn
    count, k, parity = len(used), 8, 32
    item = SendObject(3, Partition(count * k * 64, 64, k), bytes(16), 129)
    segment = Track(item, 0, boot=True, tapered=False).at(0)
    assert segment.count == count
    everybody = (1 << receivers) - 1
    segment.pending, segment.sent, segment.lacks = everybody, True, dict(lacks)
    segment.parity = bytearray(used)
    foresight = Foresight(receivers)
    foresight.rounds = rounds
    for bit in range(receivers):
        foresight.learn(bit, 1000, 50)
    turn = Round(segment, everybody, parity, foresight, addressed=True)
    sources = {(b, i): 0 for b in range(receivers) for i in range(count)}
    repairs = dict(sources)
    for burst in turn.bursts(lambda s, sbn: memoryview(bytes(k * 64))):
        for bit in bits(burst.mask):
            if burst.esi < k:
                sources[bit, burst.sbn] += burst.symbols
            else:
                assert burst.esi - k >= used[burst.sbn], "parity that was sent before"
                assert burst.esi - k + burst.symbols <= parity
                repairs[bit, burst.sbn] += burst.symbols
    for (bit, sbn), number in repairs.items():
        lack = lacks[bit][sbn] if bit in lacks else 255
        whole = lack >= k or lack > parity - used[sbn]
        assert sources[bit, sbn] == (k if whole else 0)
        if whole or not lack:
            assert number == 0
        elif rounds == 0:
            assert number >= lack
        elif rounds == 1:
            assert number == lack
        else:
            assert 1 <= number <= lack
    for bit in range(receivers):
        planned = sum(n for (b, _), n in (*sources.items(), *repairs.items()) if b == bit)
        assert turn.sent.of(bit) == planned


@given(st.integers(0, 2**300))
def test_masks_and_numbers_say_the_same(mask: int) -> None:
    assert numbers(mask).tolist() == list(bits(mask))
    flags = np.zeros(301, bool)
    flags[numbers(mask)] = True
    assert mask_of(flags) == mask
