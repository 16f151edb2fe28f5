"""Who lacks what, at the sender.

Pure.  Objects are cut into *segments*, runs of blocks that are sent, asked about and repaired
together.  For one receiver a segment is in exactly one of three conditions: settled (it has all of
it), pending (it lacks something and nothing is under way), or in flight (sent, and no report yet).
Nothing that is in flight is ever sent again, so nothing is sent twice to a receiver that has it.
Receivers are bits of a mask throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.delivery.fec import Partition

SEGMENT_SIZE = 16 * 2**20
"""Bytes of a segment at most, one block at least."""
MAX_BLOCKS = 1024
"""Blocks of a segment at most; a report has one byte for each and must fit a packet."""


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


class Segment:
    """Blocks first .. first + count - 1 of an object."""

    __slots__ = (
        "count", "first", "flight", "held", "item", "lacks", "left", "parity", "pending", "sent",
        "unknown",
    )  # fmt: skip

    def __init__(self, item: SendObject, first: int, count: int) -> None:
        self.item = item
        self.first = first
        self.count = count
        self.pending = 0
        self.flight = 0
        self.unknown = 0
        """Pending receivers of which only a poll can tell what they lack."""
        self.held = 0
        """Receivers that have said that they have all of it."""
        self.left: dict[int, int] = {}
        """Bit number -> bytes that it still lacked of data of which it had a part."""
        self.lacks: dict[int, bytes] = {}
        """Bit number -> what it lacks, block by block; pending without an entry: everything."""
        self.sent = False
        """Its blocks have been sent to somebody before."""
        self.parity: bytearray | None = None
        """Per block, the number of the next parity symbol that nobody has been sent."""

    @property
    def size(self) -> int:
        """Bytes of the object in it."""
        part = self.item.partition
        last = self.first + self.count - 1
        return part.offset(last) + part.size(last) - part.offset(self.first)

    def missing(self, bit: int) -> int:
        """Bytes that would be sent for this receiver."""
        if self.unknown >> bit & 1:
            return 0
        lacks = self.lacks.get(bit)
        if lacks is None:
            return self.size
        return self.symbols(lacks) * self.item.partition.symbol

    def symbols(self, lacks: bytes) -> int:
        """How many source symbols a report's `lacks` come to."""
        k = self.item.partition.k
        return sum(min(lack, k(self.first + i)) for i, lack in enumerate(lacks) if lack)


class Ledger:
    """All segments in the order of delivery: FDT and manifest first."""

    def __init__(self, objects: Sequence[SendObject], boot: int) -> None:
        """`boot`: how many of the objects come before a receiver can say what it holds."""
        self.boot: list[Segment] = []
        self.segments: list[Segment] = []
        self.by_toi: dict[int, list[Segment]] = {}
        self.got: dict[int, int] = {}
        """Bit number -> bytes of files that it has said to hold."""
        self._wanted: dict[int, int] = {}
        """Bit number -> number of its pending segments."""
        for number, item in enumerate(objects):
            cut = list(_cut(item))
            self.by_toi[item.toi] = cut
            (self.boot if number < boot else self.segments).extend(cut)

    def wanting(self, mask: int) -> int:
        """Those of `mask` for whom anything is pending."""
        return sum(1 << bit for bit, count in self._wanted.items() if count and mask >> bit & 1)

    def want(self, segment: Segment, bit: int, lacks: bytes | None) -> None:
        """A receiver lacks part of a segment, or all of it (None)."""
        self._pend(segment, bit)
        segment.unknown &= ~(1 << bit)
        if lacks is None:
            segment.lacks.pop(bit, None)
        else:
            segment.lacks[bit] = lacks
            self.reported(segment, bit, segment.missing(bit))

    def ask(self, segment: Segment, bit: int) -> None:
        """Only a poll can tell what a receiver lacks of a segment."""
        self._pend(segment, bit)
        segment.unknown |= 1 << bit

    def settle(self, segment: Segment, bit: int) -> None:
        """A receiver has all of a segment."""
        self.reported(segment, bit, 0)
        self.withdraw(segment, 1 << bit)
        segment.flight &= ~(1 << bit)

    def launch(self, segment: Segment, targets: int) -> None:
        """What `targets` lack is on its way."""
        segment.sent = segment.sent or bool(targets & ~segment.unknown)
        self.withdraw(segment, targets)
        segment.flight |= targets

    def withdraw(self, segment: Segment, mask: int) -> None:
        """Nothing of the segment is pending for `mask` any more."""
        for bit in bits(segment.pending & mask):
            self._wanted[bit] -= 1
            segment.lacks.pop(bit, None)
        segment.pending &= ~mask
        segment.unknown &= ~mask

    def forget(self, bit: int) -> None:
        """Start afresh with a receiver: nothing is pending or in flight for it."""
        for segment in (*self.boot, *self.segments):
            self.withdraw(segment, 1 << bit)
            segment.flight &= ~(1 << bit)
            segment.held &= ~(1 << bit)
            segment.left.pop(bit, None)
        self.got[bit] = 0

    def reported(self, segment: Segment, bit: int, left: int) -> None:
        """A receiver lacks `left` bytes of a segment: keep count of what it holds of files."""
        if segment.item.content is not None:
            return
        size = segment.size
        before = 0 if segment.held >> bit & 1 else segment.left.pop(bit, size)
        if left:
            segment.held &= ~(1 << bit)
            segment.left[bit] = left
        else:
            segment.held |= 1 << bit
        self.got[bit] = self.got.get(bit, 0) + before - min(left, size)

    def _pend(self, segment: Segment, bit: int) -> None:
        if not segment.pending >> bit & 1:
            segment.pending |= 1 << bit
            self._wanted[bit] = self._wanted.get(bit, 0) + 1
        segment.flight &= ~(1 << bit)


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _cut(item: SendObject) -> Iterator[Segment]:
    part = item.partition
    if part.blocks == 0:
        return
    count = SEGMENT_SIZE // (part.k(0) * part.symbol)
    count = max(1, min(count, MAX_BLOCKS, part.symbol))
    for first in range(0, part.blocks, count):
        yield Segment(item, first, min(count, part.blocks - first))
