"""A token bucket: how often something may happen.  RFC 8296 section 2.1.1 (error procedures are
rate-limited), draft-ietf-bier-ping-23 section 6.

Law: never more than `burst` at once, never more than `rate` a second on average; time is the
caller's and does not run back.  Pure.
"""

from __future__ import annotations


class TokenBucket:
    """`take(now)` says whether it may happen now."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int) -> None:
        """`rate`: tokens a second; `burst`: what the bucket holds.  ValueError where one is not
        above 0."""
        if rate <= 0 or burst < 1:
            raise ValueError(f"a bucket of {burst} at {rate} a second lets nothing through")
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), 0.0

    def take(self, now: float) -> bool:
        """Take a token; False where there is none.  `now`: seconds on any clock."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
