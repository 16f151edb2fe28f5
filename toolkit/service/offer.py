"""What a session offers to those who join it, and what has happened in it.

Pure values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from toolkit.delivery.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A session as a receiver must know it before the first packet."""

    delivery: str
    tsi: int
    manifest: Manifest
    digest: bytes
    """BLAKE3 of the manifest."""
    envelope: bytes
    """The signed manifest, as it travels."""
    signing_key: bytes
    """Public key that signed it, to pin."""
    control: tuple[str, int]
    """Where control messages go; an unspecified host (0.0.0.0, ::) stands for the one that the
    receiver reached the service by."""
    group: tuple[str, int] | None = None
    source: str = ""
    """Address that packets to the group come from (RFC 4607); empty: that of `control`."""
    seal_key: bytes | None = field(default=None, repr=False)
    """Opens the blocks of a sealed session."""
    control_token: bytes | None = field(default=None, repr=False)
    """Secret from which the keys of control messages are made (`toolkit.delivery.authentic`)."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Receiver -> region."""
    admits: bool = False
    """Receivers that the sender does not list may join, if they prove who they are."""

    @property
    def session_id(self) -> str:
        """Its name in URLs."""
        return f"{self.tsi:08x}"


class Kind(StrEnum):
    """What an event is about."""

    STARTED = "started"
    JOINED = "joined"
    ADMITTED = "admitted"
    COMPLETE = "complete"
    FAILED = "failed"
    LOST = "lost"
    EVICTED = "evicted"
    COHORT = "cohort"
    REFUSED = "refused"
    ABORTED = "aborted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a session."""

    number: int
    """Counted from 1 in each session."""
    at: float
    """Seconds since the epoch."""
    kind: Kind
    receiver: str = ""
    by: str = ""
    """Who asked for it, where somebody did."""
    text: str = ""
