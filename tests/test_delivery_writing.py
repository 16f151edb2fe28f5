"""Blocks are checked and stored beside the reception: slow disks, full disks, and real threads."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from net import TRUSTED, MemorySink, MemorySource, Weather
from net_slow import SlowNet

from toolkit.delivery import events, wire
from toolkit.delivery.manifest import Manifest, open_manifest, seal
from toolkit.delivery.model import Coding, Standing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sink import FolderSink
from toolkit.delivery.source import open_source
from toolkit.delivery.storing import Job
from toolkit.errors import DeliveryError
from toolkit.transport.writing import WriterThread, worth_it

from net import KEY  # isort: skip

CODING = Coding(symbol=500, block=8, parity=40)
RATE = 8_000_000
FILES = {"weights": random.Random(5).randbytes(2_000_000), "config": b"{}"}


@dataclass
class Disk:
    """A desk on the jumping clock: jobs are done one after the other, at so many bytes a second."""

    net: DiskNet
    name: str
    speed: float
    waiting: int = 0
    most: int = 0
    free_at: float = 0.0
    jobs: deque[Job] = field(default_factory=deque)
    done: deque[Job] = field(default_factory=deque)

    def put(self, job: Job) -> None:
        net = self.net
        self.jobs.append(job)
        self.waiting += len(job.data)
        self.most = max(self.most, self.waiting)
        self.free_at = max(self.free_at, net.now) + len(job.data) / self.speed
        receiver = net.receivers[self.name]

        def do() -> None:
            if job in self.jobs:
                self.do(job)
            if net.receivers.get(self.name) is receiver:
                net._handle(self.name, receiver.written(net.now))

        net.at(self.free_at, do)

    def finished(self) -> list[Job]:
        found = list(self.done)
        self.done.clear()
        return found

    def drain(self) -> None:
        for job in list(self.jobs):
            self.do(job)

    def do(self, job: Job) -> None:
        self.jobs.remove(job)
        self.waiting -= len(job.data)
        job.run(self.net.sinks[self.name])
        self.done.append(job)


@dataclass
class DiskNet(SlowNet):
    """A SlowNet whose receivers in `speeds` have a disk of their own."""

    speeds: dict[str, float] = field(default_factory=dict)
    memory: int = 256 * 1024

    def start(self, name: str) -> None:
        if name not in self.speeds:
            super().start(name)
            return
        self._starts += 1
        disk = self.disks[name] = Disk(self, name, self.speeds[name])
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout, memory=self.memory,
            socket_room=64 * 1024, desk=disk,
        )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        self.disks: dict[str, Disk] = {}


def delivery(names: tuple[str, ...] = ("fra", "lon", "par"), **options: object) -> DiskNet:
    given: dict[str, object] = {"weather": Weather(delay=0.005), **options}
    return DiskNet(FILES, names, coding=CODING, rate=RATE, gather=0.1, **given)  # type: ignore[arg-type]


def ends_right(net: DiskNet) -> None:
    net.run()
    for result in net.sender.results():
        assert result.standing is Standing.COMPLETE, result
        assert net.sinks[result.receiver].placed == FILES
        assert max(net.sinks[result.receiver].writes.values()) == 1


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_disk_that_is_fast_enough_changes_nothing(loss: float) -> None:
    without = delivery(weather=Weather(loss=loss, delay=0.005))
    ends_right(without)
    net = delivery(weather=Weather(loss=loss, delay=0.005), speeds={"par": RATE}, memory=64 * 2**20)
    ends_right(net)
    assert net.completed("par") <= without.completed("par") + 0.1
    if not loss:
        assert net.sender.tally.repairs == 0


def test_a_disk_that_is_too_slow_is_a_slow_receiver_in_bounded_memory() -> None:
    speed = RATE / 8 / 5
    net = delivery(speeds={"par": speed})
    undisturbed = delivery()
    ends_right(undisturbed)
    ends_right(net)
    assert net.disks["par"].most <= net.memory
    assert net.completed("par") <= 1.15 * len(FILES["weights"]) / speed
    # Two seconds are a short delivery: half a second to notice it.
    assert net.completed("fra") <= undisturbed.completed("fra") + 0.5
    assert net.sender.results()[2].lost < 0.02 * len(FILES["weights"]) / 500


def test_alone_it_is_waited_for_and_loses_nothing() -> None:
    speed = RATE / 8 / 5
    net = delivery(("par",), speeds={"par": speed})
    ends_right(net)
    assert net.sender.results()[0].lost == 0
    assert net.disks["par"].most <= net.memory
    assert net.completed("par") <= 1.1 * len(FILES["weights"]) / speed


def test_a_disk_that_is_full_ends_its_receiver_and_what_was_stored_stays() -> None:
    net = delivery(speeds={"par": RATE / 16})
    net.sinks["par"].full_after = 100
    net.run()
    assert [r.standing for r in net.sender.results()] == [
        Standing.COMPLETE, Standing.COMPLETE, Standing.FAILED,
    ]  # fmt: skip
    [failed] = [o for o in net.outputs["par"] if isinstance(o, events.Failed)]
    assert "no space is left" in failed.reason
    assert net.sinks["par"].placed is None
    assert sum(map(sum, net.sinks["par"].journal.values())) == 100
    again = delivery(("par",), speeds={"par": RATE})
    again.sinks["par"] = net.sinks["par"]
    again.sinks["par"].full_after = None
    again.run()
    assert again.sinks["par"].placed == FILES
    assert max(again.sinks["par"].writes.values()) == 1
    assert again.delivered["par"] < len(FILES["weights"]) / 500 - 99 * 8 + 300


def test_what_is_forged_is_found_out_there_too() -> None:
    net = delivery(weather=Weather(delay=0.005, corrupt=0.01), speeds={"par": RATE, "fra": RATE})
    ends_right(net)
    assert net.receivers["par"].counters.polluted > 0


def test_a_receiver_killed_while_blocks_wait_gets_them_again() -> None:
    net = delivery(speeds={"par": RATE / 24})
    net.kill_and_restart("par", 1.0, 0.1)
    net.run()
    assert net.sinks["par"].placed == FILES


class Later:
    """A desk that does nothing before it is told to."""

    def __init__(self, sink: MemorySink) -> None:
        self.sink = sink
        self.jobs: list[Job] = []

    def put(self, job: Job) -> None:
        self.jobs.append(job)

    def finished(self) -> list[Job]:
        done, self.jobs = self.jobs, []
        for job in done:
            job.run(self.sink)
        return done

    def drain(self) -> None:
        pass


class HasAll:
    """A basis that has every block of these files."""

    def open(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def may_hold(self, file: int) -> bool:
        return True

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | None:
        return FILES[self.manifest.files[file].path][offset : offset + size]


@pytest.mark.parametrize("way", ["handed", "found", "rival"])
def test_a_block_that_is_being_stored_is_left_alone(way: str) -> None:
    source, sink = MemorySource(FILES, CODING), MemorySink(FILES)
    desk = Later(sink)
    receiver = Receiver(
        "fra", sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, tsi=7, desk=desk,
        basis=HasAll() if way == "found" else None,
    )  # fmt: skip
    receiver.expire(0.0)
    receiver.hand_manifest(seal(source.manifest, KEY), 0.0)
    receiver.hand_digests(0, source.digests[0], 0.0)
    block = source.read_block(0, 0)
    for esi in range(8):
        header = wire.FIXED.pack(wire.DATA_WORD, 0, 7, 3, 0, 8, esi)
        receiver.receive(header + block[500 * esi : 500 * esi + 500], 0.0)
    assert len(desk.jobs) == 1
    assert receiver.catalog is not None
    if way == "handed":
        assert receiver.hand(0, 0, memoryview(block), 0.0) == []
    elif way == "found":
        receiver.catalog.look(3, 0, 1)
    else:
        receiver.catalog.assemblies[3].blocks[0].doubted = True
        receiver.receive(header + bytes(500), 0.0)
        assert len(desk.jobs) == 1
        assert bytes(desk.jobs[0].data) == block, "it changed under the hands of the desk"
    receiver.written(0.0)
    assert sink.writes == {(0, 0): 1}
    assert receiver.catalog.has(0, 0)


# ----- threads


def folder(tmp_path: Path, write: Callable[..., int] = os.pwrite) -> tuple[FolderSink, list[Job]]:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(FILES["weights"])
    source = open_source(model, CODING)
    envelope = seal(source.manifest, KEY)
    sink = FolderSink(tmp_path / "out", write=write)
    sink.prepare()
    sink.open(envelope, open_manifest(envelope, TRUSTED))
    sink.put_digests(0, source.digests[0])
    size = CODING.symbol * CODING.block
    jobs = []
    for sbn in range(len(source.digests[0]) // 32):
        data = source.read_block(0, sbn)
        wanted = source.digests[0][32 * sbn : 32 * sbn + 32]
        jobs.append(Job(0, sbn, sbn * size, memoryview(data), wanted))
    return sink, jobs


def test_a_thread_stores_what_is_right_and_says_what_is_not(tmp_path: Path) -> None:
    sink, jobs = folder(tmp_path)
    jobs[7].data = memoryview(bytes(len(jobs[7].data)))
    with WriterThread(sink) as desk:
        for job in jobs:
            desk.put(job)
        desk.drain()
        done = desk.finished()
        assert desk.finished() == []
    assert done == jobs
    assert [job.sbn for job in done if not job.right] == [7]
    journal = (sink.staging / "blocks" / "0").read_bytes()
    assert [i for i, there in enumerate(journal) if not there] == [7]
    sink.close()


def test_all_that_was_put_is_stored_before_the_thread_ends(tmp_path: Path) -> None:
    sink, jobs = folder(tmp_path)
    with WriterThread(sink) as desk:
        for job in jobs:
            desk.put(job)
    assert all(job.right for job in jobs)
    sink.close()
    assert threading.active_count() == 1 or all(t.name != "writer" for t in threading.enumerate())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_error_of_the_disk_fails_what_waits_and_loses_nothing(
    tmp_path: Path, number: int
) -> None:
    written = [0]

    def write(descriptor: int, data: memoryview, offset: int) -> int:
        written[0] += 1
        if written[0] > 20:
            raise OSError(number, os.strerror(number))
        return os.pwrite(descriptor, data, offset)

    sink, jobs = folder(tmp_path, write)
    with WriterThread(sink) as desk:
        for job in jobs:
            desk.put(job)
        desk.drain()
        done = desk.finished()
    assert sum(job.right for job in done) == 10
    assert all(isinstance(job.error, DeliveryError) for job in done[10:])
    assert "what was received is kept" in str(done[-1].error)
    assert written[0] == 21
    assert (sink.staging / "blocks" / "0").read_bytes().count(1) == 10
    sink.close()
    assert sink.staging.exists()


def test_a_thread_is_used_for_disks_and_where_a_core_is_spare(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    target = tmp_path / "not" / "there" / "yet"

    def mounted(kind: str) -> None:
        number = f"{os.major(device)}:{os.minor(device)}"
        mounts.write_text(f"36 35 {number} / /x rw,noatime master:1 - {kind} none rw\n"
                          "37 35 250:9 / /y rw shared:2 shared:3 - ext4 /dev/y rw\n")  # fmt: skip

    monkeypatch.delenv("LLMSYNC_WRITER", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    mounted("tmpfs")
    assert not worth_it(target, mounts)
    mounted("ext4")
    assert worth_it(target, mounts)
    assert worth_it(target, tmp_path / "missing")
    mounted("tmpfs")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert worth_it(target, mounts)
    monkeypatch.setenv("LLMSYNC_WRITER", "inline")
    assert not worth_it(target, mounts)
