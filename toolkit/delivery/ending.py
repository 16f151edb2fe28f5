"""How a session ends for a receiver: what the sender says of it, and the receiver's last words.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from toolkit.delivery.backoff import Backoff
from toolkit.delivery.control import Body

LAST_INTERVAL = 0.125, 1.0
"""Seconds between the first two of the last words, and at most."""
LAST_WORDS = 12
"""Times that the receipt, or the reason of a failure, is said unasked until the sender ends it."""
CLOSE_GRACE = 1.0
"""Seconds after the end of the session was said; less than half of them silent: it was no end."""


class CloseSession:
    """The sender says that the session is over, or that it does not serve us.

    That proves nothing, it could be forged: ask, and wait whether more comes.
    """

    def __init__(self) -> None:
        self.rejected = ""
        """Why the sender says that it does not serve us."""
        self._over_at = self._asks_at = math.inf

    @property
    def due(self) -> float:
        """When it is to be looked at."""
        return min(self._over_at, self._asks_at)

    def said(self, now: float) -> None:
        """The sender has said it."""
        if self._over_at == math.inf:
            self._over_at, self._asks_at = now + CLOSE_GRACE, now + CLOSE_GRACE * 0.55

    def asks(self, now: float) -> bool:
        """Whether it is time to ask whether it is so."""
        if now < self._asks_at:
            return False
        self._asks_at = math.inf
        return True

    def ripe(self, now: float) -> bool:
        """Whether enough time has passed."""
        return now >= self._over_at

    def true(self, heard: float, *, begun: bool) -> bool:
        """Whether it is so; `heard`: when something came last; `begun`: data has come."""
        return bool(self.rejected and not begun) or heard < self._over_at - CLOSE_GRACE / 2

    def withdraw(self) -> None:
        """It was not so."""
        self._over_at = math.inf


class LastWords:
    """A receipt, or why there is none; `chance`: numbers in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.body: Body | None = None
        self._said = 0
        self._retry = Backoff(*LAST_INTERVAL, chance)

    @property
    def due(self) -> float:
        """When they are said again."""
        return self._retry.due

    def are(self, body: Body, *, once: bool) -> None:
        """These they are.  `once`: nobody listens."""
        self.body = body
        self._said = LAST_WORDS - 1 if once else 0

    def until(self, due: float) -> None:
        """Say them at `due` at the latest."""
        self._retry.due = min(self._retry.due, due)

    def say(self, now: float) -> Body | None:
        """Say them; None: it was often enough."""
        if self._said >= LAST_WORDS:
            return None
        self._said += 1
        self._retry.said(now)
        return self.body

    @property
    def unheard(self) -> bool:
        """They were said often; perhaps the sender has another session now."""
        return self._said > LAST_WORDS / 2
