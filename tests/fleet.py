"""A thousand receivers and a terabyte: the real sender, before receivers that only count.

What a receiver does for the sender follows from how many symbols of each block have reached it (any
k of them do).  So the fleet keeps these numbers in arrays, and speaks the receivers' language:
the sender gets the control messages that it would get from as many `Receiver`s, at the times at
which they would come (tests/test_delivery_fleet.py compares the two).  Payloads are never made.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from net import KEY

from toolkit.delivery import wire
from toolkit.delivery.burst import Burst
from toolkit.delivery.control import LACKS_ALL, Body, Done, Have, Message, Report
from toolkit.delivery.manifest import DIGEST_SIZE, FIRST_TOI, Manifest, digest
from toolkit.delivery.masks import numbers
from toolkit.delivery.model import Coding, FileEntry, Receipt, Session
from toolkit.delivery.reporting import REORDER
from toolkit.delivery.sender import Sender

Numbers = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int64]
ROOM = 8 * 2**20


class VirtualSource:
    """A Source of one file that is nowhere."""

    def __init__(self, size: int, coding: Coding) -> None:
        blocks = Manifest(name="m", coding=coding, files=()).cut(size).blocks
        self.digests = (bytes(DIGEST_SIZE * blocks),)
        entry = FileEntry(path="model", size=size, root=digest(self.digests[0]))
        self.manifest = Manifest(name="model", coding=coding, files=(entry,))

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        pass


class Losses:
    """Symbols that are lost at random: how many of `symbols` at each of some receivers."""

    def __init__(self, loss: float, seed: int) -> None:
        self.loss = loss
        self.random = np.random.default_rng(seed)

    def of(self, which: Numbers, symbols: int) -> Counts:
        return self.random.binomial(symbols, self.loss, len(which))

    def message(self, count: int) -> npt.NDArray[np.bool_]:
        """Which of so many polls, or answers, are lost."""
        return self.random.random(count) < self.loss


class Bursty(Losses):
    """Gilbert-Elliott: in the bad state everything is lost, for `length` packets on average."""

    def __init__(self, loss: float, seed: int, length: float, receivers: int) -> None:
        super().__init__(loss, seed)
        self._bad = np.zeros(receivers, bool)
        self._leave = 1 / length
        self._enter = loss / (1 - loss) / length

    def of(self, which: Numbers, symbols: int) -> Counts:
        lost = np.zeros(len(which), np.int64)
        bad = self._bad[which]
        for _ in range(symbols):
            chance = self.random.random(len(which))
            bad = np.where(bad, chance >= self._leave, chance < self._enter)
            lost += bad
        self._bad[which] = bad
        return lost


class AtTheRoot(Losses):
    """All lose the same."""

    def of(self, which: Numbers, symbols: int) -> Counts:
        return np.full(len(which), self.random.binomial(symbols, self.loss))


@dataclass
class Fleet:
    """Run with `run`; receivers are r0, r1, ..."""

    receivers: int
    size: int
    losses: Losses
    coding: Coding = field(default_factory=lambda: Coding(symbol=1400))
    rate: int = 1_000_000_000
    delay: float = 0.01
    """One way."""
    targeted: bool = True
    late: dict[int, float] = field(default_factory=dict)
    """Receiver -> when it is started."""
    leave: dict[int, float] = field(default_factory=dict)
    """Receiver -> when it falls silent for ever."""
    timeout: float = 30.0

    def __post_init__(self) -> None:
        self.source = VirtualSource(self.size, self.coding)
        manifest = self.source.manifest
        self.digest = digest(manifest.encode())
        self.names = [f"r{i}" for i in range(self.receivers)]
        session = Session(
            name="model", tsi=7, key=KEY, rate=self.rate, gather=1.0, timeout=self.timeout,
            targeted=self.targeted,
        )  # fmt: skip
        self.sender = Sender(session, self.source, self.names)
        self.parts = {item.toi: item.partition for item in manifest.objects()}
        self.blocks = sum(part.blocks for part in self.parts.values())
        self.symbols = sum(part.symbols for part in self.parts.values())
        n = self.receivers
        self.now = 0.0
        self.open: dict[tuple[int, int], npt.NDArray[np.int32]] = {}
        """(TOI, SBN) -> symbols of it that each receiver has, while one of them lacks some."""
        self.whole = np.zeros(n, np.int64)
        """Blocks that each has."""
        self.done = {toi: bytearray(part.blocks) for toi, part in self.parts.items()}
        self.floor = 0
        """Symbols beyond the source symbols that had to be sent: per block, what the receiver
        that lost the most of it lost."""
        self.lost = np.zeros(n, np.int64)
        self.addressed = np.zeros(n, np.int64)
        self.useless = np.zeros(n, np.int64)
        """Symbols that came to each when it had enough."""
        self.completed = np.full(n, math.inf)
        self.last_source = 0.0
        """When the last source symbol of all left."""
        self.sent = 0
        self.bytes_sent = 0
        self.messages = 0
        self.message_bytes = 0
        self.busiest = 0
        """Messages that came to the sender within one millisecond, after all have joined."""
        self._second: deque[float] = deque()
        self._spread = 0.0
        self._lost_of: dict[tuple[int, int], npt.NDArray[np.int32]] = {}
        self._parity: dict[tuple[int, int], int] = {}
        self._waiting: list[set[int]] = [set() for _ in range(n)]
        self._closed = np.zeros(n, bool)
        self._met = np.zeros(n, bool)
        self._air: deque[tuple[float, Burst]] = deque()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._masks: dict[int, Numbers] = {}

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, action))

    def run(self, limit: float = 1e6) -> None:
        """Until the sender has finished."""
        for r in range(self.receivers):
            start = self.late.get(r, 0.0)
            self.at(start, lambda r=r: self._introduce(r))
        while not self.sender.finished:
            due = self.sender.deadline
            dues = [math.inf if due is None else due]
            if self._air:
                dues.append(self._air[0][0])
            if self._events:
                dues.append(self._events[0][0])
            self.now = max(self.now, min(dues))
            assert self.now < limit, "a delivery did not end"
            while self._air and self._air[0][0] <= self.now:
                self._arrive(self._air.popleft()[1])
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            if due is not None and due <= self.now:
                for burst in self.sender.bursts(self.now, 64):
                    self._send(burst)

    # ----- packets

    def _send(self, burst: Burst) -> None:
        self._air.append((self.now + self.delay, burst))
        self.bytes_sent += burst.size
        if burst.symbols and burst.toi >= FIRST_TOI:
            self.sent += burst.symbols
            if burst.esi < burst.k:
                if not burst.repair and not burst.late:
                    self.last_source = self.now
            else:
                key = burst.toi, burst.sbn
                assert burst.esi >= self._parity.get(key, 0), "parity was sent twice"
                self._parity[key] = burst.esi + burst.symbols

    def _which(self, mask: int) -> Numbers:
        found = self._masks.get(mask)
        if found is None:
            if len(self._masks) > 64:
                self._masks.clear()
            found = self._masks[mask] = numbers(mask)
        return found

    def _arrive(self, burst: Burst) -> None:
        which = self._which(burst.mask)
        if self.leave or self.late:
            here = [r for r in which.tolist()
                    if self.late.get(r, 0.0) <= self.now < self.leave.get(r, math.inf)]  # fmt: skip
            which = np.array(here, np.intp)
        if not burst.symbols:
            self._control(burst, which)
        elif burst.toi >= FIRST_TOI:
            self._data(burst, which)

    def _data(self, burst: Burst, which: Numbers) -> None:
        key = burst.toi, burst.sbn
        got = self.open.get(key)
        if got is None:
            if self.done[burst.toi][burst.sbn]:
                self.addressed[which] += burst.symbols
                self.useless[which] += burst.symbols
                return
            got = self.open[key] = np.zeros(self.receivers, np.int32)
            self._lost_of[key] = np.zeros(self.receivers, np.int32)
        self._met[which] = True
        lost = self.losses.of(which, burst.symbols)
        before = got[which]
        after = before + burst.symbols - lost
        got[which] = after
        self.addressed[which] += burst.symbols
        self.lost[which] += lost
        self._lost_of[key][which] += lost
        k = burst.k
        self.useless[which] += np.maximum(after - np.maximum(before, k), 0)
        newly = which[(before < k) & (after >= k)]
        if len(newly):
            self.whole[newly] += 1
            for r in newly[self.whole[newly] == self.blocks].tolist():
                self.completed[r] = self.now
                wait = self._spread * float(self.losses.random.random()) if self._spread else 0.0
                self.at(self.now + wait, lambda r=r: self._say_done(r, 0.125))
            if (got >= k).all():
                del self.open[key]
                self.done[burst.toi][burst.sbn] = 1
                self._parity.pop(key, None)
                self.floor += int(self._lost_of.pop(key).max())

    def _control(self, burst: Burst, which: Numbers) -> None:
        header, _ = wire.parse(burst.prefix)
        heard = which[~self.losses.message(len(which))]
        if header.close_session:
            self._closed[heard] = True
            return
        poll = header.poll()
        if poll is None or (poll.poll_id == 0 and poll.count == 0):
            return
        for r in heard.tolist():
            if self.completed[r] < math.inf:
                wait = poll.spread / 1000 * float(self.losses.random.random())
                self.at(self.now + wait, lambda r=r: self._say_done(r, None))
            elif poll.poll_id == 0:
                self._introduce(r)
        if poll.poll_id == 0:
            return
        heard = heard[self.completed[heard] == math.inf]
        lacks = self._lacks(header.toi, poll.first, poll.count, heard)
        some = lacks.any(axis=1).tolist()
        self._met[heard] = True
        spread = self._spread = poll.spread / 1000
        chance = self.losses.random.random((2, len(heard)))
        for i, r in enumerate(heard.tolist()):
            wait = REORDER * (0.75 + chance[0, i] / 2) if some[i] else 0.0
            wait += spread * chance[1, i]
            if poll.poll_id in self._waiting[r]:
                continue
            report = Report(
                poll_id=poll.poll_id, toi=header.toi, first=poll.first,
                lacks=lacks[i].tobytes(), room=ROOM // 1024,
            )  # fmt: skip
            if wait:
                self._waiting[r].add(poll.poll_id)
                self.at(self.now + wait, lambda r=r, report=report: self._answer(r, report))
            else:
                self._say(r, report)

    def _answer(self, r: int, report: Report) -> None:
        self._waiting[r].discard(report.poll_id)
        self._say(r, report)

    def _lacks(self, toi: int, first: int, count: int, which: Numbers) -> npt.NDArray[np.uint8]:
        lacks = np.zeros((len(which), count), np.uint8)
        if toi not in self.parts:
            return lacks
        part = self.parts[toi]
        for i in range(count):
            if self.done[toi][first + i]:
                continue
            got = self.open.get((toi, first + i))
            if got is None:
                lacks[:, i] = LACKS_ALL
            else:
                mine, k = got[which], part.k(first + i)
                lacks[:, i] = np.where(mine, np.maximum(k - mine, 0), LACKS_ALL)
        return lacks

    # ----- what receivers say

    def _introduce(self, r: int) -> None:
        if self.now >= self.leave.get(r, math.inf):
            return
        toi = {toi: part.blocks for toi, part in self.parts.items()}
        states = bytes(0 if not self.whole[r] else 2 for _ in toi)
        self._say(r, Have(manifest=self.digest, total=len(toi), first=0, states=states))
        if not self._met[r]:
            self.at(self.now + 0.1, lambda: None if self._met[r] else self._introduce(r))

    def _say_done(self, r: int, again: float | None) -> None:
        if self._closed[r]:
            return
        receipt = Receipt(
            receiver=self.names[r], manifest=self.digest, files=1, bytes=self.size, repaired=0,
            duplicates=0, polluted=0, first_byte=0, last_byte=0, verified=self.completed[r],
        )  # fmt: skip
        self._say(r, Done(receipt=receipt))
        if again is not None:
            self.at(self.now + again, lambda: self._say_done(r, min(2 * again, 1.0)))

    def _say(self, r: int, body: Body) -> None:
        message = Message(tsi=7, incarnation=1, name=self.names[r], body=body).encode()
        if self.losses.message(1)[0]:
            return
        self.at(self.now + self.delay, lambda: self._hear(r, message))

    def _hear(self, r: int, message: bytes) -> None:
        self.messages += 1
        self.message_bytes += len(message)
        self._second.append(self.now)
        while self._second[0] < self.now - 0.001:
            self._second.popleft()
        if self.now > 0.2:
            self.busiest = max(self.busiest, len(self._second))
        self.sender.receive(self.names[r], message, self.now)

    # ----- what came of it

    @property
    def surplus(self) -> float:
        """Symbols sent beyond the source symbols, as a part of those."""
        return (self.sent - self.symbols) / self.symbols

    @property
    def floor_surplus(self) -> float:
        return self.floor / self.symbols

    @property
    def tail(self) -> float:
        """Seconds from the last source symbol to the last completion, over the way back."""
        return float(self.completed.max()) - self.last_source
