"""Receivers of similar pace that are served together, apart from the others: how fast that may go.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.delivery.dispatch import Dispatch
from toolkit.delivery.slowness import Watch
from toolkit.delivery.track import Segment

FASTER = 1.5
"""By which a lane's pace grows in a period in which all went well."""
WAITED = 0.1
"""Share of a period in which a lane that goes as fast as it can waits for its receivers."""
KEPT_UP = 0.8
"""Share of the main stream's bytes that one who keeps up has been sent beside it."""
MUCH = 0.1
"""Share of what it is sent that a lane may lose before it goes slower."""
SLOWEST = 2e-3
"""Of the session's rate: no lane goes slower, or a segment would take hours to be asked about."""


@dataclass(slots=True, eq=False)
class Lane:
    """Slow receivers that are served together."""

    dispatch: Dispatch
    watch: Watch
    pace: float
    """Bytes a second that it may send."""
    taken: float
    """Bytes a second that its receivers took when they were set apart."""
    lossy: bool = False
    """The ways to its receivers do not bear more: only reports tell whether it may go faster."""
    tokens: float = 0.0
    filled: float = 0.0
    """When tokens were added last."""
    refused: int = 0
    """Bytes of this period that could have come beside the main stream, had there been room."""
    sent: int = 0
    """Bytes of this period, of its own and beside the main stream."""
    lost: int = 0
    answered: int = 0
    """Bytes of this period that reports were about, and those that they lacked."""
    periods: int = 0
    clean: int = 0
    """Periods in a row in which it kept up with the main stream."""
    main: int = 0
    """Position of the main stream when the period began."""
    patience: int = 1
    """Periods that it must keep up before it counts."""

    beside: dict[Segment, bytearray] = field(default_factory=dict)
    """Per block, 1 where it was sent one of the main stream's."""

    def fill(self, now: float, block: int) -> None:
        """Add the tokens of the time that has passed; a block's worth is kept."""
        self.tokens = min(self.tokens + (now - self.filled) * self.pace, block + self.pace / 100)
        self.filled = now

    def spend(self, size: int) -> None:
        self.tokens -= size
        self.sent += size

    def asked(self, segment: Segment, lacks: bytes) -> None:
        """A receiver says what it lacks of a segment of which it got blocks of the main stream."""
        sent = self.beside.get(segment)
        if sent is None:
            return
        k, size = segment.item.partition.k, segment.item.partition.symbol
        for i, lack in enumerate(lacks):
            if sent[i]:
                self.answered += k(segment.first + i) * size
                self.lost += min(lack, k(segment.first + i)) * size

    @property
    def ready_at(self) -> float:
        """When it may send again."""
        return self.filled + max(-self.tokens, 0.0) / max(self.pace, 1.0)

    def judge(self, position: int, little: int, rate: int) -> None:
        """A period is over: how does it go on?  `position`: of the main stream; `little`: bytes of
        it that say nothing; `rate`: bit/s of the session."""
        main = position - self.main
        share = self.lost / self.answered if self.answered else 0.0
        full = self.watch.waited >= WAITED or self.refused > WAITED * self.sent
        if share > MUCH:
            self.pace = max(self.pace * max(1 - share, 0.3), SLOWEST * rate / 8)
            self.clean = 0
        elif not full:
            if self.answered or not self.lossy:
                self.pace = min(self.pace * FASTER, rate / 8)
            self.clean = self.clean + 1 if main > little and self.sent >= KEPT_UP * main else 0
        else:
            self.clean = 0
        self.dispatch.flow.eager = not full
        self.main, self.sent, self.lost, self.answered = position, 0, 0, 0
        self.refused = 0
