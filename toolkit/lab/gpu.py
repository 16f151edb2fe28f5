"""What the clouds of a laboratory do with tensors: take each from torch as soon as it is verified,
and compare it.

The same sink as `llmsync receive --gpu`; all clouds share this machine's device.  Needs the extra
`gpu`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.delivery.events import TensorReady
from toolkit.delivery.ports import Sink
from toolkit.gpu.door import open_device
from toolkit.gpu.sink import DeviceSink


class TensorTaker:
    """Hands every cloud's tensors out through torch and keeps them for the comparison."""

    def __init__(self, device: str) -> None:
        """`device`: `cpu` or the number of a GPU.

        Raises EnvironmentProblem where torch or the device is missing: before anything is started.
        """
        self._device = open_device(device)
        self._sinks: dict[str, DeviceSink] = {}
        self._taken: dict[str, dict[tuple[str, str], tuple[TensorReady, Any]]] = {}

    def wrap(self, cloud: str, sink: Sink) -> Sink:
        """Return a sink that fills device memory too."""
        self._sinks[cloud] = DeviceSink(sink, self._device)
        self._taken[cloud] = {}
        return self._sinks[cloud]

    def take(self, cloud: str, ready: TensorReady) -> None:
        tensor = self._sinks[cloud].tensor(ready.path, ready.tensor)
        self._taken[cloud][ready.path, ready.tensor.name] = ready, tensor

    def differing(self, cloud: str, sources: Mapping[str, Path]) -> list[str]:
        """Return the names of tensors on the device whose bytes are not those of the source's
        files."""
        wrong = []
        for (path, name), (ready, tensor) in sorted(self._taken.get(cloud, {}).items(), key=str):
            with sources[path].open("rb") as file:
                file.seek(ready.tensor.start)
                data = bytearray(file.read(ready.tensor.end - ready.tensor.start))
            if not self._holds(tensor, data):
                wrong.append(f"{path}: {name}")
        return wrong

    def _holds(self, tensor: Any, data: bytearray) -> bool:  # noqa: ANN401 - a torch.Tensor
        torch = self._device.torch
        held = tensor.contiguous().reshape(-1).view(torch.uint8).cpu()
        return bool(torch.equal(held, torch.frombuffer(data, dtype=torch.uint8)))

    def summary(self) -> str:
        count = sum(map(len, self._taken.values()))
        return f"{count} tensors handed out through torch on {self._device.title}"
