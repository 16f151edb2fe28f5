"""How a session stands at one moment: what a terminal, a page or a metrics endpoint shows.

Pure values; `Sender.progress` makes them.  Rates are bit/s, sizes bytes, times seconds after the
session's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from toolkit.delivery.model import Standing


class Cohort(StrEnum):
    """With whom a receiver is served."""

    MAIN = "main"
    SLOW = "slow"
    """Served at its own pace, so that it does not hold up the others."""
    HTTPS = "https"
    """Multicast does not reach it: it fetches ranges over HTTPS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverProgress:
    """One receiver now."""

    receiver: str
    standing: Standing
    cohort: Cohort = Cohort.MAIN
    why: str = ""
    """Why it is slow, lost, failed, or waited for; empty: nothing to say."""
    held: int = 0
    """Bytes of the files that it has reported to hold."""
    rate: float = 0.0
    """Recent growth of `held`."""
    packets: int = 0
    repairs: int = 0
    lost: int = 0
    """Symbols that it reported missing after they had been sent to it."""
    room: int | None = None
    """Bytes that it can still take before it must write; None: it has not said."""
    rtt: float | None = None
    joined: float | None = None
    completed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionProgress:
    """A session now."""

    delivery: str
    tsi: int
    size: int
    files: int
    elapsed: float
    rate: int
    """Provisioned."""
    sending: float
    """Recent."""
    packets: int
    repairs: int
    late: int
    bytes_read: int
    """Bytes that were read from the source's storage."""
    receivers: tuple[ReceiverProgress, ...]
    finished: bool
    failure: str = ""
