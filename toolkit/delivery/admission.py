"""How often somebody may join, and what is written down about it.  Pure values.

A *join* is one start of a receiver; that it repeats itself until it is answered does not count.
Joins over UDP and those over HTTPS are counted apart, by the same rules.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

MAX_TRACKED = 4096
"""Receivers and source addresses that are remembered at most; beyond it nobody new may join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Joins within `window` seconds, and receivers at a time."""

    receiver: int = 30
    """Joins of one receiver."""
    source: int = 300
    """Joins from one source address, whoever they are for."""
    window: float = 60.0
    active: int = 4096
    """Receivers that are served at a time."""

    def __post_init__(self) -> None:
        if min(self.receiver, self.source, self.active) < 1 or self.window <= 0:
            raise ValueError("a quota allows at least one join")


class Admission:
    """Counts joins.  `quota` says how many are too many."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._joins: dict[tuple[str, str], deque[float]] = {}
        """("receiver" or "source", which) -> when it joined, the earliest first."""

    def join(self, receiver: str, source: str, now: float, *, active: int) -> str:
        """Count a join; return why it is refused, or nothing.

        `source`: an address without a port.  `active`: receivers that are served now, without
        this one.
        """
        self._forget(now)
        quota = self.quota
        if active >= quota.active:
            return f"{active} receivers are served already, and that is the limit"
        subjects = ("receiver", receiver, quota.receiver), ("source", source, quota.source)
        for kind, which, limit in subjects:
            joins = self._joins.get((kind, which))
            if joins is None and len(self._joins) >= MAX_TRACKED:
                return f"joins from more than {MAX_TRACKED} names and addresses at a time"
            if joins is not None and len(joins) >= limit:
                return (
                    f"{kind} {which} has joined {limit} times within {quota.window:g} s, and "
                    "that is the limit"
                )
        for kind, which, _ in subjects:
            self._joins.setdefault((kind, which), deque()).append(now)
        return ""

    def _forget(self, now: float) -> None:
        since = now - self.quota.window
        for key, joins in list(self._joins.items()):
            while joins and joins[0] <= since:
                joins.popleft()
            if not joins:
                del self._joins[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Something that an operator may be asked about later.  There is no field for a secret."""

    event: str
    """join, refused, complete, failed, lost, or what a service adds."""
    who: str
    """Receiver, as far as it is known."""
    source: str = ""
    """Address and port it came from."""
    session: str = ""
    """TSI or identifier of the session."""
    outcome: str = ""
    """ok, or why not."""

    def line(self, when: float) -> str:
        """One line of JSON; `when`: seconds since 1970."""
        document = {
            "when": round(when, 3), "event": self.event, "who": self.who, "source": self.source,
            "session": self.session, "outcome": self.outcome,
        }  # fmt: skip
        return json.dumps(document, separators=(",", ":")) + "\n"
