"""When may the next packets leave, and what rate came of it?

Pure.  A token bucket, told as booked time: every byte takes its time at the rate, and packets may
leave up to QUANTUM ahead of theirs, so that a runtime wakes once for several.  A runtime that was
late catches up CATCH_UP seconds and no more: what it was later is lost, and shows as drift.

    bytes in any time t  <=  rate * (t + QUANTUM + CATCH_UP) / 8 + one burst

Bytes are counted from one moment on and never added up as seconds: at 100 Gb/s a packet takes
less than a clock that has run for months can tell apart, and errors would grow.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.delivery.burst import MAX_BURST

QUANTUM = 0.0005
CATCH_UP = 0.005
_REBASE = 1 << 40
"""Bytes after which counting begins anew, long before a float loses the unit."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What a pacer has measured."""

    rate: int
    """Provisioned now, bit/s."""
    achieved: float
    """bit/s while there was something to send; 0 before anything was."""
    drift: float
    """Achieved over provisioned, less 1; -0.02: two hundredths slower than asked."""
    busy: float
    """Seconds for which there was something to send."""
    behind: float
    """Seconds of them that were lost because the runtime was too late to catch up."""


class Pacer:
    """A rate in bit/s of UDP payload."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.next = 0.0
        """When the next packet is due."""
        self.allowance = 0
        """Bytes that one burst should have at most: QUANTUM of the rate.  One packet, however
        long, is always a burst."""
        self._per_byte = 0.0
        self._base = 0.0
        self._booked = 0
        """Bytes that have been spent since `_base`."""
        self._began: float | None = None
        """When the first packet left; None: none has."""
        self._looked = 0.0
        """When `until` was called last, and what it said."""
        self._until = 0.0
        self._rest: float | None = 0.0
        """Since then there has been nothing to send."""
        self._rested = 0.0
        self._behind = 0.0
        self._bytes = 0
        self._seconds = 0.0
        """What `_bytes` should have taken; both without what left since `_looked`."""
        self._fresh = 0
        """Bytes that left since `_looked`."""
        self._apply(rate)

    def until(self, now: float) -> float:
        """Packets may leave while `next` is below this."""
        if self._fresh:
            if self._began is None:
                self._began = self._looked
            self._bytes += self._fresh
            self._seconds += self._fresh * self._per_byte
            self._fresh = 0
        resting = self._rest is not None
        if self._rest is not None:
            if self._began is not None and now > self._rest:
                self._rested += now - self._rest
            self._rest = None
        self._looked = now
        late = now - CATCH_UP - self.next
        if late > 0:
            if not resting and self._began is not None:
                self._behind += late
            self._start_from(now - CATCH_UP if not resting else now)
        elif resting and self.next < now:
            self._start_from(now)
        self._until = now + QUANTUM
        return self._until

    def fits(self, size: int) -> int:
        """How many packets of `size` bytes one burst may have now: until `next` is past `until`,
        MAX_BURST at most, 1 at least."""
        count = int((self._until - self.next) / (size * self._per_byte)) + 1
        return max(1, min(MAX_BURST, count))

    def spend(self, size: int) -> None:
        """So many bytes, a packet or a burst of them, leave now."""
        self._booked += size
        self._fresh += size
        self.next = self._base + self._booked * self._per_byte
        if self._booked > _REBASE:
            self._start_from(self.next)

    def rest(self, now: float) -> None:
        """There is nothing to send: time from now on says nothing about the pace."""
        if self._rest is None:
            self._rest = max(now, self.next)

    def change(self, rate: int) -> None:
        """Go on at another rate."""
        self._bytes += self._fresh
        self._seconds += self._fresh * self._per_byte
        self._fresh = 0
        self._apply(rate)

    def pace(self) -> Pace:
        """What has been measured up to the last call of `until`, which is the clock here."""
        began = self._looked if self._began is None else self._began
        ended = self._looked if self._rest is None else min(self._looked, self._rest)
        busy = max(ended - began - self._rested, 0.0)
        if not busy:
            return Pace(self.rate, 0.0, 0.0, 0.0, 0.0)
        return Pace(
            self.rate, self._bytes * 8 / busy, self._seconds / busy - 1, busy, self._behind
        )  # fmt: skip

    def _apply(self, rate: int) -> None:
        self.rate = rate
        self._per_byte = 8 / rate
        self.allowance = int(rate * QUANTUM / 8)
        self._start_from(self.next)

    def _start_from(self, base: float) -> None:
        self._base, self._booked, self.next = base, 0, base
