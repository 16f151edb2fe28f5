"""Progress on a terminal and elsewhere: what is drawn, what is said, in which order."""

from __future__ import annotations

import io

import pytest

from toolkit.cli.terminal import (
    HEARTBEAT,
    REDRAW,
    SHOWN,
    Display,
    Rate,
    receiving_line,
    session_block,
    session_line,
)
from toolkit.delivery.model import Counters, Standing
from toolkit.delivery.progress import Cohort, ReceiverProgress, SessionProgress


def session(*receivers: ReceiverProgress, size: int = 1000) -> SessionProgress:
    return SessionProgress(
        delivery="m", tsi=1, size=size, files=1, elapsed=1.0, rate=2_000_000_000,
        sending=1_500_000.0, packets=10, repairs=3, late=0, bytes_read=size, receivers=receivers,
        finished=False,
    )  # fmt: skip


def ready(name: str, held: int) -> ReceiverProgress:
    return ReceiverProgress(receiver=name, standing=Standing.READY, held=held, rate=5e6)


DONE = ReceiverProgress(receiver="done", standing=Standing.COMPLETE, held=0)


def test_a_block_is_drawn_over_itself_and_words_stay_above_it() -> None:
    stream = io.StringIO()
    display = Display(auto=True, stream=stream, terminal=True)
    assert not display.due(100.0)
    assert display.due(100.0 + REDRAW)
    display.show(100.0 + REDRAW, "line", lambda: ["one", "two"])
    assert not display.due(100.0 + REDRAW)
    display.say("news")
    display.show(101.0, "line", lambda: ["three"])
    display.end()
    display.end()
    assert stream.getvalue() == "one\ntwo\n\x1b[2F\x1b[0Jnews\nthree\n\x1b[1F\x1b[0J"


def test_elsewhere_a_line_now_and_then() -> None:
    stream = io.StringIO()
    display = Display(auto=True, stream=stream, terminal=False)
    shown = [t for t in range(20) if display.due(t + 1) and not display.show(t + 1, "l", list)]
    assert len(shown) == 20 // int(HEARTBEAT) - 1
    assert stream.getvalue() == "l\n" * len(shown)
    assert "\x1b" not in stream.getvalue()


def test_never_is_never_and_words_are_said_all_the_same() -> None:
    stream = io.StringIO()
    display = Display(auto=False, stream=stream, terminal=True)
    assert not any(display.due(t) for t in (0.0, 1.0, 1e9))
    display.say_once("a")
    display.say_once("a")
    assert stream.getvalue() == "a\n"


def test_a_stream_that_is_no_terminal_is_not_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Display(auto=True, stream=io.StringIO())._terminal is False


def test_the_line_of_a_session() -> None:
    line = session_line(session(ready("a", 500), DONE))
    assert line == "m: 75 % held, 1.5 Mb/s of 2 Gb/s, 3 repairs, 1 complete, 1 ready"


def test_ten_receivers_have_a_line_each_and_those_that_need_it_go_first() -> None:
    few = session_block(session(*(ready(f"r{i}", 0) for i in range(SHOWN))))
    assert len(few) == 1 + SHOWN
    many = [DONE, *(ready(f"r{i}", 900 - i) for i in range(30))]
    block = session_block(session(*many))
    assert len(block) == 2 + SHOWN
    assert block[1].split()[0] == "r29"
    assert block[-1] == "  and 21 more, 1 of them complete"


def test_a_receiver_that_is_slow_says_why() -> None:
    slow = ReceiverProgress(
        receiver="fra", standing=Standing.READY, cohort=Cohort.SLOW, why="its disk is slow",
        held=250, lost=4,
    )  # fmt: skip
    (_, line) = session_block(session(slow))
    assert "[#####               ]  25.0 %  ready (slow)  0 bit/s  4 lost  its disk is slow" in line


def test_rates_and_a_receivers_own_line() -> None:
    rate = Rate(10.0)
    assert rate.of(1000, 11.0) == 8000
    assert rate.of(1000, 11.0) == 8000, "no time has passed"
    assert rate.of(3000, 12.0) == 12_000
    counters = Counters(bytes=500, repaired=2, duplicates=1)
    assert receiving_line("m", 1000, counters, 2e9) == (
        "m: 50 % received, 2 Gb/s, 2 repaired, 1 needless"
    )
    assert "100 %" in receiving_line("m", 0, counters, 0)
