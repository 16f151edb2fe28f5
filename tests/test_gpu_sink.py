"""Blocks into device memory, in any order that headers first allows; `cpu` stands for a device."""

from __future__ import annotations

import importlib.util
import json
import random

import numpy as np
import pytest
from net import KEY, MemorySink, MemorySource
from safetensors.numpy import save

from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.errors import DeliveryError, EnvironmentProblem, ProblemsError

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
pytestmark = needs_torch

if importlib.util.find_spec("torch") is not None:
    import torch

    from toolkit.gpu.desk import CopyDesk
    from toolkit.gpu.door import Device, open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.sink import DeviceSink
    from toolkit.gpu.slices import Rule, Shard

CODING = Coding(symbol=64, block=4, parity=4)
ARRAYS = {
    "model.embed_tokens.weight": np.arange(600, dtype=np.float32).reshape(20, 30),
    "model.layers.0.self_attn.q_proj.weight": np.arange(256, dtype=np.float16).reshape(16, 16),
    "model.layers.0.self_attn.o_proj.weight": np.arange(96, dtype=np.int16).reshape(4, 24),
    "ids": np.arange(50, dtype=np.int64),
    "scale": np.array(3, np.int32),
    "none": np.zeros((0, 4), np.float16),
}
FILES = {"config.json": b"{}", "model.safetensors": save(ARRAYS)}


