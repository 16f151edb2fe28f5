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
from toolkit.delivery.sink import FolderSink
from toolkit.delivery.sink_gpu import TensorSink


class TensorTaker:
    """Hands every cloud's tensors out through torch and keeps them for the comparison."""

    def __init__(self, device: str) -> None:
        """`device`: `cpu` or the number of a GPU.

        Raises EnvironmentProblem where torch or the device is missing: before anything is started.
        """
        TensorSink(FolderSink(Path()), device)  # made, never used: only making it asks for torch
        self._device = device
        self._sinks: dict[str, TensorSink] = {}
        self._taken: dict[str, dict[tuple[str, str], tuple[TensorReady, Any]]] = {}

    def wrap(self, cloud: str, sink: Sink) -> Sink:
        """Return a sink that fills device buffers too."""
        self._sinks[cloud] = TensorSink(sink, self._device)
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
            if not self._sinks[cloud].holds(tensor, data):
                wrong.append(f"{path}: {name}")
        return wrong

    def summary(self) -> str:
        count = sum(map(len, self._taken.values()))
        devices = sorted({sink.device for sink in self._sinks.values()})
        return f"{count} tensors handed out through torch on {', '.join(devices) or self._device}"
