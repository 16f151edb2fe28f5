"""The sender's blocks in memory: each is read once from storage, whatever its repairs.

Pure, apart from the Source that blocks are read from.  A block stays for as long as the bound
allows, the one that was not used for longest goes first; its buffer is used for the next.  The
bound begins at FIRST_LIMIT (memory that is touched for the first time costs as much as reading a
block), and doubles when a block is asked for that had gone.  Whoever was handed a block's bytes may
use them until FRESH more blocks have been asked for.
"""

from __future__ import annotations

from toolkit.delivery.memory import Buffer, Slabs
from toolkit.delivery.ports import Source

FRESH = 8
"""Blocks that are kept whatever the bound says."""


FIRST_LIMIT = 128 * 2**20
"""Bytes kept at first: eight segments.  With three of them 5 % were read twice at 1 % loss."""


class Blocks:
    """Source blocks of a Source's files; `limit`: bytes kept at most."""

    def __init__(self, source: Source, limit: int) -> None:
        self.bytes_read = 0
        """Bytes that were read from the source."""
        self._source = source
        self._most = limit
        self._limit = min(limit, FIRST_LIMIT)
        self._read: dict[int, bytearray] = {}
        """File -> one byte per block, 1 when it was read before."""
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
            self._remember(file, block)
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

    def _remember(self, file: int, block: int) -> None:
        """A block is read: if it is not for the first time, too few are kept."""
        read = self._read.setdefault(file, bytearray())
        if block >= len(read):
            read.extend(bytes(block + 1 - len(read)))
        if read[block]:
            self._limit = min(2 * self._limit, self._most)
        read[block] = 1
