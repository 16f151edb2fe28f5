"""The window is all that a delivery takes of the host's memory, however large the model."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt
import pytest
from net import Net, Weather
from safetensors.numpy import save

from toolkit.delivery import memory
from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    from toolkit.gpu.door import open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.sink import DeviceSink

WINDOW = 4 * 2**20
CODING = Coding(symbol=8192, block=16, parity=8)
"""Blocks of 128 KiB."""


def deliver(size: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Deliver a model of `size` bytes; return the window's bytes, and those of what was hashed."""
    monkeypatch.setattr(memory, "SLAB", 2**20)
    arrays = {
        f"layers.{i}": np.random.default_rng(i).integers(0, 256, 2**20, np.uint8)
        for i in range(size // 2**20)
    }
    files = {"model.safetensors": save(arrays)}
    net = Net(
        files, ["fra"], coding=CODING, rate=1e10,
        weather=Weather(loss=0.01, delay=0.001, jitter=0.0005),
    )  # fmt: skip
    taken = 0

    def allocate(wanted: int) -> npt.NDArray[np.uint8]:
        nonlocal taken
        taken += wanted
        return memory.anonymous(wanted)

    sink = DeviceSink(MemoryFiles(), open_device("cpu"), weights="gpu")
    net.receivers["fra"] = Receiver(
        "fra", sink, trusted=None, incarnation=1, chance=net.random.random, memory=WINDOW,
        slabs=memory.Slabs(allocate), headers_first=True, socket_room=WINDOW,
    )  # fmt: skip
    net.absent = ["fra"]
    net.run()
    assert len(sink.model.ready) == len(arrays)
    for tensor in sink.model.tensors():
        assert np.array_equal(tensor.value.numpy(), arrays[tensor.name])
    return taken, sink.checked


def test_ten_windows_of_model_take_one_window_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    small, _ = deliver(2 * WINDOW, monkeypatch)
    large, checked = deliver(10 * WINDOW, monkeypatch)
    assert checked > 10 * WINDOW
    assert 0 < large <= WINDOW + 2 * 2**20
    assert large <= small + 2 * 2**20
