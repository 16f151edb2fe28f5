"""Which versions two ends speak, and what they agree on.

Pure.  A receiver says in its JOIN what it speaks; one that says nothing speaks version 1.  A
session has one manifest and, as its polls go to many at once, one version of the control protocol:
the highest that the sender and all its receivers speak.  A receiver with which that cannot be found
is refused with the reason, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """All versions from the lowest to the highest (8 bit)."""

    low: int = 1
    high: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= 255:
            raise ValueError(f"versions {self.low} to {self.high} are none")

    def __contains__(self, version: int) -> bool:
        return self.low <= version <= self.high

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"

    def common(self, other: Span) -> Span | None:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Span(low, high) if low <= high else None


FIRST = Span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaks:
    """What one end speaks."""

    control: Span = FIRST
    """Control messages, and our own header extensions."""
    manifest: Span = FIRST


SPOKEN = Speaks()
"""By this release: version 1 of both, as by one that says nothing."""


class Agreement:
    """The sender's side of it."""

    def __init__(self, ours: Speaks, manifest: int) -> None:
        self._ours = ours
        self._manifest = manifest
        self._agreed: dict[int, Span] = {}
        """Bit of a receiver that was not refused -> its control versions."""

    @property
    def control(self) -> int:
        """The version that the session speaks now."""
        return min([self._ours.control.high, *(span.high for span in self._agreed.values())])

    def join(self, bit: int, theirs: Speaks) -> str:
        """Take a receiver in; return why it cannot be, "" when it can."""
        self._agreed.pop(bit, None)
        if self._manifest not in theirs.manifest:
            return (
                f"the manifest has version {self._manifest}, it reads {theirs.manifest} "
                "(bring both ends to the same release)"
            )
        found = self._ours.control.common(theirs.control)
        for span in self._agreed.values():
            found = found and found.common(span)
        if found is None:
            return (
                f"this session speaks control version {self._spoken()}, it speaks "
                f"{theirs.control} (bring both ends to the same release)"
            )
        self._agreed[bit] = theirs.control
        return ""

    def _spoken(self) -> Span:
        lows = [self._ours.control.low, *(span.low for span in self._agreed.values())]
        return Span(max(lows), self.control)
