"""Slow receivers that get blocks of the main stream beside those that it is for.

Pure.  A block costs the sender nothing more when it goes to some more receivers, so each slow one
is a guest at as many blocks as it has room for.  What it has of the segment then, it is asked
later.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.delivery.burst import Burst
from toolkit.delivery.dispatch import Dispatch
from toolkit.delivery.lane import Lane
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.manifest import FIRST_TOI
from toolkit.delivery.masks import bits
from toolkit.delivery.members import Roster
from toolkit.delivery.track import Segment

DEBT = 10.0
"""Seconds of its pace that a lane may owe for a block: it sends nothing of its own meanwhile."""


class Guests:
    """Those of the segment under way (`toolkit.delivery.schedule.Escort`)."""

    def __init__(
        self, ledger: Ledger, members: Roster, lanes: Sequence[Lane], *, addressed: bool
    ) -> None:
        """`addressed`: packets go to those in their mask and to nobody else."""
        self.mask = 0
        """Who gets blocks of it."""
        self._segment: Segment | None = None
        self._ledger, self._members, self._lanes = ledger, members, lanes
        self._addressed = addressed

    def follow(self, segment: Segment | None) -> bool:
        """This is the segment under way; whether it is another than before."""
        if segment is self._segment:
            return False
        self._segment, self.mask = segment, 0
        return True

    def take(self, segment: Segment, burst: Burst) -> int:
        """Whom a whole block of the main stream goes to beside those that it is sent for."""
        if burst.repair or burst.symbols != burst.k or segment.item.toi < FIRST_TOI:
            return 0
        self.follow(segment)
        found = 0
        for lane in self._lanes:
            flow = lane.dispatch.flow
            room = flow.free >= burst.size or (flow.free > 0 and flow.empty)
            if self._addressed and (lane.tokens < 0 or burst.size > DEBT * lane.pace):
                continue
            mask = self._eligible(segment, lane.dispatch)
            if mask and not room and self._addressed:
                lane.refused += burst.size
            elif mask:
                if not segment.unknown & mask:
                    lane.dispatch.soon([segment])
                sent = lane.beside.setdefault(segment, bytearray(segment.count))
                sent[burst.sbn - segment.first] = 1
                found |= mask
        for bit in bits(found & ~self.mask):
            self._ledger.ask(segment, bit)
        self.mask |= found
        return found

    def left(self, mask: int, size: int) -> None:
        """So many bytes of it have left."""
        for lane in self._lanes:
            if lane.dispatch.serves & mask:
                lane.dispatch.flow.sent += size
                lane.spend(size)

    def _eligible(self, segment: Segment, lane: Dispatch) -> int:
        """Those who lack all of a segment, but for what they got with this pass."""
        pending = segment.pending & lane.serves & ~segment.flight
        fresh = pending & ~segment.unknown & ~self.mask
        for bit in bits(fresh):
            if bit in segment.lacks:
                fresh &= ~(1 << bit)
        found = fresh | pending & segment.unknown & self.mask
        if found and segment.item.content is None:
            toi = segment.item.toi - 1
            digests = self._ledger.first(toi, found)
            if digests is not None:
                lane.soon([digests])
                lane.idle = False
            found &= ~self._ledger.open_for(toi)
            head = self._ledger.head(toi + 1, found) if segment.item.headed else None
            if head is not None and head is not segment:
                lane.soon([head])
                lane.idle = False
                found &= ~head.pending
        return found & self._members.ready
