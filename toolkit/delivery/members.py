"""The sender's view of its receivers, and of the polls that wait for their answers.

Pure.  Time-outs of polls follow RFC 6298: smoothed round-trip time and its variation, no sample
from a poll that was repeated, doubled at each repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.delivery.masks import numbers
from toolkit.delivery.model import Receipt, ReceiverResult, Standing
from toolkit.delivery.schedule import Sizes
from toolkit.delivery.track import Segment

FIRST_RTO = 0.5
MIN_RTO = 0.03
MAX_RTO = 2.0
NOTHING = 64
"""Symbols of which some would have come, if they could come at all."""
MAX_POLLS = 128
"""Polls that may wait for one receiver's answer."""


class Member:
    """One declared receiver."""

    __slots__ = (
        "_evicted", "_fetching", "_given_up", "_lost_all", "_roster", "_standing", "asked", "bit",
        "completed",
        "deviation", "fetched", "heard", "incarnation", "joined", "lost", "missed", "name",
        "reason", "receipt", "rejected", "reported", "rtt", "timeout", "told",
    )  # fmt: skip

    def __init__(self, name: str, bit: int, roster: Roster) -> None:
        self.name = name
        self.bit = bit
        self._roster = roster
        self._standing = Standing.ABSENT
        self._given_up = False
        self._evicted = False
        self._fetching = False
        self.incarnation = 0
        self.heard = 0.0
        self.asked = 0.0
        """When it was last asked for a sign of life."""
        self.joined: float | None = None
        self.completed: float | None = None
        self.reason = ""
        self.rejected = False
        """It was not let in: `reason` says why."""
        self.receipt: Receipt | None = None
        self.lost = 0
        self.reported = 0
        """Symbols sent to it of blocks of which it has said that something arrived."""
        self.missed = 0
        """Those of them that did not: what a network does that is congested.  Blocks of which
        nothing is there are not counted: somebody forges packets, or they are too long."""
        self.fetched = 0
        """Bytes that have come to it by HTTP."""
        self._lost_all: int | None = None
        """Position of the stream when it said first that nothing of a round had come to it."""
        self.told = bytearray()
        """One byte per object: 1 when it has said what it holds of it."""
        self.rtt: float | None = None
        self.deviation = 0.0
        self.timeout = FIRST_RTO
        """Seconds to wait for its report."""

    @property
    def standing(self) -> Standing:
        return self._standing

    @standing.setter
    def standing(self, standing: Standing) -> None:
        self._standing = standing
        self._roster.note(self)

    @property
    def given_up(self) -> bool:
        """It was waited for as long as the session says; it may still join."""
        return self._given_up

    @given_up.setter
    def given_up(self, given_up: bool) -> None:
        self._given_up = given_up
        self._roster.note(self)

    @property
    def evicted(self) -> bool:
        """An operator wants it served no longer."""
        return self._evicted

    @evicted.setter
    def evicted(self, evicted: bool) -> None:
        self._evicted = evicted
        self._roster.note(self)

    @property
    def fetching(self) -> bool:
        """It fetches by HTTP, for packets do not reach it: it is sent no files."""
        return self._fetching

    @fetching.setter
    def fetching(self, fetching: bool) -> None:
        self._fetching = fetching
        self._roster.note(self)

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

    def weigh(self, segment: Segment, lacks: bytes, sent: int) -> None:
        """It reports what it lacks of a segment, of which it had been sent `sent` symbols."""
        if not lacks:
            self.reported += sent
            return
        lengths = segment.lengths
        whole = int(lengths[np.frombuffer(lacks, np.uint8) >= lengths].sum())
        self.reported += max(sent - whole, 0)
        self.missed += segment.symbols(lacks) - whole

    def shared(self, poll: OpenPoll, sent: int, lost: int, position: int) -> None:
        """It has answered a poll about `sent` symbols that went to others, too.  `position`: of the
        stream now.

        Who is heard and gets nothing of two such rounds, the second of which began after it had
        answered for the first, is not reached where all others are.
        """
        if sent < NOTHING or not poll.served & (poll.served - 1):
            return
        if lost < sent:
            self._lost_all = None
        elif self._lost_all is None:
            self._lost_all = position
        elif poll.position - sent * poll.segment.item.partition.symbol >= self._lost_all:
            self._roster.deaf |= 1 << self.bit

    def begins(self) -> None:
        """It joins, or joins anew."""
        self._lost_all = None
        self._roster.deaf &= ~(1 << self.bit)

    def sample(self, rtt: float) -> None:
        """A report came `rtt` seconds after its poll (RFC 6298 section 2)."""
        if self.rtt is None:
            self.rtt, self.deviation = rtt, rtt / 2
        else:
            self.deviation += (abs(self.rtt - rtt) - self.deviation) / 4
            self.rtt += (rtt - self.rtt) / 8
        self.timeout = min(max(self.rtt + 4 * self.deviation, MIN_RTO), MAX_RTO)
        self._roster.timeouts[self.bit] = self.timeout
        if rtt < self._roster.rtts[self.bit]:
            self._roster.rtts[self.bit] = rtt

    def result(self, started: float, packets: int, repairs: int, spare: int) -> ReceiverResult:
        reason = self.reason
        if self.standing is Standing.ABSENT:
            reason = "it never joined"
        return ReceiverResult(
            receiver=self.name, standing=self.standing, reason=reason, receipt=self.receipt,
            joined=None if self.joined is None else self.joined - started,
            completed=None if self.completed is None else self.completed - started,
            packets=packets, repairs=repairs, spare=spare, lost=self.lost,
            fetched=self.fetched,
        )  # fmt: skip


