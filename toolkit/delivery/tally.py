"""What a sender counts of what it sends, and how fast that goes.

Pure.
"""

from __future__ import annotations

from collections import Counter

from toolkit.delivery.burst import Burst

GAUGE = 1.0
"""Seconds over which a rate is averaged."""


class Tally:
    """Packets with a payload, by whom they were for and why."""

    def __init__(self) -> None:
        self.late = 0
        """Packets sent again, for receivers that were not there the first time."""
        self._sent: Counter[int] = Counter()
        """Mask -> packets."""
        self._repaired: Counter[int] = Counter()

    def add(self, burst: Burst) -> None:
        """Count the packets of a burst."""
        self._sent[burst.mask] += burst.symbols
        if burst.repair:
            self._repaired[burst.mask] += burst.symbols
        if burst.late:
            self.late += burst.symbols

    @property
    def packets(self) -> int:
        """Packets that were sent for the first time."""
        return self._sent.total() - self._repaired.total() - self.late

    @property
    def repairs(self) -> int:
        """Packets sent for receivers that reported a lack of what had been sent to them."""
        return self._repaired.total()

    def addressed(self, bit: int) -> tuple[int, int]:
        """Packets addressed to one receiver, and those of them that were repairs."""
        mask = 1 << bit
        return (
            sum(n for to, n in self._sent.items() if to & mask),
            sum(n for to, n in self._repaired.items() if to & mask),
        )


class Gauge:
    """The recent growth of a number, per second."""

    __slots__ = ("_at", "_rate", "_samples", "_value")

    def __init__(self) -> None:
        self._at: float | None = None
        self._value = 0
        self._rate = 0.0
        self._samples = 0

    def read(self, value: int, now: float) -> float:
        """Return the rate at which `value` has been growing."""
        if self._at is None or value < self._value:
            self._at, self._value, self._rate, self._samples = now, value, 0.0, 0
        elif now - self._at >= GAUGE / 4:
            passed = now - self._at
            self._samples += 1
            weight = min(max(passed / GAUGE, 1 / self._samples), 1.0)
            self._rate += weight * ((value - self._value) / passed - self._rate)
            self._at, self._value = now, value
        return self._rate
