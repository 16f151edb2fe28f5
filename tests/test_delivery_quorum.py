"""Who must be there before it starts, who comes late, and who is let go by an operator."""

from __future__ import annotations

import random

import pytest
from net import KEY, Net, Weather

from toolkit.cli.cmd_send import parse_quorum
from toolkit.delivery import events
from toolkit.delivery.model import Session, Standing
from toolkit.errors import DeliveryError, UsageError

NAMES = ("fra", "lon", "nyc", "par")
FILES = {"weights": random.Random(1).randbytes(64 * 8 * 200)}
SYMBOLS = 8 * 200


def net(*, quorum: int = 1, **options: object) -> Net:
    made = Net(FILES, NAMES, weather=Weather(delay=0.001), **options)  # type: ignore[arg-type]
    session = Session(
        name="model", tsi=7, key=KEY, rate=made.rate, gather=made.gather, timeout=made.timeout,
        quorum=quorum,
    )  # fmt: skip
    made.sender = type(made.sender)(session, made.source, made.names)
    return made


def first_byte(made: Net, name: str) -> float:
    receipt = made.sender.results()[NAMES.index(name)].receipt
    assert receipt is not None
    return receipt.first_byte


def standings(made: Net) -> list[Standing]:
    return [r.standing for r in made.sender.results()]


def test_it_starts_when_the_quorum_is_ready_and_the_others_come_late() -> None:
    made = net(quorum=3, gather=0.0, rate=2_000_000, absent=["nyc", "par"])
    made.at(1.0, lambda: made.start("nyc"))
    made.at(1.3, lambda: made.start("par"))
    made.run()
    assert standings(made) == [Standing.COMPLETE] * 4
    assert 0.9 < first_byte(made, "fra") < 1.1
    assert [r.counters.duplicates for r in made.receivers.values()] == [0] * 4


def test_those_that_are_ready_wait_for_others_as_long_as_gather_says() -> None:
    made = net(quorum=2, gather=0.4, absent=["par"])
    made.run()
    assert standings(made) == [*[Standing.COMPLETE] * 3, Standing.ABSENT]
    assert 0.4 <= first_byte(made, "fra") < 0.5


def test_without_a_quorum_nothing_is_sent_and_all_are_told() -> None:
    made = net(quorum=3, timeout=5.0, absent=["nyc", "par"])
    made.run()
    assert isinstance(made.sender.failure, DeliveryError)
    assert "3 receivers must be ready" in str(made.sender.failure)
    assert "only 2 are; nothing was sent" in str(made.sender.failure)
    assert all(sink.placed is None and not sink.writes for sink in made.sinks.values())
    for name in ("fra", "lon"):
        assert sum(isinstance(o, events.Failed) for o in made.outputs[name]) == 1
    assert made.now < 8.0


@pytest.mark.parametrize("when", [0.2, 0.3, 0.45, 0.6])
def test_who_joins_late_costs_the_sender_the_blocks_that_it_missed(when: float) -> None:
    on_time = net(rate=2_000_000, gather=0.0)
    on_time.run()
    made = net(rate=2_000_000, gather=0.0, absent=["par"])
    made.at(when, lambda: made.start("par"))
    made.run()
    assert standings(made) == [Standing.COMPLETE] * 4
    assert all(max(sink.writes.values()) == 1 for sink in made.sinks.values())
    assert [r.counters.duplicates for r in made.receivers.values()] == [0] * 4
    alone = made.sent["par"]
    extra = made.sender.tally.packets + made.sender.tally.late - on_time.sender.tally.packets
    seen_by_others = made.sent["fra"]
    # What went to par and to nobody else is what was over before it came.
    missed = made.sender.tally.packets + made.sender.tally.late - seen_by_others
    assert extra == pytest.approx(missed, abs=0.01 * SYMBOLS)
    assert alone == pytest.approx(on_time.sent["par"], abs=0.01 * SYMBOLS)
    assert made.sender.tally.repairs == 0


def test_whom_an_operator_evicts_is_told_and_leaves_every_mask_at_once() -> None:
    made = net(rate=2_000_000, gather=0.0)
    seen: list[int] = []

    def evict() -> None:
        assert made.sender.evict("nyc", "maintenance")
        assert not made.sender.evict("nyc", "again")
        assert not made.sender.evict("mad", "unknown")
        seen.append(made.sent["nyc"])

    made.at(0.2, evict)
    made.run()
    complete = Standing.COMPLETE
    assert standings(made) == [complete, complete, Standing.FAILED, complete]
    assert made.sender.results()[2].reason == "maintenance"
    assert made.sent["nyc"] == seen[0]
    [failed] = [o for o in made.outputs["nyc"] if isinstance(o, events.Failed)]
    assert "closed the session" in failed.reason
    assert made.sinks["nyc"].placed is None
    assert made.sinks["nyc"].writes


def test_the_evicted_does_not_come_back_by_being_started_again() -> None:
    made = net(rate=2_000_000, gather=0.0)
    made.at(0.2, lambda: made.sender.evict("nyc", "maintenance"))
    made.at(0.25, lambda: made.kill("nyc"))
    made.at(0.26, lambda: made.start("nyc"))
    made.run()
    assert standings(made)[2] is Standing.FAILED
    assert made.sinks["nyc"].placed is None


def test_an_operator_who_aborts_ends_it_for_all_and_nothing_is_placed() -> None:
    made = net(rate=2_000_000, gather=0.0)
    made.at(0.3, lambda: made.sender.abort("the wrong model"))
    made.run()
    assert str(made.sender.failure) == "the wrong model"
    assert standings(made) == [Standing.FAILED] * 4
    for name in NAMES:
        assert made.sinks[name].placed is None
        assert any(isinstance(o, events.Failed) for o in made.outputs[name])
    made.sender.abort("again")
    assert str(made.sender.failure) == "the wrong model"


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), ("7", 7), ("1%", 1), ("50%", 4), ("51%", 4), ("100%", 7)]
)
def test_a_quorum_is_a_number_or_a_share(text: str, count: int) -> None:
    assert parse_quorum(text, 7) == count


@pytest.mark.parametrize("text", ["0", "8", "0%", "101%", "", "%", "two", "-1", "1.5"])
def test_what_is_no_quorum_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--quorum .*: not a number of receivers"):
        parse_quorum(text, 7)
