"""A host and its agents over real sockets and real shared memory, on a clock of the test's."""

from __future__ import annotations

import os
import random
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from net import KEY, TRUSTED, MemorySink, MemorySource

from toolkit.delivery import events
from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.memory import SLAB, Buffer, Slabs
from toolkit.delivery.model import Coding
from toolkit.delivery.storing import Job
from toolkit.errors import DeliveryError, IncompleteError, ToolkitError, UnreachableError
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


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    made = Hosted(tmp_path)
    yield made
    made.close()


@pytest.fixture
def storing(tmp_path: Path) -> Iterator[Hosted]:
    made = Hosted(tmp_path, stores=True)
    yield made
    made.close()


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


def test_agents_get_every_block_from_one_window_and_the_memory_goes_back(hosted: Hosted) -> None:
    agents = [Running(hosted, f"gpu{i}") for i in range(3)]
    hosted.until(lambda: hosted.share.present == 3)
    hosted.open()
    for file, block in BLOCKS:
        hosted.put(file, block)
        hosted.turn()
    hosted.until(lambda: len(hosted.back) == len(BLOCKS))
    hosted.tap.place()
    for agent in agents:
        agent.end()
        assert agent.error is None
        assert agent.sink.placed == FILES
        assert max(agent.sink.writes.values()) == 1
    assert hosted.sink.placed == FILES
    assert all(job.right for job in hosted.back)
    hosted.until(lambda: len(hosted.share.gone) == 3)
    assert {guest.name: (guest.placed, guest.bytes) for guest in hosted.share.gone} == {
        f"gpu{i}": (True, SIZE) for i in range(3)
    }
    assert hosted.window.size == SLAB


def test_a_job_goes_back_when_the_last_agent_has_released_it(hosted: Hosted) -> None:
    first, second = Raw(hosted, "a"), Raw(hosted, "b")
    hosted.until(lambda: hosted.share.present == 2)
    hosted.open()
    hosted.put(1, 0)
    (told,) = first.blocks(1)
    second.blocks(1)
    hosted.until(lambda: (1, 0) in hosted.sink.writes)
    first.say(wire.Release((told.ticket,)))
    first.say(wire.Progress(1, 2))
    hosted.until(lambda: any(g.blocks for g in hosted.share.guests.values()))
    assert not hosted.back
    second.say(wire.Release((told.ticket,)))
    hosted.until(lambda: hosted.back)
    assert [job.sbn for job in hosted.back] == [0]


def test_what_an_agent_is_told_is_where_it_is_said_to_be(hosted: Hosted) -> None:
    agent = Raw(hosted)
    agent.hear(wire.Welcome)
    hosted.open()
    hosted.put(1, 3)
    (told,) = agent.blocks(1)
    slab = agent.hear(wire.Slab)
    assert (told.file, told.block, slab.slab) == (1, 3, told.slab)
    descriptor = agent.link.descriptor(slab)
    try:
        assert os.pread(descriptor, told.size, told.at) == SOURCE.read_block(1, 3)
    finally:
        os.close(descriptor)


def test_without_agents_the_host_is_a_receiver_like_any_other(hosted: Hosted) -> None:
    hosted.open()
    for file, block in BLOCKS:
        hosted.put(file, block)
    hosted.until(lambda: len(hosted.back) == len(BLOCKS))
    hosted.tap.place()
    hosted.share.farewell(None)
    assert hosted.sink.placed == FILES


# ----- agents that go


def test_an_agent_that_goes_gives_back_all_that_it_holds(hosted: Hosted) -> None:
    gone, stays = Raw(hosted, "gone"), Running(hosted, "stays")
    hosted.until(lambda: hosted.share.present == 2)
    hosted.open()
    for file, block in BLOCKS:
        hosted.put(file, block)
    gone.blocks(3)
    stays_has = stays.sink.writes
    hosted.until(lambda: len(stays_has) == len(BLOCKS))
    assert not hosted.back
    gone.link.close()
    hosted.until(lambda: len(hosted.back) == len(BLOCKS))
    stays.end()
    assert stays.sink.placed == FILES
    assert any("gone" in said and "it is gone" in said for said in hosted.said)