class Delivery:
    """A source's blocks, given to a sink by hand."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.source = MemorySource(files, CODING)
        self.envelope = seal(self.source.manifest, KEY)
        self.opened = open_manifest(self.envelope, None)
        self.files = files

    def blocks(self, file: int) -> list[tuple[int, int, bytes]]:
        part = self.source.manifest.cut(self.source.manifest.files[file].size)
        return [(b, part.offset(b), self.source.read_block(file, b)) for b in range(part.blocks)]

    def feed(self, sink: DeviceSink, seed: int = 0) -> None:
        """Headers first, then everything in an order of chance."""
        chance = random.Random(seed)
        sink.open(self.envelope, self.opened)
        first, rest = [], []
        for file, (path, content) in enumerate(self.files.items()):
            sink.put_digests(file, self.source.digests[file])
            needed = 0
            if path.endswith(".safetensors"):
                needed = 8 + int.from_bytes(content[:8], "little")
            for block in self.blocks(file):
                (first if block[1] < needed or block[0] == 0 else rest).append((file, block))
        heads = [b for b in first if b[1][0] == 0]
        others = [b for b in first if b[1][0]]
        chance.shuffle(others)
        chance.shuffle(rest)
        for file, (number, offset, data) in [*heads, *others, *rest]:
            sink.write(file, number, offset, memoryview(data))


@pytest.fixture
def device() -> Device:
    return open_device("cpu")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weights", ["both", "gpu"])
def test_tensors_are_those_of_the_file(seed: int, weights: str, device: Device) -> None:
    delivery = Delivery(FILES)
    inner = MemorySink(FILES) if weights == "both" else MemoryFiles()
    sink = DeviceSink(inner, device, weights=weights)
    delivery.feed(sink, seed)
    assert {t.name for t in sink.model.tensors()} == set(ARRAYS)
    for tensor in sink.model.tensors():
        assert tensor.value.data_ptr() % 256 == 0 or not tensor.value.numel()
        assert np.array_equal(tensor.value.numpy(), ARRAYS[tensor.name])
        assert tensor.value.numpy().dtype == ARRAYS[tensor.name].dtype
        assert np.array_equal(np.from_dlpack(tensor), ARRAYS[tensor.name])
    assert sink.checked == len(FILES["model.safetensors"])
    assert sink.model.verify() == []
    assert sink.read(1, 0, 500) == FILES["model.safetensors"][:500]
    assert sink.read(1, 900, 300) == FILES["model.safetensors"][900:1200]
    sink.place()
    sink.close()
    assert len(list(sink.model.tensors())) == len(ARRAYS)
    if weights == "gpu":
        assert isinstance(inner, MemoryFiles)
        assert inner.placed == {"config.json": b"{}"}


def test_a_flipped_bit_on_the_device_is_found(device: Device) -> None:
    delivery = Delivery(FILES)
    sink = DeviceSink(MemorySink(FILES), device)
    delivery.feed(sink)
    arena = sink.model.files[1].arena
    arena[300] ^= 4
    wrong = sink.model.verify()
    assert len(wrong) == 1
    assert wrong[0].startswith("model.safetensors: block ")


def test_a_copy_that_went_wrong_is_made_again_and_then_refused(device: Device) -> None:
    delivery = Delivery({"model.safetensors": FILES["model.safetensors"]})
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    copy, broken = device.copy_in, [1]

    def copy_in(target: object, data: memoryview) -> None:
        wrong = bytearray(data)
        if broken and len(target) > 200:
            wrong[7] ^= 1
            broken.pop()
        copy(target, memoryview(wrong))

    device.copy_in = copy_in
    delivery.feed(sink)
    assert not broken
    assert sink.model.verify() == []
    broken += [1, 1]
    with pytest.raises(DeliveryError, match="is another in the device's memory than was received"):
        delivery.feed(DeviceSink(MemoryFiles(), device, weights="gpu"))


def test_a_tensor_is_not_shown_before_all_its_blocks_are_right(device: Device) -> None:
    delivery = Delivery(FILES)
    sink = DeviceSink(MemorySink(FILES), device)
    sink.open(delivery.envelope, delivery.opened)
    sink.put_digests(1, delivery.source.digests[1])
    last = ""
    for number, offset, data in delivery.blocks(1):
        before = {t.name for t in sink.model.tensors()}
        for name in set(ARRAYS) - before:
            with pytest.raises(DeliveryError, match="verified yet"):
                sink.model.tensor(name, "model.safetensors")
        sink.write(1, number, offset, memoryview(data))
        after = {t.name for t in sink.model.tensors()}
        assert before <= after
        last = last or next(iter(after - before), "")
    assert after == set(ARRAYS)
    assert last


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_hold_their_rows_and_columns(world: int, device: Device) -> None:
    rules = Shard(0, world).rules
    for rank in range(world):
        delivery = Delivery(FILES)
        sink = DeviceSink(MemoryFiles(), device, shard=Shard(rank, world), weights="gpu")
        delivery.feed(sink, rank)
        got = {t.name: t.value.numpy() for t in sink.model.tensors()}
        for name, array in ARRAYS.items():
            rule = next(
                (r for r in rules if name == r.pattern or name.endswith(r.pattern[1:])), None
            )
            whole = rule is None or rule.dim is None
            wanted = array if whole else np.split(array, world, rule.dim)[rank]
            assert np.array_equal(got[name], wanted), name
        assert sink.model.verify() == []


def test_cuts_that_cannot_be_are_told_all_at_once(device: Device) -> None:
    shard = Shard(0, 7, (Rule("ids", 0), Rule("scale", 0), Rule("*o_proj*", 1)))
    sink = DeviceSink(MemoryFiles(), device, shard=shard, weights="gpu")
    with pytest.raises(ProblemsError) as caught:
        Delivery(FILES).feed(sink)
    assert len(caught.value.problems) == 3
    assert "--shard 'scale=whole'" in str(caught.value)


def test_what_an_earlier_run_left_is_loaded_too(device: Device) -> None:
    delivery = Delivery(FILES)
    disk = MemorySink(FILES)
    disk.open(delivery.envelope, delivery.opened)
    for file in range(2):
        disk.put_digests(file, delivery.source.digests[file])
        for number, offset, data in delivery.blocks(file):
            if number != 9:
                disk.write(file, number, offset, memoryview(data))
    sink = DeviceSink(disk, device)
    landed = sink.open(delivery.envelope, delivery.opened)
    assert landed[1].blocks.count(0) == 1
    number, offset, data = delivery.blocks(1)[9]
    sink.write(1, number, offset, memoryview(data))
    assert {t.name for t in sink.model.tensors()} == set(ARRAYS)
    assert sink.model.verify() == []
    assert sink.checked == len(FILES["model.safetensors"])


def test_bfloat16_misaligned_and_unknown_dtypes(device: Device) -> None:
    wanted = torch.tensor([1.5, -2.0, 3.25], dtype=torch.bfloat16)
    head = json.dumps(
        {
            "odd": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "w": {"dtype": "BF16", "shape": [3], "data_offsets": [1, 7]},
            "f4": {"dtype": "F4", "shape": [2], "data_offsets": [7, 8]},
        }
    ).encode()
    content = len(head).to_bytes(8, "little") + head + b"\x05"
    content += bytes(wanted.view(torch.uint8).tolist()) + b"\x21"
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    Delivery({"m.safetensors": content}).feed(sink)
    got = {t.name: t.value for t in sink.model.tensors()}
    assert torch.equal(got["w"], wanted)
    assert got["odd"].tolist() == [5]
    assert got["f4"].tolist() == [0x21]  # torch has no such type: the bytes themselves.
    assert sink.model.as_bytes() == ["m.safetensors: f4: F4"]


def test_a_file_that_is_no_safetensors_file(device: Device) -> None:
    files = {"a.safetensors": b"not one" * 100, "b.safetensors": FILES["model.safetensors"]}
    sink = DeviceSink(MemorySink(files), device)
    Delivery(files).feed(sink)
    sink.place()
    assert {t.path for t in sink.model.tensors()} == {"b.safetensors"}
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    Delivery(files).feed(sink)
    with pytest.raises(DeliveryError, match="--weights both keeps them on disk"):
        sink.place()
    sink.close()
    assert not list(sink.model.tensors())


def test_a_model_larger_than_the_memory_is_refused_before_it_comes(device: Device) -> None:
    device.memory = lambda: (1000, 2000)
    delivery = Delivery(FILES)
    with pytest.raises(DeliveryError, match="larger than the memory"):
        DeviceSink(MemoryFiles(), device, weights="gpu").open(delivery.envelope, delivery.opened)


def test_a_gpu_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(EnvironmentProblem, match="`none`, `cpu` or the number of a GPU"):
        open_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentProblem, match="finds no CUDA device"):
            open_device("0")


def test_the_desk_does_what_the_sink_does(device: Device) -> None:
    from toolkit.delivery.manifest import DIGEST_SIZE
    from toolkit.delivery.storing import Job

    delivery = Delivery(FILES)
    sink = DeviceSink(MemorySink(FILES), device)
    sink.open(delivery.envelope, delivery.opened)
    jobs = []
    with CopyDesk(sink) as desk:
        for file in range(2):
            sink.put_digests(file, delivery.source.digests[file])
            for number, offset, data in delivery.blocks(file):
                wanted = delivery.source.digests[file][number * DIGEST_SIZE :][:DIGEST_SIZE]
                wrong = bytearray(data)
                wrong[0] ^= number == 5
                jobs.append(Job(file, number, offset, memoryview(wrong), wanted))
                desk.put(jobs[-1])
        desk.drain()
        done = desk.finished()
    assert len(done) == len(jobs)
    assert [j.sbn for j in done if not j.right] == [5]
    assert all(j.error is None for j in done)
    assert set(ARRAYS) - {t.name for t in sink.model.tensors()}
