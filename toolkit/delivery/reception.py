"""What a receiver makes of what came: from the manifest to the receipt.

Pure, but for the Sink.  What comes has been looked at, whichever way it came: symbols by packets,
manifest, digests and blocks whole by another way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

from toolkit.delivery import events
from toolkit.delivery.assembly import Verdict
from toolkit.delivery.bootstrap import Bootstrap
from toolkit.delivery.catalog import Catalog
from toolkit.delivery.control import LACKS_ALL, Body, Done, Fail
from toolkit.delivery.ending import LastWords
from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.ignoring import useless
from toolkit.delivery.landing import Landing
from toolkit.delivery.manifest import FIRST_TOI, OpenedManifest
from toolkit.delivery.membership import Membership
from toolkit.delivery.memory import Slabs
from toolkit.delivery.model import Counters, Receipt
from toolkit.delivery.ports import Basis, Sink
from toolkit.delivery.reporting import Reporting
from toolkit.delivery.storing import Desk
from toolkit.delivery.trust import Trust
from toolkit.delivery.wire import Poll
from toolkit.errors import DeliveryError, ToolkitError, WireError


class State(Enum):
    JOINING = auto()
    """No manifest yet."""
    RECEIVING = auto()
    CLOSING = auto()
    """Complete or failed; the sender has not acknowledged it."""
    ENDED = auto()


class Reception:
    """One delivery at one receiver.

    `memory`: bytes of open blocks.  `socket_room`: bytes of packets that wait without loss.
    """

    def __init__(
        self,
        membership: Membership,
        sink: Sink,
        trust: Trust,
        *,
        chance: Callable[[], float],
        memory: int,
        socket_room: int,
        basis: Basis | None,
        desk: Desk | None,
        slabs: Slabs | None = None,
        headers_first: bool = False,
    ) -> None:
        self.state = State.JOINING
        self.counters = Counters()
        self.bootstrap = Bootstrap(trust, self.counters)
        self.catalog: Catalog | None = None
        """What is here of which objects; None: no manifest yet, or it has failed."""
        self.landing: Landing | None = None
        """Where payloads are put; None: nothing was made for these objects yet."""
        self.first_byte: float | None = None
        self.reporting = Reporting(self._lacks, chance, self._room)
        self.last_words = LastWords(chance)
        self.memory = memory
        self._membership, self._sink, self._trust = membership, sink, trust
        self._chance = chance
        self._socket_room = socket_room
        self._basis, self._desk, self._slabs = basis, desk, slabs
        self._headers_first = headers_first
        self.running = False
        """It was started."""
        self.whole = False
        """All is verified, and is to be placed: `settle`.  Placing may take its time."""
        self._started = self._last_byte = 0.0

    # ----- the manifest

    def start(self, now: float) -> list[Output]:
        """See what an earlier run has left."""
        self.running = True
        self._started = self._membership.heard = now
        try:
            stored = self._sink.recall()
            opened = None if stored is None else self._trust.recall(stored)
            if stored is not None and opened is not None:
                return self._begin(opened, stored, now)
        except WireError:
            pass  # Left by somebody else's delivery: the sink throws it away when it opens ours.
        except DeliveryError as error:
            return self.fail(error, now)
        return self.introduce(now)

    def bootstrapped(self, verdict: Verdict, now: float) -> list[Output]:
        """A symbol of FDT or manifest was looked at."""
        bootstrap = self.bootstrap
        if verdict not in (Verdict.TAKEN, Verdict.WHOLE):
            return [*useless(self.counters, verdict)]
        self._membership.answered = True
        if bootstrap.hopeless and self.catalog is None:
            return self.fail(DeliveryError(f"{bootstrap.reason}; nothing was placed"), now)
        opened, bootstrap.opened = bootstrap.opened, None
        if opened is None:
            if bootstrap.refused:
                self._membership.forget()
            return []
        if self.catalog is not None:
            if self.catalog.opened.digest == opened.digest:
                return self.introduce(now)
            self.catalog.close()
        try:
            return self._begin(opened, bootstrap.envelope, now)
        except DeliveryError as error:
            return self.fail(error, now)

    def introduce(self, now: float) -> list[Output]:
        """Say what is here."""
        return [*self._membership.introduce(self.catalog, now)]

    def move(self, now: float) -> list[Output]:
        """Go on in another session: with the same manifest it goes on where ours ended."""
        self.landing = None
        self.reporting.clear()
        catalog = self.catalog
        out: list[Output] = []
        if catalog is not None and catalog.opened.manifest.sealed:
            # Symbols of a block that is sealed anew do not fit.
            try:
                out += catalog.settle()
            except DeliveryError as error:
                return self.fail(error, now)
            if catalog.complete:
                return out + self._complete(catalog, now)
            catalog.asks_again = False
        return out + self.introduce(now)

    def _begin(self, opened: OpenedManifest, envelope: bytes, now: float) -> list[Output]:
        """The manifest is proven: see what is there, and say so."""
        landed = self._sink.open(envelope, opened)
        opener = self._trust.opener
        catalog = Catalog(
            opened, landed, self._sink, self.counters, self.memory, opener, self._basis,
            self._desk, self._slabs, headers_first=self._headers_first,
        )  # fmt: skip
        self.catalog, self.state, self.landing = catalog, State.RECEIVING, None
        self._membership.answered = False
        self._membership.retry.reset()
        out: list[Output] = [events.ManifestVerified(opened), *catalog.recalled()]
        if catalog.complete:
            return out + self._complete(catalog, now)
        return out + self.introduce(now)

    # ----- blocks

    def taken(self, toi: int, sbn: int, verdict: Verdict, now: float) -> list[Output]:
        """A symbol of a file, or of its digests, was looked at."""
        catalog = self.catalog
        if catalog is None or verdict not in (Verdict.TAKEN, Verdict.WHOLE):
            return [*useless(self.counters, verdict)]
        self._membership.answered = True
        out = self._first(now)
        if verdict is Verdict.WHOLE:
            self._last_byte = now
            try:
                out += catalog.whole(toi, sbn)
            except DeliveryError as error:
                return out + self.fail(error, now)
            out += self._move_on(catalog, now)
        return out

    def written(self, now: float) -> list[Output]:
        """Blocks have been stored beside the reception, or could not be."""
        catalog = self.catalog
        if catalog is None or self.state is not State.RECEIVING:
            return []
        try:
            out: list[Output] = [*catalog.stored()]
        except DeliveryError as error:
            return self.fail(error, now)
        if catalog.complete and out:
            # What is told now is not to wait for a disk.
            self.whole = True
            return out
        out += self._move_on(catalog, now)
        # A sender that was told that there is no room is told when there is some again.
        if self.state is State.RECEIVING and (again := self.reporting.more_room()) is not None:
            out.append(self._membership.message(again))
        return out

    def settle(self, now: float) -> list[Output]:
        """Place what is whole."""
        self.whole = False
        if self.catalog is None or self.state is not State.RECEIVING:
            return []
        return self._complete(self.catalog, now)

    def _first(self, now: float) -> list[Output]:
        if self.first_byte is not None:
            return []
        self.first_byte = now
        return [events.FirstByte()]

    def _move_on(self, catalog: Catalog, now: float) -> list[Output]:
        """Some block became whole, or was written."""
        out: list[Output] = []
        if catalog.asks_again:
            catalog.asks_again = False
            out += self.introduce(now)
        if catalog.complete:
            out += self._complete(catalog, now)
        return out

    # ----- what comes whole, by another way than packets

    def hand_manifest(self, envelope: bytes, now: float) -> list[Output]:
        """Take a manifest.  Raises WireError where it is not believed."""
        if self.state is not State.JOINING or not self.running:
            return []
        opened, proven = self._trust.open(envelope)
        self._membership.heard = now
        try:
            return self._begin(opened, proven, now)
        except DeliveryError as error:
            return self.fail(error, now)

    def hand(self, take: Callable[[Catalog], Sequence[Output]], now: float) -> list[Output] | None:
        """Take digests or a block; None: they are not those."""
        catalog = self.catalog
        if catalog is None or self.state is not State.RECEIVING:
            return []
        try:
            out = list(take(catalog))
        except WireError:
            return None
        except DeliveryError as error:
            return self.fail(error, now)
        self._membership.heard = self._last_byte = now
        out += self._first(now)
        return out + self._move_on(catalog, now)

    def seek(self, file: int, first: int, count: int, now: float) -> list[Output]:
        """Take those of the blocks that the basis has."""
        catalog = self.catalog
        if catalog is None or self.state is not State.RECEIVING:
            return []
        found = self.counters.found
        try:
            out: list[Output] = [*catalog.look(FIRST_TOI + 2 * file + 1, first, count)]
        except DeliveryError as error:
            return self.fail(error, now)
        if self.counters.found > found:
            self._membership.heard = now
        return out + self._move_on(catalog, now)

    # ----- what is told of it

    def polled(self, toi: int, poll: Poll, now: float) -> list[Output]:
        """The sender asks what lacks."""
        out: list[Output] = []
        if (catalog := self.catalog) is not None:
            try:
                out += catalog.look(toi, poll.first, poll.count)
            except DeliveryError as error:
                return self.fail(error, now)
            out += self._move_on(catalog, now)
            if self.state is not State.RECEIVING:
                return out
        reports = self.reporting.asked(toi, poll, now)
        return out + [self._membership.message(report) for report in reports]

    def _room(self) -> int:
        """KiB that can be taken at once: what waits to be written leaves less."""
        waiting = 0 if self.catalog is None else self.catalog.buffers.held
        free = max(self.memory // 2 - waiting, 0) if waiting else self._socket_room
        return min(self._socket_room, free) // 1024

    def _lacks(self, toi: int, first: int, count: int) -> bytes:
        catalog = self.catalog
        if toi >= FIRST_TOI:
            assembly = catalog.assemblies.get(toi) if catalog else None
            found = None if assembly is None else assembly.lacks(first, count)
        else:
            found = self.bootstrap.lacks(toi, first, count)
            if found is None and catalog is not None:
                found = bytes(count)  # The manifest is known from an earlier run.
        return bytes([LACKS_ALL]) * count if found is None else found

    # ----- ending

    def _complete(self, catalog: Catalog, now: float) -> list[Output]:
        try:
            self._sink.place()
        except DeliveryError as error:
            return self.fail(error, now)
        counters, started = self.counters, self._started
        first = started if self.first_byte is None else self.first_byte
        receipt = Receipt(
            receiver=self._membership.name, manifest=catalog.opened.digest,
            files=len(catalog.opened.manifest.files), bytes=catalog.opened.manifest.size,
            repaired=counters.repaired, duplicates=counters.duplicates,
            polluted=counters.polluted, first_byte=first - started,
            last_byte=max(self._last_byte, first) - started, verified=now - started,
        )  # fmt: skip
        return [events.Completed(receipt), *self._close(Done(receipt=receipt), now)]

    def fail(self, error: ToolkitError, now: float, *, unheard: bool = False) -> list[Output]:
        """Give up.  `unheard`: nobody listens, so that saying it once is enough."""
        if self.catalog is not None:
            self.catalog.close()
            self.catalog = None
        self._sink.close()
        said = self._close(Fail(reason=str(error)), now, once=unheard)
        return [events.Failed(str(error), error), *said]

    def _close(self, last_words: Body, now: float, *, once: bool = False) -> list[Output]:
        self.state = State.CLOSING
        self.reporting.clear()
        self.last_words.are(last_words, once=once)
        if self.reporting.spread:
            # Many others may have ended at this very moment.
            self.last_words.until(now + self.reporting.spread * self._chance())
            return []
        return self.say_last(now)

    def say_last(self, now: float) -> list[Output]:
        """Say once more how it ended."""
        words = self.last_words.say(now)
        if words is None:
            self.state = State.ENDED
            return []
        anybody = self.last_words.unheard and self._membership.free
        return [self._membership.message(words, anybody=anybody)]

    def asked_again(self, now: float) -> list[Output]:
        """The sender polls although it is over here: it has not heard the last words."""
        words, spread = self.last_words.body, self.reporting.spread
        if words is None:
            return []
        if not spread:
            return [self._membership.message(words)]
        self.last_words.until(now + spread * self._chance())
        return []
