"""The memory of all blocks that are being received: who has how much of it, and who waits.

Pure.  Buffers are used again, and together they stay within a bound: what has no room is not taken,
and is asked for again.
"""

from __future__ import annotations

from typing import Protocol

from toolkit.delivery.memory import Buffer, Slabs

STALE = 200_000
"""Symbols: more than a sender has on its way to anybody without having heard of it."""
_NONE = (-1, -1)

Key = tuple[int, int]
"""TOI and SBN."""


class Owner(Protocol):
    """An object whose blocks are being received (`toolkit.delivery.assembly`)."""

    toi: int

    def awaits(self, sbn: int) -> bool:
        """Whether others cannot be stored before this block."""
        ...

    def got(self, sbn: int) -> int:
        """Symbols that an open block has."""
        ...

    def drop(self, sbn: int) -> None:
        """Forget a block's symbols, and give its buffer back."""
        ...


class Buffers:
    """`limit` bytes, handed out in buffers of one block."""

    def __init__(self, limit: int, slabs: Slabs | None = None) -> None:
        self.limit = limit
        self.used = 0
        self.held = 0
        """Bytes of blocks that wait to be written."""
        self.evicted = 0
        """Blocks whose symbols were thrown away for want of room."""
        self._slabs = slabs or Slabs()
        self._held: set[Key] = set()
        self._open: dict[Key, tuple[int, Owner]] = {}
        """Size of the buffer and whose it is; oldest first."""
        self._watched, self._seen, self._turned = _NONE, 0, 0
        """The block that may be stale, how many symbols it had, and how many symbols of others
        were turned away since."""

    def peek(self, size: int) -> Buffer:
        """Return the buffer that the next `take` of this size will return."""
        return self._slabs.peek(size)

    def take(self, sbn: int, size: int, owner: Owner) -> Buffer | None:
        """Return a buffer of `size` bytes, its content is anything; None: there is no room.

        What is open stays.  Each of its blocks is repaired sooner or later, and makes room then;
        were it dropped for one that comes later, both would be sent again, and push each other out
        for ever.  Only a block that others wait for takes the place of one that is open, and one
        that gets nothing for so long that nobody can be sending it goes.
        """
        while self.used and self.used + size > self.limit:
            if owner.awaits(sbn):
                found = next((k for k in reversed(self._open) if not self._awaits(k)), None)
                if found is None:
                    break
            elif (found := self._stale()) is None:
                return None
            self._open[found][1].drop(found[1])
            self.evicted += 1
        self._open[owner.toi, sbn] = size, owner
        self.used += size
        return self._slabs.take(size)

    def hold(self, toi: int, sbn: int) -> None:
        """Somebody reads this block: it is not dropped to make room."""
        size, _ = self._open.pop((toi, sbn))
        self._held.add((toi, sbn))
        self.held += size

    def unhold(self, sbn: int, size: int, owner: Owner) -> None:
        """It is a block like any other again."""
        self._held.discard((owner.toi, sbn))
        self.held -= size
        self._open[owner.toi, sbn] = size, owner

    def give(self, toi: int, sbn: int, buffer: Buffer) -> None:
        """Take a buffer back."""
        del self._open[toi, sbn]
        self.used -= buffer.size
        self._slabs.free(buffer)

    def _awaits(self, key: Key) -> bool:
        return self._open[key][1].awaits(key[1])

    def _stale(self) -> Key | None:
        """The block that is open longest, when it got nothing while STALE symbols were turned
        away."""
        self._turned += 1
        if self._watched not in self._open:
            self._watched = next((k for k in self._open if not self._awaits(k)), _NONE)
            self._seen = -1
        if self._watched is _NONE:
            return None
        got = self._open[self._watched][1].got(self._watched[1])
        if got != self._seen:
            self._seen, self._turned = got, 0
        return self._watched if self._turned >= STALE else None
