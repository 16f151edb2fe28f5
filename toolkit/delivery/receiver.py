"""The receiving engine: datagrams in, verified blocks to a Sink, control messages out.

Pure: it is told the time, it never sleeps, and chance is a function that it is given.  A packet of
data passes through `receive` without an object being made for it.  The sender drives: it polls
for what is missing after each stretch of blocks, and the receiver answers; so the loss of any one
packet is noticed by somebody with a timer.  On its own the receiver repeats only JOIN, HAVE (also
when it hears nothing for long) and its last word.

Nothing reaches the Sink before the manifest's signature and the block's digest are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from toolkit.delivery import events, probe, wire
from toolkit.delivery.assembly import Verdict
from toolkit.delivery.backoff import Backoff
from toolkit.delivery.bootstrap import Bootstrap
from toolkit.delivery.catalog import Catalog
from toolkit.delivery.control import LACKS_ALL, Body, Done, Fail, Fetch, Join, Message
from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.landing import Landing
from toolkit.delivery.manifest import FIRST_TOI, OpenedManifest
from toolkit.delivery.model import Counters, Receipt
from toolkit.delivery.ports import Basis, Sink
from toolkit.delivery.probe import ProbeAnswers
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.reporting import MAX_POLL, Reporting
from toolkit.delivery.sealing import Opener
from toolkit.delivery.silence import closed, silent, unheard
from toolkit.delivery.storing import Desk
from toolkit.delivery.trust import Admit, Trust, admit_all
from toolkit.delivery.versions import SPOKEN, Speaks
from toolkit.errors import DeliveryError, ToolkitError, WireError

JOIN_INTERVAL = 0.1, 2.0
"""Seconds between the first two JOINs, and at most."""
LAST_INTERVAL = 0.125, 1.0
"""The same for the last words."""
FALLEN_SILENT = 1.0
"""Seconds without a word of a session that has not proven itself, before another is listened to."""
CLOSE_GRACE = 1.0
"""Seconds after the end of the session was said; less than half of them silent: it was no end."""
LAST_WORDS = 12
"""Times that the receipt, or the reason of a failure, is said unasked until the sender ends it."""


class State(Enum):
    JOINING = auto()
    """No manifest yet."""
    RECEIVING = auto()
    CLOSING = auto()
    """Complete or failed; the sender has not acknowledged it."""
    ENDED = auto()


class Receiver:
    """One receiver of one session.

    `trusted`: public key (32 bytes) that must have signed the manifest; None: any.
    `incarnation`: grows from start to start of the receiver of this name (32 bit).
    `chance`: numbers in [0, 1) for jitter.  `tsi`: None: that of the sender it joins.
    `timeout`: seconds of silence after which it gives up.  `memory`: bytes of open blocks.
    `socket_room`: bytes of packets that wait for it without loss; None: as many as are sent.
    `seal_key`: secret of a sealed session (16 bytes); None: what is sealed is refused.
    `admit`: a last word on a manifest that is signed right (pins, replays).
    `speaks`: versions of control messages and of manifests.
    `basis`: where blocks are looked for before they are asked for.
    `desk`: checks and stores blocks beside it, and `written` is called when it has; None: at once.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        trusted: bytes | None,
        incarnation: int,
        chance: Callable[[], float],
        tsi: int | None = None,
        timeout: float = 30.0,
        memory: int = 256 * 2**20,
        socket_room: int | None = None,
        seal_key: bytes | None = None,
        admit: Admit = admit_all,
        speaks: Speaks = SPOKEN,
        basis: Basis | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.name = name
        self.state = State.JOINING
        self.counters = Counters()
        self._sink = sink
        self._incarnation = incarnation & 0xFFFFFFFF
        self._chance = chance
        self._tsi = self._given_tsi = tsi
        self._former: int | None = None
        """TSI of the session that it was in before it followed another."""
        self._timeout = timeout
        self._silence = min(5.0, timeout / 4)
        self._memory = memory
        self._basis = basis
        self._desk = desk
        self._socket_room = max(memory if socket_room is None else socket_room, 1024)
        self._trust = Trust(trusted, Opener(seal_key, lambda: self._tsi or 0), admit)
        self._bootstrap = Bootstrap(self._trust, self.counters)
        self._catalog: Catalog | None = None
        self._landing: Landing | None = None
        self._running = False
        self._started = 0.0
        self._heard = 0.0
        self._answered = False
        """Something came that only a sender who knows us sends."""
        self._first_byte: float | None = None
        self._last_byte = 0.0
        self._retry = Backoff(*JOIN_INTERVAL, chance)
        self._reporting = Reporting(self._lacks, chance, self._room)
        self._probes = ProbeAnswers(chance)
        self._last_words: Body | None = None
        self._said = 0
        self._closed_at = self._asks_at = math.inf
        self._boot_at = 0.0
        """When FDT or manifest of a session without proof last came."""
        self._speaks = speaks
        self._rejected = ""
        """Why the sender says that it does not serve us."""

    # ----- what a runtime calls

    @property
    def finished(self) -> bool:
        return self.state is State.ENDED

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called; None when never again."""
        if not self._running:
            return 0.0
        if self.state is State.ENDED:
            return None
        due = min(
            self._retry.due, self._closed_at, self._asks_at, self._reporting.due, self._probes.due
        )
        if self.state is not State.CLOSING:
            due = min(due, self._heard + self._timeout)
        return due

    def receive(self, datagram: bytes, now: float) -> list[Output]:
        """Take one datagram.  Never raises on what is in it."""
        if len(datagram) > wire.FIXED.size:
            word, _, tsi, toi, sbn, sbl, esi = wire.FIXED.unpack_from(datagram)
            if word == wire.DATA_WORD and tsi == self._tsi and self._catalog is not None:
                assembly = self._catalog.assemblies.get(toi)
                if assembly is not None:
                    self._heard = now
                    counters = self.counters
                    counters.packets += 1
                    counters.bytes += len(datagram) - 24
                    verdict = assembly.add(sbn, sbl, esi, datagram, 24)
                    if verdict is Verdict.TAKEN and self._first_byte is not None:
                        return []
                    return self._taken(toi, sbn, verdict, now)
        return self._receive_any(datagram, now)

    def landing(self) -> Landing | None:
        """Where the next payloads will belong; None as long as that is not known."""
        catalog = self._catalog
        if self.state is not State.RECEIVING or catalog is None or self._tsi is None:
            return None
        coding = catalog.opened.manifest.coding
        if self._landing is None and coding.parity:
            self._landing = Landing(catalog.assemblies, catalog.buffers, self._tsi, coding.symbol)
        return self._landing

    def landed(
        self, headers: npt.NDArray[np.uint8], sizes: npt.NDArray[np.uint32], now: float
    ) -> list[Output]:
        """Take a batch whose payloads were put to the spots of `landing`.

        `headers`: uint8 of shape (count, 24), the first bytes of each datagram; `sizes`: the
        bytes of each.  As `receive` for each of them.
        """
        landing = self._landing
        if landing is None:
            return []
        runs, others, count = landing.landed(headers, sizes)
        out: list[Output] = []
        if count:
            self._heard = now
            self.counters.packets += count
            self.counters.bytes += count * landing.symbol
        for run in runs:
            assembly = run.assembly
            verdict, duplicates = assembly.land(run.sbn, run.esi, run.count)
            self.counters.duplicates += duplicates
            if verdict is Verdict.WHOLE or self._first_byte is None:
                out += self._taken(assembly.toi, run.sbn, verdict, now)
        for datagram in others:
            if datagram:  # An empty one is nothing, or was refused by the runtime.
                out += self.receive(datagram, now)
        return out

    def written(self, now: float) -> list[Output]:
        """Blocks have been stored beside the reception, or could not be."""
        catalog = self._catalog
        if catalog is None or self.state is not State.RECEIVING:
            return []
        try:
            out: list[Output] = [*catalog.stored()]
        except DeliveryError as error:
            return self._fail(error, now)
        out += self._move_on(catalog, now)
        # A sender that was told that there is no room is told when there is some again.
        if self.state is State.RECEIVING and (again := self._reporting.more_room()) is not None:
            out.append(self._message(again))
        return out

    def expire(self, now: float) -> list[Output]:
        """Do what the time asks for."""
        if not self._running:
            return self._start(now)
        out: list[Output] = [self._message(r) for r in self._reporting.expire(now)]
        if self._probes.due <= now:
            out.append(self._message(self._probes.answer(now)))
        if self.state is State.ENDED:
            return []
        if self.state is State.CLOSING:
            return out + (self._say_last(now) if now >= self._retry.due else [])
        if now >= self._asks_at:
            self._asks_at = math.inf
            out += self._introduce(now)
        if now >= self._closed_at:
            rejected = self._rejected and self._first_byte is None
            if rejected or self._heard < self._closed_at - CLOSE_GRACE / 2:
                self._said = LAST_WORDS - 1  # Nobody listens: once is enough.
                return out + self._fail(closed(self._rejected), now)
            self._closed_at = math.inf
            self.counters.refuse(Refusal.FALSE_END)
        if now >= self._heard + self._timeout:
            self._said = LAST_WORDS - 1
            return out + self._fail(self._silent(), now)
        if now >= self._retry.due:
            patience = self._heard + self._silence
            if self._answered and now < patience:
                self._retry.reset()
                self._retry.due = patience
            else:
                out += self._introduce(now)
        return out

    # ----- starting

    def _start(self, now: float) -> list[Output]:
        self._running = True
        self._started = self._heard = now
        try:
            stored = self._sink.recall()
            opened = None if stored is None else self._trust.recall(stored)
            if stored is not None and opened is not None:
                return self._begin(opened, stored, now)
        except WireError:
            pass  # Left by somebody else's delivery: the sink throws it away when it opens ours.
        except DeliveryError as error:
            return self._fail(error, now)
        return self._introduce(now)

    def _begin(self, opened: OpenedManifest, envelope: bytes, now: float) -> list[Output]:
        """The manifest is proven: see what is there, and say so."""
        landed = self._sink.open(envelope, opened)
        opener = self._trust.opener
        catalog = Catalog(
            opened, landed, self._sink, self.counters, self._memory, opener, self._basis,
            self._desk,
        )  # fmt: skip
        self._catalog, self.state, self._landing = catalog, State.RECEIVING, None
        self._answered = False
        self._retry.reset()
        out: list[Output] = [events.ManifestVerified(opened), *catalog.recalled()]
        if catalog.complete:
            return out + self._complete(catalog, now)
        return out + self._introduce(now)

    def _introduce(self, now: float) -> list[Output]:
        self._retry.said(now)
        # Whoever is there now may be a sender that was started again, with another session.
        anybody = self._orphaned(now)
        if self._catalog is None:
            return [self._message(Join(speaks=self._speaks), anybody=anybody)]
        return [self._message(have, anybody=anybody) for have in self._catalog.haves()]

    def _orphaned(self, now: float) -> bool:
        """Whether nothing has come of our session for so long that another may take its place."""
        return self._given_tsi is None and now >= self._heard + self._silence

    def _follows(self, header: wire.Header, now: float) -> bool:
        """Whether a packet of another session is of one that takes the place of ours."""
        if self.state is not State.RECEIVING:
            return False
        return header.tsi == self._former or self._orphaned(now)

    def _follow(self, tsi: int, now: float) -> list[Output]:
        """Go on in another session: with the same manifest it goes on where ours ended."""
        self._former, self._tsi = self._tsi, tsi
        self._closed_at, self._landing, self._heard = math.inf, None, now
        self._reporting.clear()
        if self._catalog is not None and self._catalog.opened.manifest.sealed:
            self._catalog.close()  # Symbols of a block that is sealed anew do not fit.
        return self._introduce(now)

    # ----- packets

    def _receive_any(self, datagram: bytes, now: float) -> list[Output]:
        """Every packet that is not plain data of a known file."""
        try:
            header, at = wire.parse(datagram)
            tried = probe.parse(header)
            if tried is not None:
                useless = self._probes.take(tried, len(datagram), now)
                return self._ignore(useless) if useless else []
            poll, rejection = header.poll(), header.rejection()
            instance, fti = header.fdt_instance(), header.fti()
            symbol = None
            if len(datagram) > at:
                symbol, at = wire.parse_payload_id(header.codepoint, datagram, at)
        except WireError as error:
            return self._ignore(str(error))
        if header.tsi >> 32:
            return self._ignore("a TSI of more than 32 bits", Refusal.OTHER_SESSION)
        if self._tsi is None and (self._catalog is not None or header.toi < FIRST_TOI):
            self._tsi = header.tsi
        elif self._catalog is None and self._given_tsi is None and header.toi < FIRST_TOI:
            if header.tsi == self._tsi:
                self._boot_at = now
            elif now >= self._boot_at + FALLEN_SILENT:
                # Nothing proves that the session we had found is the one we wait for.
                self._tsi, self._boot_at = header.tsi, now
                self._bootstrap.forget()
        if header.tsi != self._tsi and self._follows(header, now):
            return [*self._follow(header.tsi, now), *self._receive_any(datagram, now)]
        if header.tsi != self._tsi:
            reason = f"TSI {header.tsi} is not that of our session"
            return self._ignore(reason, Refusal.OTHER_SESSION)
        if self.state in (State.CLOSING, State.ENDED):
            if header.close_session:
                self.state = State.ENDED
                return []
            if poll is not None and self._last_words is not None:
                if not self._reporting.spread:
                    return [self._message(self._last_words)]
                soon = now + self._reporting.spread * self._chance()
                self._retry.due = min(self._retry.due, soon)
                return []
            return self._ignore("already done", Refusal.OVER)
        ours = rejection is not None and rejection.name == self.name
        if rejection is not None and ours:
            self._rejected = rejection.reason or "it does not say why"
        if header.close_session or ours:
            # Not proof of anything, it could be forged: ask, and wait whether more comes.
            if self._closed_at < math.inf:
                return []
            self._closed_at, self._asks_at = now + CLOSE_GRACE, now + CLOSE_GRACE * 0.55
            return []
        self._heard = now
        if poll is not None:
            return self._on_poll(header.toi, poll, now)
        if symbol is None:
            return []
        self.counters.packets += 1
        self.counters.bytes += len(datagram) - at
        sbl = -1 if symbol.sbl is None else symbol.sbl
        if header.toi >= FIRST_TOI:
            assembly = self._catalog.assemblies.get(header.toi) if self._catalog else None
            if assembly is None:
                return self._ignore(f"TOI {header.toi} is not known", Refusal.UNKNOWN_OBJECT)
            verdict = assembly.add(symbol.sbn, sbl, symbol.esi, datagram, at)
            return self._taken(header.toi, symbol.sbn, verdict, now)
        if fti is not None:
            self._bootstrap.describe(header.toi, instance, fti)
        verdict = self._bootstrap.add(header.toi, symbol.sbn, sbl, symbol.esi, datagram, at)
        return self._bootstrapped(verdict, now)

    def _bootstrapped(self, verdict: Verdict, now: float) -> list[Output]:
        bootstrap = self._bootstrap
        if verdict not in (Verdict.TAKEN, Verdict.WHOLE):
            return self._count(verdict)
        self._answered = True
        if bootstrap.hopeless and self._catalog is None:
            return self._fail(DeliveryError(f"{bootstrap.reason}; nothing was placed"), now)
        opened, bootstrap.opened = bootstrap.opened, None
        if opened is None:
            if bootstrap.refused:
                self._tsi = self._given_tsi  # It may have been a stranger's session.
            return []
        if self._catalog is not None:
            if self._catalog.opened.digest == opened.digest:
                return self._introduce(now)
            self._catalog.close()
        try:
            return self._begin(opened, bootstrap.envelope, now)
        except DeliveryError as error:
            return self._fail(error, now)

    def _taken(self, toi: int, sbn: int, verdict: Verdict, now: float) -> list[Output]:
        """A symbol of a file, or of its digests, was looked at."""
        catalog = self._catalog
        if catalog is None or verdict not in (Verdict.TAKEN, Verdict.WHOLE):
            return self._count(verdict)
        out: list[Output] = []
        self._answered = True
        if self._first_byte is None:
            self._first_byte = now
            out.append(events.FirstByte())
        if verdict is Verdict.WHOLE:
            self._last_byte = now
            try:
                out += catalog.whole(toi, sbn)
            except DeliveryError as error:
                return out + self._fail(error, now)
            out += self._move_on(catalog, now)
        return out

    def _move_on(self, catalog: Catalog, now: float) -> list[Output]:
        """Some block became whole, or was written."""
        out: list[Output] = []
        if catalog.asks_again:
            catalog.asks_again = False
            out += self._introduce(now)
        if catalog.complete:
            out += self._complete(catalog, now)
        return out

    def _count(self, verdict: Verdict) -> list[Output]:
        if verdict is Verdict.DUPLICATE:
            self.counters.duplicates += 1
            return []
        if verdict is Verdict.RIVAL:
            return self._ignore("another symbol came for the same place", Refusal.RIVAL)
        return self._ignore("a symbol that does not fit its object", Refusal.MISFIT)

    def _ignore(self, reason: str, kind: Refusal = Refusal.MALFORMED) -> list[Output]:
        ignored = self.counters.ignored
        self.counters.refuse(kind)
        if reason in ignored or len(ignored) < 64:
            ignored[reason] = ignored.get(reason, 0) + 1
        return [events.Ignored(reason, kind)]

    # ----- what comes whole, by another way than packets

    @property
    def catalog(self) -> Catalog | None:
        """What is here of which objects; None: no manifest yet, or it has ended."""
        return self._catalog if self.state is State.RECEIVING else None

    def hand_manifest(self, envelope: bytes, now: float) -> list[Output]:
        """Take a manifest.  Raises WireError where it is not believed."""
        if self.state is not State.JOINING or not self._running:
            return []
        opened, proven = self._trust.open(envelope)
        self._heard = now
        try:
            return self._begin(opened, proven, now)
        except DeliveryError as error:
            return self._fail(error, now)

    def hand_digests(self, file: int, digests: bytes, now: float) -> list[Output] | None:
        """Take the digests of a file's blocks; None: they are not those."""
        return self._handed(lambda catalog: catalog.hand_digests(file, digests), now)

    def hand(self, file: int, block: int, data: memoryview, now: float) -> list[Output] | None:
        """Take the bytes of a block; None: they are not those."""
        return self._handed(lambda catalog: catalog.hand(file, block, data), now)

    def fetching(self, size: int, *, active: bool) -> events.Feedback:
        """Tell the sender how many bytes have come whole, and whether it goes on so."""
        return self._message(Fetch(bytes=size, active=active))

    def _handed(
        self, take: Callable[[Catalog], Sequence[Output]], now: float
    ) -> list[Output] | None:
        catalog = self.catalog
        if catalog is None:
            return []
        try:
            out = list(take(catalog))
        except WireError:
            return None
        except DeliveryError as error:
            return self._fail(error, now)
        self._heard = self._last_byte = now
        if self._first_byte is None:
            self._first_byte = now
            out.append(events.FirstByte())
        return out + self._complete(catalog, now) if catalog.complete else out

    # ----- polls and reports

    def hold_polls(self) -> None:
        """Answer no poll before `answer_polls`: what it followed may be on another wire."""
        self._reporting.hold()

    def answer_polls(self, now: float) -> list[Output]:
        """All that came before the polls that are held has been handed over."""
        return [self._message(report) for report in self._reporting.release(now)]

    def _on_poll(self, toi: int, poll: wire.Poll, now: float) -> list[Output]:
        if poll.count > MAX_POLL:
            return self._ignore(f"a poll for {poll.count} blocks", Refusal.EXCESS)
        if poll.version not in self._speaks.control:
            return self._ignore(f"a poll of control version {poll.version}")
        if poll.poll_id == 0:
            return self._introduce(now) if poll.count else []
        if toi >= FIRST_TOI:
            self._answered = True
        out: list[Output] = []
        if (catalog := self._catalog) is not None:
            try:
                out += catalog.look(toi, poll.first, poll.count)
            except DeliveryError as error:
                return self._fail(error, now)
            if catalog.complete:
                return out + self._complete(catalog, now)
        return out + [self._message(report) for report in self._reporting.asked(toi, poll, now)]

    def _room(self) -> int:
        """KiB that can be taken at once: what waits to be written leaves less."""
        waiting = 0 if self._catalog is None else self._catalog.buffers.held
        free = max(self._memory // 2 - waiting, 0) if waiting else self._socket_room
        return min(self._socket_room, free) // 1024

    def _lacks(self, toi: int, first: int, count: int) -> bytes:
        catalog = self._catalog
        if toi >= FIRST_TOI:
            assembly = catalog.assemblies.get(toi) if catalog else None
            found = None if assembly is None else assembly.lacks(first, count)
        else:
            found = self._bootstrap.lacks(toi, first, count)
            if found is None and catalog is not None:
                found = bytes(count)  # The manifest is known from an earlier run.
        return bytes([LACKS_ALL]) * count if found is None else found

    # ----- ending

    def _complete(self, catalog: Catalog, now: float) -> list[Output]:
        try:
            self._sink.place()
        except DeliveryError as error:
            return self._fail(error, now)
        counters, started = self.counters, self._started
        first = started if self._first_byte is None else self._first_byte
        receipt = Receipt(
            receiver=self.name, manifest=catalog.opened.digest,
            files=len(catalog.opened.manifest.files), bytes=catalog.opened.manifest.size,
            repaired=counters.repaired, duplicates=counters.duplicates,
            polluted=counters.polluted, first_byte=first - started,
            last_byte=max(self._last_byte, first) - started, verified=now - started,
        )  # fmt: skip
        return [events.Completed(receipt), *self._close(Done(receipt=receipt), now)]

    def _fail(self, error: ToolkitError, now: float) -> list[Output]:
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None
        self._sink.close()
        return [events.Failed(str(error), error), *self._close(Fail(reason=str(error)), now)]

    def _close(self, last_words: Body, now: float) -> list[Output]:
        self.state = State.CLOSING
        self._reporting.clear()
        self._closed_at = self._asks_at = math.inf
        self._last_words, self._retry = last_words, Backoff(*LAST_INTERVAL, self._chance)
        if self._reporting.spread:
            # Many others may have ended at this very moment.
            self._retry.due = now + self._reporting.spread * self._chance()
            return []
        return self._say_last(now)

    def _say_last(self, now: float) -> list[Output]:
        if self._last_words is None or self._said >= LAST_WORDS:
            self.state = State.ENDED
            return []
        self._said += 1
        self._retry.said(now)
        anybody = self._said > LAST_WORDS / 2 and self._given_tsi is None
        return [self._message(self._last_words, anybody=anybody)]

    def _silent(self) -> ToolkitError:
        catalog = self._catalog
        if not self._answered and catalog is None:
            return unheard(self._timeout)
        return silent(self._timeout, kept=catalog is not None and catalog.kept)

    def _message(self, body: Body, *, anybody: bool = False) -> events.Feedback:
        """`anybody`: it is for whatever session the sender has now."""
        tsi = 0 if anybody else self._tsi or 0
        said = Message(tsi=tsi, incarnation=self._incarnation, name=self.name, body=body)
        return events.Feedback(said.encode())
