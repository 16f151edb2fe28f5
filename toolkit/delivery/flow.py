"""How far the sender may run ahead of its receivers: nothing is sent that nobody has room for.

Pure.  Packets wait in a receiver's socket until it has dealt with them, and what finds that buffer
full is lost.  So the sender puts *marks* between its packets, which receivers answer at once with
the room they have; what was sent before a mark that was answered is no longer on its way.  A
receiver's window is its room and what fits the path (rate times round-trip time).

Of many receivers only the HELD with the least headroom hold the sender; the others are asked in
turn, TURNS with each mark, and take the place of one that has more headroom.  So the number of
answers does not grow with the number of receivers.

Positions are bytes put out since the session began, whoever they were for.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from toolkit.delivery.masks import mask_of

FIRST_ROOM = 128 * 2**10
"""Bytes of room before a receiver has said what it has: a socket as the kernel makes it."""
MARKS = 8
"""Marks in a window."""
HELD = 4
TURNS = 2


class Flow:
    """The windows of up to `receivers` receivers; `rate`: bit/s, `limit`: bytes of a window.

    `asked_one_by_one`: a mark goes to those that are to answer.  Where it goes to everybody, more
    than HELD receivers are too many to answer, and nobody is waited for.
    """

    def __init__(
        self,
        receivers: int,
        rate: int,
        limit: int,
        *,
        asked_one_by_one: bool = True,
        first: int = 1,
    ) -> None:
        self.sent = 0
        """Position of the next byte."""
        self._rate, self._limit = rate / 8, limit
        self._heard = [0] * receivers
        """Positions that were confirmed."""
        self._room = [FIRST_ROOM] * receivers
        self._spoke = [False] * receivers
        self._rtt = [math.inf] * receivers
        """The shortest round-trip time seen, seconds."""
        self._window = [min(FIRST_ROOM, limit)] * receivers
        self._windows = np.full(receivers, min(FIRST_ROOM, limit))
        """The same, for all at once."""
        self._headroom = np.zeros(receivers, np.int64)
        """Bytes of window that were free when it was heard."""
        self._waited = np.zeros(receivers, bool)
        """Receivers that are waited for when they are behind."""
        self._silent = not asked_one_by_one and receivers > HELD
        self._held: list[int] = []
        """Those of them that hold the sender now."""
        self._end = 0
        """Position up to which may be sent."""
        self._turn = 0
        self._marks: dict[int, tuple[int, float]] = {}
        """Mark -> its position, and when it was put."""
        self._marked = 0
        self._eager = True
        self._every = FIRST_ROOM // MARKS
        self._next = first

    def grow(self, receivers: int) -> None:
        """There are `receivers` receivers now; never fewer than before."""
        more = receivers - len(self._heard)
        if more > 0:
            self._heard += [0] * more
            self._room += [FIRST_ROOM] * more
            self._spoke += [False] * more
            self._rtt += [math.inf] * more
            self._window += [min(FIRST_ROOM, self._limit)] * more
            self._windows = np.append(self._windows, np.full(more, min(FIRST_ROOM, self._limit)))
            self._headroom = np.append(self._headroom, np.zeros(more, np.int64))
            self._waited = np.append(self._waited, np.zeros(more, bool))

    @property
    def eager(self) -> bool:
        """Whether what fits the path is sent beyond the room; not to those that empty their
        sockets more slowly than the session's rate."""
        return self._eager

    @eager.setter
    def eager(self, eager: bool) -> None:
        if eager != self._eager:
            self._eager = eager
            for bit in np.flatnonzero(self._waited).tolist():
                self._measure(bit)

    @property
    def blocked(self) -> bool:
        """Nothing may be sent before somebody is heard."""
        return self.sent >= self._end and bool(self._held)

    @property
    def mark_due(self) -> bool:
        """It is time for a mark."""
        return self.sent - self._marked >= self._every and bool(self._held)

    @property
    def slowest(self) -> int | None:
        """Bit number of the receiver that is furthest behind of those that are waited for."""
        return min(self._held, key=self._reach, default=None)

    @property
    def behind(self) -> list[int]:
        """Bit numbers of those for whom nothing more may be sent."""
        return [bit for bit in self._held if self._reach(bit) <= self.sent]

    def easy(self, bit: int) -> bool:
        """Whether half of a receiver's window, or more, is free, or was when it was heard."""
        free = self._reach(bit) - self.sent if bit in self._held else int(self._headroom[bit])
        return free >= self.window(bit) / 2

    @property
    def free(self) -> int:
        """Bytes that may be sent now."""
        return self._end - self.sent if self._held else self._limit

    @property
    def empty(self) -> bool:
        """All that was sent has been dealt with by all that are waited for."""
        return all(self._heard[bit] >= self.sent for bit in self._held)

    def heard(self, bit: int) -> int:
        """The position up to which a receiver has dealt with everything."""
        return self._heard[bit]

    def room(self, bit: int) -> int | None:
        """Bytes of room that a receiver has said it has; None: it was not heard yet."""
        return self._room[bit] if self._spoke[bit] else None

    def waits_for(self, bit: int) -> bool:
        """Whether the sender waits for this receiver."""
        return bool(self._waited[bit])

    def full(self, outstanding: npt.NDArray[np.int64]) -> int:
        """Mask of those that are not waited for and have their window `outstanding`.

        Where everybody gets everything, it does not help to leave one out whose room is small.
        """
        if self._silent:
            return mask_of(outstanding >= self._limit)
        return mask_of((outstanding >= self._windows) & ~self._waited)

    def wait_for(self, bit: int) -> None:
        """From now on this receiver is waited for."""
        self._waited[bit] = not self._silent
        self._heard[bit] = self.sent
        self._headroom[bit] = 0
        self._choose()

    def adopt(self, bit: int, other: Flow) -> None:
        """Believe of a receiver what `other` knows of its room and its path."""
        if other is not self:
            self._room[bit], self._spoke[bit] = other._room[bit], other._spoke[bit]
            self._rtt[bit] = other._rtt[bit]
            self._measure(bit)

    def let_go(self, bit: int) -> None:
        """It is not waited for any more."""
        if self._waited[bit]:
            self._waited[bit] = False
            self._choose()

    def mark(self, now: float) -> tuple[int, int]:
        """Put a mark here; returns its number, and the mask of those who are to answer."""
        number, self._next = self._next, self._next % 0xFFFFFFFF + 1
        self._marks[number] = self.sent, now
        self._marked = self.sent
        if len(self._marks) > 16 * MARKS:
            self._marks.pop(next(iter(self._marks)))
        self._choose()
        asked = set(self._held)
        others = np.flatnonzero(self._waited)
        if len(others) > len(asked):
            for _ in range(TURNS):
                self._turn = (self._turn + 1) % len(others)
                asked.add(int(others[self._turn]))
        return number, sum(1 << bit for bit in asked)

    def answered(self, bit: int, number: int, room: int, now: float) -> float | None:
        """A receiver has dealt with all that was sent before this mark, and says its room.

        Returns the round-trip time in seconds; None for a mark of long ago, or said again because
        its room is another.
        """
        found = self._marks.get(number)
        if found is None:
            return None
        position, put = found
        again = self._spoke[bit] and position <= self._heard[bit]
        if not again:
            self.took(bit, now - put)
        self.confirm(bit, position, room)
        return None if again else now - put

    def took(self, bit: int, seconds: float) -> None:
        """A receiver was asked something, and its answer was there so many seconds later."""
        self._rtt[bit] = min(self._rtt[bit], seconds)

    def confirm(self, bit: int, position: int, room: int) -> None:
        """A receiver has dealt with all that was sent before `position`, and says its room."""
        self._room[bit], self._spoke[bit] = room, True
        self._measure(bit)
        if position > self._heard[bit]:
            self._heard[bit] = position
        self._headroom[bit] = self._reach(bit) - self.sent
        if bit in self._held:
            self._limit_end()

    def _measure(self, bit: int) -> None:
        """Its room, or its path, is another."""
        room, rtt = self._room[bit], self._rtt[bit]
        path = 0 if rtt == math.inf or not room or not self._eager else self._rate * rtt
        self._window[bit] = self._windows[bit] = int(min(room + path, self._limit))

    def window(self, bit: int) -> int:
        """Bytes that may be on their way to this receiver."""
        return self._window[bit]

    def _reach(self, bit: int) -> int:
        """The position up to which may be sent for this receiver."""
        return self._heard[bit] + self._window[bit]

    def _choose(self) -> None:
        """Choose those that hold the sender: all, or those with the least headroom."""
        waited = np.flatnonzero(self._waited)
        if len(waited) > HELD:
            least = np.argpartition(self._headroom[waited], HELD)[:HELD]
            chosen = [int(bit) for bit in waited[least]]
            for bit in set(chosen) - set(self._held):
                # Since it was last asked it is believed to have kept up.
                self._heard[bit] = max(self._heard[bit], self._marked)
            self._held = chosen
        else:
            self._held = [int(bit) for bit in waited]
        self._limit_end()

    def _limit_end(self) -> None:
        if self._held:
            self._end = min(map(self._reach, self._held))
            self._every = max(min(map(self.window, self._held)) // MARKS, 1)
