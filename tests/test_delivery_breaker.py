"""The circuit breaker: congestion trips it, loss that parity is for and single receivers do not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from net import Net, Weather

from toolkit.delivery.breaker import Breaker, Limits, Reaction, Reading
from toolkit.delivery.model import Coding, Standing

NAMES = [f"r{i}" for i in range(5)]
FILES = {"weights": random.Random(1).randbytes(64 * 8 * 700)}
QUICK = Limits(interval=0.2, symbols=20)


class Bottleneck(Net):
    """What lies before all receivers carries so many bit/s and has a queue of 20 ms."""

    capacity: int = 1_000_000
    behind: Callable[[str], bool] = staticmethod(lambda name: True)

    def _arrive(self, name: str, datagram: bytes) -> None:
        if self.behind(name):
            free = self.__dict__.setdefault("free", {})
            start = max(free.get(name, 0.0), self.now)
            if start > self.now + 0.02:
                return
            free[name] = start + len(datagram) * 8 / self.capacity
        super()._arrive(name, datagram)


def network(cls: type[Net] = Bottleneck, **kwargs: object) -> Net:
    """At 4 Mbit/s of 88-byte packets, blocks of 8."""
    given: dict[str, object] = {
        "weather": Weather(delay=0.002), "rate": 4_000_000, "limits": QUICK, "window": 100_000,
        "coding": Coding(symbol=64, block=8, parity=32),
    }  # fmt: skip
    return cls(FILES, NAMES, **{**given, **kwargs})  # type: ignore[arg-type]


def test_a_congested_network_halves_the_rate_until_it_fits_and_all_complete() -> None:
    net = network()
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 5
    # Reports lag behind the rate: once more or twice is no harm, no more would be.
    assert 2 <= net.sender.trips <= QUICK.halvings
    assert 250_000 <= net.sender.pace.rate <= 1_000_000
    assert "5 of 5 receivers lost" in net.sender.notes[0]


def test_a_network_that_is_hopeless_ends_the_session_with_a_reason_and_a_remedy() -> None:
    net = network(limits=Limits(interval=0.2, symbols=20, halvings=1))
    net.capacity = 400_000  # type: ignore[attr-defined]
    net.run()
    assert net.sender.failure is not None
    said = str(net.sender.failure)
    assert "stopped by the circuit breaker at 2000000 bit/s" in said
    assert "lower --rate" in said
    assert {r.standing for r in net.sender.results()} == {Standing.FAILED}
    assert all(sink.placed is None for sink in net.sinks.values())
    assert all(sink.envelope is not None for sink in net.sinks.values()), "nothing kept to resume"


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1])
def test_random_loss_does_not_trip_it(loss: float) -> None:
    net = network(Net, weather=Weather(loss=loss, delay=0.002))
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 5
    assert (net.sender.trips, net.sender.pace.rate) == (0, 4_000_000)


@pytest.mark.parametrize("bad", [1, 3])
def test_bad_receivers_never_trip_it_while_another_is_well(bad: int) -> None:
    net = network()
    net.behind = lambda name: int(name[1:]) < bad  # type: ignore[attr-defined]
    net.capacity = 500_000  # type: ignore[attr-defined]
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 5
    assert (net.sender.trips, net.sender.pace.rate) == (0, 4_000_000)
    assert net.sender.results()[0].lost > 1000


def test_when_nobody_answers_no_more_data_is_sent_until_somebody_does() -> None:
    net = network(Net, rate=200_000, window=10**9, limits=Limits(silence=2.0), timeout=20.0)
    deaf = []
    net.at(1.0, lambda: deaf.append(1))
    net.at(9.0, deaf.clear)
    receive = net.sender.receive
    net.sender.receive = lambda *a: [] if deaf else receive(*a)  # type: ignore[method-assign]
    counts = {}
    for when in (4.5, 8.9):
        net.at(
            when,
            lambda t=when: counts.update({t: net.sender.tally.packets + net.sender.tally.repairs}),
        )
    net.run(limit=2000)
    assert counts[4.5] == counts[8.9], "data was sent although nobody answered"
    assert net.sender.trips >= 1
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 5


def readings(*lost: int, sent: int = 1000) -> list[Reading]:
    return [Reading(f"r{i}", sent, share) for i, share in enumerate(lost)]


def intervals(breaker: Breaker, *losses: tuple[int, ...]) -> list[Reaction]:
    """Judge at one-second intervals; in each, 1000 symbols were sent to each receiver."""
    found, total = [], [0] * len(losses[0])
    breaker.heard(0.0)
    for number, lost in enumerate(losses, 1):
        total = [a + b for a, b in zip(total, lost, strict=True)]
        breaker.heard(float(number))
        found.append(
            breaker.judge(float(number), readings(*total, sent=1000 * number), sending=True)
        )
    return found


def test_only_several_bad_intervals_in_a_row_count() -> None:
    bad, good = (300, 300), (10, 300)
    none, slow = Reaction.NONE, Reaction.SLOW_DOWN
    assert intervals(Breaker(Limits(), 30), bad, bad, bad) == [none, none, slow]
    assert intervals(Breaker(Limits(), 30), bad, bad, good, bad, bad) == [none] * 5


def test_after_so_many_halvings_it_ends() -> None:
    breaker = Breaker(Limits(intervals=1, halvings=2), 30)
    found = intervals(breaker, (500, 500), (500, 500), (500, 500))
    assert found == [Reaction.SLOW_DOWN, Reaction.SLOW_DOWN, Reaction.END]
    assert breaker.trips == 3


def test_one_receiver_alone_is_judged_by_its_silence_only() -> None:
    breaker = Breaker(Limits(intervals=1, halvings=2), 30)
    assert intervals(breaker, *[(900,)] * 6) == [Reaction.NONE] * 6
    assert breaker.judge(30.0, readings(6300, sent=7000), sending=True) is Reaction.NONE
    assert breaker.silent


def test_nine_of_ten_is_nearly_all_and_eight_is_not() -> None:
    nine, eight = (0, *[300] * 9), (0, 0, *[300] * 8)
    assert intervals(Breaker(Limits(intervals=1), 30), nine) == [Reaction.SLOW_DOWN]
    assert intervals(Breaker(Limits(intervals=1), 30), eight) == [Reaction.NONE]


def test_an_interval_lasts_until_enough_is_known() -> None:
    breaker = Breaker(Limits(intervals=1), 30)
    breaker.heard(0.0)
    for second in range(1, 5):  # 40 symbols a second: the third second is the first with 100
        breaker.heard(float(second))
        some = readings(20 * second, 20 * second, sent=40 * second)
        found = breaker.judge(float(second), some, sending=True)
        assert found is (Reaction.SLOW_DOWN if second == 3 else Reaction.NONE)


@pytest.mark.parametrize(
    "wrong", [{"excess": 0}, {"share": 2}, {"interval": 0}, {"intervals": 0}, {"halvings": -1}]
)
def test_limits_that_mean_nothing_cannot_be_made(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"excess and share|positive"):
        Limits(**wrong)  # type: ignore[arg-type]
