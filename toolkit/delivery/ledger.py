"""Who lacks what, at the sender.

Pure.  Objects are cut into *segments*, runs of blocks that are sent, asked about and repaired
together.  For one receiver a segment is in exactly one of three conditions: settled (it has all of
it), pending (it lacks something and nothing is under way), or in flight (sent, and no report yet).
Nothing that is in flight is ever sent again, so nothing is sent twice to a receiver that has it.
Receivers are bits of a mask throughout.

A terabyte has 60,000 segments, and nearly all of them are as all others before or behind them: so
only those about which there is something to say exist as a Segment (see `track`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from toolkit.delivery.masks import bits, mask_of, numbers
from toolkit.delivery.track import Part, Run, Segment, Track

Cursor = tuple[int, int]
"""Number of a track, and of a segment in it."""


class Ledger:
    """All segments in the order of delivery: FDT and manifest first."""

    def __init__(self, parts: Sequence[Part], boot: int, receivers: int) -> None:
        """`boot`: how many of the parts come before a receiver can say what it holds."""
        last = len(parts) - 1
        self._tracks = [
            Track(
                item, number, boot=number < boot, tapered=number == last, first=first, count=count
            )
            for number, (item, first, count) in enumerate(parts)
        ]
        self._by_toi: dict[int, list[Track]] = {}
        for track in self._tracks:
            self._by_toi.setdefault(track.item.toi, []).append(track)
        self._heads = {track.item.toi: track for track in self._tracks if not track.first}
        """Where the first block of each object is."""
        self.boot: list[Segment] = [
            segment for track in self._tracks[:boot] for segment in track.open.values()
        ]
        self._hot: list[int] = []
        """Numbers of the tracks, other than those of `boot`, where anything is pending."""
        self.begun = False
        """Any file, or the digests of one, has been sent to anybody."""
        self.got = [0] * receivers
        """Per receiver, bytes of files that it has said to hold."""
        self.fresh = 0
        """Bytes of objects that nobody has been sent yet, and somebody wants."""
        self._wanted = np.zeros(receivers, np.int64)
        """Per receiver, the number of its pending segments."""
        self._wanting = 0
        """Mask of those that have any."""

    def grow(self, receivers: int) -> None:
        """There are `receivers` receivers now."""
        more = max(receivers - len(self.got), 0)
        self.got += [0] * more
        self._wanted = np.append(self._wanted, np.zeros(more, np.int64))

    # ----- what is to be sent

    def wanting(self, mask: int) -> int:
        """Those of `mask` for whom anything is pending."""
        return self._wanting & mask

    def next(
        self, cursor: Cursor, ready: int, *, serves: int = -1, but: Segment | None = None
    ) -> Segment | None:
        """The first segment from `cursor` on, and around, of which one of `ready` lacks something.

        While reports of any of `serves` are awaited a segment is passed over: one packet may repair
        several.  So is the segment `but`.
        """
        number, index = cursor
        at = bisect_left(self._hot, number)
        for n in (*self._hot[at:], *self._hot[:at]):
            found = self._tracks[n].find(ready, index if n == number else 0, serves, but)
            if found is not None:
                return self._tracks[n].at(found)
        if at < len(self._hot) and self._hot[at] == number and index:
            found = self._tracks[number].find(ready, 0, serves, but)
            return None if found is None else self._tracks[number].at(found)
        return None

    def first(self, toi: int, mask: int) -> Segment | None:
        """The first segment of an object that is pending for any of `mask`."""
        for track in self._by_toi[toi]:
            found = track.find(mask, 0, 0, None)
            if found is not None:
                return track.at(found)
        return None

    def head(self, toi: int, mask: int) -> Segment | None:
        """The segment with an object's first block, where it is pending for any of `mask`."""
        track = self._heads[toi]
        return track.at(0) if track.segments and track.pends(0, mask) else None

    def open_for(self, toi: int) -> int:
        """Those who have not got all of an object yet, whether it is on its way or not."""
        found = 0
        for track in self._by_toi[toi]:
            for segment in track.open.values():
                found |= segment.pending | segment.flight
            for run in track.runs:
                found |= run.pending
        return found

    def flight(self, toi: int) -> int:
        """Those to whom something of an object is on its way."""
        found = 0
        for track in self._by_toi[toi]:
            for segment in track.open.values():
                found |= segment.flight
        return found

    def launch(self, segment: Segment, targets: int) -> None:
        """What `targets` lack is on its way."""
        if not segment.sent and targets & ~segment.unknown:
            self._freshen(segment.track, -segment.size if segment.pending else 0)
            segment.sent = True
        self.withdraw(segment, targets)
        segment.flight |= targets
        self.begun = self.begun or not segment.track.boot

    # ----- what a receiver says of a segment

    def want(self, segment: Segment, bit: int, lacks: bytes | None) -> None:
        """A receiver lacks part of a segment, or all of it (None)."""
        self._pend(segment, 1 << bit)
        segment.unknown &= ~(1 << bit)
        if lacks is None:
            segment.lacks.pop(bit, None)
        else:
            segment.lacks[bit] = lacks
            symbols = segment.symbols(lacks)
            self._reported(segment, bit, symbols * segment.item.partition.symbol)

    def ask(self, segment: Segment, bit: int) -> None:
        """Only a poll can tell what a receiver lacks of a segment."""
        self._pend(segment, 1 << bit)
        segment.unknown |= 1 << bit

    def settle(self, segment: Segment, bit: int) -> None:
        """A receiver has all of a segment."""
        mask = 1 << bit
        self._reported(segment, bit, 0)
        if segment.pending & mask:
            self.withdraw(segment, mask)
        segment.flight &= ~mask
        if not segment.flight:
            segment.track.fold(segment)

    def withdraw(self, segment: Segment, mask: int) -> None:
        """Nothing of the segment is pending for `mask` any more."""
        gone = segment.pending & mask
        if gone:
            if segment.lacks:
                for bit in [b for b in segment.lacks if gone >> b & 1]:
                    del segment.lacks[bit]
            segment.pending &= ~mask
            self._less(gone, 1)
            if not segment.pending:
                self._cooler(segment.track, 1)
                self._freshen(segment.track, 0 if segment.sent else -segment.size)
        segment.unknown &= ~mask

    # ----- what a receiver says of an object

    def holds(self, toi: int, bit: int) -> None:
        """A receiver has all of an object."""
        for track in self._by_toi[toi]:
            for segment in track.open.values():
                self._reported(segment, bit, 0)
            for run in track.runs:
                self._held(track, run, bit)

    def want_all(self, toi: int, bit: int) -> None:
        """A receiver has nothing of an object."""
        for track in self._by_toi[toi]:
            self._everywhere(track, bit, unknown=False)

    def ask_all(self, toi: int, bit: int) -> None:
        """Only polls can tell what a receiver lacks of an object, where nothing is under way."""
        for track in self._by_toi[toi]:
            self._everywhere(track, bit, unknown=True)

    def forget(self, bit: int) -> None:
        """Start afresh with a receiver: nothing is pending or in flight for it."""
        mask = 1 << bit
        for track in self._tracks:
            for segment in list(track.open.values()):
                self.withdraw(segment, mask)
                segment.flight &= ~mask
                segment.held &= ~mask
                segment.left.pop(bit, None)
            for run in track.runs:
                run.pending &= ~mask
                run.unknown &= ~mask
                run.held &= ~mask
            track.join()
            for segment in list(track.open.values()):
                track.fold(segment)
            self._recount(track)
        self._wanted[bit] = 0
        self._wanting &= ~mask
        self.got[bit] = 0

    # ----- book-keeping

    def _everywhere(self, track: Track, bit: int, *, unknown: bool) -> None:
        mask, more = 1 << bit, 0
        for segment in track.open.values():
            if not (segment.pending | segment.flight) & mask:
                segment.pending |= mask
                more += 1
                segment.unknown |= mask if unknown else 0
        for run in track.runs:
            if not run.pending & mask:
                more += track.length(run)
                run.pending |= mask
                run.unknown |= mask if unknown else 0
        if more:
            self._wanted[bit] += more
            self._wanting |= mask
            self._recount(track)

    def _pend(self, segment: Segment, mask: int) -> None:
        if not segment.pending & mask:
            if not segment.pending:
                self._hotter(segment.track, 1)
                self._freshen(segment.track, 0 if segment.sent else segment.size)
            segment.pending |= mask
            for bit in bits(mask):
                self._wanted[bit] += 1
            self._wanting |= mask
        segment.flight &= ~mask

    def _less(self, gone: int, count: int) -> None:
        if not gone & (gone - 1):
            bit = gone.bit_length() - 1
            self._wanted[bit] -= count
            if not self._wanted[bit]:
                self._wanting &= ~gone
            return
        which = numbers(gone)
        self._wanted[which] -= count
        if not self._wanted[which].all():
            self._wanting = mask_of(self._wanted > 0)

    def _hotter(self, track: Track, count: int) -> None:
        if not track.hot and count and not track.boot:
            insort(self._hot, track.number)
        track.hot += count

    def _cooler(self, track: Track, count: int) -> None:
        track.hot -= count
        if not track.hot and count and not track.boot:
            del self._hot[bisect_left(self._hot, track.number)]

    def _freshen(self, track: Track, size: int) -> None:
        track.fresh += size
        self.fresh += size

    def _recount(self, track: Track) -> None:
        """Count again in how many of a track's segments anything is pending."""
        if not track.boot:
            self._freshen(track, track.unsent - track.fresh)
        hot = track.pending
        if hot > track.hot:
            self._hotter(track, hot - track.hot)
        else:
            self._cooler(track, track.hot - hot)

    def _reported(self, segment: Segment, bit: int, left: int) -> None:
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
        self.got[bit] += before - min(left, size)

    def _held(self, track: Track, run: Run, bit: int) -> None:
        """A receiver has all of a run."""
        if track.item.content is None and not run.held >> bit & 1:
            run.held |= 1 << bit
            self.got[bit] += track.size(run)
