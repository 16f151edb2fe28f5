"""Progress on stderr: a block that is drawn anew on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from toolkit.delivery.model import Counters
    from toolkit.delivery.progress import ReceiverProgress, SessionProgress

REDRAW = 0.25
"""Seconds between two drawings on a terminal."""
HEARTBEAT = 5.0
"""Seconds between two lines elsewhere."""
SHOWN = 10
"""Receivers with a line of their own; the others are summed up."""


class Display:
    """What is said and what is shown, without one tearing the other."""

    def __init__(
        self, *, auto: bool, stream: TextIO | None = None, terminal: bool | None = None
    ) -> None:
        """`auto`: show progress; `terminal`: whether `stream` is one (None: look)."""
        self._stream = stream or sys.stderr
        able = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._terminal = able if terminal is None else terminal
        self._auto = auto
        self._drawn = 0
        """Lines of the block that stand on the screen."""
        self._next = 0.0
        self._said: set[str] = set()

    def due(self, now: float) -> bool:
        """Whether it is time to show something; the first time only after a while."""
        if not self._auto:
            return False
        if not self._next:
            self._next = now + (REDRAW if self._terminal else HEARTBEAT)
        return now >= self._next

    def show(self, now: float, line: str, block: Callable[[], list[str]]) -> None:
        """Show `block` on a terminal, `line` elsewhere."""
        if not self._terminal:
            self._next = now + HEARTBEAT
            print(line, file=self._stream, flush=True)
            return
        self._next = now + REDRAW
        width = shutil.get_terminal_size().columns
        lines = [text[: width - 1] for text in block()]
        self._clear()
        self._stream.write("".join(f"{text}\n" for text in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def say(self, message: str) -> None:
        """Say something that stays."""
        self._clear()
        print(message, file=self._stream, flush=True)

    def say_once(self, message: str) -> None:
        """Say something that stays, unless it was said."""
        if message not in self._said:
            self._said.add(message)
            self.say(message)

    def end(self) -> None:
        """What was drawn last is no news any more."""
        self._clear()
        self._stream.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[0J")
            self._drawn = 0


def session_line(progress: SessionProgress) -> str:
    """A session in one line."""
    standings = Counter(r.standing for r in progress.receivers)
    words = ", ".join(f"{n} {standing}" for standing, n in sorted(standings.items()))
    return (
        f"{progress.delivery}: {_share(progress):.0f} % held, {spoken_rate(progress.sending)} of "
        f"{spoken_rate(progress.rate)}, {progress.repairs} repairs, {words}"
    )


def session_block(progress: SessionProgress) -> list[str]:
    """A session in a few lines: those that need attention first."""
    lines = [session_line(progress)]
    ordered = sorted(progress.receivers, key=lambda r: (r.standing == "complete", r.held))
    shown = ordered[:SHOWN] if len(ordered) > SHOWN else list(progress.receivers)
    width = max((len(r.receiver) for r in shown), default=0)
    lines += [_receiver(r, progress.size, width) for r in shown]
    rest = ordered[len(shown) :]
    if rest:
        done = sum(1 for r in rest if r.standing == "complete")
        lines.append(f"  and {len(rest)} more, {done} of them complete")
    return lines


class Rate:
    """How fast a number grows, smoothed over some calls."""

    def __init__(self, now: float) -> None:
        self._last = 0, now
        self._rate = 0.0

    def of(self, total: int, now: float) -> float:
        """Bit/s at which `total` bytes have grown lately."""
        if now > self._last[1]:
            fresh = 8 * (total - self._last[0]) / (now - self._last[1])
            self._rate = fresh if not self._rate else (self._rate + fresh) / 2
        self._last = total, now
        return self._rate


def receiving_line(name: str, size: int, counters: Counters, rate: float) -> str:
    """A receiver in one line; what it has received may hold some things twice."""
    share = min(100 * counters.bytes / size, 100.0) if size else 100.0
    return (
        f"{name}: {share:.0f} % received, {spoken_rate(rate)}, {counters.repaired} repaired, "
        f"{counters.duplicates} needless"
    )


def _receiver(row: ReceiverProgress, size: int, width: int) -> str:
    share = _held(row, size) / size if size else 1.0
    bar = "#" * int(20 * share)
    said = "has not joined yet" if row.standing == "absent" else row.why
    why = f"  {said}" if said else ""
    cohort = "" if row.cohort == "main" else f" ({row.cohort})"
    return (
        f"  {row.receiver:<{width}} [{bar:<20}] {100 * share:5.1f} %  {row.standing}{cohort}  "
        f"{spoken_rate(row.rate)}  {row.lost} lost{why}"
    )


def _held(row: ReceiverProgress, size: int) -> int:
    return size if row.standing == "complete" else row.held


def _share(progress: SessionProgress) -> float:
    whole = progress.size * len(progress.receivers)
    held = sum(_held(r, progress.size) for r in progress.receivers)
    return 100 * held / whole if whole else 100.0


def spoken_rate(bits: float) -> str:
    """A rate as people read it."""
    units = ("bit/s", "kb/s", "Mb/s", "Gb/s", "Tb/s")
    unit = 0
    while bits >= 1000 and unit < len(units) - 1:
        bits, unit = bits / 1000, unit + 1
    return f"{bits:.3g} {units[unit]}" if unit else f"{bits:.0f} {units[0]}"
