"""How a session comes to its end in about two round trips after the last that is new.

Pure.  In the middle a question or a symbol that is lost is asked or sent again after a while, and
nothing stands still meanwhile.  At the end everybody waits for it.  So questions are put in copies,
so many that hardly anybody misses all of them; and it is known how many more rounds of repairs
there will be time for, which decides how much is sent in one (see `foresight`) and how long those
who have answered wait for those who have not.
"""

from __future__ import annotations

import math

from toolkit.delivery.foresight import Foresight
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.masks import numbers
from toolkit.delivery.members import Roster

COPIES_AFTER = 0.002, 0.007
"""Seconds between the copies of a poll, in turn: every other time longer than an answer waits for
packets under way, so that it is said again."""
MAX_COPIES = 6
COPIES_IN_VAIN = 0.001
"""Receivers that may be expected to answer no copy of a poll."""
SLACK = 0.045
"""Seconds beyond two round trips, after all that is new has been sent, that repairs may take."""
ROUND = 0.02
"""Seconds beyond a round trip from one round to the next."""
GRACE = 0.003
"""Seconds before there would be time for one round less in which those that have answered are no
longer made to wait for the others."""
AT_ONCE = 32
"""Receivers whose answers need not be spread."""
SPREAD = 0.03
"""Milliseconds for each receiver that answers, where they are more."""


class EndGame:
    """What time there is in one session; `rate`: bit/s; `everybody`: the mask of all packets where
    they cannot be addressed."""

    def __init__(
        self, rate: int, ledger: Ledger, members: Roster, foresight: Foresight,
        everybody: int | None, *, hurried: bool,
    ) -> None:  # fmt: skip
        self._rate, self._ledger, self._members = rate, ledger, members
        self._foresight, self._everybody = foresight, everybody
        self._hurried = hurried
        """Others wait for these receivers."""
        self._ended: float | None = None
        """When the last was sent, or will be, that is new."""

    def rounds(self, targets: int, now: float) -> int:
        """For how many rounds there will be time after the next."""
        left, each = self._time_left(targets, now)
        return max(int(left / each), 0) if self._hurried else 1

    def last_call(self, targets: int, now: float) -> float:
        """When there will hardly be time for as many rounds as now."""
        if not self._hurried:
            return math.inf
        left, each = self._time_left(targets, now)
        return now + (left % each if left > 0 else 0.0) - GRACE

    def spread(self, mask: int) -> int:
        """Milliseconds over which the answers of `mask` are to be spread."""
        asked = (self._everybody or mask).bit_count()
        return int(asked * SPREAD) if asked > AT_ONCE else 0

    def copies(self, targets: int) -> int:
        """How often a poll is to be put right away so that all of `targets` answer it."""
        ahead = 8 * self._ledger.fresh / self._rate
        if not self._hurried or ahead > 2 * self._members.timeout(targets):
            return 1
        loss = self._foresight.loss(numbers(targets))
        unanswered = 1 - (1 - loss) ** 2
        copies = 1
        while copies < MAX_COPIES and (unanswered**copies).sum() > COPIES_IN_VAIN:
            copies += 1
        return copies

    def _time_left(self, targets: int, now: float) -> tuple[float, float]:
        """Seconds in which rounds may still begin, and how long one takes with its answers."""
        fresh = self._ledger.fresh
        if fresh or self._ended is None:
            self._ended = now + 8 * fresh / self._rate
        rtt = self._members.rtt(targets)
        left = self._ended + 2 * rtt + SLACK - now - rtt / 2
        return left, rtt + ROUND + self.spread(targets) / 1000
