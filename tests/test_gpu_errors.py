"""What goes wrong at a device, and what is said: memory, a device that is lost, a missing driver.

torch's own errors are raised where the device would raise them: there is no GPU to break here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from net import MemorySink, Net
from test_gpu_sink import ARRAYS, FILES, Delivery

from toolkit.delivery.memory import Slabs
from toolkit.delivery.receiver import Receiver
from toolkit.errors import DeliveryError, EnvironmentProblem, ExitCode
from toolkit.gpu import door
from toolkit.gpu.files import MemoryFiles
from toolkit.gpu.sink import DeviceSink

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'llmsync\[gpu\]'") as caught:
        door.open_device("cpu")
    assert caught.value.exit_code is ExitCode.INVALID


class FakeCuda:
    """What torch says of devices."""

    def __init__(self, count: int) -> None:
        self.count = count

    def is_available(self) -> bool:
        return self.count > 0

    def device_count(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("cuda", "count", "driver", "visible", "said"),
    [
        (None, 0, True, None, "it was built without CUDA (install a CUDA build of torch"),
        ("13.0", 0, False, None, "no NVIDIA driver is loaded on this host"),
        ("13.0", 0, True, "", "torch finds no CUDA devices here; CUDA_VISIBLE_DEVICES is ''"),
        ("13.0", 2, True, None, "torch finds 2 CUDA devices here (GPUs are numbered from 0"),
        ("13.0", 1, True, None, "torch finds 1 CUDA device here"),
    ],
)
def test_a_missing_device_says_what_is_missing(
    cuda: str | None, count: int, driver: bool, visible: str | None, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    torch = SimpleNamespace(
        version=SimpleNamespace(cuda=cuda), __version__="2.13.0", cuda=FakeCuda(count)
    )
    monkeypatch.setattr(door, "_driver_device", lambda: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(EnvironmentProblem) as caught:
        door._look_for(torch, 2)
    assert said in str(caught.value)
    assert "--gpu cpu runs without one" in str(caught.value)


@needs_torch
def test_out_of_memory_ends_a_delivery_with_a_remedy_and_frees_everything() -> None:
    import torch

    def full(size: int, what: str) -> Any:
        with device.explained(f"{what}: {size} bytes were asked for"):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    device = door.open_device("cpu")
    device.empty = full
    files = {"a.json": b"{}", "model.safetensors": FILES["model.safetensors"]}
    net = Net(files, ["fra"])
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    slabs = Slabs()
    net.receivers["fra"] = Receiver(
        "fra", sink, trusted=None, incarnation=1, chance=net.random.random,
        headers_first=True, slabs=slabs,
    )  # fmt: skip
    net.absent = ["fra"]
    net.run()
    (result,) = net.sender.results()
    assert "cpu: out of memory: model.safetensors: " in result.reason
    assert "the window and what was on the device are released" in result.reason
    assert "--rank and --world" in result.reason
    assert not sink.model.files
    assert net.receivers["fra"].catalog is None


@needs_torch
def test_a_device_without_room_says_how_much_is_missing() -> None:
    device = door.open_device("cpu")
    device.memory = lambda: (1000, 4000)
    with pytest.raises(DeliveryError) as caught:
        device.empty(2000, "model.safetensors")
    assert str(caught.value) == (
        "cpu: out of memory: model.safetensors needs 2000 bytes, 1000 of 4000 are free; the window "
        "and what was on the device are released (free some, or hold a part of the model: --rank "
        "and --world)"
    )
    with pytest.raises(DeliveryError, match="or place it on disk, --weights disk"):
        device.empty(5000, "model.safetensors")


@needs_torch
def test_a_lost_device_is_told_and_what_is_on_disk_is_kept() -> None:
    device = door.open_device("cpu")
    device.name = "cuda:0"
    delivery = Delivery(FILES)
    disk = MemorySink(FILES)
    sink = DeviceSink(disk, device)
    copy, left = device.copy_in, [5]

    def lost(target: Any, data: memoryview) -> None:
        left[0] -= 1
        with device.explained("a block was copied"):
            if left[0] < 0:
                raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors")
        copy(target, data)

    device.copy_in = lost
    with pytest.raises(DeliveryError) as caught:
        delivery.feed(sink)
    assert str(caught.value) == (
        "cuda:0: the device was lost: a block was copied; the window is released, and what is on "
        "disk is kept (nvidia-smi and the kernel's log say why; start the receiver again): CUDA "
        "error: unspecified launch failure"
    )
    sink.close()
    assert not list(sink.model.tensors())
    fresh = DeviceSink(disk, door.open_device("cpu"))
    landed = fresh.open(delivery.envelope, delivery.opened)
    assert 1 in landed[1].blocks
    for file in range(2):
        for number, offset, data in delivery.blocks(file):
            if not landed[file].blocks[number]:
                fresh.write(file, number, offset, memoryview(data))
    assert {t.name for t in fresh.model.tensors()} == set(ARRAYS)
    assert fresh.model.verify() == []


@needs_torch
def test_files_beside_the_weights_that_do_not_fit_memory_ask_for_a_folder(tmp_path: Path) -> None:
    del tmp_path
    delivery = Delivery({"big.bin": bytes(500), "m.safetensors": FILES["model.safetensors"]})
    sink = DeviceSink(MemoryFiles(limit=100), door.open_device("cpu"), weights="gpu")
    with pytest.raises(DeliveryError, match=r"big\.bin alone 500.*--output"):
        sink.open(delivery.envelope, delivery.opened)
