"""What a sender counts of what it sends, and how fast that goes.

Pure.
"""

from __future__ import annotations

import numpy as np

from toolkit.delivery.burst import Burst
from toolkit.delivery.masks import numbers

GAUGE = 1.0
"""Seconds over which a rate is averaged."""


FOLD = 1024
"""Masks that are counted apart before they are counted by receiver."""


class Tally:
    """Packets with a payload, by whom they were for and why."""

    def __init__(self) -> None:
        self.late = 0
        """Packets sent again, for receivers that were not there the first time."""
        self.repairs = 0
        """Packets sent for receivers that reported a lack of what had been sent to them."""
        self.packets = 0
        """Packets that were sent for the first time."""
        self._sent = _ByReceiver()
        self._repaired = _ByReceiver()

    def add(self, burst: Burst) -> None:
        """Count the packets of a burst."""
        symbols = burst.symbols
        self._sent.add(burst.mask, symbols)
        if burst.repair:
            self.repairs += symbols
            self._repaired.add(burst.mask, symbols)
        elif burst.late:
            self.late += symbols
        else:
            self.packets += symbols

    def addressed(self, bit: int) -> tuple[int, int]:
        """Packets addressed to one receiver, and those of them that were repairs."""
        return self._sent.of(bit), self._repaired.of(bit)


class _ByReceiver:
    """Packets of each receiver, counted by mask first: most masks come many times."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._counts = np.zeros(0, np.int64)

    def add(self, mask: int, symbols: int) -> None:
        masks = self._masks
        masks[mask] = masks.get(mask, 0) + symbols
        if len(masks) > FOLD:
            self._fold()

    def of(self, bit: int) -> int:
        if self._masks:
            self._fold()
        return int(self._counts[bit]) if bit < len(self._counts) else 0

    def _fold(self) -> None:
        more = max(mask.bit_length() for mask in self._masks) - len(self._counts)
        if more > 0:
            self._counts = np.append(self._counts, np.zeros(more, np.int64))
        for mask, symbols in self._masks.items():
            self._counts[numbers(mask)] += symbols
        self._masks.clear()


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
