"""The circuit breaker: when a session does the network harm, slow it down, and in the end stop it.

A session runs at a provisioned rate and has no congestion control, so it must stop by itself where
it persistently congests a path (RFC 8085 sections 3.1.10 and 4.1, RFC 8084).  Pure.

    loss      In a measurement interval (nearly) all receivers that have reported lost more than
              `excess` of what was sent to them.  After `intervals` such intervals in a row the
              rate is halved, and measuring begins anew; after `halvings` halvings the session ends.
    silence   Data is being sent and nobody has said anything for `silence` seconds: no more data
              until somebody does.  The sender's own time-outs end a session that stays silent.

A receiver that alone loses much is slow, or has a bad line: that never trips the breaker, also
not when the others have completed and it is the last.  An interval lasts until enough is known,
so a slow session has long ones.  Where there is only one receiver, nobody can tell its own trouble
from the network's, or from packets that somebody forges for it: it is judged by its silence alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When it trips."""

    interval: float = 1.0
    """Seconds that a measurement lasts at least."""
    intervals: int = 3
    """Bad ones in a row before anything is done (RFC 8084 section 4, requirement 8: several)."""
    excess: float = 0.2
    """Share of the symbols sent that is too much to lose.  Random loss is not congestion: well
    below this it is what parity is for."""
    share: float = 0.9
    """Share of the receivers that must lose so much; at least two."""
    symbols: int = 100
    """Symbols that a receiver must have reported on to count in an interval."""
    halvings: int = 4
    """Times that the rate is halved before the session ends."""
    silence: float | None = None
    """Seconds without a word from anybody; None: half of the session's timeout."""

    def __post_init__(self) -> None:
        if not 0 < self.excess < 1 or not 0 < self.share <= 1:
            raise ValueError("excess and share lie between 0 and 1")
        if self.interval <= 0 or self.intervals < 1 or self.symbols < 1 or self.halvings < 0:
            raise ValueError("interval, intervals and symbols are positive, halvings not negative")


class Reaction(Enum):
    """What the sender shall do."""

    NONE = auto()
    SLOW_DOWN = auto()
    """Send at half the rate from now on."""
    END = auto()
    """Break the session off: `Breaker.why` says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one receiver that takes part, since the session's start."""

    receiver: str
    sent: int
    """Symbols sent to it of which it has said what arrived."""
    lost: int
    """Those that did not."""


class Breaker:
    """One session's breaker."""

    def __init__(self, limits: Limits, timeout: float) -> None:
        self.limits = limits
        self.due = 0.0
        """When `judge` wants to be called; earlier calls do nothing."""
        self.silent = False
        """Nobody answers: no data may be sent."""
        self.trips = 0
        """How often it has reacted, silences included."""
        self.halved = 0
        self.why = ""
        """What it reacted to last; empty: it never did."""
        self._patience = timeout / 2 if limits.silence is None else limits.silence
        self._heard = -math.inf
        self._bad = 0
        """Bad intervals in a row."""
        self._since: dict[str, Reading] = {}
        """As it was when the interval began."""

    def heard(self, now: float) -> None:
        """A receiver has said something."""
        self._heard = now
        self.silent = False

    def judge(
        self, now: float, readings: Iterable[Reading], *, well: int = 0, sending: bool
    ) -> Reaction:
        """`readings`: of all receivers that are served; `well`: how many others have completed;
        `sending`: data is on its way to somebody."""
        if now < self.due:
            return Reaction.NONE
        self.due = now + self.limits.interval
        current = {r.receiver: r for r in readings}
        if not current or not sending:
            self._heard = max(self._heard, now)  # Nobody was asked anything.
            return Reaction.NONE
        if not self.silent and now >= self._heard + self._patience:
            self.silent = True
            self.trips += 1
            self.why = f"nothing was heard from any receiver for {self._patience:g} s"
        return self._judge_loss(current, len(current) + well)

    def _judge_loss(self, current: dict[str, Reading], population: int) -> Reaction:
        limits = self.limits
        if population < 2:
            return Reaction.NONE
        shares = []
        for name, reading in current.items():
            before = self._since.get(name, Reading(name, 0, 0))
            sent = reading.sent - before.sent
            if sent < 0:  # It was started again.
                self._since[name] = reading
            elif sent >= limits.symbols:
                shares.append(min((reading.lost - before.lost) / sent, 1.0))
        needed = max(math.ceil(limits.share * population), 2)
        if len(shares) < needed:
            return Reaction.NONE  # Too little is known: the interval goes on.
        self._since = current
        bad = sum(share >= limits.excess for share in shares)
        if bad < needed:
            self._bad = 0
            return Reaction.NONE
        self._bad += 1
        if self._bad < limits.intervals:
            return Reaction.NONE
        self._bad = 0
        self.trips += 1
        worst = sorted(shares)[-needed]
        self.why = (
            f"{bad} of {population} receivers lost {worst:.0%} or more of what was sent, in "
            f"{limits.intervals} measurements in a row: the network is congested"
        )
        if self.halved >= limits.halvings:
            return Reaction.END
        self.halved += 1
        return Reaction.SLOW_DOWN
