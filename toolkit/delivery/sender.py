"""The sending engine: who has joined, what each has said, how it ended.

Pure, apart from the Source that blocks are read from.  `poll` says what to send now, `receive`
takes what a receiver says, `deadline` is when to call `poll` again.  After each segment the sender
polls those it was sent to; their reports decide what is sent next.  Everything that can be lost on
the way is repeated by the sender's timers: polls, and with them the data that a report finds
missing.  A slow or silent receiver never holds up the others (`cohorts`).
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.delivery import claims, control, sparing
from toolkit.delivery.breaker import Breaker
from toolkit.delivery.burst import MAX_BURST, Burst
from toolkit.delivery.cohorts import Cohorts
from toolkit.delivery.control import Done, Fail, Fetch, Have, Join, Message, Report
from toolkit.delivery.events import Ignored, Joined, Settled
from toolkit.delivery.events import SenderOutput as Output
from toolkit.delivery.gathering import Gathering
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.manifest import MANIFEST_TOI, digest
from toolkit.delivery.members import Member, Roster, newer
from toolkit.delivery.model import (
    HEADER_SIZE,
    ReceiverResult,
    Session,
    Standing,
    Transmission,
)
from toolkit.delivery.monitor import Monitor
from toolkit.delivery.outline import BOOT_OBJECTS, session_parts, travelling
from toolkit.delivery.pacing import Pace, Pacer
from toolkit.delivery.ports import Source
from toolkit.delivery.progress import SessionProgress
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.tally import Tally
from toolkit.delivery.versions import SPOKEN
from toolkit.delivery.vigil import INTRODUCE_YOURSELF, STILL_HERE, Vigil
from toolkit.delivery.wire import Rejection
from toolkit.errors import DeliveryError, WireError


class Sender:
    """One session: `source` to `receivers`; bit i of every mask is `receivers[i]`."""

    def __init__(self, session: Session, source: Source, receivers: Sequence[str]) -> None:
        if len(set(receivers)) != len(receivers) or not receivers:
            raise ValueError("receivers are at least one, and each is named once")
        self.session = session
        source = travelling(session, source)
        self.manifest = source.manifest
        self.failure: DeliveryError | None = None  # why the session was broken off
        self.started: float | None = None
        self._digest = digest(self.manifest.encode())
        self._ledger = Ledger(
            session_parts(session, source), boot=BOOT_OBJECTS, receivers=len(receivers)
        )
        self._members = Roster(receivers)
        self._numbers = {name: i for i, name in enumerate(receivers)}
        self._dispatch = Cohorts(session, source, self._ledger, self._members)
        self._pacer = Pacer(session.rate)
        self._breaker = Breaker(session.breaker, session.timeout)
        self._packet = HEADER_SIZE + source.manifest.coding.symbol
        self._gathering = Gathering(session, self._members)
        self._vigil = Vigil(session, self._members, self._dispatch)
        self.tally = Tally()
        self._monitor = Monitor(session, self.manifest, self._ledger, self._dispatch, self.tally)

    # ----- what a runtime calls

    @property
    def finished(self) -> bool:
        """Everything that will be sent has been sent; `failure` and `results` say how it went."""
        if self._dispatch.urgent or self.started is None:
            return False
        return self.failure is not None or not self._members.unsettled

    @property
    def active(self) -> int:
        """Mask of the receivers that have joined and have not ended."""
        return self._members.active

    @property
    def stream(self) -> int:
        """Mask of those of them that the main stream is for; the others are served apart."""
        return self.active & ~self._dispatch.apart

    @property
    def deaf(self) -> int:
        """Mask of those whom the group does not reach, as they have reported."""
        return self._members.deaf

    @property
    def deadline(self) -> float | None:
        """When to call `poll` again; None when never."""
        if self.finished:
            return None
        if self.started is None:
            return 0.0
        due = self._dispatch.due(silent=self._breaker.silent)
        if due > self._pacer.next:
            due = min(due, self._gathering.until, self._vigil.due())
        return max(due, self._pacer.next)

    def poll(self, now: float, budget: int = 64) -> list[Transmission]:
        """As `bursts`, packet by packet."""
        return [packet for burst in self.bursts(now, budget) for packet in burst.packets()]

    def bursts(self, now: float, budget: int = 64) -> list[Burst]:
        """Return what to send now, at most `budget` packets."""
        if self.started is None:
            self.started = now
        if self.failure is None:
            self._expire(now)
        if self.failure is None and now >= self._breaker.due:
            error = sparing.spare(self.session.name, self._breaker, self._pacer, self._members, now)
            if error is not None:
                self._break_off(error)
        until = self._pacer.until(now)
        out: list[Burst] = []
        pacer, dispatch = self._pacer, self._dispatch
        urgent = dispatch.urgent
        while budget > 0 and pacer.next <= until:
            if urgent:
                burst = urgent.popleft()
                budget -= 1
            elif self.failure is not None or self._breaker.silent:
                break
            else:
                try:
                    found = dispatch.next(now, min(budget, MAX_BURST, pacer.fits(self._packet)))
                except DeliveryError as error:
                    self._break_off(error)
                    continue
                if found is None:
                    if urgent:
                        continue
                    pacer.rest(now)
                    break
                burst = found
                budget -= burst.symbols
                self.tally.add(burst)
            pacer.spend(burst.size)
            out.append(burst)
        return out

    def receive(self, receiver: str, message: bytes, now: float) -> list[Output]:
        """Take a control message that came from `receiver`.  Never raises on what is in it."""
        try:
            parsed = control.parse(message)
        except WireError as error:
            return [Ignored(str(error))]
        if parsed.name != receiver:
            return [Ignored(f"{parsed.name!r} speaks for {receiver!r}", Refusal.STRANGER)]
        return self.hear(parsed, now)

    def hear(self, message: Message, now: float) -> list[Output]:
        """Take a control message, of whose origin somebody has made sure (`doorkeeper`)."""
        name = message.name
        if name not in self._numbers:
            return [Ignored(f"{name!r} is not a receiver of this session", Refusal.STRANGER)]
        if message.tsi not in (0, self.session.tsi) or self.failure is not None:
            reason = f"TSI {message.tsi} is not that of this session, or it is over"
            return [Ignored(reason, Refusal.OTHER_SESSION)]
        if self.started is None:
            self.started = now
        member = self._members[self._numbers[name]]
        if member.joined is not None and newer(member.incarnation, message.incarnation):
            return [Ignored(f"{name} said that before it was started again", Refusal.STALE)]
        if member.evicted:
            # It has not heard it yet.  Where packets cannot be addressed it will find out alone.
            if self._dispatch.everybody is None:
                self._acknowledge(member)
            return [Ignored(f"{name} was evicted")]
        self._dispatch.wake()
        self._breaker.heard(now)
        return self._handle(member, message, now)

    def evict(self, receiver: str, reason: str) -> bool:
        """Serve a receiver no longer; False: it is not one of this session, or has ended."""
        number = self._numbers.get(receiver)
        if number is None or self._members[number].settled or self.failure is not None:
            return False
        member = self._members[number]
        self._settle(member, Standing.FAILED, reason)
        member.evicted = True
        return True

    def abort(self, reason: str) -> None:
        """End the session for all; nothing is placed anywhere that is not complete."""
        if self.failure is None and not self.finished:
            self._break_off(DeliveryError(reason))

    def results(self) -> list[ReceiverResult]:
        """What is known of each receiver, in their order."""
        return [self._result(member) for member in self._members]

    @property
    def bytes_read(self) -> int:
        """Bytes that were read from the source: its size, unless receivers came late."""
        return self._dispatch.bytes_read

    def progress(self, now: float) -> SessionProgress:
        """Return how it stands; to be asked a few times a second."""
        return self._monitor.progress(
            self._members, 0.0 if self.started is None else now - self.started, now,
            [self._result(m) for m in self._members], finished=self.finished,
            failure="" if self.failure is None else str(self.failure),
        )  # fmt: skip

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know about how they came about."""
        repairs = 0 if self._dispatch.everybody is None else self.tally.repairs
        return sparing.notes(self._breaker, self._pacer, repairs)

    @property
    def pace(self) -> Pace:
        """The rate that was asked for and the one that came of it."""
        return self._pacer.pace()

    @property
    def trips(self) -> int:
        """How often the circuit breaker has acted."""
        return self._breaker.trips

    def _result(self, member: Member) -> ReceiverResult:
        packets, repairs = self.tally.addressed(member.bit)
        spare = self._dispatch.spare(member.bit)
        return member.result(self.started or 0.0, packets, repairs, spare)

    # ----- messages

    def _handle(self, member: Member, message: Message, now: float) -> list[Output]:
        body = message.body
        fresh = member.standing in (Standing.ABSENT, Standing.LOST) or newer(
            message.incarnation, member.incarnation
        )
        out: list[Output] = []
        if fresh:
            if isinstance(body, Report):
                # It hears what others are sent and believes that we know it.
                self._dispatch.urge(1 << member.bit, MANIFEST_TOI, INTRODUCE_YOURSELF)
                return [Ignored(f"{member.name} has not joined", Refusal.CONTRADICTION)]
            self._welcome(member, message.incarnation, now)
            out.append(Joined(member.name))
            speaks = body.speaks if isinstance(body, Join) else SPOKEN
            if problem := self._dispatch.urgent.agreement.join(member.bit, speaks):
                member.rejected = True
                return out + self._settle(member, Standing.FAILED, problem)
        member.heard = now
        self._dispatch.alive(member.bit)
        match body:
            case Join():
                self._on_join(member, fresh=fresh)
            case Have():
                self._on_have(member, body, now, fresh=fresh)
            case Report():
                out += self._on_report(member, body, now)
            case Done():
                out += self._on_done(member, body, now)
            case Fetch():
                member.fetching, member.fetched = body.active, body.bytes
            case Fail():
                out += self._settle(member, Standing.FAILED, body.reason)
        return out

    def _welcome(self, member: Member, incarnation: int, now: float) -> None:
        """A receiver is here for the first time, or anew and with nothing under way."""
        self._dispatch.welcome(member)
        self._ledger.forget(member.bit)
        member.incarnation, member.joined, member.heard = incarnation, now, now
        member.standing, member.reason, member.receipt = Standing.JOINED, "", None
        member.completed, member.given_up, member.rejected = None, False, False
        member.begins()
        member.told = bytearray(2 * len(self.manifest.files))

    def _on_join(self, member: Member, *, fresh: bool) -> None:
        if fresh:
            claims.want_boot(self._ledger, member.bit)
        elif member.standing is Standing.JOINED and self._dispatch.of(member.bit).remind(member):
            pass  # FDT or manifest has not reached it; its report says so before a timer does.
        elif member.active:
            self._still_here(member)
        else:
            self._acknowledge(member)

    def _still_here(self, member: Member) -> None:
        """Answer a receiver that has heard nothing for a while; it need not report on this."""
        self._dispatch.urge(1 << member.bit, MANIFEST_TOI, STILL_HERE)

    def _on_have(self, member: Member, have: Have, now: float, *, fresh: bool) -> None:
        if not member.active:
            self._acknowledge(member)
            return
        if have.manifest != self._digest or have.total != len(member.told):
            if fresh or not self._ledger.wanting(1 << member.bit):
                claims.want_boot(self._ledger, member.bit)
            return
        if not fresh:
            self._still_here(member)
        if member.standing is Standing.JOINED:
            member.standing = Standing.READY
            for segment in self._ledger.boot:
                self._ledger.withdraw(segment, 1 << member.bit)
            self._gather(now)
        for number, state in enumerate(have.states, have.first):
            claims.told(self._ledger, member, number, state)

    def _on_report(self, member: Member, report: Report, now: float) -> list[Output]:
        if not report.lacks:
            self._dispatch.heard(member.bit, report.poll_id, report.room * 1024, now)
            return []
        bit = member.bit
        dispatch = self._dispatch.of(bit)
        poll = dispatch.polling.open.get(report.poll_id)
        if poll is None or not poll.awaited >> bit & 1:
            return []
        segment = poll.segment
        asked = (segment.item.toi, segment.first, segment.count)
        if asked != (report.toi, report.first, len(report.lacks)):
            reason = f"{member.name} reported on something else than it was asked"
            return [Ignored(reason, Refusal.CONTRADICTION)]
        lacks = report.lacks if any(report.lacks) else b""
        sent, lost = dispatch.polling.learn(poll, member, lacks)
        member.shared(poll, sent, lost, dispatch.flow.sent)
        dispatch.polling.answered(poll, member)
        dispatch.confirmed(bit, poll, report.room * 1024, now)
        if poll.served >> bit & 1:
            size = segment.item.partition.symbol
            if lost < sent or not poll.served & (poll.served - 1):
                # Else others got it, and it nothing at all: that is no congestion.
                self._dispatch.reported(bit, sent * size, lost * size, now)
        else:
            self._dispatch.asked(bit, segment, report.lacks)
        if lacks:
            self._ledger.want(segment, bit, lacks)
        else:
            self._ledger.settle(segment, bit)
        dispatch.polling.repair(poll, now)
        return []

    def _on_done(self, member: Member, done: Done, now: float) -> list[Output]:
        if done.receipt.manifest != self._digest:
            reason = "it completed another manifest than this session's"
            return self._settle(member, Standing.FAILED, reason)
        if member.receipt is None:
            member.receipt, member.completed = done.receipt, now
        return self._settle(member, Standing.COMPLETE, "")

    def _settle(self, member: Member, standing: Standing, reason: str) -> list[Output]:
        if member.settled:
            self._acknowledge(member)
            return []
        member.standing, member.reason = standing, reason
        self._dispatch.release(member)
        self._dispatch.wake()
        self._acknowledge(member)
        return [Settled(self._result(member))]

    # ----- time

    def _gather(self, now: float) -> None:
        """See whether those that are ready still wait for others."""
        gathering, dispatch = self._gathering, self._dispatch
        held = gathering.look(now, begun=dispatch.begun())
        if held != dispatch.held:
            dispatch.held = held
            dispatch.wake()
        if gathering.failure is not None and self.failure is None:
            self._break_off(gathering.failure)

    def _expire(self, now: float) -> None:
        if self._vigil.expire(now, now if self.started is None else self.started):
            self._dispatch.wake()
        self._gather(now)

    # ----- the end of it

    def _acknowledge(self, member: Member) -> None:
        """Close the session for one receiver that has said its last word.

        Where packets cannot be addressed that would close it for all: it waits until the end.
        """
        over = self._dispatch.everybody is None or not self._members.unsettled
        rejection = Rejection(name=member.name, reason=member.reason) if member.rejected else None
        self._dispatch.urgent.close(1 << member.bit, rejection, over=over)

    def _break_off(self, error: DeliveryError) -> None:
        """The source cannot be trusted any more: tell everybody, repeatedly, and end."""
        self.failure = error
        active = [m for m in self._members if m.active]
        for member in active:
            member.standing, member.reason = Standing.FAILED, str(error)
        self._dispatch.urgent.clear()
        if active:
            for _ in range(3):
                self._dispatch.urgent.close(sum(1 << m.bit for m in active))
