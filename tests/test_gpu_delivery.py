"""Tensors handed out by torch while their file is still coming, over a bad network."""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import numpy as np
import pytest
from net import Net, Weather
from safetensors.numpy import save

from toolkit.delivery import events
from toolkit.delivery.receiver import Receiver

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    from toolkit.gpu.door import open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.sink import DeviceSink

ARRAYS = {
    "embed": np.arange(600, dtype=np.float32).reshape(20, 30),
    "ids": np.arange(50, dtype=np.int64),
    "scale": np.array(3, np.int32),
    "none": np.zeros((0, 4), np.float16),
}
FILES = {"config.json": b"{}", "model.safetensors": save(ARRAYS)}


def receiver(net: Net, sink: DeviceSink, taken: dict[str, Any]) -> Receiver:
    class Taking(Receiver):
        """Takes every tensor at the moment it is told, as a runtime does."""

        def receive(self, datagram: bytes, now: float) -> list[events.ReceiverOutput]:
            outputs = super().receive(datagram, now)
            for output in outputs:
                if isinstance(output, events.TensorReady):
                    taken[output.tensor.name] = sink.tensor(output.path, output.tensor).clone()
            return outputs

    return Taking(
        "fra", sink, trusted=None, incarnation=1, chance=net.random.random, headers_first=True
    )


@pytest.mark.parametrize("weights", ["both", "gpu"])
@pytest.mark.parametrize("seed", range(6))
def test_tensors_are_right_when_they_are_told(seed: int, weights: Any) -> None:
    weather = Weather(loss=0.1, delay=0.01, jitter=0.02)
    net = Net(FILES, ["fra"], seed=seed, weather=weather)
    inner = net.sinks["fra"] if weights == "both" else MemoryFiles()
    sink = DeviceSink(inner, open_device("cpu"), weights=weights)
    taken: dict[str, Any] = {}
    net.receivers["fra"] = receiver(net, sink, taken)
    net.absent = ["fra"]
    net.run()
    assert set(taken) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert taken[name].numpy().dtype == array.dtype
        assert np.array_equal(taken[name].numpy(), array)
    assert sink.checked == len(FILES["model.safetensors"])
    if weights == "both":
        assert net.sinks["fra"].placed == FILES
    else:
        assert inner.placed == {"config.json": b"{}"}


def test_copies_to_a_gpu_are_right() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    content = random.Random(1).randbytes(40_000)
    arrays = {"w": np.frombuffer(content, np.float32)}
    net = Net({"m.safetensors": save(arrays)}, ["fra"], weather=Weather(loss=0.05))
    taken: dict[str, Any] = {}
    sink = DeviceSink(net.sinks["fra"], open_device("0"))
    net.receivers["fra"] = receiver(net, sink, taken)
    net.absent = ["fra"]
    net.run()
    assert bytes(taken["w"].cpu().view(torch.uint8).tolist()) == content
