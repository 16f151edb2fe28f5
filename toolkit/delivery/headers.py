"""Safetensors files at the receiver: which tensors are whole, and what waits for their header.

Pure: a file's bytes are read through a function that is given.  A sink that puts tensors in their
places must know the header of a file first.  With `first` only block 0 is admitted, then the blocks
with the rest of the header, then all others.  A file whose header is broken is a file like any
other: all its blocks are admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from toolkit.delivery.assembly import nobody
from toolkit.delivery.events import TensorReady
from toolkit.delivery.manifest import FileObject, Manifest
from toolkit.delivery.safetensors import is_weights
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
        if not self._first or not is_weights(self._manifest.files[file].path):
            return True
        return offset < self._tracker(file).reach

    def blocks(self, file: int, cut: Cut) -> Iterator[int]:
        """The blocks of a header that others wait for, each as soon as it is admitted."""
        if not self._first or not is_weights(self._manifest.files[file].path):
            return
        for block in range(cut.blocks):
            if not self._awaited(file, cut, block):
                return
            yield block

    def awaited(self, item: FileObject) -> Callable[[int], bool]:
        """Whether others wait for a block of an object: for a list of digests all of its file."""
        if not item.is_data:
            return lambda _: True
        if not self._first or not is_weights(self._manifest.files[item.file].path):
            return nobody
        return partial(self._awaited, item.file, item.cut)

    def _awaited(self, file: int, cut: Cut, block: int) -> bool:
        tracker = self._tracker(file)
        return cut.offset(block) < tracker.reach < tracker.size

    def add(self, file: int, start: int, end: int) -> tuple[list[TensorReady], bool]:
        """Bytes [start, end) are stored: the tensors that this completes, and whether more blocks
        are admitted than before."""
        path = self._manifest.files[file].path
        if not is_weights(path):
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
