"""(i) A full window to the device, beside a plain copy of pinned memory.

Ours is what a receiver does with blocks that have come: `DeviceSink.begin` and `land`, in the
order in which blocks come, with as many copies under way as `CopyDesk` has; `desk` is the same
through its thread.  The peer is torch's own copy of the same bytes in pieces of the same size.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_weights import alternate, middle, ratio

from toolkit.delivery.manifest import DIGEST_SIZE, open_manifest, seal
from toolkit.delivery.model import Coding, symbol_size
from toolkit.delivery.source import FileSource, open_source
from toolkit.delivery.storing import Job
from toolkit.gpu.desk import MOST, TOGETHER, CopyDesk
from toolkit.gpu.door import Device
from toolkit.gpu.files import MemoryFiles
from toolkit.gpu.sink import DeviceSink

PEER = "target[a:b].copy_(pinned[a:b], non_blocking=True) on a torch.cuda.Stream, then synchronize"


class Window:
    """The blocks of one file as they lie in a window when they have come."""

    def __init__(self, folder: Path, device: Device, payload: int, key: Any) -> None:
        self.source: FileSource = open_source(folder, Coding(symbol=symbol_size(payload)))
        self.envelope = seal(self.source.manifest, key)
        self.opened = open_manifest(self.envelope, None)
        files = self.source.manifest.files
        self.file = next(n for n, f in enumerate(files) if f.path.endswith(".safetensors"))
        self.size = files[self.file].size
        self.cut = self.source.manifest.cut(self.size)
        self.memory = device.window(self.size)
        with self.source.paths[self.file].open("rb") as stream:
            stream.readinto(self.memory.data)

    def block(self, number: int) -> tuple[int, memoryview]:
        at = self.cut.offset(number)
        return at, self.memory[at : at + self.cut.size(number)].data

    def sink(self, device: Device, *, check: bool) -> DeviceSink:
        sink = DeviceSink(MemoryFiles(), device, weights="gpu", check=check)
        sink.open(self.envelope, self.opened)
        sink.put_digests(self.file, self.source.digests[self.file])
        at, data = self.block(0)
        sink.write(self.file, 0, at, data)  # The header: now there is an arena.
        return sink


def _settle(device: Device) -> None:
    if not device.is_cpu:
        device.torch.cuda.synchronize(device.handle)


def by_hand(window: Window, device: Device, *, check: bool) -> Callable[[], float]:
    def run() -> float:
        sink = window.sink(device, check=check)
        _settle(device)
        begin = time.perf_counter()
        flights: deque[Any] = deque()
        for first in range(1, window.cut.blocks, TOGETHER):
            with device.together():
                for number in range(first, min(first + TOGETHER, window.cut.blocks)):
                    at, data = window.block(number)
                    flights.append(sink.begin(window.file, number, at, data, known=not check))
            while len(flights) >= MOST:
                _land(sink, flights)
        while flights:
            _land(sink, flights)
        seconds = time.perf_counter() - begin
        assert len(sink.model.ready) == len(sink.model.entries(window.opened.manifest.files[
            window.file].path))  # fmt: skip
        return window.size / seconds / 1e9

    return run


def _land(sink: DeviceSink, flights: deque[Any]) -> None:
    flights[0].ticket.wait()
    ripe = [flights.popleft()]
    while flights and flights[0].ticket.done():
        ripe.append(flights.popleft())
    assert not sink.land(ripe)


def by_desk(window: Window, device: Device) -> Callable[[], float]:
    def run() -> float:
        sink = window.sink(device, check=True)
        _settle(device)
        digests = window.source.digests[window.file]
        with CopyDesk(sink) as desk:
            begin = time.perf_counter()
            for number in range(1, window.cut.blocks):
                at, data = window.block(number)
                wanted = digests[number * DIGEST_SIZE :][:DIGEST_SIZE]
                desk.put(Job(window.file, number, at, data, wanted))
            desk.drain()
            seconds = time.perf_counter() - begin
            assert all(job.right for job in desk.finished())
        return window.size / seconds / 1e9

    return run


def plainly(window: Window, device: Device) -> Callable[[], float]:
    torch = device.torch
    pinned = torch.empty(window.size, dtype=torch.uint8, pin_memory=not device.is_cpu)
    pinned.numpy()[:] = window.memory
    stream = None if device.is_cpu else torch.cuda.Stream(device.handle)

    def copy(target: Any) -> None:
        for number in range(1, window.cut.blocks):
            at = window.cut.offset(number)
            end = at + window.cut.size(number)
            target[at:end].copy_(pinned[at:end], non_blocking=True)

    def run() -> float:
        target = torch.empty(window.size, dtype=torch.uint8, device=device.handle)
        _settle(device)
        begin = time.perf_counter()
        if stream is None:
            copy(target)
        else:
            with torch.cuda.stream(stream):
                copy(target)
            stream.synchronize()
        return window.size / (time.perf_counter() - begin) / 1e9

    return run


def measure(folder: Path, device: Device, payload: int, runs: int, key: Any) -> dict[str, Any]:
    window = Window(folder, device, payload, key)
    found = alternate(
        runs,
        {
            "pinned": plainly(window, device),
            "unchecked": by_hand(window, device, check=False),
            "checked": by_hand(window, device, check=True),
            "desk": by_desk(window, device),
        },
    )
    pinned = device.is_cpu or device.pinned
    device.unpin(window.memory)
    return {
        "window_bytes": window.size,
        "block_bytes": window.cut.size(1),
        "window_pinned": pinned and not device.is_cpu,
        "pinned_copy_gbytes": round(middle(found["pinned"]), 2),
        "unchecked_gbytes": round(middle(found["unchecked"]), 2),
        "checked_gbytes": round(middle(found["checked"]), 2),
        "desk_gbytes": round(middle(found["desk"]), 2),
        "ratio_to_pinned_copy": ratio(found["checked"], found["pinned"]),
        "ratio_to_pinned_copy_unchecked": ratio(found["unchecked"], found["pinned"]),
        "ratio_to_pinned_copy_desk": ratio(found["desk"], found["pinned"]),
        "peer": PEER,
    }
