"""Receivers that cannot keep up are served apart, so that the others do not wait for them.

Pure, apart from the Source that blocks are read from.  The main stream is one Dispatch; receivers
of similar pace that are slow share another one beside it, a *lane*:

- whole blocks of the main stream go to a lane's receivers, too, whenever they have room for one:
  every n-th block for nothing (`take`), n being what they can bear;
- what they lack then, a lane sends at their pace, in gaps of the main stream and for SHARE of what
  that sends; all of it when nobody else is left;
- a lane goes faster as long as nothing is lost and nobody must be waited for, and gives back to the
  main stream who has kept up with it for a period.

Who does not answer at all is served apart, too: by few bytes and questions until it is given up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from toolkit.delivery.burst import Burst
from toolkit.delivery.dispatch import Dispatch
from toolkit.delivery.flow import Flow
from toolkit.delivery.guests import Guests
from toolkit.delivery.lane import SLOWEST, Lane
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.masks import bits
from toolkit.delivery.members import Member, OpenPoll, Roster
from toolkit.delivery.model import Session, Standing
from toolkit.delivery.ports import Source
from toolkit.delivery.progress import Cohort
from toolkit.delivery.slowness import Slow, Watch, period
from toolkit.delivery.track import Segment
from toolkit.delivery.wire import Poll

SHARE = 0.01
"""Of what the main stream sends, that lanes may send while it has something to send."""
LANES = 4
ALIKE = 2.0
"""Two paces whose ratio is less are similar."""
_SILENT = "it does not answer"


class Cohorts:
    """The dispatches of one session; to the Sender they are one."""

    def __init__(self, session: Session, source: Source, ledger: Ledger, members: Roster) -> None:
        self.main = Dispatch(session, source, ledger, members)
        self.urgent = self.main.urgent
        self.everybody = self.main.everybody
        self._session, self._source, self._ledger, self._members = session, source, ledger, members
        coding = source.manifest.coding
        self._block = coding.block * (coding.symbol + 24)
        self._period = period(source.manifest.size, session.rate)
        self._watch = Watch(self.main.flow, self._period)
        self._lanes: list[Lane] = []
        self._slow: dict[int, tuple[Lane, str]] = {}
        """Bit number -> its lane, and why."""
        self._relapses: dict[int, int] = {}
        """Bit number -> times that it was moved."""
        self._credit = 0.0
        """Bytes that lanes may send before the main stream."""
        self._guests = Guests(ledger, members, self._lanes, addressed=self.everybody is None)
        self._made = 0

    # ----- what is sent next

    def next(self, now: float, limit: int) -> Burst | None:
        """Return the next packets with a payload, `limit` at most; None: see `urgent`, or nothing
        can be sent.

        Raises DeliveryError when the source is not what it was.
        """
        if not self._lanes:
            burst = self.main.next(now, limit)
            self._look(now)
            return burst
        self._tend(now)
        if self.urgent:
            return None
        burst = None
        if self._credit > 0 and self.everybody is None:
            burst = self._beside(now, limit, patient=not self.main.idle)
            if burst is not None:
                self._credit -= burst.size
                return burst
        burst = self.main.next(now, limit)
        self._look(now)
        if burst is not None:
            self._credit = min(self._credit + SHARE * burst.size, 2.0 * self._block)
            return burst
        if self.urgent or (self.everybody is not None and not self.main.idle):
            return None
        return self._beside(now, limit, patient=not self.main.idle)

    def due(self, *, silent: bool = False) -> float:
        """When something may be sent; 0 at once.  `silent`: nothing but urgent packets may."""
        main = self.main
        if self.urgent or not (main.waiting or silent):
            return 0.0
        if silent:
            return math.inf
        due = main.stalled
        for lane in self._lanes:
            if not lane.dispatch.waiting and (self.everybody is None or main.idle):
                due = min(due, lane.ready_at)
            due = min(due, lane.dispatch.stalled)
        return due

    def polls(self) -> Iterator[tuple[Dispatch, OpenPoll]]:
        """All polls that wait for answers, and whose they are."""
        for dispatch in self._all():
            for poll in list(dispatch.polling.open.values()):
                yield dispatch, poll

    def wake(self) -> None:
        """Something was heard: look again for what can be sent."""
        for dispatch in self._all():
            dispatch.idle = False

    @property
    def held(self) -> bool:
        """Receivers that are ready wait for others: no files yet."""
        return self.main.held

    @held.setter
    def held(self, held: bool) -> None:
        self.main.held = held

    @property
    def bytes_read(self) -> int:
        """Bytes that were read from the source."""
        return self.main.bytes_read

    @property
    def sent(self) -> int:
        """Bytes of all packets with a payload."""
        return self.main.flow.sent + sum(lane.dispatch.flow.sent for lane in self._lanes)

    def begun(self) -> bool:
        """Whether any file, or the digests of one, has been sent to anybody."""
        return self._ledger.begun

    def urge(self, mask: int, toi: int, poll: Poll) -> None:
        """Send a poll before anything else."""
        self.main.urge(mask, toi, poll)

    # ----- receivers

    def of(self, bit: int) -> Dispatch:
        """Who serves a receiver."""
        found = self._slow.get(bit)
        return self.main if found is None else found[0].dispatch

    def flow(self, bit: int) -> Flow:
        """The flow that a receiver is part of."""
        return self.of(bit).flow

    def cohort(self, bit: int) -> tuple[Cohort, str]:
        """With whom a receiver is served, and why."""
        found = self._slow.get(bit)
        return (Cohort.MAIN, "") if found is None else (Cohort.SLOW, found[1])

    @property
    def apart(self) -> int:
        """Mask of the receivers that the main stream is not for."""
        return sum(1 << bit for bit in self._slow)

    def grow(self, receivers: int) -> None:
        """There are so many receivers now."""
        self.main.grow(receivers)
        for lane in self._lanes:
            lane.dispatch.flow.grow(receivers)

    def spare(self, bit: int) -> int:
        """Symbols that a receiver was sent beyond what it lacked."""
        return self.main.spare(bit)

    def welcome(self, member: Member) -> None:
        """A receiver is here for the first time, or anew."""
        self.release(member)
        self._leave(member.bit)
        self.main.take_over(member)

    def release(self, member: Member) -> None:
        """A member needs nothing of what is under way."""
        self.of(member.bit).release(member)
        self._guests.mask &= ~(1 << member.bit)
        self._watch.forget(member.bit)
        if member.settled:
            self._leave(member.bit)

    def heard(self, bit: int, mark: int, room: int, now: float) -> None:
        """A receiver has answered a mark with the bytes of room that it has."""
        found = self._slow.get(bit)
        watch = self._watch if found is None else found[0].watch
        watch.answered(bit)
        self.of(bit).heard(bit, mark, room, now)

    def alive(self, bit: int) -> None:
        """A receiver has said something."""
        found = self._slow.get(bit)
        if found is not None and not found[0].dispatch.flow.waits_for(bit):
            # It was silent, and may be as fast as ever.
            found[0].dispatch.flow.wait_for(bit)
            found[0].pace = self._session.rate / 8

    def reported(self, bit: int, sent: int, lost: int, now: float) -> None:
        """Of `sent` bytes that a receiver was sent it lacks `lost`."""
        found = self._slow.get(bit)
        if found is not None:
            found[0].answered += sent
            found[0].lost += min(lost, sent)
            return
        slow = self._watch.reported(bit, sent, lost, now, self._main_bits)
        if slow is not None:
            self._set_apart(slow, now)

    def asked(self, bit: int, segment: Segment, lacks: bytes) -> None:
        """A receiver says what it lacks of a segment of which it was sent nothing on purpose."""
        found = self._slow.get(bit)
        if found is not None:
            found[0].asked(segment, lacks)

    # ----- lanes

    def _all(self) -> Iterator[Dispatch]:
        yield self.main
        for lane in self._lanes:
            yield lane.dispatch

    def _main_bits(self) -> Iterator[int]:
        return bits(self._members.ready & ~self.apart)

    def _beside(self, now: float, limit: int, *, patient: bool) -> Burst | None:
        """Packets of a lane, where one may send."""
        for lane in self._lanes:
            if lane.dispatch.patient and not patient:
                lane.dispatch.idle = False
            lane.dispatch.patient = patient
            if lane.ready_at > now or lane.dispatch.idle:
                continue
            burst = lane.dispatch.next(now, limit)
            if burst is not None:
                lane.spend(burst.size)
                self._lanes.remove(lane)
                self._lanes.append(lane)
                return burst
            if self.urgent:
                return None
        return None

    def _look(self, now: float) -> None:
        """See whether the main stream waits for somebody who should be served apart."""
        main = self.main
        if not (main.flow.blocked or main.silent or self._watch.busy):
            return
        slow = self._watch.look(now, self._main_bits)
        if slow is not None:
            self._set_apart(slow, now)
        behind = set(main.flow.behind)
        while main.silent:
            bit = main.silent.pop()
            others = (self._members.ready & ~self.apart).bit_count() - len(behind)
            if bit in behind and others >= len(behind):
                self._set_apart(Slow(bit, self._session.rate / 800, _SILENT), now)
                self.of(bit).flow.let_go(bit)

    def _set_apart(self, slow: Slow, now: float) -> None:
        member, bit = self._members[slow.bit], slow.bit
        if not member.active or member.standing is not Standing.READY:
            return
        pace = max(slow.pace, SLOWEST * self._session.rate / 8)
        lane = self._lane_for(pace, now, lossy=slow.lossy)
        if self._slow.get(bit, (None, ""))[0] is lane:
            return
        self._relapses[bit] = self._relapses.get(bit, 0) + 1
        lane.patience = max(lane.patience, min(2 ** (self._relapses[bit] - 1), 64))
        self._move(member, lane, slow.why)

    def _lane_for(self, pace: float, now: float, *, lossy: bool) -> Lane:
        """A lane of that pace: one that is there, or a new one."""
        by_likeness = sorted(
            (lane for lane in self._lanes if lane.lossy == lossy or len(self._lanes) >= LANES),
            key=lambda lane: abs(math.log(lane.taken / pace)),
        )
        if by_likeness and (
            abs(math.log(by_likeness[0].taken / pace)) < math.log(ALIKE)
            or len(self._lanes) >= LANES
        ):
            return by_likeness[0]
        self._made += 1
        dispatch = Dispatch(
            self._session, self._source, self._ledger, self._members, beside=self.main,
            number=self._made & 0xFF,
        )  # fmt: skip
        lane = Lane(dispatch, Watch(dispatch.flow, self._period), pace, pace, lossy, filled=now)
        lane.main = self.main.flow.sent
        dispatch.flow.eager = False
        self._lanes.append(lane)
        self.main.escort = self._guests
        return lane

    def _move(self, member: Member, lane: Lane | None, why: str) -> None:
        """Let a receiver be served by another lane, or by the main stream (None)."""
        bit = member.bit
        guest = self.main.fresh(bit)
        flow = self.main.flow if lane is None else lane.dispatch.flow
        flow.adopt(bit, self.of(bit).flow)
        begun = self.of(bit).hand_over(member)
        self._watch.forget(bit)
        self._leave(bit)
        if lane is None:
            self.main.take_over(member)
        else:
            self.main.serves &= ~(1 << bit)
            self._slow[bit] = lane, why
            lane.dispatch.take_over(member)
            lane.dispatch.soon(begun)
            if guest:
                # What is left of this segment can still come to it beside the others.
                self._guests.follow(self.main.under_way)
                self._guests.mask |= 1 << bit
        self.wake()

    def _leave(self, bit: int) -> None:
        found = self._slow.pop(bit, None)
        self.main.serves |= 0 if found is None else 1 << bit
        if found is None:
            return
        lane = found[0]
        lane.dispatch.serves &= ~(1 << bit)
        lane.dispatch.flow.let_go(bit)
        lane.watch.forget(bit)
        if not any(other is lane for other, _ in self._slow.values()):
            if lane in self._lanes:
                self._lanes.remove(lane)
            if not self._lanes:
                self.main.escort = None

    def _tend(self, now: float) -> None:
        """Keep the lanes' time: tokens, marks, periods."""
        if self._guests.follow(self.main.under_way):
            for lane in self._lanes:
                lane.dispatch.idle = False
        for lane in list(self._lanes):
            lane.fill(now, self._block)
            lane.dispatch.attend(now)
            while lane.dispatch.silent:
                lane.dispatch.flow.let_go(lane.dispatch.silent.pop())
            members = [bit for bit, (other, _) in self._slow.items() if other is lane]
            slow = lane.watch.look(now, members.__iter__)
            if slow is not None:
                self._set_apart(slow, now)
            if lane.watch.periods != lane.periods:
                lane.periods = lane.watch.periods
                self._judge(lane, members)

    def _judge(self, lane: Lane, members: list[int]) -> None:
        """A period of a lane is over: how does it go on?"""
        lane.judge(self.main.flow.sent, 4 * self._block, self._session.rate)
        if lane.clean >= lane.patience:
            for bit in members:
                self._move(self._members[bit], None, "")
