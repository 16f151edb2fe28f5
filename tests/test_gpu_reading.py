"""What is on disk goes to a device, read once, proven there; `cpu` stands for a device."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from net import KEY, TRUSTED, MemorySource
from safetensors.numpy import save

from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.sink import FolderSink
from toolkit.errors import DeliveryError, ProblemsError, WireError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)

if importlib.util.find_spec("torch") is not None:
    from toolkit.delivery.storing import Job
    from toolkit.gpu import proving, reader, reading
    from toolkit.gpu.desk import CopyDesk
    from toolkit.gpu.door import Device, open_device
    from toolkit.gpu.reader import Reader, Span, Window
    from toolkit.gpu.reading import load_folder
    from toolkit.gpu.sink import DeviceSink
    from toolkit.gpu.slices import Shard

CODING = Coding(symbol=64, block=4, parity=4)
ROWS = np.random.default_rng(7)


def arrays(part: int) -> dict[str, Any]:
    return {
        f"model.layers.{part}.q_proj.weight": ROWS.random((32, 24), np.float32),
        f"model.layers.{part}.o_proj.weight": ROWS.random((16, 48), np.float32),
        f"model.layers.{part}.norm.weight": ROWS.random(7, np.float32),
        f"model.layers.{part}.none": np.zeros((0, 4), np.float16),
    }


PARTS = [arrays(0), arrays(1)]
ARRAYS = PARTS[0] | PARTS[1]
SHARDS = [f"m-{n + 1}.safetensors" for n in range(2)]
INDEX = {"weight_map": {name: SHARDS[n] for n, part in enumerate(PARTS) for name in part}}
FILES = {
    "config.json": b"{}",
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    **{path: save(part) for path, part in zip(SHARDS, PARTS, strict=True)},
}


class Placed:
    """A delivery that is on disk, or a part of it: `blocks` says which of its blocks."""

    def __init__(self, target: Path, keep: Path, files: dict[str, bytes] = FILES) -> None:
        self.target, self.keep = target, keep
        self.source = MemorySource(files, CODING)
        self.envelope = seal(self.source.manifest, KEY)
        self.opened = open_manifest(self.envelope, None)

    def sink(self) -> FolderSink:
        return FolderSink(self.target, durable=False, keep=self.keep)

    def blocks(self, file: int) -> list[tuple[int, int, bytes]]:
        part = self.source.manifest.cut(self.source.manifest.files[file].size)
        return [(b, part.offset(b), self.source.read_block(file, b)) for b in range(part.blocks)]

    def fill(self, sink: Any, wanted: Any = lambda file, block: True) -> None:
        for file in range(len(self.source.files)):
            sink.put_digests(file, self.source.digests[file])
            for number, offset, data in self.blocks(file):
                if wanted(file, number):
                    sink.write(file, number, offset, memoryview(data))

    def place(self) -> None:
        sink = self.sink()
        sink.open(self.envelope, self.opened)
        self.fill(sink)
        sink.place()


@pytest.fixture
def device() -> Device:
    return open_device("cpu")


@pytest.fixture
def placed(tmp_path: Path) -> Placed:
    found = Placed(tmp_path / "model", tmp_path / "kept")
    found.place()
    return found


def same(model: Any, wanted: dict[str, Any]) -> None:
    assert set(model.names()) == set(wanted)
    for name, array in wanted.items():
        assert np.array_equal(model.tensor(name).numpy(), array), name


# ----- a folder that was placed before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("span", [300, 2**23])
def test_a_placed_folder_is_loaded_and_proven(
    placed: Placed, device: Device, check: bool, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SPAN", span)
    monkeypatch.setattr(reader, "PAGE", 64)
    model = load_folder(placed.target, device, digests=placed.keep, trusted=TRUSTED, check=check)
    same(model, ARRAYS)
    assert model.unproven == ()
    assert model.digest == placed.opened.digest
    assert model.verify() == []
    model.files[2].arena[300] ^= 1
    assert len(model.verify()) == 1


def test_without_digests_it_is_loaded_and_said(placed: Placed, device: Device) -> None:
    model = load_folder(placed.target, device)
    same(model, ARRAYS)
    assert sorted(model.unproven) == ["m-1.safetensors", "m-2.safetensors",
                                      "model.safetensors.index.json"]  # fmt: skip
    model = load_folder(placed.target, device, digests=placed.target)
    assert len(model.unproven) == 3
    (placed.keep / "3").unlink()
    model = load_folder(placed.target, device, digests=placed.keep)
    assert model.unproven == ("m-2.safetensors",)
    same(model, ARRAYS)


@pytest.mark.parametrize("world", [2, 4])
def test_a_rank_loads_its_part(placed: Placed, device: Device, world: int) -> None:
    for rank in range(world):
        model = load_folder(placed.target, device, shard=Shard(rank, world), digests=placed.keep)
        wanted = {
            name: np.split(array, world, 0 if "q_proj" in name else 1)[rank]
            if "_proj" in name
            else array
            for name, array in ARRAYS.items()
        }
        same(model, wanted)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("world", [1, 2])
def test_all_damage_is_found_and_told_at_once(
    placed: Placed, device: Device, check: bool, world: int
) -> None:
    for path, places in (("m-1.safetensors", (700, 701, 5200)), ("m-2.safetensors", (6000,))):
        content = bytearray((placed.target / path).read_bytes())
        for place in places:
            content[place] ^= 1
        (placed.target / path).write_bytes(content)
    with pytest.raises(ProblemsError) as caught:
        load_folder(placed.target, device, digests=placed.keep, check=check, shard=Shard(0, world))
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 3
    part = placed.source.manifest.cut(len(FILES["m-1.safetensors"]))
    block = next(b for b in range(part.blocks) if part.offset(b) + part.size(b) > 700)
    start = part.offset(block)
    assert (
        f"m-1.safetensors: block {block} (bytes {start} .. {start + part.size(block)})" in said[0]
    )


def test_a_damaged_header_is_not_believed(placed: Placed, device: Device) -> None:
    path = placed.target / "m-1.safetensors"
    content = bytearray(path.read_bytes())
    at = content.index(b"q_proj")
    content[at : at + 1] = b"k"  # A right header of another model.
    path.write_bytes(content)
    with pytest.raises(
        ProblemsError, match=r"m-1\.safetensors: its header is not what its manifest"
    ):
        load_folder(placed.target, device, digests=placed.keep)
    # Nobody can know it without digests; the index tells that something is wrong.
    with pytest.raises(ProblemsError, match=r"q_proj\.weight is not in m-1"):
        load_folder(placed.target, device).names()


def test_truncated_missing_and_foreign_files(placed: Placed, device: Device) -> None:
    first, second = (placed.target / path for path in SHARDS)
    os.truncate(first, first.stat().st_size - 5)
    second.unlink()
    with pytest.raises(ProblemsError) as caught:
        load_folder(placed.target, device, digests=placed.keep)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 2
    assert "m-1.safetensors: has" in said[0]
    assert "m-2.safetensors: cannot be read: No such file" in said[1]
    second.write_bytes(b"no safetensors file at all")
    with pytest.raises(ProblemsError) as caught:
        load_folder(placed.target, device)
    said = [str(problem) for problem in caught.value.problems]
    assert "m-1.safetensors: it is truncated" in said[0]
    assert "m-2.safetensors: its header claims" in said[1]
    with pytest.raises(WireError, match=r"manifest\.json"):
        load_folder(placed.target, device, digests=placed.keep, trusted=bytes(32))
    with pytest.raises(DeliveryError, match="is not a folder"):
        load_folder(placed.target / "none", device)


# ----- the reader


def test_the_window_bounds_what_is_in_memory(tmp_path: Path, device: Device) -> None:
    path = tmp_path / "file"
    content = os.urandom(64 * 4096)
    path.write_bytes(content)
    spans = [Span(at, 4096) for at in range(0, len(content), 4096)]
    asked = []
    window = device.window

    def counted(size: int) -> Any:
        asked.append(size)
        return window(size)

    device.window = counted
    held: list[reader.Loaded] = []
    got: dict[int, bytes] = {}
    with Window(device, 5 * 4096, 4096) as memory, Reader(path, spans, memory, threads=3) as read:
        assert read.slots == 5
        while read.left:
            held.append(read.take())
            assert len({loaded.slot for loaded in held}) == len(held) <= 5
            if len(held) == 3:
                for loaded in held:
                    got[loaded.span.offset] = bytes(loaded.data)
                    read.free(loaded)
                held.clear()
        for loaded in held:
            got[loaded.span.offset] = bytes(loaded.data)
        assert not read.changed
    assert asked == [5 * 4096]
    assert b"".join(got[at] for at in sorted(got)) == content
    assert not device._windows


def test_a_file_that_ends_early_or_changes_is_told(tmp_path: Path, device: Device) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    memory = Window(device, 4096, 600)
    with Reader(path, [Span(0, 600), Span(600, 600)], memory, threads=1) as read:
        assert bytes(read.take().data) == bytes(600)
        with pytest.raises(DeliveryError, match="file: ends at byte 1000, 1200 were expected"):
            read.take()
    with pytest.raises(DeliveryError, match="No such file"), Reader(tmp_path / "x", [], memory):
        pass
    with Reader(path, [Span(0, 600)], memory) as read:
        os.utime(path, ns=(1, 1))
        read.take()
        assert read.changed


# ----- a receiver that goes on


def kill(sink: FolderSink) -> None:
    """What a killed process leaves: its lock goes, nothing else happens."""
    sink.close()


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("world", [1, 2])
def test_half_of_the_blocks_are_there_after_a_kill(
    tmp_path: Path, device: Device, check: bool, world: int
) -> None:
    delivery = Placed(tmp_path / "model", tmp_path / "kept")
    before = delivery.sink()
    before.open(delivery.envelope, delivery.opened)
    header = {n: 8 + int.from_bytes(c[:8], "little") for n, c in enumerate(FILES.values()) if n > 1}

    def half(file: int, block: int) -> bool:
        cut = delivery.source.manifest.cut(delivery.source.manifest.files[file].size)
        return block % 2 == 0 or cut.offset(block) < header.get(file, 1 << 40)

    delivery.fill(before, half)
    kill(before)
    # One block of the disk has rotted, one byte of a journal lies.
    staged = before.staging / "files" / "m-2.safetensors"
    content = bytearray(staged.read_bytes())
    cut = delivery.source.manifest.cut(len(content))
    content[cut.offset(12) + 3] ^= 1
    staged.write_bytes(content)
    sink = DeviceSink(delivery.sink(), device, shard=Shard(world - 1, world), check=check)
    landed = sink.open(delivery.envelope, delivery.opened)
    for file, there in enumerate(landed):
        wanted = [half(file, b) and (file, b) != (3, 12) for b in range(len(there.blocks))]
        assert there.blocks == bytes(wanted), file
    assert not sink.model.ready.keys() >= {("m-2.safetensors", n) for n in PARTS[1]}
    delivery.fill(sink, lambda file, block: not landed[file].blocks[block])
    sink.place()
    assert {p: (delivery.target / p).read_bytes() for p in FILES} == FILES
    if world == 1:
        same(sink.model, ARRAYS)
        assert sink.checked == (sum(len(FILES[p]) for p in SHARDS) if check else 0)
    assert sink.model.verify() == []


def test_every_block_is_read_once_and_hashed_once(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.delivery import sink as disk

    delivery = Placed(tmp_path / "model", tmp_path / "kept")
    before = delivery.sink()
    before.open(delivery.envelope, delivery.opened)
    delivery.fill(before)
    kill(before)
    hashed: list[int] = []
    for module in (disk, proving, reading):

        def digest(data: Any, right: Any = module.digest) -> bytes:
            hashed.append(len(data))
            return right(data)

        monkeypatch.setattr(module, "digest", digest)
    sink = DeviceSink(delivery.sink(), device)
    landed = sink.open(delivery.envelope, delivery.opened)
    assert all(all(there.blocks) for there in landed)
    same(sink.model, ARRAYS)
    weights = sum(len(FILES[path]) for path in SHARDS)
    assert sink.checked == weights
    beside = sum(len(c) for p, c in FILES.items() if p not in SHARDS)
    lists = sum(map(len, delivery.source.digests))
    headers = 4 * 256 * 2
    """Blocks of headers are hashed before they are believed."""
    assert sum(hashed) <= beside + lists + headers < beside + lists + weights


def test_a_run_that_died_while_placing_and_a_file_that_rotted_then(
    tmp_path: Path, device: Device
) -> None:
    delivery = Placed(tmp_path / "model", tmp_path / "kept")
    before = delivery.sink()
    before.open(delivery.envelope, delivery.opened)
    delivery.fill(before)
    kill(before)
    delivery.target.mkdir()
    for path in SHARDS:
        (before.staging / "files" / path).rename(delivery.target / path)
    content = bytearray((delivery.target / SHARDS[0]).read_bytes())
    content[-1] ^= 1
    (delivery.target / SHARDS[0]).write_bytes(content)
    sink = DeviceSink(delivery.sink(), device)
    landed = sink.open(delivery.envelope, delivery.opened)
    assert not any(landed[2].blocks), "it is not in the staging folder: all of it comes again"
    assert all(landed[3].blocks)
    assert {path for path, _ in sink.model.ready} == {SHARDS[1]}
    delivery.fill(sink, lambda file, block: file == 2)
    same(sink.model, ARRAYS)
    sink.place()
    assert {p: (delivery.target / p).read_bytes() for p in FILES} == FILES


def test_a_device_that_spoils_what_the_disk_has_right_is_found(
    tmp_path: Path, device: Device
) -> None:
    delivery = Placed(tmp_path / "model", tmp_path / "kept")
    before = delivery.sink()
    before.open(delivery.envelope, delivery.opened)
    delivery.fill(before)
    kill(before)
    copy, broken = device.copy_in, [1]

    def copy_in(target: Any, data: memoryview) -> None:
        wrong = bytearray(data)
        if broken and len(wrong) > 1000:
            wrong[700] ^= 1
            broken.pop()
        copy(target, memoryview(wrong))

    device.copy_in = copy_in
    sink = DeviceSink(delivery.sink(), device)
    landed = sink.open(delivery.envelope, delivery.opened)
    assert not broken
    assert all(all(there.blocks) for there in landed)
    same(sink.model, ARRAYS)
    sink.close()


# ----- the desk hashes on the device alone


def test_the_desk_stores_nothing_that_is_wrong(tmp_path: Path, device: Device) -> None:
    from toolkit.delivery.manifest import DIGEST_SIZE

    delivery = Placed(tmp_path / "model", tmp_path / "kept")
    folder = delivery.sink()
    sink = DeviceSink(folder, device)
    sink.open(delivery.envelope, delivery.opened)
    written: list[tuple[int, int]] = []
    write = folder.write

    def counted(file: int, block: int, offset: int, data: memoryview) -> None:
        assert bytes(data) == delivery.source.read_block(file, block)
        written.append((file, block))
        write(file, block, offset, data)

    folder.write = counted
    jobs = []
    with CopyDesk(sink) as desk:
        for file in range(len(FILES)):
            digests = delivery.source.digests[file]
            sink.put_digests(file, digests)
            for number, offset, data in delivery.blocks(file):
                wanted = digests[number * DIGEST_SIZE :][:DIGEST_SIZE]
                wrong = bytearray(data)
                wrong[0] ^= number == 11
                jobs.append(Job(file, number, offset, memoryview(wrong), wanted))
                desk.put(jobs[-1])
            desk.drain()
        done = desk.finished()
    assert len(done) == len(jobs)
    assert [(j.file, j.sbn) for j in done if not j.right] == [(2, 11), (3, 11)]
    assert all(j.error is None for j in done)
    assert sorted(written) == sorted((j.file, j.sbn) for j in jobs if j.sbn != 11)
    for file in (2, 3):
        number, offset, data = delivery.blocks(file)[11]
        sink.write(file, number, offset, memoryview(data))
    same(sink.model, ARRAYS)
    sink.place()


class Stream:
    """A stream of copies that the test lets go on; `lost`: the device is gone."""

    def __init__(self, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Stream.Event] = []
        self.lost = False
        monkeypatch.setattr(device, "_stream", self)
        monkeypatch.setattr(device, "_copying", contextlib.nullcontext)

    class Event:
        done = False

        def query(self) -> bool:
            return self.done

        def synchronize(self) -> None:
            self.done = True

    def record_event(self) -> Stream.Event:
        if self.lost:
            raise RuntimeError("CUDA error: the launch timed out")
        self.events.append(self.Event())
        return self.events[-1]

    def synchronize(self) -> None:
        pass


def test_copies_that_begin_together_have_one_ticket(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(device, monkeypatch)
    with device.together():
        first, second = device.shared_ticket(), device.shared_ticket()
        with pytest.raises(DeliveryError, match="have no end"):
            first.done()
    assert first is second
    assert not first.done()
    assert len(stream.events) == 1
    stream.events[0].done = True
    assert first.done()
    assert device.shared_ticket() is not device.shared_ticket()
    stream.lost = True
    with pytest.raises(DeliveryError, match="blocks were copied"), device.together():
        lost = device.shared_ticket()
    with pytest.raises(DeliveryError, match="have no end"):
        lost.wait()


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("check", [False, True])
def test_the_desk_loses_no_job(
    placed: Placed, device: Device, lost: bool, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More jobs than are begun together, and than are under way; or the device goes meanwhile."""
    from toolkit.delivery.manifest import DIGEST_SIZE
    from toolkit.gpu import desk as module
    from toolkit.gpu.files import MemoryFiles

    monkeypatch.setattr(module, "MOST", 5)
    monkeypatch.setattr(module, "TOGETHER", 3)
    sink = DeviceSink(MemoryFiles(), device, weights="gpu", check=check)
    sink.open(placed.envelope, placed.opened)
    stream = Stream(device, monkeypatch)
    jobs = []
    desk = CopyDesk(sink)
    for file in range(len(FILES)):
        digests = placed.source.digests[file]
        sink.put_digests(file, digests)
        header = 8 + int.from_bytes(list(FILES.values())[file][:8], "little")
        for number, offset, data in placed.blocks(file):
            if file > 1 and offset < header:
                sink.write(file, number, offset, memoryview(data))
                continue
            wanted = digests[number * DIGEST_SIZE :][:DIGEST_SIZE]
            jobs.append(Job(file, number, offset, memoryview(bytearray(data)), wanted))
            desk.put(jobs[-1])
    ready = set(sink.model.ready)
    stream.lost = lost
    with desk:
        desk.drain()
        done = desk.finished()
    assert sorted(map(id, done)) == sorted(map(id, jobs))
    weights = [job for job in jobs if job.file > 1]
    if lost:
        assert not any(job.right for job in weights)
        assert all(job.error is not None for job in weights)
        assert set(sink.model.ready) == ready
    else:
        assert all(job.right and job.error is None for job in jobs)
        assert len(stream.events) < len(weights)
        monkeypatch.setattr(device, "_stream", None)
        same(sink.model, ARRAYS)
