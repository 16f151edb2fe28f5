"""Who holds up the others: told by whom the sender had to wait for, and by what got lost.

Pure.  A receiver is slow when a sender that serves it with others

- could send nothing for SHARE of a period because of it, while as many others had plenty of room
  and it kept answering (one that was not scheduled for a moment catches up at once), or
- lost much, for several reports in a row, and far more than the others did: that is no burst.

A period is PART of the time that the delivery takes at its rate, so that what is found late is
small beside the whole; never so short that a busy machine looks slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

from toolkit.delivery.flow import Flow

PART = 0.01
SHORTEST, LONGEST = 0.5, 2.0
"""Seconds of a period."""
SHARE = 0.3
ANSWERS = 2
"""That it must have given while it was waited for."""
LOSSY = 0.25
"""Share of what was sent that is much to lose."""
REPORTS = 4


def period(size: int, rate: int) -> float:
    """Seconds of a period for so many bytes at so many bit/s."""
    return min(max(PART * size * 8 / rate, SHORTEST), LONGEST)


@dataclass(frozen=True, slots=True)
class Slow:
    """A receiver that holds up others."""

    bit: int
    pace: float
    """Bytes a second that it takes."""
    why: str
    lossy: bool = False
    """It is the way to it that does not bear more; its own socket never is full."""


@dataclass(slots=True)
class _Record:
    """What one receiver did of late."""

    stalled: float = 0.0
    answers: int = 0
    heard: int = 0
    """Position that it had dealt with at `began`."""
    began: float = 0.0
    fresh: bool = True
    """It was waited for in the current period."""


@dataclass(slots=True)
class _Losses:
    sent: int = 0
    lost: int = 0
    reports: int = 0
    since: float = 0.0

    @property
    def share(self) -> float:
        return self.lost / self.sent if self.sent else 0.0


@dataclass(slots=True)
class Watch:
    """Watches receivers that are served together."""

    flow: Flow
    period: float
    blocked: float = 0.0
    """Seconds of the current period in which somebody was waited for."""
    waited: float = 0.0
    """The same as a share of the last whole period."""
    periods: int = 0
    _began: float = 0.0
    _looked: float = 0.0
    _culprits: list[int] = field(default_factory=list)
    _records: dict[int, _Record] = field(default_factory=dict)
    _losses: dict[int, _Losses] = field(default_factory=dict)
    _shares: dict[int, float] = field(default_factory=dict)
    """What each had lost when it was looked at last."""

    def look(self, now: float, others: Callable[[], Iterable[int]]) -> Slow | None:
        """To be called whenever something could be sent; `others()`: bits of all it is for."""
        passed, self._looked = now - self._looked, now
        culprits, self._culprits = self._culprits, self.flow.behind if self.flow.blocked else []
        if now - self._began >= self.period:
            self.waited, self.blocked = self.blocked / self.period, 0.0
            self._began = now
            self.periods += 1
            # Half of a period counts in the next, so that it does not matter when one begins.
            self._records = {b: r for b, r in self._records.items() if r.fresh}
            for record in self._records.values():
                record.stalled, record.fresh = record.stalled / 2, False
            return None
        found = None
        if culprits and passed > 0:
            self.blocked += passed
            free = (b for b in others() if b not in culprits and self.flow.easy(b))
            if sum(1 for _ in islice(free, len(culprits))) == len(culprits):
                for bit in culprits:
                    found = self._stalled(bit, passed, now) or found
        return found

    @property
    def busy(self) -> bool:
        """Somebody is, or was just, waited for."""
        return bool(self._culprits or self.blocked)

    def answered(self, bit: int) -> None:
        """A receiver that was waited for has said something."""
        if bit in self._culprits and bit in self._records:
            self._records[bit].answers += 1

    def reported(
        self, bit: int, sent: int, lost: int, now: float, others: Callable[[], Iterable[int]]
    ) -> Slow | None:
        """Of `sent` bytes a receiver lacks `lost`."""
        entry = self._losses.setdefault(bit, _Losses(since=now))
        entry.sent += sent
        entry.lost += min(lost, sent)
        entry.reports += 1
        if entry.reports < REPORTS or now < entry.since + self.period:
            return None
        share = self._shares[bit] = entry.share
        usual = [self._usual(b) for b in others() if b != bit]
        self._losses[bit] = _Losses(since=now)
        if not usual or share < LOSSY or share < 3 * median(usual) + 0.05:
            return None
        delivered = (entry.sent - entry.lost) / max(now - entry.since, 1e-6)
        return Slow(bit, delivered, f"it loses {share:.0%} of what it is sent", lossy=True)

    def _usual(self, bit: int) -> float:
        """Share of what was sent to a receiver that it lost of late."""
        entry = self._losses.get(bit)
        return max(self._shares.get(bit, 0.0), 0.0 if entry is None else entry.share)

    def forget(self, bit: int) -> None:
        """It is not watched any more."""
        self._records.pop(bit, None)
        self._losses.pop(bit, None)
        self._shares.pop(bit, None)
        self._culprits = [b for b in self._culprits if b != bit]

    def _stalled(self, bit: int, passed: float, now: float) -> Slow | None:
        record = self._records.get(bit)
        heard = self.flow.heard(bit)
        if record is None:
            record = self._records[bit] = _Record(heard=heard, began=now - passed)
        record.stalled += passed
        record.fresh = True
        if record.stalled < SHARE * self.period or record.answers < ANSWERS:
            return None
        pace = (heard - record.heard) / max(now - record.began, 1e-6)
        return Slow(bit, pace, f"it takes {8 * pace / 1e6:.3g} Mbit/s and was waited for")
