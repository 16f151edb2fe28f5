"""Agents that a host does not serve, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from share_hosted import BLOCKS, FILES, Hosted, Raw, Running

from toolkit.errors import DeliveryError, UnreachableError
from toolkit.gpu.share import wire
from toolkit.gpu.share.agent import Agent


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    made = Hosted(tmp_path)
    yield made
    made.close()


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
