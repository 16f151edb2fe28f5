"""Which tensors are whole, while a file's bytes are verified in any order.

Byte-range bookkeeping, pure: the header is read through a function that is given.  Every byte is
told once, in ranges; a tensor is whole when all its bytes have been told.  Until the header is
whole, ranges are only kept; they are counted afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from toolkit.delivery.safetensors import LENGTH_SIZE, TensorEntry, header_size, parse_header


class TensorTracker:
    """The tensors of one safetensors file of `size` bytes.

    `read(offset, length)` returns bytes that have been told to the tracker, and only those are
    asked for.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self.tensors: tuple[TensorEntry, ...] = ()
        """By offset; empty until the header is there."""
        self.failure = ""
        """Why the file is not a safetensors file; no tensor is told of it then."""
        self._read = read
        self._ranges: dict[int, int] = {}
        """Start -> end of ranges told before the header was whole."""
        self._prefix = 0
        """Bytes that are there from the file's beginning without a gap."""
        self._needed = LENGTH_SIZE
        self._known = False
        self._missing: list[int] = []
        self._starts: list[int] = []

    @property
    def reach(self) -> int:
        """Where the header ends, as far as that is known; the file's size once it has been read."""
        return self.size if self._known else self._needed

    def add(self, start: int, end: int) -> list[TensorEntry]:
        """Bytes [start, end) are verified; return the tensors that this completes."""
        if self._known:
            return self._count(start, end)
        self._ranges[start] = end
        while self._prefix in self._ranges and self._ranges[self._prefix] > self._prefix:
            self._prefix = self._ranges[self._prefix]
        try:
            return self._open_header()
        except ValueError as error:
            self.failure, self._known = str(error), True
            self._ranges.clear()
            return []

    def _open_header(self) -> list[TensorEntry]:
        whole_file = self._prefix >= self.size
        if self._needed == LENGTH_SIZE and (self._prefix >= LENGTH_SIZE or whole_file):
            self._needed = header_size(self._read(0, min(LENGTH_SIZE, self.size)))
        if self._prefix < min(self._needed, self.size) or self._needed == LENGTH_SIZE:
            return []
        self.tensors = parse_header(self._read(0, min(self._needed, self.size)), self.size)
        self._known = True
        self._starts = [t.start for t in self.tensors]
        self._missing = [t.end - t.start for t in self.tensors]
        whole = [t for t in self.tensors if t.start == t.end]
        for start, end in self._ranges.items():
            whole += self._count(start, end)
        self._ranges.clear()
        return whole

    def _count(self, start: int, end: int) -> list[TensorEntry]:
        whole = []
        at = max(bisect_right(self._starts, start) - 1, 0)
        while at < len(self.tensors) and self.tensors[at].start < end:
            tensor = self.tensors[at]
            overlap = min(end, tensor.end) - max(start, tensor.start)
            if overlap > 0:
                self._missing[at] -= overlap
                if self._missing[at] == 0:
                    whole.append(tensor)
            at += 1
        return whole