def test_a_stuck_agent_is_cut_off_when_the_memory_is_wanted_and_no_sooner(hosted: Hosted) -> None:
    stuck = Raw(hosted, "stuck")
    stuck.hear(wire.Welcome)
    hosted.open()
    for block in range(5):
        hosted.now += 0.9
        hosted.put(1, block)
        stuck.blocks(1)
    # Half of the memory is lent from here on.
    full = hosted.now
    hosted.turn()
    hosted.now = full + 14.0
    hosted.turn()
    assert not any("gives none back" in said for said in hosted.said)
    hosted.now = full + 15.0
    hosted.turn()
    hosted.turn()
    assert sum("gives none back" in said for said in hosted.said) == 1
    hosted.now = full + 29.0
    hosted.turn()
    assert hosted.share.present == 1
    assert not hosted.back
    hosted.now = full + 30.0
    hosted.turn()
    assert hosted.share.present == 0
    hosted.until(lambda: len(hosted.back) == 5)
    assert "it gave nothing back for 30 s" in stuck.refused()


def test_at_the_end_a_stuck_agent_is_waited_for_no_longer_than_that(hosted: Hosted) -> None:
    stuck = Raw(hosted, "stuck")
    stuck.hear(wire.Welcome)
    hosted.open()
    hosted.put(0, 0)
    stuck.blocks(1)
    hosted.now = 1.0
    hosted.turn()
    hosted.now = 32.0
    hosted.until(lambda: hosted.back)
    assert hosted.share.present == 0


def test_draining_ends_although_an_agent_is_stuck(hosted: Hosted) -> None:
    stuck = Raw(hosted, "stuck")
    stuck.hear(wire.Welcome)
    hosted.open()
    hosted.put(0, 0)
    stuck.blocks(1)

    ticks = iter(range(1, 10_000, 20))
    hosted.share._clock = lambda: float(next(ticks))
    hosted.share.drain()
    assert [job.right for job in hosted.share.finished()] == [True]
    assert hosted.share.present == 0


def test_what_was_copied_after_the_end_of_the_connection_counts_for_nothing(
    hosted: Hosted,
) -> None:
    """The host uses the memory again as soon as it has closed: the copy may be of anything."""

    copying, cut = Event(), Event()

    class Slow(MemorySink):
        def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
            copying.set()
            cut.wait()
            super().write(file, block, offset, data)

    agent = Running(hosted, "slow", Slow(FILES))
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    hosted.put(0, 0)
    hosted.until(copying.is_set)
    hosted.share.fail("cut off in the middle of a copy")
    cut.set()
    agent.end()
    assert isinstance(agent.failure, DeliveryError)
    assert "cut off in the middle of a copy" in str(agent.failure)
    assert not [o for o in agent.out if isinstance(o, events.FileVerified)]
    assert agent.sink.placed is None


def test_a_host_that_is_gone_is_told_with_what_is_here(hosted: Hosted) -> None:
    agent = Running(hosted, "gpu0")
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    hosted.put(0, 0)
    hosted.until(lambda: hosted.back)
    for guest in list(hosted.share.guests.values()):
        guest.link.close()
        del hosted.share.guests[next(iter(hosted.share.guests))]
    agent.join()
    assert isinstance(agent.failure, IncompleteError)
    assert f"is gone (ended, or killed) and 2 of {SIZE} bytes are here" in str(agent.failure)
    assert agent.sink.placed is None


# ----- agents that are not served


def test_no_more_than_were_expected(tmp_path: Path) -> None:
    hosted = Hosted(tmp_path, agents=1)
    try:
        first = Raw(hosted, "a")
        first.hear(wire.Welcome)
        assert "all 1 agents are here" in Raw(hosted, "b").refused()
        first.link.close()
        hosted.until(lambda: hosted.share.present == 0)
        Raw(hosted, "b").hear(wire.Welcome)
    finally:
        hosted.close()


def test_two_of_one_name_are_refused(hosted: Hosted) -> None:
    Raw(hosted, "a").hear(wire.Welcome)
    assert "an agent of this name is here: a (process" in Raw(hosted, "a").refused()


