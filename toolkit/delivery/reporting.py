"""The receiver's answers to polls: at once when nothing lacks, else after what the poll overtook;
and spread over the time that the poll says, so that a thousand answers do not come at once.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from toolkit.delivery.control import Report
from toolkit.delivery.wire import Poll

REORDER = 0.005
"""Seconds that a report waits for packets which the poll overtook."""
MAX_SPREAD = 0.5
"""Seconds over which answers are spread at most, whatever a poll says."""
MAX_POLL = 1024
"""Blocks that one poll may ask for, and polls that may wait."""


class Reporting:
    """`lacks(toi, first, count)`: one byte per block; `chance`: numbers in [0, 1); `room()`: KiB
    that can be taken at once."""

    def __init__(
        self,
        lacks: Callable[[int, int, int], bytes],
        chance: Callable[[], float],
        room: Callable[[], int],
    ) -> None:
        self._lacks, self._chance, self._room = lacks, chance, room
        self.spread = 0.0
        """Seconds over which answers were to be spread last: so many receivers are there."""
        self._held: list[tuple[int, Poll]] | None = None
        self._waiting: dict[int, tuple[float, int, Poll]] = {}
        """Poll id -> when to answer, TOI, the poll."""
        self._said = math.inf
        """KiB of room that were said last."""
        self._mark: tuple[int, Poll] | None = None
        """The last mark that was answered, and its TOI."""

    @property
    def due(self) -> float:
        """When the next answer is due."""
        return min((w[0] for w in self._waiting.values()), default=math.inf)

    def asked(self, toi: int, poll: Poll, now: float) -> list[Report]:
        """A poll is here: answer it, or later."""
        if poll.poll_id in self._waiting:
            return []
        if self._held is not None:
            self._held.append((toi, poll))
            return []
        report = self._report(toi, poll)
        self.spread = min(poll.spread / 1000, MAX_SPREAD)
        wait = self.spread * self._chance() if self.spread else 0.0
        if any(report.lacks):
            wait += REORDER * (0.75 + self._chance() / 2)
        if wait and len(self._waiting) < MAX_POLL:
            self._waiting[poll.poll_id] = now + wait, toi, poll
            return []
        return [report]

    def more_room(self) -> Report | None:
        """The last mark's answer once more, where that said that there was (almost) no room."""
        if self._mark is None or self._room() < 4 * max(self._said, 1):
            return None
        return self._report(*self._mark)

    def hold(self) -> None:
        """Answer nothing for now: packets that polls followed may wait somewhere else."""
        self._held = []

    def release(self, now: float) -> list[Report]:
        """What polls followed has been looked at: answer those that came meanwhile."""
        held, self._held = self._held or [], None
        return [report for toi, poll in held for report in self.asked(toi, poll, now)]

    def expire(self, now: float) -> list[Report]:
        """Return the answers that are due."""
        due = [poll_id for poll_id, waiting in self._waiting.items() if waiting[0] <= now]
        return [self._report(*self._waiting.pop(poll_id)[1:]) for poll_id in due]

    def clear(self) -> None:
        """Nobody waits for an answer any more."""
        self._waiting.clear()

    def _report(self, toi: int, poll: Poll) -> Report:
        lacks = self._lacks(toi, poll.first, poll.count)
        self._said = self._room()
        if not poll.count:
            self._mark = toi, poll
        return Report(
            poll_id=poll.poll_id, toi=toi, first=poll.first, lacks=lacks,
            room=int(self._said),
        )  # fmt: skip
