"""A stretch of an object as the sender keeps book of it: segments, most of which need not exist.

Pure.  Segments that are alike are one Run.  A segment becomes an object of its own when it is
sent (`Track.at`), and a part of a run again when nothing of it is in flight any more and nobody
lacks a part of it (`Track.fold`).  So there are as many of them as are under way, however long
the object and however many the receivers.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from toolkit.delivery.fec import Partition

SEGMENT_SIZE = 16 * 2**20
"""Bytes of a segment at most, one block at least."""
MAX_BLOCKS = 1024
"""Blocks of a segment at most; a report has one byte for each and must fit a packet."""
TAPER = 2**20
"""Bytes of the last segment of all: the later a block is sent, the sooner it is asked about."""


@dataclass(frozen=True, slots=True, eq=False)
class SendObject:
    """An object as the sender knows it."""

    toi: int
    partition: Partition
    prefix: bytes
    """LCT header of its data packets."""
    fec_id: int
    content: bytes | None = None
    """None: it is data of file number `file`, read block by block."""
    file: int = 0
    headed: bool = False
    """Its first blocks say what is in the others: they go to everybody before these."""


class Part(NamedTuple):
    """Blocks first .. first + blocks - 1 of an object, which are sent one after the other."""

    item: SendObject
    first: int
    blocks: int


class Segment:
    """Blocks first .. first + count - 1 of an object."""

    __slots__ = (
        "_lengths", "count", "first", "flight", "held", "index", "item", "lacks", "left", "parity",
        "pending", "sent", "size", "track", "unknown",
    )  # fmt: skip

    def __init__(self, track: Track, index: int) -> None:
        self.track = track
        self.index = index
        self._lengths: npt.NDArray[np.int16] | None = None
        self.item = track.item
        self.first, self.count = track.cut(index)
        self.size = track.bytes(index, index + 1)
        """Bytes of the object in it."""
        self.pending: int = 0
        self.flight = 0
        self.unknown: int = 0
        """Pending receivers of which only a poll can tell what they lack."""
        self.held: int = 0
        """Receivers that have said that they have all of it."""
        self.left: dict[int, int] = {}
        """Bit number -> bytes that it still lacked of data of which it had a part."""
        self.lacks: dict[int, bytes] = {}
        """Bit number -> what it lacks, block by block; pending without an entry: everything."""
        self.sent: bool = False
        """Its blocks have been sent to somebody before."""
        self.parity: bytearray | None = None
        """Per block, the number of the next parity symbol that nobody has been sent."""

    @property
    def lengths(self) -> npt.NDArray[np.int16]:
        """Source symbols of each of its blocks."""
        if self._lengths is None:
            part = self.item.partition
            small, larger = divmod(part.symbols, part.blocks)
            there = np.arange(self.first, self.first + self.count)
            self._lengths = (small + (there < larger)).astype(np.int16)
        return self._lengths

    def symbols(self, lacks: bytes) -> int:
        """How many source symbols a report's `lacks` come to; empty: nothing is lacking."""
        if not lacks:
            return 0
        return int(np.minimum(np.frombuffer(lacks, np.uint8), self.lengths).sum())


class Run:
    """Segments start .. stop - 1 of an object, but for those that exist, which are alike."""

    __slots__ = ("held", "pending", "sent", "start", "stop", "unknown")

    def __init__(self, start: int, stop: int, of: Run | Segment | None = None) -> None:
        self.start, self.stop = start, stop
        self.pending: int = of.pending if of else 0
        self.unknown: int = of.unknown if of else 0
        self.held: int = of.held if of else 0
        self.sent: bool = of.sent if of else False

    def like(self, other: Run) -> bool:
        return (
            self.pending == other.pending
            and self.held == other.held
            and self.unknown == other.unknown
            and self.sent == other.sent
        )


