"""A sink that must know a safetensors file's header gets it first, whatever the network does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy
import pytest
from net import KEY, TRUSTED, MemorySink, MemorySource, Net, Weather
from safetensors.numpy import save
from test_delivery_fetching import Try
from test_delivery_writing import Disk

from toolkit.delivery import events
from toolkit.delivery.fetching import Answer, Kind, Want
from toolkit.delivery.manifest import Manifest, OpenedManifest, digest, seal
from toolkit.delivery.model import Coding, Standing
from toolkit.delivery.ports import Basis, Landed
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.safetensors import header_size
from toolkit.delivery.sender import Sender
from toolkit.delivery.storing import Job

CODING = Coding(symbol=64, block=8, parity=32)


def model(tensors: int, length: int, name: str = "layer") -> bytes:
    return save({f"{name}.{i}": numpy.full(length, i, numpy.float32) for i in range(tensors)})


LONG = model(40, 30)
FILES = {
    "config.json": b"{}",
    "a.safetensors": LONG,
    "b.safetensors": model(3, 900),
    "junk.safetensors": random.Random(3).randbytes(6000),
    "liar.safetensors": (9000).to_bytes(8, "little") + bytes(3000),
    "not-json.safetensors": (1500).to_bytes(8, "little") + b"x" * 5000,
    "short.safetensors": b"1234",
    "empty.safetensors": b"",
    "z.bin": random.Random(4).randbytes(3000),
}
BROKEN = ("junk", "liar", "not-json", "short", "empty")


class LayoutSink(MemorySink):
    """Refuses what it could not place: `must_come` says which blocks must be here before."""

    def __init__(self, truth: dict[str, bytes]) -> None:
        super().__init__(truth)
        self.recalled: set[tuple[int, int]] = set()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        landed = super().open(envelope, opened)
        self.recalled = {(i, b) for i, there in enumerate(landed) for b in range(len(there.blocks))}
        return landed

    def check(self, file: int, block: int) -> None:
        assert self.manifest is not None
        entry = self.manifest.files[file]
        if not entry.path.endswith(".safetensors") or entry.path.startswith(BROKEN) or not block:
            return
        journal, part = self.journal[file], self.manifest.cut(entry.size)
        end = header_size(self.truth[entry.path])
        heads = sum(part.offset(b) < end for b in range(part.blocks))
        assert journal[0], f"block {block} of {entry.path} before block 0"
        if block >= heads:
            assert all(journal[:heads]), f"block {block} of {entry.path} before its header"

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        self.check(file, block)
        super().write(file, block, offset, data)


class CheckedDesk(Disk):
    """Nothing may be put to it before what it builds upon has come back."""

    def put(self, job: Job) -> None:
        sink = self.net.sinks[self.name]
        assert isinstance(sink, LayoutSink)
        sink.check(job.file, job.sbn)
        super().put(job)


@dataclass
class HeadNet(Net):
    """Receivers whose sinks want headers first; `desks`: those that store beside the reception."""

    desks: tuple[str, ...] = ()
    memory: int = 2**20
    first: bool = True
    desk_speed: float = 2e6

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.names:
            self.sinks[name] = LayoutSink(self.files)

    def start(self, name: str) -> None:
        self._starts += 1
        desk = CheckedDesk(self, name, self.desk_speed) if name in self.desks else None  # type: ignore[arg-type]
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout, seal_key=self.seal_key,
            memory=self.memory, desk=desk, basis=self.basis(name), headers_first=self.first,
        )  # fmt: skip


def ends_right(net: HeadNet, *, once: bool = True) -> None:
    net.run()
    for result in net.sender.results():
        assert result.standing is Standing.COMPLETE, result
        sink = net.sinks[result.receiver]
        assert sink.placed == net.files
        assert not once or max(sink.writes.values()) == 1, "a block was stored twice"
        told = [o for o in net.outputs[result.receiver] if isinstance(o, events.TensorReady)]
        names = [(o.path, o.tensor.name) for o in told]
        assert not once or len(names) == len(set(names))
        assert {n for p, n in names if p == "a.safetensors"} == {f"layer.{i}" for i in range(40)}


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_headers_are_stored_first(seed: int) -> None:
    chance = random.Random(seed)
    weather = Weather(
        loss=chance.choice([0, 0.02, 0.15]), delay=0.005, jitter=chance.choice([0, 0.02]),
        double=chance.choice([0, 0.1]), corrupt=chance.choice([0, 0.01]),
    )  # fmt: skip
    files = list(FILES.items())
    chance.shuffle(files)
    net = HeadNet(
        dict(files), ["fra", "lon"], seed=seed, weather=weather, coding=CODING,
        targeted=bool(seed % 3), seal_key=bytes(16) if seed % 4 == 1 else None,
        memory=chance.choice([3 * 512, 8 * 512, 2**20]), timeout=60.0, rate=4_000_000,
        desks=("fra", "lon")[: seed % 3],
    )  # fmt: skip
    if seed % 5 == 0:
        net.kill_and_restart("lon", 0.3, 0.2)
    ends_right(net, once=seed % 5 != 0)


def test_without_the_wish_blocks_are_stored_as_they_come() -> None:
    weather = Weather(loss=0.15, delay=0.005, jitter=0.02)
    net = HeadNet(FILES, ["fra"], seed=3, weather=weather, coding=CODING, first=False)
    with pytest.raises(AssertionError, match=r"before (block 0|its header)"):
        net.run()


class OldVersion(Basis):
    """Holds all blocks of these files but those of `lacks`; `gone`: nothing any more."""

    def __init__(self, files: dict[str, bytes], lacks: dict[str, set[int]]) -> None:
        self.files, self.lacks = files, lacks
        self.gone = False
        self.finds = 0

    def open(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def may_hold(self, file: int) -> bool:
        return bool(self.manifest.files[file].size)

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | None:
        path = self.manifest.files[file].path
        data = self.files[path][offset : offset + size]
        number = [self.manifest.cut(self.manifest.files[file].size).offset(b) for b in range(999)]
        self.finds += 1
        if self.gone or number.index(offset) in self.lacks.get(path, set()):
            return None
        assert digest(data) == wanted
        return data


@pytest.mark.parametrize("desk", [False, True])
@pytest.mark.parametrize("lacks", [{0}, {2}, {0, 1, 2, 9}, set()])
def test_blocks_of_another_version_wait_for_the_header_and_are_not_sent(
    lacks: set[int], desk: bool
) -> None:
    files = {"a.safetensors": LONG}
    old = OldVersion(files, {"a.safetensors": lacks})
    net = HeadNet(
        files, ["fra"], coding=CODING, basis=lambda name: old, desks=("fra",) if desk else ()
    )
    ends_right(net)
    part = net.source.manifest.cut(len(LONG))
    sent = sum(part.size(b) for b in lacks)
    assert net.payload.get(3, 0) <= sent + 63
    assert net.receivers["fra"].counters.found == len(LONG) - sent


def test_what_the_other_version_no_longer_has_is_sent_after_all() -> None:
    files = {"a.safetensors": LONG}
    old = OldVersion(files, {"a.safetensors": {0}})
    net = HeadNet(files, ["fra"], coding=CODING, basis=lambda name: old)
    blocks = net.source.manifest.cut(len(LONG)).blocks
    keep = old.find

    def find(file: int, offset: int, size: int, wanted: bytes) -> bytes | None:
        old.gone = old.gone or old.finds >= blocks
        return keep(file, offset, size, wanted)

    old.find = find  # type: ignore[method-assign]
    ends_right(net)
    assert old.gone
    assert net.receivers["fra"].counters.found == 0


def test_no_more_is_promised_than_may_wait_in_memory() -> None:
    files = {"a.safetensors": LONG}
    old = OldVersion(files, {"a.safetensors": {0}})
    net = HeadNet(files, ["fra"], coding=CODING, basis=lambda name: old, memory=4 * 512)
    ends_right(net)
    found = net.receivers["fra"].counters.found
    assert 4 * 448 <= found < len(LONG) - 512, "more was read at once than memory may hold"


def test_a_header_that_is_at_hand_is_taken_first_wherever_somebody_asks() -> None:
    files = {"a.safetensors": LONG}
    source, sink = MemorySource(files, CODING), LayoutSink(files)
    receiver = Receiver(
        "fra", sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, headers_first=True,
        basis=OldVersion(files, {}), memory=1024,
    )  # fmt: skip
    receiver.expire(0.0)
    receiver.hand_manifest(seal(source.manifest, KEY), 0.0)
    receiver.hand_digests(0, source.digests[0], 0.0)
    catalog = receiver.catalog
    assert catalog is not None
    catalog.look(3, 9, 3)
    assert all(catalog.has(0, block) for block in (0, 9, 10, 11))
    assert not catalog.assemblies[3].promised


# ----- handed over whole


def server(files: dict[str, bytes], source: MemorySource) -> Callable[[Want], Answer]:
    def answer(want: Want) -> Answer:
        if want.kind is Kind.MANIFEST:
            return Answer(200, body=seal(source.manifest, KEY))
        if want.kind is Kind.DIGESTS:
            return Answer(200, body=source.digests[want.file])
        data, end = files[want.path], want.offset + want.length
        return Answer(
            206, f"bytes {want.offset}-{end - 1}/{len(data)}", '"x"', data[want.offset : end]
        )

    return answer


def test_ranges_are_asked_for_headers_first_and_once() -> None:
    source = MemorySource(FILES, CODING)
    tried = Try(sink=LayoutSink(FILES))
    tried.receiver = Receiver(
        "fra", tried.sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, timeout=1e9,
        headers_first=True,
    )  # fmt: skip
    tried.receiver.expire(0.0)
    assert tried.run(server(FILES, source))
    assert tried.sink.placed == FILES
    assert set(tried.sink.writes.values()) == {1}
    assert tried.fetcher.bytes == sum(map(len, FILES.values()))
    ranges = [(w.file, b) for _, w in tried.asked for b in range(w.first, w.first + w.count)]
    assert len(ranges) == len(set(ranges))


def test_a_block_that_is_handed_too_early_is_not_taken() -> None:
    files = {"a.safetensors": LONG}
    source, sink = MemorySource(files, CODING), LayoutSink(files)
    receiver = Receiver(
        "fra", sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, headers_first=True
    )
    receiver.expire(0.0)
    receiver.hand_manifest(seal(source.manifest, KEY), 0.0)
    receiver.hand_digests(0, source.digests[0], 0.0)
    block = source.read_block(0, 9)
    receiver.hand(0, 9, memoryview(block), 0.0)
    assert not sink.writes
    assert receiver.hand(0, 9, memoryview(bytes(len(block))), 0.0) is None, "a wrong one was fine"
    for number in range(source.manifest.cut(len(LONG)).blocks):
        receiver.hand(0, number, memoryview(source.read_block(0, number)), 0.0)
    assert sink.placed == files


def test_a_sealed_session_that_begins_anew_while_a_header_is_on_the_desk_goes_on() -> None:
    """The sender is started again: symbols are thrown away, what the desk has stored is not."""
    files = {"a.safetensors": LONG}
    net = HeadNet(
        files, ["fra"], coding=CODING, seal_key=bytes(16), desks=("fra",), desk_speed=100.0,
        rate=200_000, timeout=5.0,
    )  # fmt: skip

    def again() -> None:
        assert net.receivers["fra"].catalog is not None
        assert net.receivers["fra"].catalog.buffers.held, "nothing is on the desk"
        net.desk_speed = 2e6
        net.sender = Sender(replace(net.sender.session, tsi=8), net.source, net.names)

    net.at(0.2, again)
    ends_right(net)
    assert net.payload[3] > len(LONG), "the first sender sent nothing"
    assert net.sender.session.tsi == 8


@pytest.mark.parametrize("desk", [False, True])
@pytest.mark.parametrize("targeted", [True, False])
def test_who_joins_late_gets_the_header_first_and_little_twice(targeted: bool, desk: bool) -> None:
    """What comes before the header is thrown away where memory is short."""
    files = {"m.safetensors": model(100, 2000), "n.safetensors": model(60, 2000)}
    net = HeadNet(
        files, ["fra", "lon"], coding=Coding(symbol=160, block=8, parity=32), memory=100_000,
        absent=("lon",), rate=8_000_000,
        gather=0.1, targeted=targeted, timeout=60.0, desks=("lon",) if desk else (),
    )  # fmt: skip
    net.at(0.5, lambda: net.start("lon"))
    net.run()
    assert net.sinks["lon"].placed == files
    needed = sum(map(len, files.values())) / 160
    receiver = net.receivers["lon"]
    # Where packets cannot be addressed it hears what is sent to the others when it comes, and has
    # no room for more while what has waited for the header is on the desk.
    assert receiver.counters.evicted * 8 < needed / (20 if targeted else 2)
    if targeted:
        assert net.sent["lon"] < 1.15 * needed
