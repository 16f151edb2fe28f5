"""Files on disk into a bounded window, by several threads, for a device to copy from.

What is read is handed over in the order in which it has come, and its memory is used again once
it is given back.  Errors of the disk, a file that ends early and one that changes under the eyes of
its reader are told with file and byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from types import TracebackType

import numpy as np
import numpy.typing as npt

from toolkit.errors import DeliveryError
from toolkit.gpu.door import Device

SPAN = 8 * 2**20
"""Bytes of one read: so large that what a read costs beside its bytes does not count."""
WINDOW, WINDOW_CPU = 128 * 2**20, 16 * 2**20
"""Bytes of memory to read through: where the CPU copies, what fits its caches is faster."""
SLOTS = 16
"""Pieces of a window at least: some are read, some copied, some checked."""
PAGE = 4096
THREADS = 8
"""Readers: a copy out of the page cache takes one core, a bus to a GPU outruns several of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file."""

    offset: int
    size: int


@dataclass(slots=True)
class Loaded:
    """A span in memory; `Reader.free` gives the memory back."""

    span: Span
    data: memoryview
    slot: int


class Window:
    """`slots` pieces of memory of `span` bytes each, which the device reads by itself if it can.

    A context: memory is there from the first use to the end, for one file after the other.
    `size`: bytes of all of them; `least`: bytes of a piece at least, two of which there always are.
    """

    def __init__(self, device: Device, size: int, least: int) -> None:
        self.span = -(-max(min(SPAN, size // SLOTS), least, 1) // PAGE) * PAGE
        self.slots = max(size // self.span, 2)
        self._device = device
        self._memory: npt.NDArray[np.uint8] | None = None

    @property
    def size(self) -> int:
        return self.slots * self.span

    def slot(self, number: int, size: int) -> memoryview:
        """The first `size` bytes of a slot."""
        if self._memory is None:
            self._memory = self._device.window(self.size)
        start = number * self.span
        return self._memory[start : start + size].data

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the memory back: nothing may be copied from it any more."""
        if self._memory is not None:
            self._device.settle()
            self._device.unpin(self._memory)
            self._memory = None


class Reader:
    """Reads `spans` of a file, none longer than a slot of the window.  A context."""

    def __init__(
        self, path: Path, spans: Iterable[Span], window: Window, *, threads: int | None = None
    ) -> None:
        self._path = path
        self._spans = list(spans)
        self._window = window
        self._next = 0
        self.left = len(self._spans)
        """Spans that have not been handed over."""
        cores = len(os.sched_getaffinity(0))
        self._threads = max(min(threads or min(cores, THREADS), self.left), 1)
        self.slots = window.slots
        """Spans that are in memory at a time."""
        self._free: SimpleQueue[int | None] = SimpleQueue()
        self._done: SimpleQueue[Loaded | DeliveryError] = SimpleQueue()
        self._lock = Lock()
        self._file = -1
        self._before: tuple[int, int] = (0, 0)
        self._running: list[Thread] = []

    @property
    def changed(self) -> bool:
        """Whether the file is another than when it was opened."""
        return self._state() != self._before

    def __enter__(self) -> Reader:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._before = self._state()
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        self._window.slot(0, 0)  # Before threads ask for it.
        for slot in range(self.slots):
            self._free.put(slot)
        for number in range(self._threads):
            thread = Thread(target=self._work, name=f"reader {number}", daemon=True)
            thread.start()
            self._running.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the threads."""
        with self._lock:
            self._next = len(self._spans)
        for _ in self._running:
            self._free.put(None)
        for thread in self._running:
            thread.join()
        os.close(self._file)

    def take(self) -> Loaded:
        """Return what has been read next, and wait for it.  Raises DeliveryError."""
        found = self._done.get()
        if isinstance(found, DeliveryError):
            raise found
        self.left -= 1
        return found

    def free(self, loaded: Loaded) -> None:
        """Nobody reads this memory any more."""
        self._free.put(loaded.slot)

    # ----- in the threads

    def _work(self) -> None:
        while (slot := self._free.get()) is not None:
            with self._lock:
                if self._next >= len(self._spans):
                    return
                span = self._spans[self._next]
                self._next += 1
            try:
                self._done.put(Loaded(span, self._fill(span, slot), slot))
            except OSError as error:
                self._done.put(self._failed(error.strerror or str(error), span.offset))
            except DeliveryError as error:
                self._done.put(error)

    def _fill(self, span: Span, slot: int) -> memoryview:
        data, at = self._window.slot(slot, span.size), 0
        while at < span.size:
            got = os.preadv(self._file, [data[at:]], span.offset + at)
            if not got:
                raise self._failed(
                    f"ends at byte {span.offset + at}, {span.offset + span.size} were expected: it "
                    "is truncated, or was changed while it was being read"
                )
            at += got
        return data

    # -----

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self._file)
        return found.st_size, found.st_mtime_ns

    def _failed(self, what: str, at: int | None = None) -> DeliveryError:
        where = "" if at is None else f" at byte {at}"
        return DeliveryError(
            f"{self._path}{where}: {what} (look at the disk, or fetch the model again)"
        )
