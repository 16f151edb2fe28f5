"""Agents that come late, blocks that come by another way, and faults of the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from net import KEY, MemorySource
from share_hosted import BLOCKS, CUTS, FILES, SOURCE, Hosted, Raw, Running

from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.memory import SLAB
from toolkit.delivery.model import Coding
from toolkit.gpu.share import wire


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
