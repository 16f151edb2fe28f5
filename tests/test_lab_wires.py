"""The event loop: time, order, capacity, loss and queues of a wire."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolkit.lab.wires import ETHERNET_HEADER, Emission, Network, Wire


@dataclass
class Recorder:
    """Keeps what arrives; sends what it is told to at its deadline."""

    sends: list[tuple[float, str, bytes]] = field(default_factory=list)
    got: list[tuple[float, str, bytes]] = field(default_factory=list)

    @property
    def deadline(self) -> float | None:
        return self.sends[0][0] if self.sends else None

    def receive(self, port: str, frame: bytes, now: float) -> Iterable[Emission]:
        self.got.append((now, port, frame))
        return ()

    def expire(self, now: float) -> Iterable[Emission]:
        due = [s for s in self.sends if s[0] <= now]
        self.sends = [s for s in self.sends if s[0] > now]
        return [(port, frame) for _, port, frame in due]


def pair(wire: Wire, sends: list[tuple[float, str, bytes]], seed: int = 1) -> Recorder:
    a, b = Recorder(sends), Recorder()
    network = Network({"a": a, "b": b}, {("a", "x"): wire}, random.Random(seed).random)
    network.arm("a")
    network.run(1e9, lambda: False)
    return b


def test_a_frame_takes_its_size_over_the_capacity_plus_the_delay() -> None:
    got = pair(Wire("b", "y", 8000, 0.5, 1500), [(1.0, "x", bytes(100))]).got
    assert got == [(1.0 + 0.1 + 0.5, "y", bytes(100))]


def test_frames_wait_for_each_other_and_keep_their_order() -> None:
    wire = Wire("b", "y", 8_000_000, 0.5, 1500)
    got = pair(wire, [(1.0, "x", bytes([n]) * 100) for n in range(3)]).got
    assert [round(t, 6) for t, _, _ in got] == [1.5001, 1.5002, 1.5003]
    assert [frame[0] for _, _, frame in got] == [0, 1, 2]
    assert (wire.frames, wire.bytes) == (3, 300)


def test_a_wire_drops_what_is_larger_than_its_mtu_and_counts_it() -> None:
    wire = Wire("b", "y", 8000, 0.0, 100)
    fits, too_large = bytes(100 + ETHERNET_HEADER), bytes(101 + ETHERNET_HEADER)
    assert [f for _, _, f in pair(wire, [(0.0, "x", fits), (1.0, "x", too_large)]).got] == [fits]
    assert wire.oversized == 1


def test_a_full_queue_drops_the_tail() -> None:
    wire = Wire("b", "y", 8000, 0.0, 1500)
    got = pair(wire, [(0.0, "x", bytes(100))] * 5).got
    assert len(got) + wire.overflowed == 5
    assert wire.overflowed == 3  # 0.1 s of queue at 0.1 s a frame


def test_loss_is_the_seeds_and_nobody_elses() -> None:
    def survivors(seed: int) -> list[int]:
        wire = Wire("b", "y", 10**9, 0.0, 1500, loss=0.3)
        sends = [(float(n), "x", n.to_bytes(2, "big")) for n in range(400)]
        got = pair(wire, sends, seed).got
        assert len(got) + wire.lost == 400
        return [int.from_bytes(f, "big") for _, _, f in got]

    assert survivors(7) == survivors(7)
    assert survivors(7) != survivors(8)
    assert 230 < len(survivors(7)) < 330


def test_a_wire_that_is_down_carries_nothing() -> None:
    assert pair(Wire("b", "y", 8000, 0.0, 1500, up=False), [(0.0, "x", b"f")]).got == []


def test_calls_happen_at_their_time_and_the_clock_stops_where_it_is_told() -> None:
    network = Network({}, {}, random.Random(1).random)
    seen: list[float] = []
    for time in (3.0, 1.0, 9.0):
        network.at(time, seen.append)
    network.run(5.0, lambda: False)
    assert (seen, network.now) == ([1.0, 3.0], 5.0)


def test_an_overdue_deadline_is_now_and_never_earlier() -> None:
    late = Recorder([(1.0, "x", b"overdue")])
    network = Network(
        {"a": late, "b": (b := Recorder())},
        {("a", "x"): Wire("b", "y", 8000, 0.0, 1500)},
        random.Random(1).random,
    )
    network.at(5.0, lambda _now: network.arm("a"))
    network.run(1e9, lambda: False)
    assert [round(t, 3) for t, _, _ in b.got] == [5.007]
