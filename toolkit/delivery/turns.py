"""Several objects at a time: the sender takes a segment of each in turn.

Pure.  One place (track and segment) goes through the objects in their order; with `wide` of them,
the second begins at the next object that the first has not come to, and so on.  A place whose
object is done goes on behind all others.  So the first files still come first, and no object waits
for the last byte of another.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.delivery.track import Segment

Cursor = tuple[int, int]
"""Number of a track, and of a segment in it."""
Next = Callable[[Cursor], Segment | None]
"""The first segment from there on, and around, that is to be sent."""


class Turns:
    """`wide`: objects at a time."""

    def __init__(self, wide: int) -> None:
        self._wide = wide
        self._places: list[Cursor] = [(0, 0)]
        self._turn = 0

    def next(self, find: Next) -> Segment | None:
        """Return the segment whose turn it is; None: there is none."""
        found = find(self._places[self._turn])
        if found is None:
            return None
        number = found.track.number
        taken = [n for i, (n, _) in enumerate(self._places) if i != self._turn]
        if number in taken:
            # Its object is done, and it has come to another's.
            further = find((max([*taken, number]) + 1, 0))
            if further is None or further.track.number <= max(taken):
                del self._places[self._turn]
                self._turn %= len(self._places)
                return self.next(find)
            found = further
        self._places[self._turn] = found.track.number, found.index
        self._turn = (self._turn + 1) % len(self._places)
        if self._turn == 0 and len(self._places) < self._wide:
            self._widen(find)
        return found

    def _widen(self, find: Next) -> None:
        """Let one more object take part, if there is one that has not been come to."""
        last = max(n for n, _ in self._places)
        found = find((last + 1, 0))
        if found is not None and found.track.number > last:
            self._places.append((found.track.number, found.index))
