"""The host of a window: its own blocks, and those that its agents hold.

A Desk of `toolkit.delivery.storing` around another one.  A block that the host's own desk has found
right is told to all agents at once; the job goes back to the receiver, and with it the block's
memory, when the own sink and every agent are done with it.  So a slow agent takes room from the
window, the receiver tells its sender of less, and nothing is overwritten.

Everything but `right` runs in the receiver's thread.  `fileno` can be read when any agent
or the own desk has something to say; `attend` then does what is to be done.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from toolkit.delivery.ports import Landed
from toolkit.delivery.storing import Job, WaitableDesk
from toolkit.errors import ToolkitError, UnreachableError, WireError
from toolkit.gpu.share import refusing, wire
from toolkit.gpu.share.guest import Guest
from toolkit.gpu.share.lending import Lending
from toolkit.gpu.share.link import Link
from toolkit.gpu.share.place import Place
from toolkit.gpu.share.window import Window

PATIENCE = 30.0
STRANGERS = 16
"""Connections that have not said who they are, at a time."""
TURN = 0.5

Where = Callable[[int], Path | None]
"""File number -> where its verified blocks can be read; None: nowhere."""


class Share:
    """The window's host.

    `agents`: how many there may be.  `memory`: bytes of the window, as the receiver was told.
    `where`: None: the host keeps no files.  `say` is given lines for a person.
    """

    def __init__(
        self, place: Place, window: Window, name: str, *,
        agents: int, memory: int, patience: float = PATIENCE, where: Where | None = None,
        say: Callable[[str], None] = lambda _: None, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.window = window
        self.most = agents
        self.guests: dict[int, Guest] = {}
        """By descriptor."""
        self.gone: list[Guest] = []
        """Agents that have left, or were cut off."""
        self._place, self._name, self._say, self._clock = place, name, say, clock
        self._patience, self._where = patience, where
        self._lending = Lending(window, memory, patience, clock())
        self._own: WaitableDesk | None = None
        self._epoll = select.epoll()
        self._epoll.register(place.socket, select.EPOLLIN)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._envelope = b""
        self._digests: dict[int, bytes] = {}
        self._news: dict[int, list[int]] = {}
        """Blocks that agents are to be told of, to read from files."""
        self._ending = False

    def around(self, own: WaitableDesk) -> Share:
        """Take the desk that stores blocks for the host itself."""
        self._own = own
        self._epoll.register(own.fileno(), select.EPOLLIN)
        return self

    @property
    def present(self) -> int:
        """Agents that are here."""
        return len(self._here())

    def gather(self, wait: float, turn: Callable[[int], None] = lambda _: None) -> None:
        """Wait until all agents are here; raise UnreachableError after `wait` seconds.

        `turn` is told in every turn how many are here.
        """
        end = self._clock() + wait
        while self.present < self.most:
            turn(self.present)
            left = end - self._clock()
            if left <= 0:
                names = ", ".join(sorted(guest.name for guest in self._here()))
                raise UnreachableError(
                    f"--share {self._place.path}",
                    f"{self.present} of {self.most} agents are here after {wait:g} s"
                    + (f": {names}" if names else ""),
                    f"start the others with --window-of {self._place.path}, or give a smaller "
                    "--agents or a longer --agent-wait; nothing was received",
                )
            self._epoll.poll(min(left, TURN))
            self.attend()

    # ----- Desk

    def fileno(self) -> int:
        return self._epoll.fileno()

    def put(self, job: Job) -> None:
        self._lending.put(job, self._clock())
        self._desk.put(job)

    def finished(self) -> list[Job]:
        self.attend()
        return self._lending.ready()

    def drain(self) -> None:
        """Come back when all are done; an agent that is stuck is not waited for long."""
        self._desk.drain()
        self.attend()
        while self._lending.busy:
            self._epoll.poll(TURN)
            self.attend()

    @property
    def _desk(self) -> WaitableDesk:
        if self._own is None:
            raise ValueError("the host has no desk yet")
        return self._own

    # ----- what is to be done

    def attend(self) -> None:
        """Listen to agents and to the own desk, and tell what is new."""
        now = self._clock()
        for descriptor, _ in self._epoll.poll(0):
            if descriptor == self._place.socket.fileno():
                self._admit(now)
            elif descriptor == self._bell:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            elif (guest := self.guests.get(descriptor)) is not None:
                self._listen(guest, now)
        jobs = [] if self._own is None else self._own.finished()
        stuck = self._lending.turn(jobs, self._here(), now)
        for guest in self._here():
            if guest.number in stuck:
                self._cut(guest, refusing.stuck(self._patience), now)
        self._warn(now)
        self._tell_stored()
        for guest in list(self.guests.values()):
            if not guest.number and now - guest.heard >= self._patience:
                self._cut(guest, refusing.NAMELESS, now)
            else:
                self._flush(guest)

    def right(self, file: int, block: int) -> None:
        """The own sink is given a block, for its digest is right.  In the own desk's thread, or,
        for a block that did not come by packets, in the receiver's."""
        if self._lending.right(file, block):
            os.eventfd_write(self._bell, 1)

    def supplied(self, file: int, block: int, data: memoryview) -> None:
        """The own sink has stored a block; those that did not come by packets are told here."""
        if self._lending.has(file, block):
            return
        if self._kept(file):
            self._lending.there[file][block] = 1
            self._news.setdefault(file, []).append(block)
            os.eventfd_write(self._bell, 1)
            return
        while self._lending.crowded:
            self._epoll.poll(TURN)
            self.attend()
        self._lending.lay_out(file, block, data, self._here(), self._clock())

    def _kept(self, file: int) -> bool:
        """Whether blocks of a file can be read from a file here."""
        return self._where is not None and self._where(file) is not None

    def _tell_stored(self) -> None:
        for file, blocks in self._news.items():
            there = bytearray(len(self._lending.there[file]))
            for block in blocks:
                there[block] = 1
            for guest in self._here():
                guest.give_stored(file, there)
        self._news.clear()

    # ----- agents come

    def _admit(self, now: float) -> None:
        while (sock := self._place.accept()) is not None:
            guest = Guest(Link(sock), now)
            self.guests[guest.link.fileno()] = guest
            self._epoll.register(guest.link, guest.asks)
            strangers = sum(not other.number for other in self.guests.values())
            if guest.user not in (os.geteuid(), 0) and not self._place.shared:
                self._cut(guest, refusing.PRIVATE, now)
            elif strangers > STRANGERS:
                self._cut(guest, refusing.CROWD, now)

    def _listen(self, guest: Guest, now: float) -> None:
        try:
            for message in guest.link.receive():
                guest.heard = now
                self._hear(guest, message, now)
                if guest.link.fileno() < 0:
                    return
        except WireError as error:
            self._cut(guest, f"it said what it must not: {error}", now)
            return
        if guest.link.ended:
            why = "" if guest.placed or not guest.number else guest.failure or "it is gone"
            self._part(guest, why, now)

    def _hear(self, guest: Guest, message: wire.Message, now: float) -> None:
        match message:
            case wire.Hello() if not guest.number:
                self._greet(guest, message, now)
            case _ if not guest.number:
                raise WireError(f"a {type(message).__name__} before its name")
            case wire.Release(tickets=tickets):
                self._lending.take_back(guest.number, tickets, now)
            case wire.Want(file=file):
                self._give_file(guest, file)
            case wire.Progress(blocks=blocks, bytes=size):
                guest.blocks, guest.bytes = blocks, size
            case wire.Placed(bytes=size):
                guest.placed, guest.bytes = True, size
            case wire.Fail(reason=reason):
                guest.failure = reason
            case wire.Bye():
                pass
            case _:
                raise WireError(f"a {type(message).__name__}, which is not an agent's to say")

    def _greet(self, guest: Guest, hello: wire.Hello, now: float) -> None:
        guest.name = hello.name
        refusal = self._refusal(hello)
        if refusal:
            self._cut(guest, refusal, now)
            return
        guest.number = self._lending.ledger.join(hello.name, now)
        stores = self._where is not None
        guest.link.send(wire.Welcome(self._name, os.getpid(), stores=stores))
        self._say(f"agent {guest} attached, {self.present} of {self.most}")
        guest.give_slabs(self.window)
        if self._envelope:
            self._begin(guest)
            self._lending.show_all(guest, self._here(), now)

    def _begin(self, guest: Guest) -> None:
        """Tell an agent what the delivery is, and what of it is in files here."""
        guest.give_manifest(self._envelope)
        for file, digests in self._digests.items():
            guest.give_digests(file, digests)
        for file, there in enumerate(self._lending.there):
            guest.give_stored(file, there)

    def _refusal(self, hello: wire.Hello) -> str:
        """Why an agent is not taken; empty: it is."""
        for other in self._here():
            if other.name == hello.name:
                return f"an agent of this name is here: {other} (give each its own --name)"
        return refusing.why(
            hello.version, full=self.present >= self.most, most=self.most, ending=self._ending,
            lost=self._lost(),
        )  # fmt: skip

    def _lost(self) -> int:
        """Blocks that a newcomer could get from nowhere."""
        there = enumerate(self._lending.there)
        return sum(blocks.count(1) for file, blocks in there if not self._kept(file))

    def _give_file(self, guest: Guest, file: int) -> None:
        path = (
            self._where(file)
            if self._where is not None and file < len(self._lending.there)
            else None
        )
        if path is None:
            raise WireError(f"it asks for file {file}, which it was not told of")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._cut(guest, f"{path}: cannot be read any more: {error.strerror}", self._clock())
            return
        guest.give_file(file, descriptor)

    # ----- agents go

    def _warn(self, now: float) -> None:
        """Say of an agent that is slow, once, before it is cut off."""
        late = self._lending.ledger.stuck(now, 0.5)
        for guest in self._here():
            if guest.number in late and not guest.warned:
                guest.warned = True
                held = self._lending.ledger.agents[guest.number].held
                self._say(refusing.slow(str(guest), held, self._patience))

    def _cut(self, guest: Guest, why: str, now: float) -> None:
        """Say why, and close; its blocks are free."""
        guest.link.send(wire.Fail(why))
        self._part(guest, why, now)

    def _part(self, guest: Guest, why: str, now: float) -> None:
        """An agent is gone."""
        guest.link.flush()
        del self.guests[guest.link.fileno()]
        self._epoll.unregister(guest.link)
        # Before its memory is used for other blocks: an agent believes nothing that it copied
        # unless this connection was open afterwards.
        guest.link.close()
        if guest.number:
            guest.waited = self._lending.leave(guest.number, now)
            guest.number = 0
            guest.failure = why
            self.gone.append(guest)
        if why:
            self._say(f"agent {guest} is served no more: {why}")
        elif guest.placed:
            self._say(f"agent {guest} has everything")

    def _flush(self, guest: Guest) -> None:
        guest.link.flush()
        asks = select.EPOLLIN | (select.EPOLLOUT if guest.link.waiting else 0)
        if asks != guest.asks:
            guest.asks = asks
            self._epoll.modify(guest.link, asks)

    # ----- the delivery begins and ends

    def opened(self, envelope: bytes, landed: list[Landed]) -> None:
        """The manifest is proven; this is what is there."""
        now = self._clock()
        if self._envelope and self._envelope != envelope:
            for guest in self._here():
                self._cut(guest, "the sender began another delivery (start the agent again)", now)
        begun = self._envelope == envelope
        self._envelope = envelope
        self._digests = {n: there.digests for n, there in enumerate(landed) if there.digests}
        self._lending.there = [bytearray(there.blocks) for there in landed]
        # With the same manifest it goes on in another session, and agents know all of it.
        for guest in () if begun else self._here():
            if lost := self._lost():
                self._cut(guest, f"{lost} blocks are here already, and in no file", now)
            else:
                self._begin(guest)

    def digests(self, file: int, digests: bytes) -> None:
        """The digests of a file are here, and right."""
        self._digests[file] = digests
        for guest in self._here():
            guest.give_digests(file, digests)

    def placed(self) -> None:
        """The host has everything."""
        for guest in self._here():
            guest.link.send(wire.Done())
            self._flush(guest)

    def farewell(self, error: ToolkitError | None, turn: Callable[[], None] = lambda: None) -> None:
        """The host has ended: wait for the agents, or tell them why."""
        self._ending = True
        if error is not None:
            self.fail(str(error))
        while self._here():
            turn()
            self._epoll.poll(TURN)
            self.attend()
            now = self._clock()
            for guest in self._here():
                if now - guest.heard >= self._patience:
                    self._cut(guest, f"it has been silent for {self._patience:g} s", now)

    def fail(self, reason: str) -> None:
        """Tell all agents that the host cannot go on."""
        for guest in self._here():
            self._cut(guest, reason, self._clock())

    def close(self) -> None:
        """Nobody is served any more; the socket's file goes."""
        self.fail("the host was ended")
        for guest in list(self.guests.values()):
            self._part(guest, "", self._clock())
        self._place.close()
        self._epoll.close()
        os.close(self._bell)
        self.window.close()

    def _here(self) -> list[Guest]:
        return [guest for guest in self.guests.values() if guest.number]
