"""Memory for blocks: allocated in slabs of huge pages where the kernel has them, and used again.

Pure: it touches memory and nothing else.  Small pages cost a page fault for every 4 KiB that is
written first, which is as much as the copy itself.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

SLAB = 16 * 2**20
_HUGE = 2 * 2**20
_SMALL = 64 * 2**10


class Buffer:
    """`size` bytes with an address, as an array and as a memoryview."""

    __slots__ = ("address", "array", "room", "size", "view")

    def __init__(self, room: npt.NDArray[np.uint8], size: int) -> None:
        """`room`: the memory, of which it is the first `size` bytes."""
        self.room = room
        self.array = array = room[:size]
        self.view: memoryview = array.data
        self.address: int = array.ctypes.data
        self.size = size


class Slabs:
    """Hands out buffers; one that is given back (`free`) is used for the next of about its size.

    `allocate(size)` returns an array of at least that many bytes, for memory that others share or
    a device reads; it is never given back.  None: anonymous memory.
    """

    def __init__(self, allocate: Callable[[int], npt.NDArray[np.uint8]] | None = None) -> None:
        self._allocate = allocate or anonymous
        self._free: dict[int, list[npt.NDArray[np.uint8]]] = {}
        """Memory by its length."""
        self._next: dict[int, Buffer] = {}
        """Those that were peeked at, by size."""
        self._rest: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def take(self, size: int) -> Buffer:
        """Return a buffer; its content is anything."""
        return self._next.pop(size, None) or self._any(size)

    def peek(self, size: int) -> Buffer:
        """Return the buffer that the next `take` of this size will return."""
        found = self._next.get(size)
        if found is None:
            found = self._next[size] = self._any(size)
        return found

    def _any(self, size: int) -> Buffer:
        length = _room(size)
        free = self._free.get(length)
        return Buffer(free.pop() if free else self._make(length), size)

    def free(self, buffer: Buffer) -> None:
        """Take a buffer back."""
        self._free.setdefault(len(buffer.room), []).append(buffer.room)

    def _make(self, length: int) -> npt.NDArray[np.uint8]:
        if length < _SMALL and self._allocate is anonymous:
            return np.empty(length, np.uint8)
        if length > len(self._rest):
            self._rest = self._allocate(-(-max(length, SLAB) // _HUGE) * _HUGE)
        found, self._rest = self._rest[:length], self._rest[-(-length // 64) * 64 :]
        return found


def _room(size: int) -> int:
    """Memory for a buffer of so many bytes: an eighth more at most, so that a file's blocks, which
    differ by a symbol, take one another's place."""
    if size < _SMALL:
        return size
    step = 1 << (size.bit_length() - 4)
    return -(-size // step) * step


def anonymous(size: int) -> npt.NDArray[np.uint8]:
    """Return `size` bytes of anonymous memory, from huge pages where there are some."""
    # The kernel gives huge pages only to aligned stretches: one more is mapped than is used.
    mapped = mmap.mmap(-1, size + _HUGE)
    with contextlib.suppress(OSError, AttributeError):  # Not Linux, or a kernel without them.
        mapped.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(mapped, np.uint8)
    start = -whole.ctypes.data % _HUGE
    return whole[start : start + size]