def test_another_version_is_refused_by_both_ends(hosted: Hosted, tmp_path: Path) -> None:
    agent = Raw(hosted, hello=False)
    agent.say(wire.Hello("a", 1, version=2))
    assert "version 1 of the window, the agent version 2" in agent.refused()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "other"))
        listening.listen()

        def serve() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(wire.encode(wire.Welcome("x", 1, stores=False, version=2)))
                sock.recv(1000)

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(DeliveryError, match="speaks version 2 of the window, this program 1"):
            Agent(tmp_path / "other", "a")
        thread.join()


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(5), b"\0\0\0\1\x0f"])
def test_strangers_are_shown_out(hosted: Hosted, garbage: bytes) -> None:
    stranger = Raw(hosted, hello=False)
    stranger.link._sock.sendall(garbage)
    assert "it said what it must not" in stranger.refused()
    assert hosted.share.present == 0


def test_whoever_says_nothing_is_shown_out_after_a_while(hosted: Hosted) -> None:
    silent = Raw(hosted, hello=False)
    hosted.until(lambda: hosted.share.guests)
    hosted.now = 29.0
    hosted.turn()
    assert hosted.share.guests
    hosted.now = 30.0
    assert "it did not say who it is" in silent.refused()


def test_connections_that_only_wait_are_bounded(hosted: Hosted) -> None:
    waiting = [Raw(hosted, hello=False) for _ in range(17)]
    hosted.until(lambda: len(hosted.share.guests) == 16)
    assert "too many connections" in waiting[-1].refused()


@pytest.mark.parametrize(
    "lie",
    [
        wire.Release((77,)),
        wire.Want(0),
        wire.Welcome("x", 1, stores=True),
        wire.Hello("again", 1),
    ],
)
def test_an_agent_that_lies_is_cut_off_alone(hosted: Hosted, lie: wire.Message) -> None:
    liar, honest = Raw(hosted, "liar"), Running(hosted, "honest")
    hosted.until(lambda: hosted.share.present == 2)
    hosted.open()
    hosted.put(*BLOCKS[0])
    liar.blocks(1)
    liar.say(lie)
    assert "it said what it must not" in liar.refused()
    for file, block in BLOCKS[1:]:
        hosted.put(file, block)
    honest.end()
    assert honest.sink.placed == FILES
    hosted.until(lambda: len(hosted.back) == len(BLOCKS))


def test_a_host_that_waits_for_agents_says_who_is_here(hosted: Hosted) -> None:
    Raw(hosted, "gpu7")
    ticks = iter(range(1000))
    hosted.share._clock = lambda: float(next(ticks))
    seen: list[int] = []
    with pytest.raises(UnreachableError, match=r"1 of 3 agents are here after 10 s: gpu7"):
        hosted.share.gather(10.0, seen.append)
    assert set(seen) <= {0, 1}


# ----- agents that come late


def test_a_late_agent_reads_what_it_missed_from_the_hosts_files(storing: Hosted) -> None:
    storing.open()
    half = len(BLOCKS) // 2
    for file, block in BLOCKS[:half]:
        storing.put(file, block)
    storing.until(lambda: len(storing.back) == half)
    held = Raw(storing, "held")
    held.hear(wire.Welcome)
    for file, block in BLOCKS[half : half + 3]:
        storing.put(file, block)
    held.blocks(3)
    late = Running(storing, "late")
    storing.until(lambda: storing.share.present == 2)
    for file, block in BLOCKS[half + 3 :]:
        storing.put(file, block)
    late.end()
    assert late.error is None
    assert late.failure is None
    assert late.sink.placed == FILES
    assert max(late.sink.writes.values()) == 1


def test_a_late_agent_is_refused_where_nothing_is_stored(hosted: Hosted) -> None:
    early = Raw(hosted, "early")
    early.hear(wire.Welcome)
    hosted.open()
    hosted.put(0, 0)
    (told,) = early.blocks(1)
    # All that was delivered is still in the window: it can have it.
    second = Raw(hosted, "second")
    (again,) = second.blocks(1)
    assert again == told
    early.say(wire.Release((told.ticket,)))
    second.say(wire.Release((told.ticket,)))
    hosted.until(lambda: hosted.back)
    assert "1 blocks have passed, and this host keeps no files" in Raw(hosted, "late").refused()


