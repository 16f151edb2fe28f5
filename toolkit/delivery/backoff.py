"""When something that may have been lost is said again: soon at first, then ever more rarely.

Pure.  Jitter keeps receivers that began at the same moment from speaking at the same moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable


class Backoff:
    """A timer that doubles from `first` to `maximum` seconds, each wait varied by a quarter.

    `chance`: numbers in [0, 1).
    """

    def __init__(self, first: float, maximum: float, chance: Callable[[], float]) -> None:
        self.due = math.inf
        self._first = self._interval = first
        self._maximum = maximum
        self._chance = chance

    def reset(self) -> None:
        """Let the next wait be the first again."""
        self._interval = self._first

    def said(self, now: float) -> None:
        """It has just been said."""
        self.due = now + self._interval * (0.75 + self._chance() / 2)
        self._interval = min(2 * self._interval, self._maximum)
