"""Several objects at a time, and what that means for their order."""

from __future__ import annotations

import random

import pytest
from net import Net, Weather

from toolkit.delivery import track
from toolkit.delivery.model import Coding, Standing


def sequence(interleave: int, files: dict[str, bytes], seed: int = 1) -> list[int]:
    """TOIs of the data packets that are sent for the first time, each run once."""
    net = Net(files, ["fra", "lon"], seed=seed, weather=Weather(loss=0.02, delay=0.002),
              coding=Coding(symbol=64, block=8, parity=32), interleave=interleave)  # fmt: skip
    seen: list[int] = []
    poll = net.sender.poll

    def recorded(now: float, budget: int = 64) -> list[object]:
        out = poll(now, budget)
        for packet in out:
            first_time = packet.payload and not packet.repair and not packet.late
            if first_time and packet.toi > 2 and packet.toi % 2 and packet.toi not in seen[-1:]:
                seen.append(packet.toi)
        return list(out)

    net.sender.poll = recorded  # type: ignore[method-assign, assignment]
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 2
    assert all(net.sinks[n].placed == files for n in net.names)
    return seen


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "SEGMENT_SIZE", 2048)


FILES = {f"{i}.bin": random.Random(i).randbytes(8000) for i in range(5)}


@pytest.mark.usefixtures("small_segments")
def test_one_at_a_time_is_their_order() -> None:
    assert sequence(1, FILES) == [3, 5, 7, 9, 11]


@pytest.mark.usefixtures("small_segments")
def test_two_at_a_time_take_turns_and_the_first_files_come_first() -> None:
    seen = sequence(2, FILES)
    assert len(seen) > 12
    assert [toi for toi in seen if toi in (3, 5)] == seen[: len([t for t in seen if t in (3, 5)])]
    assert list(dict.fromkeys(seen)) == [3, 5, 7, 9, 11]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.usefixtures("small_segments")
def test_any_number_of_files_and_any_width_end_right(seed: int) -> None:
    chance = random.Random(seed)
    files = {
        f"{i}": chance.randbytes(chance.choice([0, 1, 64, 700, 5000, 9000]))
        for i in range(chance.randrange(1, 9))
    }
    sequence(chance.choice([1, 2, 3, 10]), files, seed)
