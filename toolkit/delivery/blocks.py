"""The sender's blocks in memory: each is read once from storage, whatever its repairs.

Pure, apart from the Source that blocks are read from.  A block stays for as long as the bound
allows, the one that was not used for longest goes first; its buffer is used for the next.  Whoever
was handed a block's bytes may use them until FRESH more blocks have been asked for.
"""

from __future__ import annotations

from toolkit.delivery.memory import Buffer, Slabs
from toolkit.delivery.ports import Source

FRESH = 8
"""Blocks that are kept whatever the bound says."""


class Blocks:
    """Source blocks of a Source's files; `limit`: bytes kept."""

    def __init__(self, source: Source, limit: int) -> None:
        self.bytes_read = 0
        """Bytes that were read from the source."""
        self._source = source
        self._limit = limit
        self._kept: dict[tuple[int, int], Buffer] = {}
        """(file, block) -> its bytes; the one used last comes last."""
        self._size = 0
        self._slabs = Slabs()

    def get(self, file: int, block: int, size: int) -> memoryview:
        """Return a block of `size` bytes.

        Raises DeliveryError when the file is not what it was when it was scanned.
        """
        key = file, block
        found = self._kept.pop(key, None)
        if found is None:
            while self._size + size > self._limit and len(self._kept) > FRESH:
                oldest = self._kept.pop(next(iter(self._kept)))
                self._size -= oldest.size
                self._slabs.free(oldest)
            found = self._slabs.take(size)
            self._source.read_into(file, block, found.view)
            self._size += size
            self.bytes_read += size
        self._kept[key] = found
        return found.view
