"""A batch that lands in place is worth what its datagrams are worth one by one."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Sequence

import numpy as np
import pytest
from net import TRUSTED, MemorySink, Net, Weather

from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.landing import HEADER, MAX_BATCH
from toolkit.delivery.memory import Slabs, anonymous
from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver


def arrive(receiver: Receiver, datagrams: Sequence[bytes], now: float) -> list[ReceiverOutput]:
    """What a kernel and a runtime do: payloads to their spots, then the batch."""
    out: list[ReceiverOutput] = []
    rest = list(datagrams)
    while rest:
        landing = receiver.landing()
        if landing is None:
            out += receiver.receive(rest.pop(0), now)
            continue
        batch, rest = rest[:MAX_BATCH], rest[MAX_BATCH:]
        spots = landing.spots(MAX_BATCH)
        headers = np.zeros((len(batch), HEADER), np.uint8)
        for i, datagram in enumerate(batch):
            head, payload = datagram[:HEADER], datagram[HEADER:][: landing.symbol]
            headers[i, : len(head)] = np.frombuffer(head, np.uint8)
            if payload:
                ctypes.memmove(int(spots[i]), payload, len(payload))
        sizes = np.array([len(d) for d in batch], np.uint32)
        out += receiver.landed(headers, sizes, now)
    return out


class Mirrored(Net):
    """A network in which fra gets its packets in batches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.waiting: list[bytes] = []
        self.batches: list[int] = []

    def _arrive(self, name: str, datagram: bytes) -> None:
        if name != "fra":
            super()._arrive(name, datagram)
            return
        if not self.waiting:
            self.at(self.now + self.random.choice([0, 0.0005, 0.002]), self._land)
        self.waiting.append(datagram)
        self.delivered[name] += len(datagram) > 40

    def _land(self) -> None:
        batch, self.waiting = self.waiting, []
        receiver = self.receivers.get("fra")
        if receiver is not None:
            self.batches.append(len(batch))
            self._handle("fra", arrive(receiver, batch, self.now))


def files(seed: int) -> dict[str, bytes]:
    chance = random.Random(seed)
    sizes = (0, 1, 64, 65, 511, 512, 513, 9000, 30_000, 70_001)
    return {f"f{i}.bin": chance.randbytes(chance.choice(sizes)) for i in range(4)}


@pytest.mark.parametrize("seed", range(60))
def test_batches_over_bad_networks_end_right(seed: int) -> None:
    chance = random.Random(seed)
    block = chance.choice([3, 8, 100])
    weather = Weather(
        loss=chance.choice([0, 0.01, 0.1]), delay=0.003, jitter=chance.choice([0, 0, 0.004]),
        double=chance.choice([0, 0.1]), corrupt=chance.choice([0, 0, 0.02]) if block > 3 else 0,
    )  # fmt: skip
    coding = Coding(symbol=64, block=block, parity=32)
    net = Mirrored(files(seed), ["fra", "lon"], seed=seed, weather=weather, coding=coding)
    net.run()
    for name in net.names:
        assert net.sinks[name].placed == net.files
        assert max(net.sinks[name].writes.values(), default=1) == 1
    assert max(net.batches) > 1


def test_most_packets_of_an_undisturbed_stream_are_never_copied() -> None:
    coding = Coding(symbol=64, block=100, parity=32)
    net = Net({"a.bin": random.Random(1).randbytes(64 * 100 * 8)}, ["fra"], coding=coding)
    packets: list[bytes] = []
    poll = net.sender.poll
    net.sender.poll = lambda now, budget=64: [  # type: ignore[method-assign]
        p for p in poll(now, budget) if packets.append(bytes(p.header) + bytes(p.payload)) or True
    ]
    net.run()
    sink = MemorySink(net.files)
    receiver = Receiver("fra", sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5)
    receiver.expire(0.0)
    single = receiver.receive
    copied: list[bytes] = []

    def counted(datagram: bytes, now: float) -> list[ReceiverOutput]:
        copied.append(datagram)
        return single(datagram, now)

    receiver.receive = counted  # type: ignore[method-assign]
    arrive(receiver, packets, 0.0)
    assert sink.placed == net.files
    data = [p for p in packets if len(p) == HEADER + 64 and p[15] == 3]
    assert len(data) == 800
    assert len([p for p in copied if p in set(data)]) <= MAX_BATCH


def test_blocks_that_differ_by_a_symbol_take_one_another_s_place() -> None:
    """A file has blocks of two sizes: each must not have a window's memory of its own."""
    taken: list[int] = []
    slabs = Slabs(lambda size: (taken.append(size), anonymous(size))[1])
    sizes = [128 * 8776, 127 * 8776]
    first = [slabs.take(sizes[0]) for _ in range(20)]
    assert all(buffer.array.size == buffer.size == sizes[0] for buffer in first)
    before = sum(taken)
    assert before <= 20 * sizes[0] * 9 / 8 + 16 * 2**20
    for buffer in first:
        slabs.free(buffer)
    later = [slabs.take(sizes[1]) for _ in range(20)]
    assert sum(taken) == before
    assert {buffer.address for buffer in later} == {buffer.address for buffer in first}
    assert all(buffer.array.size == len(buffer.view) == sizes[1] for buffer in later)
