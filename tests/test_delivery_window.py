"""Little memory for blocks that are being received: slower, and never without end or beyond it."""

from __future__ import annotations

import random

import pytest
from net import TRUSTED, Net, Weather

from toolkit.delivery.assembly import Assembly, Verdict
from toolkit.delivery.buffers import STALE, Buffers
from toolkit.delivery.fec import Partition
from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver

BLOCK = 64 * 8
FILES = {"a.bin": random.Random(1).randbytes(25_000), "b.bin": random.Random(2).randbytes(9_000)}


class SmallNet(Net):
    """A network whose receivers have `memory` bytes, and what they had at most."""

    memory = 0
    peak = 0

    def start(self, name: str) -> None:
        self._starts += 1
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout, memory=self.memory,
        )  # fmt: skip

    def _arrive(self, name: str, datagram: bytes) -> None:
        super()._arrive(name, datagram)
        receiver = self.receivers.get(name)
        if receiver is not None and receiver.catalog is not None:
            self.peak = max(self.peak, receiver.catalog.buffers.used)


@pytest.mark.parametrize("seed", range(24))
def test_a_few_blocks_of_memory_are_enough_whatever_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    net = SmallNet(
        FILES, ["fra", "lon"], seed=seed, coding=Coding(symbol=64, block=8, parity=16),
        weather=Weather(
            loss=chance.choice([0, 0.02, 0.1, 0.2]), delay=0.005, jitter=chance.choice([0, 0.03]),
            double=chance.choice([0, 0.1]), corrupt=chance.choice([0, 0.01]),
        ),
        targeted=bool(seed % 2), rate=4_000_000, timeout=60.0,
    )  # fmt: skip
    net.memory = chance.choice([2, 3, 8, 30]) * BLOCK
    net.run()
    assert all(sink.placed == FILES for sink in net.sinks.values())
    # Lists of digests, which others wait for, may be beyond it.
    assert net.peak <= net.memory + 4 * BLOCK


def open_one(assembly: Assembly, sbn: int, esi: int = 0) -> Verdict:
    return assembly.add(sbn, 8, esi, bytes(64), 0)


def test_what_is_open_stays_and_what_others_wait_for_makes_room() -> None:
    buffers = Buffers(2 * BLOCK)
    data = Assembly(3, Partition(20 * BLOCK, 64, 8), buffers)
    listed = Assembly(2, Partition(4 * BLOCK, 64, 8), buffers)
    listed.awaits = lambda _: True
    assert [open_one(data, sbn) for sbn in range(4)] == [
        Verdict.TAKEN, Verdict.TAKEN, Verdict.NO_ROOM, Verdict.NO_ROOM
    ]  # fmt: skip
    assert data.land(2, 0, 3) == (Verdict.NO_ROOM, 0)
    assert buffers.evicted == 2
    assert data.lacks(0, 4) == bytes([7, 7, 254, 254])
    assert open_one(listed, 0) is Verdict.TAKEN
    assert list(data.blocks) == [0], "the newest makes room"
    for esi in range(1, 8):
        verdict = open_one(data, 0, esi)
    assert verdict is Verdict.WHOLE
    data.finish(0)
    assert open_one(data, 2) is Verdict.TAKEN
    assert data.lacks(2, 1) == b"\x07"


def test_a_block_that_nobody_sends_goes_in_the_end() -> None:
    """Somebody forged its first symbol, far ahead of what is sent."""
    buffers = Buffers(BLOCK)
    data = Assembly(3, Partition(9 * BLOCK, 64, 8), buffers)
    assert open_one(data, 8) is Verdict.TAKEN
    for _ in range(STALE):
        assert open_one(data, 0) is Verdict.NO_ROOM
    assert open_one(data, 8, 1) is Verdict.TAKEN, "it lives: it is given as long again"
    for _ in range(STALE):
        assert open_one(data, 0) is Verdict.NO_ROOM
    assert open_one(data, 0) is Verdict.TAKEN
    assert list(data.blocks) == [0]
