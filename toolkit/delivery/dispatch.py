"""What the sender sends next, and whose answer it waits for.

Pure, apart from the Source that blocks are read from.  One round at a time: a segment to those
that lack something of it, then a poll to the same.  Repairs go before anything new; FDT and
manifest before everything; digests before the data that is verified by them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

from toolkit.delivery.asking import PATIENCE, Asking
from toolkit.delivery.blocks import Blocks
from toolkit.delivery.burst import Burst
from toolkit.delivery.flow import Flow
from toolkit.delivery.ledger import SEGMENT_SIZE, Ledger, Segment, bits
from toolkit.delivery.manifest import MANIFEST_TOI
from toolkit.delivery.members import FIRST_RTO, MAX_POLLS, MAX_RTO, Member, OpenPoll
from toolkit.delivery.model import Session, Standing
from toolkit.delivery.ports import Source
from toolkit.delivery.schedule import Escort, Round
from toolkit.delivery.urgent import Urgent
from toolkit.delivery.wire import Poll

MAX_STALLS = 6
"""Times that a receiver without room is asked again before it counts as silent."""


class Dispatch:
    """The sequence of packets of one session."""

    def __init__(
        self,
        session: Session,
        source: Source,
        ledger: Ledger,
        members: Sequence[Member],
        *,
        beside: Dispatch | None = None,
        number: int = 0,
    ) -> None:
        """`beside`: the main one, when this is another for some of the receivers; `number`: tells
        it from others beside the same."""
        self.polls: dict[int, OpenPoll] = {}
        """By poll id."""
        self.serves = -1 if beside is None else 0
        """Mask of the receivers that it is for."""
        self.escort: Escort | None = None
        self.silent: list[int] = []
        """Bit numbers of receivers that hold it up and do not answer."""
        self.patient = False
        """Only what was begun is brought to its end; whole segments may still come for nothing."""
        self._soon: deque[Segment] = deque()
        """Segments that are looked at nevertheless."""
        self._beside = beside
        self.everybody = None if session.targeted else (1 << len(members)) - 1
        """Mask of every packet where packets cannot be addressed."""
        self.urgent: Urgent = (
            Urgent(session, source.manifest.coding, self.everybody)
            if beside is None
            else beside.urgent
        )
        self.idle = False
        """Nothing can be sent until something is heard or a timer fires."""
        self.stalled = math.inf
        """When receivers that have no room are asked again; infinite: nothing waits for them."""
        self.held = False
        """Receivers that are ready wait for others: no files yet."""
        self._session = session
        self._blocks: Blocks = (
            Blocks(source, max(2 * session.window, 8 * SEGMENT_SIZE))
            if beside is None
            else beside._blocks
        )
        self._parity = source.manifest.coding.parity
        self._ledger = ledger
        self._members = members
        self.flow = Flow(
            len(members), session.rate, session.window, asked_one_by_one=session.targeted,
            first=number << 24 | 1,
        )  # fmt: skip
        self._stalls: dict[int, int] = {}
        """Bit number -> times in a row that it had to be asked again for its room."""
        self._round: Round | None = None
        self._bursts: Iterator[Burst] = iter(())
        self._rest: Burst | None = None
        """What is left of the burst under way; its mask is of those it serves."""
        self._extra = 0
        """Who gets the burst under way beside them."""
        self._repairs: deque[Segment] = deque()
        self._asking = Asking(self.polls)
        self._cursor = 0
        self._next_poll = number << 24 | 1

    def next(self, now: float, limit: int) -> Burst | None:
        """Return the next packets with a payload, `limit` at most; None: see `urgent`, or nothing
        can be sent.

        Raises DeliveryError when the source is not what it was.
        """
        while not self.urgent and self.attend(now):
            burst = self._rest or self._next_burst()
            if burst is None:
                if not self._next_round(now):
                    return None
                continue
            self._rest = None
            mask = burst.mask if self._round is None else burst.mask & self._round.targets
            if mask:
                found, self._rest = burst.split(limit)
                self.flow.sent += found.size
                if self._extra and self.escort is not None:
                    self.escort.left(self._extra, found.size)
                return found._replace(mask=self.everybody or mask | self._extra)
        return None

    def attend(self, now: float) -> bool:
        """Put a mark when it is time for one; whether there is room to send something."""
        if self.flow.mark_due:
            self._mark(now)
            return False
        if self.flow.blocked:
            if self.stalled == math.inf:
                self.stalled = now + self._patience()
            elif now >= self.stalled:
                self._stall(now)
            return False
        self.stalled = math.inf
        return True

    @property
    def under_way(self) -> Segment | None:
        """The segment that is being sent."""
        return None if self._round is None else self._round.segment

    def fresh(self, bit: int) -> bool:
        """Whether the round under way is the first of its segment for a receiver."""
        turn = self._round
        return (
            turn is not None and bool((turn.served & turn.targets) >> bit & 1) and turn.whole(bit)
        )

    @property
    def waiting(self) -> bool:
        """It cannot send before something is heard, or a timer fires."""
        return self.idle or self.stalled < math.inf

    @property
    def bytes_read(self) -> int:
        """Bytes that were read from the source."""
        return self._blocks.bytes_read

    def begun(self) -> bool:
        """Whether any file, or the digests of one, has been sent to anybody."""
        return self._cursor > 0 or any(s.sent for s in self._ledger.segments[:1])

    def urge(self, mask: int, toi: int, poll: Poll) -> None:
        """Send a poll before anything else."""
        self.urgent.ask(mask, toi, poll)

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
        self.urgent.spare(1 << member.bit)

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

    def hand_over(self, member: Member) -> list[Segment]:
        """A member is served by another from now on, which asks it what it has of what was under
        way: of the segments returned."""
        open_for_it = [p.segment for p in self.polls.values() if p.awaited >> member.bit & 1]
        if self._round is not None and self._round.targets >> member.bit & 1:
            open_for_it.append(self._round.segment)
        self.release(member)
        self.serves &= ~(1 << member.bit)
        for segment in open_for_it:
            self._ledger.ask(segment, member.bit)
        return open_for_it

    def soon(self, segments: Iterable[Segment]) -> None:
        """Look at these also while `patient`."""
        self._soon.extend(segments)

    def take_over(self, member: Member) -> None:
        """A member is served by this one from now on."""
        self.serves |= 1 << member.bit
        self.flow.wait_for(member.bit)
        self.idle = False

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

    def confirmed(self, bit: int, poll: OpenPoll, room: int, now: float) -> None:
        """A receiver has answered a poll: all that was sent before it has been dealt with."""
        if poll.served and not poll.again >> bit & 1:
            self._members[bit].sample(now - poll.sent)
            self.flow.took(bit, now - poll.sent)
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
                self.silent.append(slowest)
        self._mark(now)
        self.stalled = now + self._patience()

    def _ask_again(self, poll: OpenPoll, mask: int) -> None:
        poll.again |= mask
        segment = poll.segment
        question = Poll(poll_id=poll.poll_id, first=segment.first, count=segment.count)
        self.urge(mask, segment.item.toi, question)

    def _next_burst(self) -> Burst | None:
        """The next run of the round under way."""
        burst = next(self._bursts, None)
        self._extra = 0
        if burst is not None and self.escort is not None and self._round is not None:
            self._extra = self.escort.take(self._round.segment, burst)
        return burst

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
            bit = 1 << member.bit & self.serves
            joined |= bit * member.active
            ready |= bit * (member.standing is Standing.READY)
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
        taken = None if self._beside is None else self._beside.under_way
        if self.patient:
            return self._choose_soon(ready, taken)
        for _ in range(len(segments)):
            segment = segments[self._cursor]
            # While reports are awaited, repairs wait too: one packet may serve several.
            waits = segment.flight & self.serves or segment is taken
            targets = 0 if waits else segment.pending & ready
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

    def _choose_soon(self, ready: int, taken: Segment | None) -> tuple[Segment, int] | None:
        for _ in range(len(self._soon)):
            segment = self._soon.popleft()
            known = 0 if segment.item.content is None else segment.pending
            targets = segment.pending & ready & (segment.unknown | known)
            if segment is taken:
                self._soon.append(segment)
            elif targets:
                return segment, targets
        return None

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
