"""BIER ping: which BFERs answer, how soon, and who answers that was not asked.
draft-ietf-bier-ping-23 sections 4.3 and 4.6.

Law: an initiator answers, it never does: `poll(now)` gives the requests that are due, `receive`
takes what came back, `deadline` says when to ask again.  Each round is one request for each set;
each request has a sequence number of its own.  Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from toolkit.bier.bitstring import bfr_id_at, positions, set_and_bit
from toolkit.bier.oam import ReturnCode
from toolkit.bier.oam_initiator import Request, Scope, read_reply, request
from toolkit.bier.oam_tlv import IpAddress

INTERVAL: Final = 1.0
"""Seconds between rounds."""
TIMEOUT: Final = 2.0
"""Seconds after the last request in which replies still count."""


@dataclass(slots=True)
class BferRow:
    """One BFER of the matrix."""

    bfr_id: int
    sent: int = 0
    rtts: list[float] = field(default_factory=list)
    """Seconds from request to first reply."""
    duplicates: int = 0
    """Replies to requests that it had answered already."""

    @property
    def reached(self) -> bool:
        return bool(self.rtts)

    @property
    def lost(self) -> int:
        return self.sent - len(self.rtts)


@dataclass(frozen=True, slots=True)
class Stray:
    """Who answered without having been asked, or answered that something is wrong."""

    prefix: IpAddress | None
    bfr_id: int | None
    code: int

    def __str__(self) -> str:
        who = str(self.prefix or "somebody")
        if self.bfr_id:
            who += f" (BFR-id {self.bfr_id})"
        if self.code in (ReturnCode.ONLY_BFER, ReturnCode.ONE_OF_THE_BFERS):
            return f"{who} answers as a BFER that was not asked"
        known = self.code in tuple(ReturnCode)
        return f"{who} answers: {ReturnCode(self.code) if known else f'return code {self.code}'}"


class Ping:
    """One ping of a set of BFERs."""

    def __init__(
        self,
        scope: Scope,
        *,
        count: int = 1,
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        start: float = 0.0,
        first_sequence: int = 1,
    ) -> None:
        """`count` rounds, `interval` seconds apart, the first at `start`."""
        if count < 1:
            raise ValueError(f"{count} rounds are no ping")
        self.rows = {
            bfr_id: BferRow(bfr_id)
            for si, bits in sorted(scope.sets.items())
            for bfr_id in (bfr_id_at(si, p, scope.bsl) for p in positions(bits))
        }
        """BFR-id -> its row."""
        self.strays: Counter[Stray] = Counter()
        self.ignored = 0
        """Messages that were no replies to this ping."""
        self.scope, self._count = scope, count
        self._interval, self._timeout = interval, timeout
        self._next: float = start
        self._round = 0
        self._sequence = first_sequence
        self._asked: dict[int, tuple[int, float]] = {}
        """Sequence number -> SI and when."""
        self._answered: set[tuple[int, int]] = set()
        """Sequence number and BFR-id."""

    @property
    def finished(self) -> bool:
        """All rounds are sent, and either all have answered or the time is up."""
        return self._round > self._count or (
            self._round == self._count and all(not row.lost for row in self.rows.values())
        )

    @property
    def deadline(self) -> float | None:
        """When `poll` wants to be called; None: never again."""
        return None if self.finished else self._next

    def poll(self, now: float) -> list[Request]:
        """Return the requests that are due."""
        if self.finished or now < self._next:
            return []
        self._round += 1
        if self._round > self._count:
            return []
        last = self._round == self._count
        self._next = now + (self._timeout if last else self._interval)
        requests: list[Request] = []
        for si, bits in sorted(self.scope.sets.items()):
            requests.append(request(self.scope, si, self._sequence, now))
            self._asked[self._sequence] = si, now
            self._sequence += 1
            for position in positions(bits):
                self.rows[bfr_id_at(si, position, self.scope.bsl)].sent += 1
        return requests

    def receive(self, payload: bytes, source: IpAddress | None, now: float) -> None:
        """Take the payload of a datagram from `source`, or of a BIER packet (None)."""
        reply = read_reply(payload, self.scope.handle, source)
        asked = None if reply is None else self._asked.get(reply.sequence)
        if reply is None or asked is None:
            self.ignored += 1
            return
        si, at = asked
        bfr_id = reply.bfr_id or 0
        row = self.rows.get(bfr_id) if reply.reached else None
        if row is None or set_and_bit(bfr_id, self.scope.bsl)[0] != si:
            self.strays[Stray(reply.prefix, reply.bfr_id, reply.code)] += 1
            return
        if (reply.sequence, bfr_id) in self._answered:
            row.duplicates += 1
            return
        self._answered.add((reply.sequence, bfr_id))
        row.rtts.append(now - at)
