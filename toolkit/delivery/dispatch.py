"""What the sender sends next, and whose answer it waits for.

Pure, apart from the Source that blocks are read from.  One round at a time: a segment to those
that lack something of it, then a poll to the same.  Repairs go before anything new; FDT and
manifest before everything; digests before the data that is verified by them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

from toolkit.delivery.blocks import Blocks
from toolkit.delivery.burst import Burst
from toolkit.delivery.endgame import EndGame
from toolkit.delivery.flow import Flow
from toolkit.delivery.foresight import Foresight
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.manifest import MANIFEST_TOI
from toolkit.delivery.masks import mask_of
from toolkit.delivery.members import FIRST_RTO, MAX_POLLS, Member, OpenPoll, Roster
from toolkit.delivery.model import Session
from toolkit.delivery.polling import Polling
from toolkit.delivery.ports import Source
from toolkit.delivery.schedule import Escort, Round
from toolkit.delivery.track import SEGMENT_SIZE, Segment
from toolkit.delivery.turns import Turns
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
        members: Roster,
        *,
        beside: Dispatch | None = None,
        number: int = 0,
    ) -> None:
        """`beside`: the main one, when this is another for some of the receivers; `number`: tells
        it from others beside the same."""
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
            Blocks(source, max(4 * session.window, 8 * SEGMENT_SIZE))
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
        self._foresight: Foresight = (
            Foresight(len(members)) if beside is None else beside._foresight
        )
        self._end = EndGame(
            session.rate, ledger, members, self._foresight, self.everybody, hurried=beside is None
        )
        self.polling = Polling(
            ledger, members, self._foresight, self._end, self.urgent, first=number << 24 | 1
        )
        self._stalls: dict[int, int] = {}
        """Bit number -> times in a row that it had to be asked again for its room."""
        self._round: Round | None = None
        self._bursts: Iterator[Burst] = iter(())
        self._rest: Burst | None = None
        """What is left of the burst under way; its mask is of those it serves."""
        self._extra = 0
        """Who gets the burst under way beside them."""
        self._turns = Turns(session.interleave)

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

    def spare(self, bit: int) -> int:
        """Symbols that a receiver was sent beyond what it lacked."""
        return int(self._foresight.given[bit])

    def grow(self, receivers: int) -> None:
        """There are `receivers` receivers now."""
        self._foresight.grow(receivers)
        self._ledger.grow(receivers)
        self.flow.grow(receivers)

    def urge(self, mask: int, toi: int, poll: Poll) -> None:
        """Send a poll before anything else."""
        self.urgent.ask(mask, toi, poll)

    def release(self, member: Member) -> None:
        """A member needs nothing of what is under way."""
        if self._round is not None:
            self._round.targets &= ~(1 << member.bit)
            self._round.segment.flight &= ~(1 << member.bit)
        self.polling.release(member)
        self.flow.let_go(member.bit)
        self.urgent.spare(1 << member.bit)

    def repeat(self, poll: OpenPoll, now: float) -> None:
        """A poll was not answered by all in time."""
        if self.polling.repeat(poll, now):
            self.idle = False

    def hand_over(self, member: Member) -> list[Segment]:
        """A member is served by another from now on, which asks it what it has of what was under
        way: of the segments returned."""
        open_for_it = [poll.segment for poll in self.polling.of(member)]
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
        return self.everybody is None and self.polling.remind(member)

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

    def _mark(self, now: float, only: int = -1) -> None:
        number, mask = self.flow.mark(now)
        self.urge(mask & only or mask, MANIFEST_TOI, Poll(poll_id=number, first=0, count=0))

    def _stall(self, now: float) -> None:
        """Those that have no room were silent: ask again, and do not wait for ever."""
        slowest = self.flow.slowest
        if slowest is not None:
            tries = self._stalls[slowest] = self._stalls.get(slowest, 0) + 1
            if tries >= MAX_STALLS:
                self.silent.append(slowest)
        self._mark(now, sum(1 << bit for bit in self.flow.behind))
        self.stalled = now + self._patience()

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
                self.polling.ask(done, self.flow.sent, now)
                return True
        chosen = None if self.idle else self._choose()
        if chosen is None:
            self.idle = True
            return False
        segment, targets = chosen
        self._foresight.rounds = self._end.rounds(targets, now)
        self._round = turn = Round(
            segment, targets, self._parity, self._foresight, addressed=self.everybody is None
        )
        self._ledger.launch(segment, targets)
        self.polling.expect(turn)
        self._bursts = turn.bursts(self._read)
        return True

    def _choose(self) -> tuple[Segment, int] | None:
        """The segment that is sent next, and to whom."""
        members = self._members
        for segment in self._ledger.boot:
            targets = segment.pending & members.active & self.serves
            if targets:
                return segment, targets
        ready = self._ledger.wanting(members.ready & self.serves)
        if self.held or not ready:
            return None
        ready &= ~self._left_out()
        while self.polling.repairs:
            segment = self.polling.repairs.popleft()
            targets = segment.pending & ready & ~self._too_early(segment)
            if targets:
                return segment, targets
        taken = None if self._beside is None else self._beside.under_way
        if self.patient:
            return self._choose_soon(ready, taken)
        found = self._turns.next(
            lambda cursor: self._ledger.next(cursor, ready, serves=self.serves, but=taken)
        )
        if found is None:
            return None
        return self._digests_first(found, ready, taken)

    def _left_out(self) -> int:
        """Those that are served later: so much is on its way to them already."""
        blocked = self._members.polled >= MAX_POLLS
        return mask_of(blocked) | self.flow.full(self._members.outstanding)

    def _too_early(self, segment: Segment) -> int:
        """Who cannot say yet what it holds of a segment: its digests are not there."""
        if segment.item.toi % 2 == 0 or not segment.unknown:
            return 0
        return segment.unknown & self._ledger.open_for(segment.item.toi - 1)

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
        self, segment: Segment, ready: int, taken: Segment | None
    ) -> tuple[Segment, int] | None:
        """Data that goes to somebody without its digests could not be verified there; tensors
        without their header have no place.  `taken`: others are being sent it.

        Who may hold some of it from elsewhere finds that by the digests: it is asked once it has
        them, and before the data goes to anybody, so that all get it at once.  None: not yet.
        """
        if segment.item.headed:
            head = self._ledger.head(segment.item.toi, segment.pending & ready)
            segment = segment if head is None or head is taken else head
        targets = segment.pending & ready
        toi, asked = segment.item.toi, targets & segment.unknown
        if toi % 2:
            digests = self._ledger.first(toi - 1, targets)
            if digests is not None:
                return digests, digests.pending & ready
            if asked:
                targets = self.polling.asking.choose(asked, self._ledger.flight(toi - 1))
        return (segment, targets) if targets else None

    def _read(self, segment: Segment, sbn: int) -> memoryview:
        item = segment.item
        start, size = item.partition.offset(sbn), item.partition.size(sbn)
        if item.content is None:
            return self._blocks.get(item.file, sbn, size)
        return memoryview(item.content)[start : start + size]
