"""When may the next packet leave?

Pure.  Time is booked: every packet takes its length at the session's rate, and packets may leave
up to QUANTUM ahead of their time so that a runtime wakes once for several.  A runtime that was
late catches up CATCH_UP seconds and no more.
"""

from __future__ import annotations

QUANTUM = 0.0005
CATCH_UP = 0.005


class Pacer:
    """A rate in bit/s of UDP payload."""

    def __init__(self, rate: int) -> None:
        self._per_byte = 8 / rate
        self._until = 0.0
        self.next = 0.0
        """When the next packet is due."""

    def until(self, now: float) -> float:
        """Packets may leave while `next` is below this."""
        self.next = max(self.next, now - CATCH_UP)
        self._until = now + QUANTUM
        return self._until

    def fits(self, size: int) -> int:
        """How many packets of `size` bytes may leave before `next` is past `until`; 1 at least."""
        return max(1, int((self._until - self.next) / (size * self._per_byte)) + 1)

    def spend(self, size: int) -> None:
        self.next += size * self._per_byte