def test_a_file_that_was_changed_at_the_host_is_not_believed(storing: Hosted) -> None:
    storing.open()
    for file, block in BLOCKS:
        storing.put(file, block)
    storing.until(lambda: len(storing.back) == len(BLOCKS))
    storing.sink.staged[1][1000] ^= 1
    late = Running(storing, "late")
    late.end()
    assert "in a file of the host's is not what the manifest says" in str(late.failure)
    assert late.sink.placed is None


def test_blocks_that_came_by_another_way_reach_the_agents(hosted: Hosted, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for host in (hosted, Hosted(tmp_path / "s", stores=True)):
        agent = Running(host, "gpu0")
        host.until(lambda host=host: host.share.present == 1)
        host.open()
        for file, block in BLOCKS:
            offset = CUTS[file].offset(block)
            data = SOURCE.read_block(file, block)
            if block % 2:
                host.tap.write(file, block, offset, memoryview(data))
            else:
                host.put(file, block)
        agent.end()
        assert agent.failure is None
        assert agent.sink.placed == FILES
        assert host.window.size == SLAB * (2 if host is hosted else 1)
        if host is not hosted:
            host.close()


def test_blocks_that_are_not_in_the_window_are_laid_out_there(hosted: Hosted) -> None:
    agent = Running(hosted, "gpu0")
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    for file, block in BLOCKS:
        hosted.put(file, block, outside=True)
    agent.end()
    assert agent.sink.placed == FILES
    hosted.until(lambda: len(hosted.back) == len(BLOCKS))
    assert hosted.share._lending._annex.used == 0


# ----- faults of the host


def test_a_wrong_block_is_told_to_nobody(hosted: Hosted) -> None:
    agent = Raw(hosted)
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    hosted.put(0, 0, wrong=True)
    hosted.until(lambda: hosted.back)
    assert not hosted.back[0].right
    hosted.put(0, 0)
    (told,) = agent.blocks(1)
    assert told.ticket == 2


def test_a_window_that_changes_after_it_was_verified_is_found_out(hosted: Hosted) -> None:
    agent = Running(hosted, "gpu0")
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    told = hosted.share._lending._locate

    def changed(ticket: int, file: int, block: int, data: memoryview) -> wire.Block:
        while (file, block) not in hosted.sink.writes:
            os.sched_yield()  # The host's own thread still reads it.
        hosted.buffers[file, block].view[0] ^= 1
        return told(ticket, file, block, data)

    hosted.share._lending._locate = changed  # type: ignore[method-assign]
    hosted.put(1, 0)
    agent.end()
    assert "weights: block 0 in the window of the host is not what" in str(agent.failure)
    assert not agent.sink.writes
    hosted.until(lambda: hosted.back)
    hosted.until(lambda: hosted.share.gone)
    assert "is not what the manifest says" in hosted.share.gone[0].failure


def test_a_full_disk_at_the_host_is_told_to_the_agents(hosted: Hosted) -> None:
    hosted.sink.full_after = 3
    agent = Running(hosted, "gpu0")
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    for file, block in BLOCKS[:6]:
        hosted.put(file, block)
    hosted.until(lambda: any(job.error for job in hosted.back))
    error = next(job.error for job in hosted.back if job.error)
    hosted.share.drain()
    hosted.share.farewell(error)
    agent.end()
    assert "the host at" in str(agent.failure)
    assert "disk: no space is left" in str(agent.failure)
    assert agent.sink.placed is None


def test_another_delivery_ends_the_agents_of_the_first(hosted: Hosted) -> None:
    agent = Raw(hosted)
    hosted.until(lambda: hosted.share.present == 1)
    hosted.open()
    other = MemorySource({"x": b"y"}, Coding(symbol=500, block=4, parity=4))
    envelope = seal(other.manifest, KEY)
    hosted.sink.truth = {"x": b"y"}
    hosted.tap.open(envelope, open_manifest(envelope, None))
    assert "the sender began another delivery" in agent.refused()


@pytest.mark.parametrize("ready", [True, False])
def test_an_agent_that_comes_when_it_is_over_is_told(storing: Hosted, ready: bool) -> None:
    if ready:
        storing.open()
    storing.share.farewell(None)
    assert "the delivery is over" in Raw(storing, "late").refused()
