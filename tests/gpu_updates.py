"""Versions of a model, and updates of a loaded one, for tests."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from net import KEY, MemorySource, Net
from safetensors.numpy import load, save

from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.safetensors import is_weights
from toolkit.gpu.door import Device
from toolkit.gpu.files import MemoryFiles, PlacedFiles
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.sink import DeviceSink
from toolkit.gpu.slices import WHOLE, Shard
from toolkit.gpu.update import UpdateSink

CODING = Coding(symbol=64, block=8, parity=32)
BLOCK = 64 * 8
Q = "model.layers.0.self_attn.q_proj.weight"
O = "model.layers.0.self_attn.o_proj.weight"  # noqa: E741 - as in q, k, v, o
PATH = "model.safetensors"


def weights(seed: int, **more: Any) -> dict[str, Any]:
    """Tensors like those of a small transformer."""
    chance = np.random.default_rng(seed)
    made = {
        "model.embed_tokens.weight": chance.standard_normal((40, 32), np.float32),
        "model.layers.0.self_attn.q_proj.weight": chance.standard_normal((32, 32), np.float32),
        "model.layers.0.self_attn.o_proj.weight": chance.standard_normal((32, 32), np.float32),
        "model.layers.0.norm.weight": chance.standard_normal(32).astype(np.float16),
        "model.scale": np.array(seed, np.int32),
        "model.none": np.zeros((0, 4), np.float16),
    }
    return {**made, **more}


def files(tensors: dict[str, Any], **metadata: str) -> dict[str, bytes]:
    """A model's folder."""
    return {"config.json": b'{"a": 1}', PATH: save(tensors, metadata or None)}


def changed(seed: int, *names: str) -> dict[str, Any]:
    """Version 1 with these tensors of another seed."""
    return {**weights(1), **{name: weights(seed)[name] for name in names}}


def feed(sink: DeviceSink, files: dict[str, bytes], coding: Coding = CODING) -> None:
    """Give a sink all blocks of all files, headers first."""
    source = MemorySource(files, coding)
    envelope = seal(source.manifest, KEY)
    sink.open(envelope, open_manifest(envelope, None))
    for file, path in enumerate(files):
        sink.put_digests(file, source.digests[file])
        part = source.manifest.cut(len(files[path]))
        for block in range(part.blocks):
            data = memoryview(source.read_block(file, block))
            sink.write(file, block, part.offset(block), data)
    sink.place()


def loaded(
    files: dict[str, bytes], device: Device, shard: Shard = WHOLE, coding: Coding = CODING
) -> DeviceModel:
    """A model of these files on the device."""
    sink = DeviceSink(MemoryFiles(), device, shard=shard, weights="gpu")
    feed(sink, files, coding)
    sink.close()
    assert sink.model.complete
    return sink.model


def updating(net: Net, sink: UpdateSink, name: str = "fra", **how: Any) -> Receiver:
    """A receiver of an update in a net."""
    receiver = Receiver(
        name, sink, trusted=None, incarnation=1, chance=net.random.random, headers_first=True,
        basis=sink.basis, **how,
    )  # fmt: skip
    net.receivers[name] = receiver
    net.absent = [*net.absent, name]
    return receiver


def deliver(
    live: DeviceModel, files: dict[str, bytes], *, before: dict[str, bytes] | None = None,
    **of_net: Any,
) -> tuple[UpdateSink, Net]:  # fmt: skip
    """Receive a version for `live` over a network; `before`: the version whose files beside the
    weights are here."""
    beside = {p: content for p, content in (before or {}).items() if not is_weights(p)}
    also = None if before is None else PlacedFiles(beside)
    sink = UpdateSink(live, MemoryFiles(), also=also)
    net = Net(files, ["fra"], **{"coding": CODING, **of_net})
    updating(net, sink)
    net.run()
    return sink, net


def part(name: str, array: Any, shard: Shard) -> Any:
    """A rank's part of a tensor."""
    rule = next((r for r in shard.rules if _fits(name, r.pattern)), None)
    if shard.world == 1 or rule is None or rule.dim is None:
        return array
    return np.split(array, shard.world, rule.dim)[shard.rank]


def _fits(name: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


def assert_is(live: DeviceModel, files: dict[str, bytes]) -> None:
    """The model holds exactly these files' tensors, and they are what its manifest says."""
    for path, content in files.items():
        if not path.endswith(".safetensors"):
            continue
        for name, array in load(content).items():
            got = live.tensor(name, path).numpy()
            assert np.array_equal(got, part(name, array, live.shard)), name
            assert got.dtype == array.dtype
    envelope = seal(MemorySource(files, CODING).manifest, KEY)
    assert live.digest == open_manifest(envelope, None).digest
    assert live.verify() == []


def addresses(live: DeviceModel) -> dict[str, int]:
    return {t.name: t.value.data_ptr() for t in live.tensors()}


def changed_bytes(old: dict[str, bytes], new: dict[str, bytes], coding: Coding = CODING) -> int:
    """Bytes of the blocks that are others at the same place."""
    source = MemorySource(new, coding)
    found = 0
    for file, (path, content) in enumerate(new.items()):
        cut, there = source.manifest.cut(len(content)), old.get(path, b"")
        for block in range(cut.blocks):
            start, size = cut.offset(block), cut.size(block)
            if len(there) != len(content) or there[start : start + size] != content[start:][:size]:
                found += size
        del file
    return found


def spoiled(content: bytes, blocks: list[int], seed: int = 0) -> bytes:
    """The file with a byte changed in each of these blocks."""
    made, chance = bytearray(content), random.Random(seed)
    for block in blocks:
        made[block * BLOCK + chance.randrange(BLOCK // 2)] ^= 1 << chance.randrange(8)
    return bytes(made)


__all__ = [
    "BLOCK", "CODING", "addresses", "assert_is", "changed_bytes", "deliver", "feed", "loaded",
    "part", "save", "spoiled", "updating", "weights",
]  # fmt: skip
