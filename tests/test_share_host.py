"""A host and its agents over real sockets and real shared memory, on a clock of the test's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from net import TRUSTED, MemorySink
from share_hosted import BLOCKS, FILES, SIZE, SOURCE, Hosted, Raw, Running

from toolkit.delivery import events
from toolkit.delivery.memory import SLAB
from toolkit.delivery.storing import Job
from toolkit.errors import DeliveryError, IncompleteError
from toolkit.gpu.share import wire
from toolkit.gpu.share.agent import Agent
from toolkit.gpu.share.attached import Attached
from toolkit.transport.writing import WriterThread


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    made = Hosted(tmp_path)
    yield made
    made.close()


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
    made: list[Agent] = []
    thread = Thread(target=lambda: made.append(Agent(hosted.path, "slow")))
    thread.start()
    hosted.until(lambda: not thread.is_alive())
    (agent,) = made
    sink = MemorySink(FILES)
    engine = Attached("slow", sink, trusted=TRUSTED, now=0.0)
    out: list[events.ReceiverOutput] = []

    class Cut(WriterThread):
        """The connection ends after the copy has, and before anybody has heard of it."""

        def finished(self) -> list[Job]:
            jobs = super().finished()
            if jobs:
                hosted.share.fail("cut off at this very moment")
            return jobs

    hosted.open()
    hosted.put(0, 0)
    with Cut(sink) as desk:

        def until_it_fails() -> None:
            while True:
                hosted.turn()
                out.extend(agent._turn(engine, desk))

        with pytest.raises(DeliveryError, match="cut off at this very moment"):
            until_it_fails()
    agent.close()
    assert sink.writes == {(0, 0): 1}
    assert engine.bytes == 0
    assert not [o for o in out if isinstance(o, events.FileVerified)]


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
