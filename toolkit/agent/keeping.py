"""Where what a receiver verifies is put: a folder, a device, both, or a device and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.agent.settings import MEMORY_FILES, Settings
from toolkit.delivery.basis import FolderBasis, Version
from toolkit.delivery.manifest import Manifest, OpenedManifest, digest
from toolkit.delivery.ports import Basis, Landed, Sink
from toolkit.delivery.safetensors import is_weights
from toolkit.delivery.sink import FolderSink
from toolkit.errors import DeliveryError
from toolkit.gpu.files import MemoryFiles
from toolkit.gpu.share.passing import PassingSink

if TYPE_CHECKING:
    from toolkit.gpu.sink import DeviceSink


class Beside:
    """A Sink around a Sink that never hears of the weights."""

    def __init__(self, inner: Sink) -> None:
        self._inner = inner
        self._numbers: dict[int, int] = {}
        """File of the manifest -> file of the inner sink."""

    def number(self, file: int) -> int | None:
        """Return the inner sink's number of a file; None: it is not told of it."""
        return self._numbers.get(file)

    def recall(self) -> bytes | None:
        return self._inner.recall()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        whole = opened.manifest
        kept = [n for n, f in enumerate(whole.files) if not is_weights(f.path)]
        self._numbers = {number: i for i, number in enumerate(kept)}
        part = replace(whole, files=tuple(whole.files[n] for n in kept))
        # Of another digest: what a run that kept the weights has left is another delivery's.
        mine = replace(opened, manifest=part, digest=digest(part.encode()))
        landed = self._inner.open(envelope, mine)
        return [
            landed[self._numbers[n]]
            if n in self._numbers
            else Landed(None, bytes(whole.cut(f.size).blocks))
            for n, f in enumerate(whole.files)
        ]

    def put_digests(self, file: int, digests: bytes) -> None:
        if file in self._numbers:
            self._inner.put_digests(self._numbers[file], digests)

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        if file in self._numbers:
            self._inner.write(self._numbers[file], block, offset, data)

    def read(self, file: int, offset: int, length: int) -> bytes:
        return self._inner.read(self._numbers[file], offset, length)

    def place(self) -> None:
        self._inner.place()

    def close(self) -> None:
        self._inner.close()


class Keeping:
    """What the settings say of it, put together; nothing is made before `prepare`.

    `check`: as `FolderSink` has it.
    """

    def __init__(self, settings: Settings, check: Callable[[Path], None]) -> None:
        self.folder: FolderSink | None = None
        self._memory: MemoryFiles | None = None
        self._beside: Beside | None = None
        inner: Sink
        if settings.output is not None:
            inner = self.folder = FolderSink(settings.output, check=check)
            if not settings.on_disk:
                inner = self._beside = Beside(self.folder)
        elif settings.share is not None and settings.device is None:
            inner = PassingSink()
        else:
            inner = self._memory = MemoryFiles(MEMORY_FILES)
        self.device: DeviceSink | None = None
        if settings.device is not None:
            inner = self.device = self._on_device(settings, inner)
        self.sink: Sink = inner
        self.basis: Basis | None = None
        if self.folder is not None:
            self.basis = FolderBasis([Version(self.folder.target)])

    def _on_device(self, settings: Settings, inner: Sink) -> DeviceSink:
        """Make the sink that brings weights to the device."""
        return _device_sink(settings, inner)

    def prepare(self) -> None:
        """Find out before anybody is told that files could not be placed."""
        if self.folder is not None:
            self.folder.prepare()

    @property
    def keeps(self) -> bool:
        """Whether files are placed on disk."""
        return self.folder is not None

    def path_of(self, file: int) -> Path | None:
        """Where the verified blocks of a file of the manifest can be read; None: not on disk."""
        number = file if self._beside is None else self._beside.number(file)
        return None if self.folder is None or number is None else self.folder.path_of(number)

    @property
    def place(self) -> str:
        """Where files are when they are placed, in words."""
        if self.folder is not None:
            return str(self.folder.target)
        return "memory" if self._memory is not None else "memory of the agents"

    def told(self, *, placed: bool) -> str:
        """What an end before its time leaves, in words."""
        if placed:
            return f"everything is in {self.place}, and the sender may not know it"
        if self.folder is None:
            return "nothing is kept (files are kept on disk with --output)"
        if self.folder.kept:
            return (
                f"what was received is kept in {self.folder.staging} (start the receiver again to "
                "go on)"
            )
        return "nothing had been received"

    def read(self, manifest: Manifest, file: int) -> bytes:
        """Return a file all of whose blocks are verified, wherever it is at this moment."""
        entry = manifest.files[file]
        try:
            return self.sink.read(file, 0, entry.size)
        except (DeliveryError, KeyError):
            # It has been placed since, or is not there: that is what is said then.
            if self._memory is not None:
                return self._memory.placed[entry.path]
            placed = self.folder.target / entry.path if self.folder is not None else None
            if placed is None or not placed.is_file():
                raise
            return placed.read_bytes()


Keep = Callable[[Settings, Callable[[Path], None]], Keeping]
"""Makes a Keeping."""


def _device_sink(settings: Settings, inner: Sink) -> DeviceSink:
    from toolkit.gpu.door import open_device
    from toolkit.gpu.sink import DeviceSink
    from toolkit.gpu.slices import COLUMN_AND_ROW, Rule, Shard

    assert settings.device is not None
    rules = tuple(Rule(pattern, dim) for pattern, dim in settings.shard)
    return DeviceSink(
        inner, open_device(settings.device), weights="both" if settings.on_disk else "gpu",
        shard=Shard(settings.rank, settings.world, rules + COLUMN_AND_ROW),
        check=settings.check_device, passing=settings.passing,
    )  # fmt: skip
