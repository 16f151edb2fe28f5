"""A host whose receiver is the test, and its agents: whole ones, and some that do as told."""

from __future__ import annotations

import os
import random
import select
from pathlib import Path
from threading import Thread
from typing import Any

from net import KEY, TRUSTED, MemorySink, MemorySource

from toolkit.delivery import events
from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.memory import Buffer, Slabs
from toolkit.delivery.model import Coding
from toolkit.delivery.storing import Job
from toolkit.errors import ToolkitError
from toolkit.gpu.share import wire
from toolkit.gpu.share.agent import Agent
from toolkit.gpu.share.attached import Attached
from toolkit.gpu.share.host import Share
from toolkit.gpu.share.link import Link
from toolkit.gpu.share.place import Place, connect
from toolkit.gpu.share.tap import ShareSink
from toolkit.gpu.share.window import Window
from toolkit.transport.writing import WriterThread

FILES = {"config.json": b"{}", "weights": random.Random(3).randbytes(60_000)}
SOURCE = MemorySource(FILES, Coding(symbol=500, block=4, parity=4))
ENVELOPE = seal(SOURCE.manifest, KEY)
OPENED = open_manifest(ENVELOPE, None)
CUTS = [SOURCE.manifest.cut(f.size) for f in SOURCE.manifest.files]
BLOCKS = [(file, block) for file, cut in enumerate(CUTS) for block in range(cut.blocks)]
SIZE = sum(map(len, FILES.values()))
MEMORY = 20_000


class Hosted:
    """A host whose receiver is the test: it puts blocks, and takes back what is done."""

    def __init__(self, folder: Path, agents: int = 3, *, stores: bool = False) -> None:
        self.path = folder / "w"
        self.now = 0.0
        self.said: list[str] = []
        self.sink = MemorySink(FILES)
        self.folder = folder
        self.window = Window(MEMORY)
        self.share = Share(
            Place(self.path), self.window, "host", agents=agents, memory=MEMORY, patience=30.0,
            where=self.where if stores else None, say=self.said.append, clock=lambda: self.now,
        )  # fmt: skip
        self.tap = ShareSink(self.share, self.sink)
        self.desk = WriterThread(self.tap).__enter__()
        self.share.around(self.desk)
        self.slabs = Slabs(self.window.allocate)
        self.buffers: dict[tuple[int, int], Buffer] = {}
        self.back: list[Job] = []
        self.raws: list[Link] = []

    def where(self, file: int) -> Path:
        path = self.folder / f"file{file}"
        path.write_bytes(self.sink.staged[file])
        return path

    def open(self) -> None:
        self.tap.open(ENVELOPE, OPENED)
        for file, digests in enumerate(SOURCE.digests):
            self.tap.put_digests(file, digests)

    def put(self, file: int, block: int, *, outside: bool = False, wrong: bool = False) -> None:
        data = SOURCE.read_block(file, block)
        wanted = SOURCE.digests[file][32 * block : 32 * block + 32]
        if wrong:
            data = bytes(len(data))
        held = memoryview(data)
        if not outside:
            buffer = self.buffers[file, block] = self.slabs.take(len(data))
            buffer.view[:] = data
            held = buffer.view
        self.share.put(Job(file, block, CUTS[file].offset(block), held, wanted))

    def turn(self) -> list[Job]:
        """What a receiver does in a turn."""
        done = self.share.finished()
        self.back += done
        return done

    def until(self, done: Any) -> None:
        """Turn until something is so; pytest's timeout is what ends it otherwise."""
        while not done():
            select.select([self.share], (), (), 0.05)
            self.turn()

    def close(self) -> None:
        for link in self.raws:
            link.close()
        self.share.close()
        self.desk.__exit__(None, None, None)


class Raw:
    """An agent that does what it is told, message by message."""

    def __init__(self, hosted: Hosted, name: str = "raw", *, hello: bool = True) -> None:
        self.hosted = hosted
        self.link = Link(connect(hosted.path))
        hosted.raws.append(self.link)
        self.heard: list[wire.Message] = []
        if hello:
            self.say(wire.Hello(name, os.getpid()))

    def say(self, *messages: wire.Message) -> None:
        for message in messages:
            self.link.send(message)
        self.link.flush()

    def hear(self, kind: type[wire.Message]) -> Any:
        """Wait for a message of a kind, and return it."""
        while True:
            self.heard += self.link.receive()
            for number, message in enumerate(self.heard):
                if isinstance(message, kind):
                    return self.heard.pop(number)
            assert not self.link.ended, f"it closed: {self.heard}"
            self.hosted.turn()

    def blocks(self, count: int) -> list[wire.Block]:
        found: list[wire.Block] = []
        while len(found) < count:
            found += self.hear(wire.Blocks).blocks
        return found

    def refused(self) -> str:
        """Wait for the end, and return the reason."""
        while not self.link.ended:
            self.hosted.turn()
            self.heard += self.link.receive()
        return next((m.reason for m in self.heard if isinstance(m, wire.Fail)), "")


class Running(Thread):
    """A whole agent in a thread."""

    def __init__(self, hosted: Hosted, name: str, sink: MemorySink | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self.hosted, self.sink = hosted, sink or MemorySink(FILES)
        self.out: list[events.ReceiverOutput] = []
        self.error: ToolkitError | None = None
        self.start()

    def run(self) -> None:
        try:
            agent = Agent(self.hosted.path, self.name)
            engine = Attached(self.name, self.sink, trusted=TRUSTED, now=0.0)
            with WriterThread(self.sink) as desk:
                agent.run(engine, desk, self.out.extend)
        except ToolkitError as error:
            self.error = error

    @property
    def failure(self) -> ToolkitError | None:
        return next((o.error for o in self.out if isinstance(o, events.Failed)), None)

    def end(self) -> None:
        self.hosted.until(lambda: not self.is_alive())
        self.join()
