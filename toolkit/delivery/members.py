"""The sender's view of its receivers, and of the polls that wait for their answers.

Pure.  Time-outs of polls follow RFC 6298: smoothed round-trip time and its variation, no sample
from a poll that was repeated, doubled at each repetition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.delivery.ledger import Segment
from toolkit.delivery.model import Receipt, ReceiverResult, Standing

FIRST_RTO = 0.5
MIN_RTO = 0.03
MAX_RTO = 2.0
MAX_POLLS = 128
"""Polls that may wait for one receiver's answer."""


@dataclass(slots=True, eq=False)
class Member:
    """One declared receiver."""

    name: str
    bit: int
    standing: Standing = Standing.ABSENT
    incarnation: int = 0
    heard: float = 0.0
    asked: float = 0.0
    """When it was last asked for a sign of life."""
    joined: float | None = None
    completed: float | None = None
    reason: str = ""
    rejected: bool = False
    """It was not let in: `reason` says why."""
    receipt: Receipt | None = None
    lost: int = 0
    reported: int = 0
    """Symbols sent to it of blocks of which it has said that something arrived."""
    missed: int = 0
    """Those of them that did not: what a network does that is congested.  Blocks of which nothing
    is there are not counted: somebody forges packets, or they are too long for the path."""
    fetching: bool = False
    """It fetches by HTTP, for packets do not reach it: it is sent no files."""
    fetched: int = 0
    """Bytes that have come to it that way."""
    outstanding: int = 0
    """Bytes sent to it for which no report has come."""
    polls: int = 0
    """Polls that wait for its answer."""
    given_up: bool = False
    """It was waited for as long as the session says; it may still join."""
    evicted: bool = False
    """An operator wants it served no longer."""
    told: bytearray = field(default_factory=bytearray)
    """One byte per object: 1 when it has said what it holds of it."""
    rtt: float | None = None
    deviation: float = 0.0

    @property
    def active(self) -> bool:
        return self.standing in (Standing.JOINED, Standing.READY)

    @property
    def settled(self) -> bool:
        """Nothing more will come of it, unless it joins anew."""
        return (
            self.given_up
            or self.evicted
            or self.standing
            in (
                Standing.COMPLETE,
                Standing.FAILED,
                Standing.LOST,
            )
        )

    @property
    def timeout(self) -> float:
        """Seconds to wait for its report."""
        if self.rtt is None:
            return FIRST_RTO
        return min(max(self.rtt + 4 * self.deviation, MIN_RTO), MAX_RTO)

    def weigh(self, segment: Segment, lacks: bytes, sent: int) -> None:
        """It reports what it lacks of a segment, of which it had been sent `sent` bytes."""
        part = segment.item.partition
        whole = sum(
            part.k(segment.first + i) for i, lack in enumerate(lacks)
            if lack and lack >= part.k(segment.first + i)
        )  # fmt: skip
        self.reported += max(sent // part.symbol - whole, 0)
        self.missed += segment.symbols(lacks) - whole

    def sample(self, rtt: float) -> None:
        """A report came `rtt` seconds after its poll (RFC 6298 section 2)."""
        if self.rtt is None:
            self.rtt, self.deviation = rtt, rtt / 2
        else:
            self.deviation += (abs(self.rtt - rtt) - self.deviation) / 4
            self.rtt += (rtt - self.rtt) / 8

    def result(self, started: float, packets: int, repairs: int) -> ReceiverResult:
        reason = self.reason
        if self.standing is Standing.ABSENT:
            reason = "it never joined"
        return ReceiverResult(
            receiver=self.name, standing=self.standing, reason=reason, receipt=self.receipt,
            joined=None if self.joined is None else self.joined - started,
            completed=None if self.completed is None else self.completed - started,
            packets=packets, repairs=repairs, lost=self.lost, fetched=self.fetched,
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class OpenPoll:
    """A poll that has been sent."""

    poll_id: int
    segment: Segment
    awaited: int
    """Receivers whose report has not come."""
    served: int
    """Receivers to which data was sent before it."""
    missing: dict[int, int]
    """Bit number -> bytes that were sent to it."""
    sent: float
    position: int
    """Of the flow: what was sent before it."""
    due: float
    tries: int = 1
    again: int = 0
    """Receivers that were asked more than once: how old their answer is cannot be told."""


def newer(incarnation: int, than: int) -> bool:
    """Serial number arithmetic (RFC 1982) on 32 bits."""
    return 0 < (incarnation - than & 0xFFFFFFFF) < 1 << 31
