"""What is made of a datagram that is of no use.

Pure.
"""

from __future__ import annotations

from toolkit.delivery.assembly import Verdict
from toolkit.delivery.events import Ignored
from toolkit.delivery.model import Counters
from toolkit.delivery.refusal import Refusal

MAX_REASONS = 64
"""Different reasons that are counted one by one."""


def ignore(counters: Counters, reason: str, kind: Refusal = Refusal.MALFORMED) -> list[Ignored]:
    """Count it."""
    ignored = counters.ignored
    counters.refuse(kind)
    if reason in ignored or len(ignored) < MAX_REASONS:
        ignored[reason] = ignored.get(reason, 0) + 1
    return [Ignored(reason, kind)]


def useless(counters: Counters, verdict: Verdict) -> list[Ignored]:
    """Count a symbol that was not taken."""
    if verdict is Verdict.DUPLICATE:
        counters.duplicates += 1
        return []
    if verdict is Verdict.NO_ROOM:
        return []  # Its block is counted as evicted.
    if verdict is Verdict.RIVAL:
        return ignore(counters, "another symbol came for the same place", Refusal.RIVAL)
    return ignore(counters, "a symbol that does not fit its object", Refusal.MISFIT)
