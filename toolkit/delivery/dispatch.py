"""What the sender sends next, and whose answer it waits for.

Pure, apart from the Source that blocks are read from.  One round at a time: a segment to those
that lack something of it, then a poll to the same.  Repairs go before anything new; FDT and
manifest before everything; digests before the data that is verified by them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from toolkit.delivery.asking import PATIENCE, Asking
from toolkit.delivery.blocks import Blocks
from toolkit.delivery.burst import Burst
from toolkit.delivery.flow import Flow
from toolkit.delivery.ledger import SEGMENT_SIZE, Ledger, Segment, bits
from toolkit.delivery.manifest import MANIFEST_TOI
from toolkit.delivery.manifest import VERSION as MANIFEST_VERSION
from toolkit.delivery.members import FIRST_RTO, MAX_POLLS, MAX_RTO, Member, OpenPoll
from toolkit.delivery.model import Session, Standing
from toolkit.delivery.ports import Source
from toolkit.delivery.schedule import Round
from toolkit.delivery.versions import Agreement
from toolkit.delivery.wire import FEC_NO_CODE, FEC_SMALL_BLOCK, Extension, Header, Poll, Rejection

MAX_STALLS = 6
"""Times that a receiver without room is asked again before it is not waited for any more."""


class Dispatch:
    """The sequence of packets of one session."""

    def __init__(
        self, session: Session, source: Source, ledger: Ledger, members: Sequence[Member]
    ) -> None:
        self.polls: dict[int, OpenPoll] = {}
        """By poll id."""
        self.urgent: deque[Burst] = deque()
        """Packets without a payload; they go first."""
        self.idle = False
        """Nothing can be sent until something is heard or a timer fires."""
        self.stalled = math.inf
        """When receivers that have no room are asked again; infinite: nothing waits for them."""
        self.held = False
        """Receivers that are ready wait for others: no files yet."""
        self.everybody = None if session.targeted else (1 << len(members)) - 1
        """Mask of every packet where packets cannot be addressed."""
        self._session = session
        self._blocks = Blocks(source, max(2 * session.window, 8 * SEGMENT_SIZE))
        self._parity = source.manifest.coding.parity
        self.fec_id = FEC_SMALL_BLOCK if self._parity else FEC_NO_CODE
        self.agreement = Agreement(session.speaks, MANIFEST_VERSION)
        self._ledger = ledger
        self._members = members
        self.flow = Flow(
            len(members), session.rate, session.window, asked_one_by_one=session.targeted
        )
        self._stalls: dict[int, int] = {}
        """Bit number -> times in a row that it had to be asked again for its room."""
        self._round: Round | None = None
        self._bursts: Iterator[Burst] = iter(())
        self._rest: Burst | None = None
        """What is left of the burst under way; its mask is of those it serves."""
        self._repairs: deque[Segment] = deque()
        self._asking = Asking(self.polls)
        self._cursor = 0
        self._next_poll = 1

    def next(self, now: float, limit: int) -> Burst | None:
        """Return the next packets with a payload, `limit` at most; None: see `urgent`, or nothing
        can be sent.

        Raises DeliveryError when the source is not what it was.
        """
        while not self.urgent:
            if self.flow.mark_due:
                self._mark(now)
                break
            if self.flow.blocked:
                if self.stalled == math.inf:
                    self.stalled = now + self._patience()
                elif now >= self.stalled:
                    self._stall(now)
                break
            self.stalled = math.inf
            burst = self._rest or next(self._bursts, None)
            if burst is None:
                if not self._next_round(now):
                    return None
                continue
            self._rest = None
            mask = burst.mask if self._round is None else burst.mask & self._round.targets
            if mask:
                found, self._rest = burst.split(limit)
                self.flow.sent += found.size
                return found._replace(mask=self.everybody or mask)
        return None

    @property
    def bytes_read(self) -> int:
        """Bytes that were read from the source."""
        return self._blocks.bytes_read

    def begun(self) -> bool:
        """Whether any file, or the digests of one, has been sent to anybody."""
        return self._cursor > 0 or any(s.sent for s in self._ledger.segments[:1])

    def urge(self, mask: int, toi: int, poll: Poll) -> None:
        """Send a poll before anything else."""
        version = self.agreement.control
        asked = poll if version == poll.version else replace(poll, version=version)
        self._say(mask, toi, asked.extension(), close=False)

    def close(self, mask: int, rejection: Rejection | None = None, *, over: bool = True) -> None:
        """End the session for some, or only say who is rejected (`over` False)."""
        if over or rejection:
            extensions = () if rejection is None else (rejection.extension(),)
            self._say(mask, MANIFEST_TOI, *extensions, close=over)

    def _say(self, mask: int, toi: int, *extensions: Extension, close: bool) -> None:
        header = Header(
            tsi=self._session.tsi, toi=toi, codepoint=self.fec_id, extensions=extensions,
            close_session=close,
        )  # fmt: skip
        self.urgent.append(Burst(self.everybody or mask, header.encode(), toi))

    def answered(self, poll: OpenPoll, member: Member) -> None:
        """A member's answer to a poll is there, or will never be."""
        poll.awaited &= ~(1 << member.bit)
        member.outstanding -= poll.missing[member.bit]
        member.polls -= 1
        if not poll.served:
            self._asking.end(member.bit)
        if not poll.awaited:
            del self.polls[poll.poll_id]

    def repair(self, poll: OpenPoll) -> None:
        """What a poll's segment lacks may be sent once everybody has answered."""
        if not poll.awaited and poll.segment.pending:
            self._repairs.append(poll.segment)

    def release(self, member: Member) -> None:
        """A member needs nothing of what is under way."""
        if self._round is not None:
            self._round.targets &= ~(1 << member.bit)
            self._round.segment.flight &= ~(1 << member.bit)
        for poll in list(self.polls.values()):
            if poll.awaited >> member.bit & 1:
                self.answered(poll, member)
                poll.segment.flight &= ~(1 << member.bit)
                self.repair(poll)
        member.outstanding = member.polls = 0
        self._asking.forget(member.bit)
        self.flow.let_go(member.bit)
        if self.everybody is None:
            kept = [b._replace(mask=b.mask & ~(1 << member.bit)) for b in self.urgent]
            self.urgent.clear()
            self.urgent.extend(b for b in kept if b.mask)

    def repeat(self, poll: OpenPoll, now: float) -> None:
        """A poll was not answered by all in time."""
        poll.tries += 1
        wait = max(self._members[bit].timeout for bit in bits(poll.awaited))
        poll.due = now + min(wait * 2 ** min(poll.tries - 1, 8), MAX_RTO)
        self._ask_again(poll, poll.awaited)
        segment = poll.segment
        self.idle = False
        if segment.pending:
            # Those that have answered do not wait for those that have not.
            self._repairs.append(segment)

    def remind(self, member: Member) -> bool:
        """Ask a member again all that it is being asked; False: nothing, or all would be asked."""
        if self.everybody is not None:
            return False
        polls = [p for p in self.polls.values() if p.awaited >> member.bit & 1]
        for poll in polls:
            self._ask_again(poll, 1 << member.bit)
        return bool(polls)

    def heard(self, bit: int, mark: int, room: int, now: float) -> None:
        """A receiver has answered a mark with the bytes of room that it has."""
        rtt = self.flow.answered(bit, mark, room, now)
        if rtt is not None:
            self._members[bit].sample(rtt)
            self._moves_on(bit)

    def confirmed(self, bit: int, poll: OpenPoll, room: int) -> None:
        """A receiver has answered a poll: all that was sent before it has been dealt with."""
        self.flow.confirm(bit, poll.position, room)
        self._moves_on(bit)

    def _moves_on(self, bit: int) -> None:
        self._stalls.pop(bit, None)
        if not self.flow.blocked:
            self.stalled = math.inf

    def _patience(self) -> float:
        slowest = self.flow.slowest
        return FIRST_RTO if slowest is None else self._members[slowest].timeout

    def _mark(self, now: float) -> None:
        number, mask = self.flow.mark(now)
        self.urge(mask, MANIFEST_TOI, Poll(poll_id=number, first=0, count=0))

    def _stall(self, now: float) -> None:
        """Those that have no room were silent: ask again, and do not wait for ever."""
        slowest = self.flow.slowest
        if slowest is not None:
            tries = self._stalls[slowest] = self._stalls.get(slowest, 0) + 1
            if tries >= MAX_STALLS:
                self.flow.let_go(slowest)
                del self._stalls[slowest]
        self._mark(now)
        self.stalled = now + self._patience()

    def _ask_again(self, poll: OpenPoll, mask: int) -> None:
        poll.again |= mask
        segment = poll.segment
        question = Poll(poll_id=poll.poll_id, first=segment.first, count=segment.count)
        self.urge(mask, segment.item.toi, question)

    def _next_round(self, now: float) -> bool:
        """End the round under way with its poll, or begin the next; False: nothing can be sent."""
        if self._round is not None:
            done, self._round = self._round, None
            if done.targets:
                self._ask(done, now)
                return True
        chosen = None if self.idle else self._choose()
        if chosen is None:
            self.idle = True
            return False
        segment, targets = chosen
        self._round = turn = Round(segment, targets)
        self._ledger.launch(segment, targets)
        if not turn.served:
            self._asking.begin(targets)
        for bit, missing in turn.missing.items():
            self._members[bit].outstanding += missing
            self._members[bit].polls += 1
        self._bursts = turn.bursts(self._read, self._parity, addressed=self.everybody is None)
        return True

    def _choose(self) -> tuple[Segment, int] | None:
        """The segment that is sent next, and to whom."""
        joined = ready = blocked = 0
        for member in self._members:
            bit = 1 << member.bit
            joined |= bit * member.active
            ready |= bit * (member.standing is Standing.READY and not member.fetching)
            if not self.flow.waits_for(member.bit):
                blocked |= bit * (member.outstanding >= self.flow.window(member.bit))
            blocked |= bit * (member.polls >= MAX_POLLS)
        for segment in self._ledger.boot:
            if segment.pending & joined:
                return segment, segment.pending & joined
        ready = self._ledger.wanting(ready & ~blocked)
        if self.held or not ready:
            return None
        while self._repairs:
            segment = self._repairs.popleft()
            targets = segment.pending & ready & ~self._too_early(segment)
            if targets:
                return segment, targets
        segments = self._ledger.segments
        for _ in range(len(segments)):
            segment = segments[self._cursor]
            # While reports are awaited, repairs wait too: one packet may serve several.
            targets = 0 if segment.flight else segment.pending & ready
            if targets:
                return self._digests_first(segment, targets, ready)
            self._cursor = (self._cursor + 1) % len(segments)
        return None

    def _too_early(self, segment: Segment) -> int:
        """Who cannot say yet what it holds of a segment: its digests are not there."""
        if segment.item.toi % 2 == 0 or not segment.unknown:
            return 0
        listed = self._ledger.by_toi[segment.item.toi - 1]
        return segment.unknown & reduce(or_, (d.flight | d.pending for d in listed), 0)

    def _digests_first(
        self, segment: Segment, targets: int, ready: int
    ) -> tuple[Segment, int] | None:
        """Data that goes to somebody without its digests could not be verified there.

        Who may hold some of it from elsewhere finds that by the digests: it is asked once it has
        them, and before the data goes to anybody, so that all get it at once.  None: not yet.
        """
        toi, asked = segment.item.toi, targets & segment.unknown
        if toi % 2:
            listed = self._ledger.by_toi[toi - 1]
            for digests in listed:
                if digests.pending & targets:
                    return digests, digests.pending & ready
            if asked:
                targets = self._asking.choose(asked, listed)
        return (segment, targets) if targets else None

    def _ask(self, done: Round, now: float) -> None:
        """After a round, ask those that it served what they lack."""
        segment = done.segment
        wait = max(self._members[bit].timeout for bit in bits(done.targets))
        wait += 0.0 if done.served else PATIENCE
        poll = OpenPoll(
            poll_id=self._next_poll, segment=segment, awaited=done.targets, served=done.served,
            missing=done.missing, sent=now, position=self.flow.sent, due=now + wait,
        )  # fmt: skip
        self._next_poll = self._next_poll % 0xFFFFFFFF + 1
        self.polls[poll.poll_id] = poll
        question = Poll(poll_id=poll.poll_id, first=segment.first, count=segment.count)
        self.urge(done.targets, segment.item.toi, question)

    def _read(self, segment: Segment, sbn: int) -> memoryview:
        item = segment.item
        start, size = item.partition.offset(sbn), item.partition.size(sbn)
        if item.content is None:
            return self._blocks.get(item.file, sbn, size)
        return memoryview(item.content)[start : start + size]
