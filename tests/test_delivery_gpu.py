"""Tensors handed out by torch while their file is still coming.  Without torch: a clear error."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from net import KEY, MemorySink, MemorySource, Net, Weather
from safetensors.numpy import save

from toolkit.delivery import events
from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sink_gpu import DTYPES, TensorSink
from toolkit.errors import EnvironmentProblem, ExitCode

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed (extra `gpu`)")

ARRAYS = {
    "embed": np.arange(600, dtype=np.float32).reshape(20, 30),
    "ids": np.arange(50, dtype=np.int64),
    "scale": np.array(3, np.int32),
    "none": np.zeros((0, 4), np.float16),
}
FILES = {"config.json": b"{}", "model.safetensors": save(ARRAYS)}


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_without_torch_the_error_says_what_to_install() -> None:
    with pytest.raises(EnvironmentProblem, match=r"pip install 'llmsync\[gpu\]'") as caught:
        TensorSink(MemorySink(FILES), "cpu")
    assert caught.value.exit_code is ExitCode.INVALID


@needs_torch
@pytest.mark.parametrize("seed", range(6))
def test_tensors_are_right_when_they_are_told(seed: int) -> None:
    net = Net(FILES, ["fra"], seed=seed, weather=Weather(loss=0.1, delay=0.01, jitter=0.02))
    sink = TensorSink(net.sinks["fra"], "cpu")
    taken: dict[str, Any] = {}
    engine = _receiver(net, sink, taken)
    net.receivers["fra"] = engine
    net.absent = ["fra"]
    net.run()
    assert set(taken) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert taken[name].numpy().dtype == array.dtype
        assert np.array_equal(taken[name].numpy(), array)
    assert net.sinks["fra"].placed == FILES


def _receiver(net: Net, sink: TensorSink, taken: dict[str, Any]) -> Receiver:
    class Taking(Receiver):
        """Takes every tensor at the moment it is told, as a runtime does."""

        def receive(self, datagram: bytes, now: float) -> list[events.ReceiverOutput]:
            outputs = super().receive(datagram, now)
            for output in outputs:
                if isinstance(output, events.TensorReady):
                    taken[output.tensor.name] = sink.tensor(output.path, output.tensor).clone()
            return outputs

    return Taking("fra", sink, trusted=None, incarnation=1, chance=net.random.random)


@needs_torch
def test_what_an_earlier_run_left_is_loaded_too() -> None:
    source = MemorySource(FILES, Coding(symbol=64, block=4, parity=4))
    envelope = seal(source.manifest, KEY)
    opened = open_manifest(envelope, None)
    disk = MemorySink(FILES)
    disk.open(envelope, opened)
    part = source.manifest.objects()[3].partition
    for file, digests in enumerate(source.digests):
        disk.put_digests(file, digests)
    for block in range(part.blocks):
        disk.write(1, block, part.offset(block), memoryview(source.read_block(1, block)))
    sink = TensorSink(disk, "cpu")
    sink.open(envelope, opened)
    assert bytes(sink._buffers[1].numpy()) == FILES["model.safetensors"]


@needs_torch
def test_bfloat16_and_misaligned_tensors_are_handed_out() -> None:
    import json

    import torch

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
    net = Net({"m.safetensors": content}, ["fra"])
    taken: dict[str, Any] = {}
    net.receivers["fra"] = _receiver(net, TensorSink(net.sinks["fra"], "cpu"), taken)
    net.absent = ["fra"]
    net.run()
    assert torch.equal(taken["w"], wanted)
    assert taken["odd"].tolist() == [5]
    assert taken["f4"].tolist() == [0x21]  # torch has no such type: the bytes themselves.


@needs_torch
def test_every_dtype_is_one_that_torch_has() -> None:
    import torch

    for name in DTYPES.values():
        assert isinstance(getattr(torch, name), torch.dtype), name


@needs_torch
def test_a_gpu_that_is_not_there_is_a_clear_error() -> None:
    import torch

    with pytest.raises(EnvironmentProblem, match="`cpu` or the number of a GPU"):
        TensorSink(MemorySink(FILES), "cuda")
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentProblem, match="finds no CUDA device"):
            TensorSink(MemorySink(FILES), "0")


@needs_torch
def test_copies_to_a_gpu_are_right(tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    content = random.Random(1).randbytes(40_000)
    arrays = {"w": np.frombuffer(content, np.float32)}
    net = Net({"m.safetensors": save(arrays)}, ["fra"], weather=Weather(loss=0.05))
    taken: dict[str, Any] = {}
    net.receivers["fra"] = _receiver(net, TensorSink(net.sinks["fra"], "0"), taken)
    net.absent = ["fra"]
    net.run()
    assert bytes(taken["w"].cpu().view(torch.uint8).tolist()) == content
