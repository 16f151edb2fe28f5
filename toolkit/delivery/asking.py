"""Who is asked what it holds of a file before the file's data is sent, and how many at a time.

Pure.  A receiver that may hold blocks from elsewhere (`toolkit.delivery.ports.Basis`) looks for
those that a poll asks for, on its disk, before it answers.  All that may hold something of a
segment are asked together, so that what they lack is sent once, for all; and few segments at a
time, so that an answer does not wait for long behind others.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.delivery.masks import bits
from toolkit.delivery.members import OpenPoll

MAX_ASKED = 32
"""Segments that a receiver is asked for at a time."""
PATIENCE = 1.0
"""Seconds that an answer may take beyond the round-trip time."""


class Asking:
    """`polls`: those that wait for answers, by their number."""

    def __init__(self, polls: Mapping[int, OpenPoll]) -> None:
        self._polls = polls
        self._asked: dict[int, int] = {}
        """Bit number -> segments that it is asked for."""

    def choose(self, asked: int, digests: int) -> int:
        """Whom of `asked` to ask now; 0: nobody yet.  `digests`: those they are on the way to.

        They are asked together: once all have had the time to get the digests and to answer what
        they were asked before.  Who takes longer than its polls' time is not waited for.
        """
        hold = digests
        for bit, count in self._asked.items():
            hold |= (count >= MAX_ASKED) << bit
        if not asked & hold:
            return asked
        late = 0
        for poll in self._polls.values():
            late |= poll.awaited * (poll.tries > 1)
        return 0 if asked & hold & ~late else asked & ~hold

    def begin(self, targets: int) -> None:
        """A segment is asked for."""
        for bit in bits(targets):
            self._asked[bit] = self._asked.get(bit, 0) + 1

    def end(self, bit: int) -> None:
        """A receiver has answered, or never will."""
        if bit in self._asked:
            self._asked[bit] -= 1

    def forget(self, bit: int) -> None:
        """A receiver begins anew, or has left."""
        self._asked.pop(bit, None)
