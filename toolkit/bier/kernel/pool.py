"""Which entries of an array are in use; what is given back rests until nobody reads it any more.

Law: an entry is never handed out again before `settle` says that every packet which could still
read it has passed.  Pure.
"""

from __future__ import annotations


class Pool:
    """Runs of entries in an array of `size`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: list[tuple[int, int]] = [(0, size)] if size else []
        self._resting: list[tuple[int, int]] = []

    def take(self, count: int) -> int | None:
        """Return the first of `count` entries in a row; None where there is no such run."""
        for place, (start, length) in enumerate(self._free):
            if length >= count:
                if length == count:
                    del self._free[place]
                else:
                    self._free[place] = (start + count, length - count)
                return start
        return None

    def give_back(self, start: int, count: int) -> None:
        """Rest these entries: packets on their way may still read them."""
        self._resting.append((start, count))

    @property
    def resting(self) -> int:
        return sum(count for _start, count in self._resting)

    def settle(self) -> None:
        """Every packet that was on its way has passed: what rests is free."""
        merged: list[tuple[int, int]] = []
        for start, count in sorted(self._free + self._resting):
            if merged and merged[-1][0] + merged[-1][1] == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + count)
            else:
                merged.append((start, count))
        self._free, self._resting = merged, []
