"""The polls of one dispatch: put after each round, repeated, answered.

Pure.  What a segment lacks is sent once all that were asked about it have answered, or those that
have not were waited for long enough.
"""

from __future__ import annotations

from collections import deque

from toolkit.delivery.asking import PATIENCE as SEARCH
from toolkit.delivery.asking import Asking
from toolkit.delivery.control import DROPPED
from toolkit.delivery.endgame import COPIES_AFTER, GRACE, EndGame
from toolkit.delivery.foresight import Foresight
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.masks import numbers
from toolkit.delivery.members import MAX_RTO, Member, OpenPoll, Roster
from toolkit.delivery.schedule import Round
from toolkit.delivery.track import Segment
from toolkit.delivery.urgent import Urgent
from toolkit.delivery.wire import Poll

PATIENCE = 5
"""Times that a poll is put before those who have answered it are served without the others."""

_DROPPED = bytes([DROPPED])


class Polling:
    """`first`: the number of its first poll; `urgent`: where polls are put."""

    def __init__(
        self,
        ledger: Ledger,
        members: Roster,
        foresight: Foresight,
        end: EndGame,
        urgent: Urgent,
        *,
        first: int,
    ) -> None:
        self.open: dict[int, OpenPoll] = {}
        """Those that wait for answers, by their number."""
        self.repairs: deque[Segment] = deque()
        """Segments that were asked about: what they lack may be sent."""
        self.asking = Asking(self.open)
        self._ledger, self._members, self._foresight = ledger, members, foresight
        self._end, self._urgent = end, urgent
        self._mute = 0
        """Receivers that were asked often and do not answer: they are not waited for."""
        self._next = first

    def expect(self, turn: Round) -> None:
        """A round begins: what it sends is on its way until its poll is answered."""
        members, targets = self._members, turn.targets
        if not turn.served:
            self.asking.begin(targets)
        which, symbol = numbers(targets), turn.segment.item.partition.symbol
        members.polled[which] += 1
        members.outstanding[which] += turn.sent.whole * symbol
        for bit, sent in turn.sent.parts.items():
            members.outstanding[bit] += (sent - turn.sent.whole) * symbol

    def ask(self, done: Round, position: int, now: float) -> None:
        """After a round, ask those that it served what they lack; `position`: of the flow."""
        segment = done.segment
        copies = 0 if segment.track.boot else self._end.copies(done.targets) - 1
        wait = COPIES_AFTER[copies % 2] if copies else self._members.timeout(done.targets)
        wait += 0.0 if done.served else SEARCH
        poll = OpenPoll(
            poll_id=self._next, segment=segment, awaited=done.targets, served=done.served,
            sizes=done.sent, held_back=done.held_back, sent=now, position=position,
            due=now + wait, copies=copies,
        )  # fmt: skip
        self._next = self._next % 0xFFFFFFFF + 1
        self.open[poll.poll_id] = poll
        self._put(poll, done.targets)

    def repeat(self, poll: OpenPoll, now: float) -> bool:
        """A poll was not answered by all in time; whether something else may be sent now."""
        self._ask_again(poll, poll.awaited)
        wait = self._members.timeout(poll.awaited)
        if poll.copies and not poll.segment.pending:
            poll.copies -= 1
            after = COPIES_AFTER[poll.copies % 2]
            poll.due = now + after if poll.copies else max(poll.sent + wait, now + after)
            return False
        poll.tries += 1
        poll.due = now + min(wait * 2 ** min(max(poll.tries - PATIENCE, 0), 8), MAX_RTO)
        if poll.tries > PATIENCE:
            self._mute |= poll.awaited
        if (
            poll.tries > PATIENCE
            or not poll.awaited & ~self._mute
            or (not self._ledger.fresh and now >= self._end.last_call(poll.awaited, now) - 1e-9)
        ):
            # Those that have answered do not wait any longer for those that have not.
            self._go_on(poll.segment)
        return True

    def remind(self, member: Member) -> bool:
        """Ask a member again all that it is being asked; False: nothing."""
        polls = self.of(member)
        for poll in polls:
            self._ask_again(poll, 1 << member.bit)
        return bool(polls)

    def of(self, member: Member) -> list[OpenPoll]:
        """Those that wait for a member's answer."""
        return [poll for poll in self.open.values() if poll.awaited >> member.bit & 1]

    def answered(self, poll: OpenPoll, member: Member) -> None:
        """A member's answer to a poll is there, or will never be."""
        bit = member.bit
        poll.awaited &= ~(1 << bit)
        self._mute &= ~(1 << bit)
        self._members.outstanding[bit] -= poll.sizes.of(bit) * poll.segment.item.partition.symbol
        self._members.polled[bit] -= 1
        if not poll.served:
            self.asking.end(bit)
        if not poll.awaited:
            del self.open[poll.poll_id]

    def learn(self, poll: OpenPoll, member: Member, lacks: bytes) -> tuple[int, int]:
        """What a member lacks after what it was sent says how much of that was lost.

        Returns the symbols that it was sent, and of these those that were lost.
        """
        bit = member.bit
        if not poll.served >> bit & 1:
            return 0, 0
        sent = poll.sizes.of(bit)
        lacking = poll.segment.symbols(lacks.replace(_DROPPED, b"\0"))
        lost = min(max(lacking - poll.held_back.of(bit), 0), sent)
        member.weigh(poll.segment, lacks, sent)
        member.lost += lost
        self._foresight.learn(bit, sent, lost)
        return sent, lost

    def repair(self, poll: OpenPoll, now: float) -> None:
        """What a poll's segment lacks may be sent once everybody has answered."""
        awaited = poll.awaited & ~self._mute
        if not poll.served and poll.segment.sent:
            pass  # What somebody has missed of it has its turn after all that is new.
        elif not awaited:
            self._go_on(poll.segment)
        elif poll.segment.pending and not self._ledger.fresh:
            poll.due = min(poll.due, max(self._end.last_call(poll.awaited, now), now + GRACE))

    def release(self, member: Member) -> None:
        """A member will not answer any more, nor need it."""
        for poll in self.of(member):
            self.answered(poll, member)
            poll.segment.flight &= ~(1 << member.bit)
            if not poll.awaited & ~self._mute:
                self._go_on(poll.segment)
        self._members.outstanding[member.bit] = self._members.polled[member.bit] = 0
        self.asking.forget(member.bit)

    def _go_on(self, segment: Segment) -> None:
        """Let what a segment lacks be sent now."""
        if segment.pending:
            self.repairs.append(segment)

    def _ask_again(self, poll: OpenPoll, mask: int) -> None:
        poll.again |= mask
        self._put(poll, mask)

    def _put(self, poll: OpenPoll, mask: int) -> None:
        """Send a poll to some."""
        segment = poll.segment
        question = Poll(
            poll_id=poll.poll_id, first=segment.first, count=segment.count,
            spread=self._end.spread(mask),
        )  # fmt: skip
        self._urgent.ask(mask, segment.item.toi, question)
