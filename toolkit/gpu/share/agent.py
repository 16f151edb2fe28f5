"""An agent of a window: the loop that joins its engine to the host's socket and to its own desk.

A block that was copied counts only when the connection was open after the copy: the host uses its
memory for others as soon as it has closed it.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.storing import WaitableDesk
from toolkit.errors import (
    DeliveryError,
    IncompleteError,
    ToolkitError,
    UnreachableError,
    WireError,
)
from toolkit.gpu.share import wire
from toolkit.gpu.share.attached import Attached, Reading
from toolkit.gpu.share.link import Link
from toolkit.gpu.share.place import connect
from toolkit.gpu.share.window import Mapping

GREETING = 30.0
"""Seconds for the host's first word."""
REPORT = 1.0
"""Seconds between two words on how far it is."""

_OPEN = 8
"""Files of the host's that are open at a time."""

Watch = Callable[[list[ReceiverOutput]], None]


class Agent:
    """Attached to the host at `path`, under a name of its own.

    `mapped` is called with each slab of the window, for a device to pin it.
    """

    def __init__(
        self, path: Path, name: str, *, mapped: Callable[[memoryview], None] = lambda _: None
    ) -> None:
        self.path = path
        self.host = ""
        """Its name."""
        self.window = Mapping()
        self._mapped = mapped
        self._link = Link(connect(path))
        self._files: dict[int, int] = {}
        """Descriptors of the host's files, by number."""
        self._asked: set[int] = set()
        self._reported = 0.0
        self._early: list[wire.Message] = []
        """What came with the host's first word."""
        try:
            self._greet(name)
        except BaseException:
            self._link.close()
            raise

    def close(self) -> None:
        """Let go of the window: the host is not waiting for us any more."""
        self._link.close()
        while self._files:
            os.close(self._files.popitem()[1])

    def run(self, engine: Attached, desk: WaitableDesk, watch: Watch) -> None:
        """Go on until the engine has ended; `watch` is told what happened, in every turn."""
        try:
            while not engine.ended:
                self._wait(desk, engine)
                watch(self._turn(engine, desk))
            self._say_last(engine)
        except ToolkitError as error:
            shown = _as_ours(error, self.path)
            desk.drain()
            self._link.send(wire.Fail(str(shown)))
            self._link.flush()
            watch([events.Failed(str(shown), shown)])
        finally:
            desk.drain()
            self.close()

    # ----- a turn

    def _turn(self, engine: Attached, desk: WaitableDesk) -> list[ReceiverOutput]:
        now = time.monotonic()
        outputs: list[ReceiverOutput] = []
        early, self._early = self._early, []
        for message in (*early, *self._link.receive()):
            outputs += self._take(message, engine, now)
        self._read(engine)
        for job in engine.jobs:
            desk.put(job)
        engine.jobs.clear()
        jobs = desk.finished()
        # What these have read was what the host had lent if it has not hung up by now.
        if self._link.hung_up():
            self._lost(engine)
        outputs += engine.done(jobs, now)
        if engine.starved:
            raise DeliveryError(
                f"the host at {self.path} has told of everything, and blocks are missing here; "
                "nothing was placed (this is a fault of llmsync: please report it)"
            )
        for said in wire.encode_release(engine.release):
            self._link.send_raw(said)
        engine.release.clear()
        if now - self._reported >= REPORT:
            self._reported = now
            self._link.send(wire.Progress(engine.blocks, engine.bytes))
        self._link.flush()
        return outputs

    def _take(self, message: wire.Message, engine: Attached, now: float) -> list[ReceiverOutput]:
        match message:
            case wire.Slab(slab=slab, size=size):
                self._mapped(self.window.add(slab, size, self._link.descriptor(message)))
                return []
            case wire.File(file=file):
                descriptor = self._link.descriptor(message)
                if file in self._files or file not in self._asked:
                    os.close(descriptor)
                    raise WireError(f"file {file}, which was not asked for")
                self._files[file] = descriptor
                return []
            case wire.Fail(reason=reason):
                raise DeliveryError(
                    f"the host at {self.path} says: {reason}; nothing was placed here"
                )
            case _:
                return engine.take(message, self.window.view, now)

    def _read(self, engine: Attached) -> None:
        """Read from the host's files what is missing."""
        while (reading := engine.next_reading()) is not None:
            descriptor = self._files.get(reading.file)
            if descriptor is None:
                if reading.file not in self._asked:
                    self._forget(keep=reading.file)
                    self._asked.add(reading.file)
                    self._link.send(wire.Want(reading.file))
                return
            engine.give(reading, self._bytes(reading, descriptor))

    def _bytes(self, reading: Reading, descriptor: int) -> memoryview:
        try:
            data = os.pread(descriptor, reading.size, reading.offset)
        except OSError as error:
            raise DeliveryError(
                f"file {reading.file} of the host at {self.path} cannot be read: {error.strerror}; "
                "nothing was placed"
            ) from None
        # One that is too short has a wrong digest, and is told like that.
        return memoryview(data)

    def _forget(self, keep: int) -> None:
        """One file of the host's is open at a time, or a few."""
        while len(self._files) >= _OPEN:
            file = next(number for number in self._files if number != keep)
            self._asked.discard(file)
            os.close(self._files.pop(file))

    def _wait(self, desk: WaitableDesk, engine: Attached) -> None:
        reading = engine.next_reading()
        if self._early or engine.jobs or (reading is not None and reading.file in self._files):
            return
        link = self._link.fileno()
        select.select([link, desk.fileno()], [link] if self._link.waiting else [], (), REPORT)

    # ----- beginning and end

    def _greet(self, name: str) -> None:
        self._link.send(wire.Hello(name, os.getpid()))
        self._link.flush()
        end = time.monotonic() + GREETING
        while not self.host:
            left = end - time.monotonic()
            if left <= 0:
                raise UnreachableError(
                    f"--window-of {self.path}", f"the host has said nothing for {GREETING:g} s",
                    "is it stopped?",
                )  # fmt: skip
            select.select([self._link], (), (), left)
            try:
                messages = self._link.receive()
            except WireError as error:
                raise _as_ours(error, self.path) from None
            for message in messages:
                self._welcome(message)
            if self._link.ended and not self.host:
                raise UnreachableError(
                    f"--window-of {self.path}", "the host closed the connection",
                    "its own messages say why",
                )  # fmt: skip

    def _welcome(self, message: wire.Message) -> None:
        match message:
            case wire.Fail(reason=reason):
                raise DeliveryError(f"the host at {self.path} refuses this agent: {reason}")
            case wire.Welcome(version=version) if version != wire.VERSION:
                raise DeliveryError(
                    f"the host at {self.path} speaks version {version} of the window, this program "
                    f"{wire.VERSION} (bring both to the same release)"
                )
            case wire.Welcome(name=name):
                self.host = name
            case _ if self.host:
                self._early.append(message)
            case _:
                raise DeliveryError(
                    f"{self.path}: a {type(message).__name__} came instead of a welcome "
                    "(is it the socket of `llmsync receive --share`?)"
                )

    def _say_last(self, engine: Attached) -> None:
        """Tell the host that all is here."""
        for said in wire.encode_release(engine.release):
            self._link.send_raw(said)
        files = 0 if engine.opened is None else len(engine.opened.manifest.files)
        self._link.send(wire.Placed(files, engine.bytes))
        self._link.send(wire.Bye())
        end = time.monotonic() + GREETING
        self._link.flush()
        while self._link.waiting and time.monotonic() < end:
            select.select((), [self._link], (), REPORT)
            self._link.flush()

    def _lost(self, engine: Attached) -> NoReturn:
        """The host has closed the connection: say why, as far as it has said it."""
        for message in self._link.receive():
            if isinstance(message, wire.Fail):
                self._take(message, engine, 0.0)
        size = "" if engine.opened is None else f" of {engine.opened.manifest.size}"
        raise IncompleteError(
            f"the host at {self.path} is gone (ended, or killed) and {engine.bytes}{size} bytes "
            "are here; nothing was placed (start the host again, then this agent)"
        )


def _as_ours(error: ToolkitError, path: Path) -> ToolkitError:
    if not isinstance(error, WireError):
        return error
    return DeliveryError(f"the host at {path} is not believed: {error}; nothing was placed")
