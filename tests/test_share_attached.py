"""An agent's engine: blocks in any order, from the window and from files, and lies of its host."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, TRUSTED, MemorySink, MemorySource
from safetensors.numpy import save

from toolkit.delivery import events
from toolkit.delivery.manifest import UntrustedError, open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.safetensors import header_size
from toolkit.errors import DeliveryError, WireError
from toolkit.gpu.share import wire
from toolkit.gpu.share.attached import AHEAD, Attached

MODEL = save({f"layer{i}": np.arange(40, dtype=np.float32) + i for i in range(12)})
FILES = {"config.json": b'{"a": 1}', "empty": b"", "m.safetensors": MODEL}
SOURCE = MemorySource(FILES, Coding(symbol=32, block=4, parity=4))
ENVELOPE = seal(SOURCE.manifest, KEY)
CUTS = [SOURCE.manifest.cut(f.size) for f in SOURCE.manifest.files]
ALL = [(file, block) for file, cut in enumerate(CUTS) for block in range(cut.blocks)]
HEADER = header_size(MODEL)


class Order(MemorySink):
    """Remembers in which order blocks of the model came."""

    def __init__(self) -> None:
        super().__init__(FILES)
        self.order: list[int] = []

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        super().write(file, block, offset, data)
        if file == 2:
            self.order.append(offset)


def no_view(slab: int, at: int, size: int) -> memoryview:
    raise WireError("there is no window")


def of_block(slab: int, at: int, size: int) -> memoryview:
    """The window of these tests: slab = file, offset = that of the file."""
    content = list(FILES.values())[slab]
    return memoryview(content)[at : at + size]


def told(ticket: int, file: int, block: int) -> wire.Blocks:
    at, size = CUTS[file].offset(block), CUTS[file].size(block)
    return wire.Blocks((wire.Block(ticket, file, block, file, at, size),))


def begun(sink: MemorySink, **more: Any) -> tuple[Attached, list[object]]:
    engine = Attached("gpu0", sink, trusted=TRUSTED, now=0.0, **more)
    out: list[object] = []
    for part in wire.manifest_parts(ENVELOPE):
        out += engine.take(part, no_view, 0.0)
    for file, digests in enumerate(SOURCE.digests):
        for listed in wire.digests_parts(file, digests):
            out += engine.take(listed, no_view, 0.0)
    return engine, out


def work(engine: Attached, sink: MemorySink, chance: random.Random, now: float) -> list[object]:
    """Do some of the jobs, in their order."""
    count = chance.randint(0, len(engine.jobs))
    jobs, engine.jobs = engine.jobs[:count], engine.jobs[count:]
    for job in jobs:
        job.run(sink)
    return list(engine.done(jobs, now))


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_whatever_the_order_the_header_comes_first_and_all_is_placed(
    seed: int, in_files: float
) -> None:
    chance = random.Random(seed)
    sink = Order()
    engine, out = begun(sink)
    places = [(at, chance.random() < in_files) for at in ALL]
    stored = [at for at, there in places if there]
    for file in range(len(CUTS)):
        there = bytearray(CUTS[file].blocks)
        for number, block in stored:
            if number == file:
                there[block] = 1
        for message in wire.stored_runs(file, there):
            out += engine.take(message, no_view, 1.0)
    live = [at for at, there in places if not there]
    chance.shuffle(live)
    lent: set[int] = set()
    back: list[int] = []
    turn = 0
    while not engine.ended:
        turn += 1
        assert turn < 5000
        assert not engine.starved
        if live and chance.random() < 0.5:
            file, block = live.pop()
            lent.add(turn)
            out += engine.take(told(turn, file, block), of_block, float(turn))
        if (reading := engine.next_reading()) is not None and chance.random() < 0.7:
            data = of_block(reading.file, reading.offset, reading.size)
            engine.give(reading, data)
        out += work(engine, sink, chance, float(turn))
        back += engine.release
        engine.release.clear()
    assert sink.placed == FILES
    assert max(sink.writes.values()) == 1
    assert set(back) == lent
    assert len(back) == len(lent)
    names = [o.tensor.name for o in out if isinstance(o, events.TensorReady)]
    assert sorted(names) == sorted(f"layer{i}" for i in range(12))
    header = [offset for offset in sink.order if offset < HEADER]
    assert sink.order[: len(header)] == header
    assert header[0] == 0
    assert next(type(o) for o in out) is events.ManifestVerified
    assert {o.path for o in out if isinstance(o, events.FileVerified)} == set(FILES)
    receipts = [o.receipt for o in out if isinstance(o, events.Completed)]
    assert [(r.receiver, r.bytes, r.files) for r in receipts] == [
        ("gpu0", sum(map(len, FILES.values())), 3)
    ]
    assert engine.bytes == receipts[0].bytes


def test_what_an_earlier_run_left_is_not_copied_again() -> None:
    sink = MemorySink(FILES)
    sink.open(ENVELOPE, open_manifest(ENVELOPE, None))
    for file, digests in enumerate(SOURCE.digests):
        sink.put_digests(file, digests)
    for file, block in ALL[:-1]:
        data = memoryview(SOURCE.read_block(file, block))
        sink.write(file, block, CUTS[file].offset(block), data)
    engine, out = begun(sink)
    file, block = ALL[-1]
    engine.take(told(1, *ALL[0]), of_block, 1.0)
    assert engine.release == [1]
    assert not engine.jobs
    engine.take(told(2, file, block), of_block, 1.0)
    for job in engine.jobs:
        job.run(sink)
    out += engine.done(engine.jobs, 1.0)
    assert engine.ended
    assert sink.placed == FILES
    assert max(sink.writes.values()) == 1


def test_only_a_few_blocks_of_files_are_in_memory_at_a_time() -> None:
    engine, _ = begun(MemorySink(FILES))
    engine.take(next(wire.stored_runs(2, b"\1" * CUTS[2].blocks)), no_view, 0.0)
    count = 0
    while (reading := engine.next_reading()) is not None:
        engine.give(reading, of_block(reading.file, reading.offset, reading.size))
        count += 1
        assert count <= AHEAD
    assert count >= 1


# ----- a host that lies, or is broken


def test_a_manifest_of_another_signer_is_not_believed() -> None:
    engine = Attached("gpu0", MemorySink(FILES), trusted=TRUSTED, now=0.0)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    (part,) = wire.manifest_parts(seal(SOURCE.manifest, other))
    with pytest.raises(WireError, match="--trust"):
        engine.take(part, no_view, 0.0)
    assert engine.opened is None


def test_pins_are_asked() -> None:
    def admit(_: object) -> None:
        raise UntrustedError("pinned to another")

    engine = Attached("gpu0", MemorySink(FILES), trusted=None, now=0.0, admit=admit)
    (part,) = wire.manifest_parts(ENVELOPE)
    with pytest.raises(WireError, match="pinned"):
        engine.take(part, no_view, 0.0)


def test_digests_that_are_not_the_manifests_are_not_believed() -> None:
    engine = Attached("gpu0", MemorySink(FILES), trusted=TRUSTED, now=0.0)
    (part,) = wire.manifest_parts(ENVELOPE)
    engine.take(part, no_view, 0.0)
    wrong = bytes(len(SOURCE.digests[2]))
    with pytest.raises(WireError, match=r"m\.safetensors: the digests of the host"):
        engine.take(wire.DigestsPart(2, 0, wrong), no_view, 0.0)


def test_a_block_that_is_not_what_the_manifest_says_ends_it() -> None:
    sink = MemorySink(FILES)
    engine, _ = begun(sink)
    block = told(5, 0, 0)
    engine.take(block, lambda slab, at, size: memoryview(bytes(size)), 0.0)
    for job in engine.jobs:
        job.run(sink)
    with pytest.raises(DeliveryError, match=r"config\.json: block 0 in the window of the host"):
        engine.done(engine.jobs, 0.0)
    assert sink.placed is None
    assert not sink.writes


def test_a_full_disk_ends_it() -> None:
    sink = MemorySink(FILES)
    sink.full_after = 0
    engine, _ = begun(sink)
    engine.take(told(5, 0, 0), of_block, 0.0)
    for job in engine.jobs:
        job.run(sink)
    with pytest.raises(DeliveryError, match="no space is left"):
        engine.done(engine.jobs, 0.0)


def test_a_host_that_has_told_of_everything_and_owes_blocks_is_found_out() -> None:
    engine, _ = begun(MemorySink(FILES))
    assert not engine.starved
    engine.take(wire.Done(), no_view, 0.0)
    assert engine.starved


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (wire.Blocks((wire.Block(1, 9, 0, 0, 0, 8),)), "file 9, of 3"),
        (wire.Blocks((wire.Block(1, 0, 1, 0, 0, 8),)), "none of the manifest's"),
        (wire.Blocks((wire.Block(1, 0, 0, 0, 0, 7),)), "none of the manifest's"),
        (wire.Stored(9, ((0, 1),)), "file 9, of 3"),
        (wire.Stored(0, ((0, 2),)), "has no block 1"),
        (wire.DigestsPart(9, 0, b"x"), "file 9, of 3"),
        (wire.ManifestPart(9, 0, b"x"), "another order"),
        (wire.Hello("x", 1), "a Hello, which is not"),
        (wire.Release((1,)), "a Release, which is not"),
    ],
)
def test_what_a_host_must_not_say_is_told(message: wire.Message, why: str) -> None:
    engine, _ = begun(MemorySink(FILES))
    with pytest.raises(WireError, match=why):
        engine.take(message, lambda slab, at, size: memoryview(bytes(size)), 0.0)


@pytest.mark.parametrize(
    "message",
    [wire.Blocks((wire.Block(1, 0, 0, 0, 0, 8),)), wire.Stored(0, ((0, 1),))],
)
def test_nothing_is_taken_before_the_manifest(message: wire.Message) -> None:
    engine = Attached("gpu0", MemorySink(FILES), trusted=None, now=0.0)
    with pytest.raises(WireError, match="file 0, of 0"):
        engine.take(message, lambda slab, at, size: memoryview(bytes(size)), 0.0)


def test_a_block_before_the_list_of_its_digests_is_told() -> None:
    engine = Attached("gpu0", MemorySink(FILES), trusted=None, now=0.0)
    for part in wire.manifest_parts(ENVELOPE):
        engine.take(part, no_view, 0.0)
    with pytest.raises(WireError, match="before the list of its digests"):
        engine.take(told(1, 0, 0), of_block, 0.0)


@pytest.mark.parametrize(("offset", "data"), [(32, b"x" * 32), (0, b"x" * 33)])
def test_digests_in_another_order_or_number_are_told(offset: int, data: bytes) -> None:
    engine = Attached("gpu0", MemorySink(FILES), trusted=None, now=0.0)
    for part in wire.manifest_parts(ENVELOPE):
        engine.take(part, no_view, 0.0)
    with pytest.raises(WireError, match="another order"):
        engine.take(wire.DigestsPart(0, offset, data), no_view, 0.0)