class Track:
    """Blocks first .. first + count - 1 of an object (`count` None: all that follow).

    `boot`: its segments exist for ever; `tapered`: it is the last of the session.
    """

    def __init__(
        self, item: SendObject, number: int, *, boot: bool, tapered: bool, first: int = 0,
        count: int | None = None,
    ) -> None:  # fmt: skip
        self.item = item
        self.number = number
        self.boot = boot
        self.hot = 0
        """Segments of which anything is pending, as the ledger counts them."""
        self.fresh = 0
        """Bytes of those that nobody has been sent, the same."""
        part = item.partition
        per = SEGMENT_SIZE // (part.k(0) * part.symbol) if part.blocks else 1
        self._per = max(1, min(per, MAX_BLOCKS, part.symbol))
        self.first = first
        regular, rest = divmod(part.blocks - first if count is None else count, self._per)
        self._tail: list[tuple[int, int]] = []
        """First block and number of blocks of the segments after the regular ones."""
        if tapered and regular:
            regular, rest = regular - 1, rest + self._per
        self._regular = regular
        first += regular * self._per
        least = max(1, TAPER // (part.k(0) * part.symbol)) if part.blocks else 1
        while rest:
            count = rest if not tapered or rest <= least else min(-(-rest // 2), self._per)
            self._tail.append((first, count))
            first, rest = first + count, rest - count
        self.segments = regular + len(self._tail)
        self.open: dict[int, Segment] = {}
        """The segments that exist."""
        self.runs = [Run(0, self.segments)] if self.segments else []
        """In their order, without gaps."""
        if boot:
            for index in range(self.segments):
                self.open[index] = Segment(self, index)

    def cut(self, index: int) -> tuple[int, int]:
        """First block of a segment, and the number of its blocks."""
        if index < self._regular:
            return self.first + index * self._per, self._per
        return self._tail[index - self._regular]

    def bytes(self, start: int, stop: int) -> int:
        """Bytes of the object in segments start .. stop - 1."""
        part = self.item.partition
        first, (last, count) = self.cut(start)[0], self.cut(stop - 1)
        end = last + count - 1
        return part.offset(end) + part.size(end) - part.offset(first)

    def length(self, run: Run) -> int:
        """Segments of a run that do not exist on their own."""
        return run.stop - run.start - sum(run.start <= i < run.stop for i in self.open)

    def size(self, run: Run) -> int:
        """Bytes in them."""
        own = sum(s.size for i, s in self.open.items() if run.start <= i < run.stop)
        return self.bytes(run.start, run.stop) - own

    @property
    def pending(self) -> int:
        """Number of segments of which anything is pending."""
        return sum(bool(s.pending) for s in self.open.values()) + sum(
            self.length(run) for run in self.runs if run.pending
        )

    @property
    def unsent(self) -> int:
        """Bytes of those that nobody has been sent."""
        return sum(s.size for s in self.open.values() if s.pending and not s.sent) + sum(
            self.size(run) for run in self.runs if run.pending and not run.sent
        )

    def pends(self, index: int, mask: int) -> bool:
        """Whether a segment is pending for any of `mask`."""
        found = self.open.get(index) or self.runs[self._at(index)]
        return bool(found.pending & mask)

    def find(self, mask: int, start: int, serves: int, but: Segment | None) -> int | None:
        """The first segment from `start` on that is pending for any of `mask`, of which nothing is
        in flight to any of `serves`, and which is not `but`."""
        found = min(
            (
                i
                for i, s in self.open.items()
                if i >= start and s.pending & mask and not s.flight & serves and s is not but
            ),
            default=self.segments,
        )
        for run in self.runs[max(self._at(start), 0) :]:
            if run.start >= found:
                break
            if run.pending & mask:
                index = max(run.start, start)
                while index in self.open:
                    index += 1
                if index < min(run.stop, found):
                    return index
        return found if found < self.segments else None

    def at(self, index: int) -> Segment:
        """A segment as an object of its own."""
        segment = self.open.get(index)
        if segment is None:
            run = self.runs[self._at(index)]
            segment = self.open[index] = Segment(self, index)
            segment.pending, segment.unknown = run.pending, run.unknown
            segment.held, segment.sent = run.held, run.sent
        return segment

    def fold(self, segment: Segment) -> None:
        """Make it part of a run again, if nothing would be lost by that."""
        index = segment.index
        if self.boot or segment.flight or segment.lacks or segment.left or segment.unknown:
            return
        if self.open.pop(index, None) is not segment:
            return
        at = self._at(index)
        run = self.runs[at]
        mine = Run(index, index + 1, segment)
        segment.pending = segment.unknown = 0  # Whoever still knows it has nothing to do.
        if run.like(mine):
            return
        parts = [mine]
        if run.start < index:
            parts.insert(0, Run(run.start, index, run))
        if index + 1 < run.stop:
            parts.append(Run(index + 1, run.stop, run))
        self.runs[at : at + 1] = parts
        self._join(max(at - 1, 0), at + 4)

    def join(self) -> None:
        """Make one run of neighbours that are alike."""
        self._join(0, len(self.runs))

    def _join(self, first: int, stop: int) -> None:
        joined: list[Run] = []
        for run in self.runs[first:stop]:
            if joined and joined[-1].like(run):
                joined[-1].stop = run.stop
            else:
                joined.append(run)
        self.runs[first:stop] = joined

    def _at(self, index: int) -> int:
        """Number of the run that a segment belongs to."""
        return bisect_right(self.runs, index, key=lambda run: run.start) - 1
