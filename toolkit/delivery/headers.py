"""Safetensors files at the receiver: which tensors are whole, and what waits for their header.

Pure: a file's bytes are read through a function that is given.  A sink that puts tensors in their
places must know the header of a file first.  With `first` only block 0 is admitted, then the blocks
with the rest of the header, then all others.  A file whose header is broken is a file like any
other: all its blocks are admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from toolkit.delivery.events import TensorReady
from toolkit.delivery.manifest import Manifest
from toolkit.delivery.safetensors import SUFFIX
from toolkit.delivery.sealing import Cut
from toolkit.delivery.tensors import TensorTracker

Read = Callable[[int, int, int], bytes]
"""File, offset, length -> bytes of verified blocks."""


class Headers:
    """The safetensors files of one manifest."""

    def __init__(self, manifest: Manifest, read: Read, *, first: bool) -> None:
        self._read, self._first = read, first
        self._manifest = manifest
        self._trackers: dict[int, TensorTracker] = {}

    def admits(self, file: int, offset: int) -> bool:
        """Whether a block that begins at `offset` of a file may be stored now."""
        if not self._first or not self._manifest.files[file].path.endswith(SUFFIX):
            return True
        return offset < self._tracker(file).reach

    def blocks(self, file: int, cut: Cut) -> Iterator[int]:
        """The blocks of a header that others wait for, each as soon as it is admitted."""
        if not self._first or not self._manifest.files[file].path.endswith(SUFFIX):
            return
        tracker = self._tracker(file)
        for block in range(cut.blocks):
            if not cut.offset(block) < tracker.reach < tracker.size:
                return
            yield block

    def add(self, file: int, start: int, end: int) -> tuple[list[TensorReady], bool]:
        """Bytes [start, end) are stored: the tensors that this completes, and whether more blocks
        are admitted than before."""
        path = self._manifest.files[file].path
        if not path.endswith(SUFFIX):
            return [], False
        tracker = self._tracker(file)
        reach = tracker.reach
        ready = [TensorReady(path, tensor) for tensor in tracker.add(start, end)]
        return ready, self._first and tracker.reach > reach

    def _tracker(self, file: int) -> TensorTracker:
        tracker = self._trackers.get(file)
        if tracker is None:
            size = self._manifest.files[file].size
            tracker = TensorTracker(size, lambda offset, length: self._read(file, offset, length))
            self._trackers[file] = tracker
        return tracker
