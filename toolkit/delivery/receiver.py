"""The receiving engine: datagrams in, verified blocks to a Sink, control messages out.

Pure: it is told the time, it never sleeps, and chance is a function that it is given.  A packet of
data passes through `receive` without an object being made for it.  The sender drives: it polls
for what is missing after each stretch of blocks, and the receiver answers; so the loss of any one
packet is noticed by somebody with a timer.  On its own the receiver repeats only JOIN, HAVE (also
when it hears nothing for long) and its last word.

Nothing reaches the Sink before the manifest's signature is right, and no block before its digest
is, but for a desk that proves it where it lands (`toolkit.gpu.desk`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from toolkit.delivery import wire
from toolkit.delivery.assembly import Verdict
from toolkit.delivery.catalog import Catalog
from toolkit.delivery.control import Fetch
from toolkit.delivery.datagram import Datagram, read
from toolkit.delivery.ending import CloseSession
from toolkit.delivery.events import Feedback
from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.ignoring import ignore
from toolkit.delivery.landing import Landing
from toolkit.delivery.manifest import FIRST_TOI
from toolkit.delivery.membership import Membership
from toolkit.delivery.memory import Slabs
from toolkit.delivery.model import Counters
from toolkit.delivery.ports import Basis, Sink
from toolkit.delivery.probe import ProbeAnswers
from toolkit.delivery.reception import Reception, State
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.reporting import MAX_POLL
from toolkit.delivery.sealing import Opener
from toolkit.delivery.silence import closed, silent, unheard
from toolkit.delivery.storing import Desk
from toolkit.delivery.trust import Admit, Trust, admit_all
from toolkit.delivery.versions import SPOKEN, Speaks
from toolkit.errors import ToolkitError, WireError


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
    `slabs`: where the memory of open blocks comes from (pinned, or shared with other processes).
    `headers_first`: of a safetensors file, nothing is stored before its header is: block 0, then
    the header's other blocks, then all others.
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
        slabs: Slabs | None = None,
        headers_first: bool = False,
    ) -> None:
        self.name = name
        self._timeout = timeout
        self._speaks = speaks
        self._membership = membership = Membership(
            name, incarnation, tsi, silence=min(5.0, timeout / 4), speaks=speaks, chance=chance
        )
        self._reception = Reception(
            membership, sink,
            Trust(trusted, Opener(seal_key, lambda: membership.tsi or 0), admit),
            chance=chance, memory=memory, basis=basis, desk=desk, slabs=slabs,
            headers_first=headers_first,
            socket_room=max(memory if socket_room is None else socket_room, 1024),
        )  # fmt: skip
        self.counters: Counters = self._reception.counters
        self._closing = CloseSession()
        self._probes = ProbeAnswers(chance)

    # ----- what a runtime calls

    @property
    def state(self) -> State:
        return self._reception.state

    @property
    def finished(self) -> bool:
        return self.state is State.ENDED

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called; None when never again."""
        reception, membership = self._reception, self._membership
        if not reception.running or reception.whole:
            return 0.0
        if self.state is State.ENDED:
            return None
        due = min(reception.reporting.due, self._probes.due)
        if self.state is State.CLOSING:
            return min(due, reception.last_words.due)
        return min(due, membership.retry.due, self._closing.due, membership.heard + self._timeout)

    def receive(self, datagram: bytes, now: float) -> list[Output]:
        """Take one datagram.  Never raises on what is in it."""
        if len(datagram) > wire.FIXED.size:
            word, _, tsi, toi, sbn, sbl, esi = wire.FIXED.unpack_from(datagram)
            membership, reception = self._membership, self._reception
            catalog = reception.catalog
            if word == wire.DATA_WORD and tsi == membership.tsi and catalog is not None:
                assembly = catalog.assemblies.get(toi)
                if assembly is not None:
                    membership.heard = now
                    counters = self.counters
                    counters.packets += 1
                    counters.bytes += len(datagram) - 24
                    verdict = assembly.add(sbn, sbl, esi, datagram, 24)
                    if verdict is Verdict.TAKEN and reception.first_byte is not None:
                        return []
                    return reception.taken(toi, sbn, verdict, now)
        return self._receive_any(datagram, now)

    def landing(self) -> Landing | None:
        """Where the next payloads will belong; None as long as that is not known."""
        reception, tsi = self._reception, self._membership.tsi
        catalog = reception.catalog
        if reception.state is not State.RECEIVING or catalog is None or tsi is None:
            return None
        coding = catalog.opened.manifest.coding
        if reception.landing is None and coding.parity:
            reception.landing = Landing(catalog.assemblies, catalog.buffers, tsi, coding.symbol)
        return reception.landing

    def landed(
        self, headers: npt.NDArray[np.uint8], sizes: npt.NDArray[np.uint32], now: float
    ) -> list[Output]:
        """Take a batch whose payloads were put to the spots of `landing`.

        `headers`: uint8 of shape (count, 24), the first bytes of each datagram; `sizes`: the
        bytes of each.  As `receive` for each of them.
        """
        reception = self._reception
        landing = reception.landing
        if landing is None:
            return []
        runs, others, count = landing.landed(headers, sizes)
        out: list[Output] = []
        if count:
            self._membership.heard = now
            self.counters.packets += count
            self.counters.bytes += count * landing.symbol
        for run in runs:
            assembly = run.assembly
            verdict, duplicates = assembly.land(run.sbn, run.esi, run.count)
            self.counters.duplicates += duplicates
            if verdict is Verdict.WHOLE or reception.first_byte is None:
                out += reception.taken(assembly.toi, run.sbn, verdict, now)
        for datagram in others:
            if datagram:  # An empty one is nothing, or was refused by the runtime.
                out += self.receive(datagram, now)
        return out

    def written(self, now: float) -> list[Output]:
        """Blocks have been stored beside the reception, or could not be."""
        return self._reception.written(now)

    def expire(self, now: float) -> list[Output]:
        """Do what the time asks for."""
        reception, membership, closing = self._reception, self._membership, self._closing
        if not reception.running:
            return reception.start(now)
        if reception.whole:
            return reception.settle(now)
        out: list[Output] = [membership.message(r) for r in reception.reporting.expire(now)]
        if self._probes.due <= now:
            out.append(membership.message(self._probes.answer(now)))
        if self.state is State.ENDED:
            return []
        if self.state is State.CLOSING:
            return out + (reception.say_last(now) if now >= reception.last_words.due else [])
        if closing.asks(now):
            out += reception.introduce(now)
        if closing.ripe(now):
            if closing.true(membership.heard, begun=reception.first_byte is not None):
                return out + reception.fail(closed(closing.rejected), now, unheard=True)
            closing.withdraw()
            self.counters.refuse(Refusal.FALSE_END)
        if now >= membership.heard + self._timeout:
            return out + reception.fail(self._silent(), now, unheard=True)
        return out + reception.introduce(now) if membership.speaks_up(now) else out

    def _silent(self) -> ToolkitError:
        catalog = self._reception.catalog
        if not self._membership.answered and catalog is None:
            return unheard(self._timeout)
        return silent(self._timeout, kept=catalog is not None and catalog.kept)

    # ----- packets

    def _receive_any(self, datagram: bytes, now: float) -> list[Output]:
        """Every packet that is not plain data of a known file."""
        try:
            packet = read(datagram)
        except WireError as error:
            return self._ignore(str(error))
        if packet.probe is not None:
            useless = self._probes.take(packet.probe, len(datagram), now)
            return self._ignore(useless) if useless else []
        if packet.tsi >> 32:
            return self._ignore("a TSI of more than 32 bits", Refusal.OTHER_SESSION)
        reception, membership = self._reception, self._membership
        if membership.find(packet, now, proven=reception.catalog is not None):
            reception.bootstrap.forget()
        if packet.tsi == membership.tsi:
            return self._take(packet, now)
        if self.state is State.RECEIVING and membership.succeeds(packet.tsi, now):
            membership.follow(packet.tsi, now)
            self._closing.withdraw()
            return [*reception.move(now), *self._take(packet, now)]
        reason = f"TSI {packet.tsi} is not that of our session"
        return self._ignore(reason, Refusal.OTHER_SESSION)

    def _take(self, packet: Datagram, now: float) -> list[Output]:
        """Take a packet of our session."""
        reception, poll, rejection = self._reception, packet.poll, packet.rejection
        if self.state in (State.CLOSING, State.ENDED):
            if packet.closes:
                reception.state = State.ENDED
                return []
            if poll is not None:
                return reception.asked_again(now)
            return self._ignore("already done", Refusal.OVER)
        ours = rejection is not None and rejection.name == self.name
        if rejection is not None and ours:
            self._closing.rejected = rejection.reason or "it does not say why"
        if packet.closes or ours:
            self._closing.said(now)
            return []
        self._membership.heard = now
        if poll is not None:
            return self._on_poll(packet.toi, poll, now)
        return self._on_symbol(packet, now)

    def _on_symbol(self, packet: Datagram, now: float) -> list[Output]:
        reception, toi, symbol = self._reception, packet.toi, packet.symbol
        if symbol is None:
            return []
        self.counters.packets += 1
        self.counters.bytes += len(packet.data) - packet.at
        sbl = -1 if symbol.sbl is None else symbol.sbl
        if packet.boots:
            bootstrap = reception.bootstrap
            if packet.fti is not None:
                bootstrap.describe(toi, packet.instance, packet.fti)
            verdict = bootstrap.add(toi, symbol.sbn, sbl, symbol.esi, packet.data, packet.at)
            return reception.bootstrapped(verdict, now)
        assembly = reception.catalog.assemblies.get(toi) if reception.catalog else None
        if assembly is None:
            return self._ignore(f"TOI {toi} is not known", Refusal.UNKNOWN_OBJECT)
        verdict = assembly.add(symbol.sbn, sbl, symbol.esi, packet.data, packet.at)
        return reception.taken(toi, symbol.sbn, verdict, now)

    def _ignore(self, reason: str, kind: Refusal = Refusal.MALFORMED) -> list[Output]:
        return [*ignore(self.counters, reason, kind)]

    # ----- what comes whole, by another way than packets

    @property
    def catalog(self) -> Catalog | None:
        """What is here of which objects; None: no manifest yet, or it has ended."""
        return self._reception.catalog if self.state is State.RECEIVING else None

    def hand_manifest(self, envelope: bytes, now: float) -> list[Output]:
        """Take a manifest.  Raises WireError where it is not believed."""
        return self._reception.hand_manifest(envelope, now)

    def hand_digests(self, file: int, digests: bytes, now: float) -> list[Output] | None:
        """Take the digests of a file's blocks; None: they are not those."""
        return self._reception.hand(lambda catalog: catalog.hand_digests(file, digests), now)

    def hand(self, file: int, block: int, data: memoryview, now: float) -> list[Output] | None:
        """Take the bytes of a block; None: they are not those."""
        return self._reception.hand(lambda catalog: catalog.hand(file, block, data), now)

    def seek(self, file: int, first: int, count: int, now: float) -> list[Output]:
        """Take those of the blocks that the basis has, before they are asked for."""
        return self._reception.seek(file, first, count, now)

    def fetching(self, size: int, *, active: bool) -> Feedback:
        """Tell the sender how many bytes have come whole, and whether it goes on so."""
        return self._membership.message(Fetch(bytes=size, active=active))

    # ----- polls

    def hold_polls(self) -> None:
        """Answer no poll before `answer_polls`: what it followed may be on another wire."""
        self._reception.reporting.hold()

    def answer_polls(self, now: float) -> list[Output]:
        """All that came before the polls that are held has been handed over."""
        reports = self._reception.reporting.release(now)
        return [self._membership.message(report) for report in reports]

    def _on_poll(self, toi: int, poll: wire.Poll, now: float) -> list[Output]:
        if poll.count > MAX_POLL:
            return self._ignore(f"a poll for {poll.count} blocks", Refusal.EXCESS)
        if poll.version not in self._speaks.control:
            return self._ignore(f"a poll of control version {poll.version}")
        if poll.poll_id == 0:
            return self._reception.introduce(now) if poll.count else []
        if toi >= FIRST_TOI:
            self._membership.answered = True
        return self._reception.polled(toi, poll, now)