class Roster(list[Member]):
    """All declared receivers by their bit; and who of them stands how, as masks."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.active = 0
        """They have joined and have not ended."""
        self.ready = 0
        """They have said what they hold."""
        self.complete = 0
        """They have everything."""
        self.unsettled = 0
        """Of them something more will come."""
        self.deaf = 0
        """What goes to all at once does not reach them: they need copies of their own."""
        self.timeouts = np.full(len(names), FIRST_RTO)
        """Of each, as `Member.timeout`."""
        self.outstanding = np.zeros(len(names), np.int64)
        """Bytes sent to each receiver for which no report has come."""
        self.polled = np.zeros(len(names), np.int64)
        """Polls that wait for its answer."""
        self.rtts = np.full(len(names), FIRST_RTO)
        """Of each, the shortest round-trip time seen."""
        for name in names:
            self.admit(name)

    def admit(self, name: str) -> Member:
        """One more receiver, with the next bit."""
        member = Member(name, len(self), self)
        if member.bit >= len(self.timeouts):
            self.timeouts = np.append(self.timeouts, FIRST_RTO)
            self.rtts = np.append(self.rtts, FIRST_RTO)
            self.outstanding = np.append(self.outstanding, 0)
            self.polled = np.append(self.polled, 0)
        self.append(member)
        self.note(member)
        return member

    def note(self, member: Member) -> None:
        """A member stands otherwise now."""
        mask = 1 << member.bit
        self.active = self.active | mask if member.active else self.active & ~mask
        ready = member.standing is Standing.READY and not member.fetching
        self.ready = self.ready | mask if ready else self.ready & ~mask
        complete = member.standing is Standing.COMPLETE
        self.complete = self.complete | mask if complete else self.complete & ~mask
        self.unsettled = self.unsettled & ~mask if member.settled else self.unsettled | mask

    def rtt(self, mask: int) -> float:
        """The longest of the shortest round-trip times seen of all in `mask`; FIRST_RTO at most."""
        return float(self.rtts[numbers(mask)].max(initial=0.0))

    def timeout(self, mask: int) -> float:
        """Seconds to wait for the reports of all in `mask`."""
        if not mask & (mask - 1):
            return self[mask.bit_length() - 1].timeout
        return float(self.timeouts[numbers(mask)].max())


@dataclass(slots=True, eq=False)
class OpenPoll:
    """A poll that has been sent."""

    poll_id: int
    segment: Segment
    awaited: int
    """Receivers whose report has not come."""
    served: int
    """Receivers to which data was sent before it."""
    sizes: Sizes
    """Symbols that were sent to each."""
    held_back: Sizes
    """Symbols that each still lacks if none of those was lost."""
    sent: float
    position: int
    """Of the flow: what was sent before it."""
    due: float
    copies: int = 0
    """Copies of it that are sent before it is seen who answers."""
    tries: int = 1
    again: int = 0
    """Receivers that were asked more than once: how old their answer is cannot be told."""


def newer(incarnation: int, than: int) -> bool:
    """Serial number arithmetic (RFC 1982) on 32 bits."""
    return 0 < (incarnation - than & 0xFFFFFFFF) < 1 << 31
