"""The blocks of a window: which the host's own desk has, which agents were told of, which are back.

No socket is here: agents are told through what they are to the host (`Guest`).  All but `right`
runs in the receiver's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from toolkit.delivery.memory import Buffer
from toolkit.delivery.storing import Job
from toolkit.gpu.share import wire
from toolkit.gpu.share.guest import Guest
from toolkit.gpu.share.ledger import HOST, Ledger
from toolkit.gpu.share.window import Annex, Window

QUIET = 1.0
"""Seconds without a new block after which those that are held are waited for."""


class Lent:
    """A block in the window."""

    __slots__ = ("annex", "block", "job")

    def __init__(self, job: Job | None) -> None:
        self.job = job
        """None: it did not come from the receiver's memory, or has gone back to it."""
        self.block: wire.Block | None = None
        """As agents know it; None: they were not told yet."""
        self.annex: Buffer | None = None
        """Where its bytes are, when they came by another way or were sealed."""


class Lending:
    """`memory`: bytes of the window, as the receiver was told."""

    def __init__(self, window: Window, memory: int, patience: float, now: float) -> None:
        self.ledger = Ledger(patience)
        self.there: list[bytearray] = []
        """Per file, 1 per block that is not in the window any more, or never was."""
        self._window, self._memory = window, memory
        self._annex = Annex(window)
        self._lent: dict[int, Lent] = {}
        self._tickets = 0
        self._keys: dict[tuple[int, int], int] = {}
        """File and block -> ticket of those that the own desk has."""
        self._right: deque[int] = deque()
        """Tickets of blocks that the own desk has found right."""
        self._ready: list[Job] = []
        self._put = now
        """When the receiver has put a block last."""

    @property
    def busy(self) -> bool:
        """Whether somebody holds a block that is the receiver's."""
        return any(lent.job is not None for lent in self._lent.values())

    @property
    def crowded(self) -> bool:
        """Whether blocks that came by another way have to wait."""
        return 2 * self._annex.used >= self._memory

    def put(self, job: Job, now: float) -> None:
        """The own desk is given a job."""
        self._put = now
        ticket = self._new(job, len(job.data), now)
        self._keys[job.file, job.sbn] = ticket

    def ready(self) -> list[Job]:
        """Return the jobs that everybody is done with since this was asked last."""
        found, self._ready = self._ready, []
        return found

    def has(self, file: int, block: int) -> bool:
        """Whether the own desk has a block."""
        return (file, block) in self._keys

    def right(self, file: int, block: int) -> bool:
        """The digest of a block is right.  False: the own desk does not have it."""
        ticket = self._keys.get((file, block))
        if ticket is None:
            return False
        self._right.append(ticket)
        return True

    def turn(self, jobs: list[Job], guests: Sequence[Guest], now: float) -> list[int]:
        """The own desk is done with `jobs`: tell `guests` what is new; return those stuck."""
        self._tell([self._right.popleft() for _ in range(len(self._right))], guests, now)
        done = [self._keys.pop((job.file, job.sbn)) for job in jobs]
        self._tell([t for t, job in zip(done, jobs, strict=True) if job.right], guests, now)
        for ticket, job in zip(done, jobs, strict=True):
            if job.error is not None:
                # The delivery ends here: its memory is used for nothing else.
                self._lent[ticket].job = None
                self._ready.append(job)
        self.take_back(HOST, done, now)
        held = self.ledger.held
        quiet = now - self._put >= QUIET
        self.ledger.wanted(now, wanted=held > 0 and (2 * held >= self._memory or quiet))
        return self.ledger.stuck(now)

    def lay_out(
        self, file: int, block: int, data: memoryview, guests: Sequence[Guest], now: float
    ) -> None:
        """Copy a block that came by another way into the window, for the agents alone."""
        if guests:
            ticket = self._new(None, len(data), now)
            self._announce([self._locate(ticket, file, block, data)], guests, now)
            self.take_back(HOST, (ticket,), now)
        self.there[file][block] = 1

    def take_back(self, holder: int, tickets: Sequence[int], now: float) -> None:
        """A holder is done with blocks.  Raises WireError where it did not hold them."""
        self._free(self.ledger.back(holder, tickets, now))

    def leave(self, agent: int, now: float) -> float:
        """An agent is gone, and holds nothing; return how long others waited for it alone."""
        holder = self.ledger.agents[agent]
        self._free(self.ledger.leave(agent, now))
        return holder.waited

    def show_all(self, newcomer: Guest, guests: Sequence[Guest], now: float) -> None:
        """Tell somebody who has just come of all that is in the window."""
        for ticket, lent in list(self._lent.items()):
            if lent.block is not None:
                newcomer.give_slabs(self._window)
                newcomer.give_blocks(list(wire.encode_blocks([lent.block])))
                self.ledger.tell((ticket,), (newcomer.number,), now)
            elif lent.job is not None and lent.job.right:
                self._tell([ticket], guests, now)

    def _new(self, job: Job | None, size: int, now: float) -> int:
        self._tickets += 1
        self._lent[self._tickets] = Lent(job)
        self.ledger.lend(self._tickets, size, now)
        return self._tickets

    def _tell(self, tickets: list[int], guests: Sequence[Guest], now: float) -> None:
        """Tell of blocks that are right, and of which nobody was told."""
        blocks = []
        for ticket in tickets if guests else ():
            lent = self._lent.get(ticket)
            if lent is not None and lent.job is not None and lent.block is None:
                job = lent.job
                blocks.append(self._locate(ticket, job.file, job.sbn, job.data))
        self._announce(blocks, guests, now)

    def _locate(self, ticket: int, file: int, block: int, data: memoryview) -> wire.Block:
        lent = self._lent[ticket]
        found = self._window.find(data)
        if found is None:
            lent.annex = self._annex.put(data)
            found = self._window.find(lent.annex.view)
        if found is None:
            raise ValueError("a block that is not in the window")
        lent.block = wire.Block(ticket, file, block, *found, len(data))
        return lent.block

    def _announce(self, blocks: list[wire.Block], guests: Sequence[Guest], now: float) -> None:
        messages = list(wire.encode_blocks(blocks))
        for guest in guests if messages else ():
            guest.give_slabs(self._window)
            guest.give_blocks(messages)
        tickets = [block.ticket for block in blocks]
        self.ledger.tell(tickets, [guest.number for guest in guests], now)

    def _free(self, tickets: list[int]) -> None:
        """Nobody holds these any more."""
        for ticket in tickets:
            lent = self._lent.pop(ticket)
            if lent.annex is not None:
                self._annex.free(lent.annex)
            if lent.job is not None:
                self._ready.append(lent.job)
                if lent.job.right:
                    self.there[lent.job.file][lent.job.sbn] = 1
