"""The replication engine of one router: labelled packets in, copies and deliveries out.

RFC 9524 section 2 (replication segments), RFC 3032 (label stacks), RFC 8660 (node SIDs).  Law: an
engine answers, it never does: no I/O, no clock, no chance; it never raises on what a peer sent;
everything that is not forwarded or delivered is counted under its Reason.  Loops end by TTL alone.

TTL (RFC 3443): between our own labels the uniform model, so that the TTL counts every router
whatever labels are put on and taken off; between labels and the packet beneath the pipe model: the
network is one hop.  0 has expired; 1 is delivered here and goes no further.

Hot path: no object per packet but its outputs; what a label means is remembered until the tables
change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from toolkit.srp2mp.reason import Reason
from toolkit.srp2mp.table import Entry, Segment
from toolkit.srp2mp.wire import BOTTOM, ENTRY

EVIDENCE: Final = 44
"""Octets kept of the packet last dropped for each reason."""
TTL: Final = 255
"""What a root imposes: with the pipe model the largest, as label switching routers do (RFC 3443
section 3.2)."""
_TC: Final = 0xE00


class Send(NamedTuple):
    """Send `packet`, which starts with its label stack, out of `port`."""

    port: str
    packet: bytes


class Deliver(NamedTuple):
    """Hand `payload` to the multicast overlay: this router is a leaf of its tree."""

    payload: bytes


Output = Send | Deliver


class Dropped(NamedTuple):
    """The last packet dropped for a reason."""

    at: float
    head: bytes
    """Its first octets, EVIDENCE at most."""


class _Copies(NamedTuple):
    """A segment as the hot path wants it."""

    leaf: bool
    copies: int
    """How many leave."""
    single: tuple[tuple[str, int], ...]
    """Port and word of the label without TC and TTL, where there is one label."""
    deep: tuple[tuple[str, tuple[int, ...]], ...]
    """The same where a node SID goes before the replication SID."""
    lost: int
    """Branches that no copy can be sent to."""


class _Swap(NamedTuple):
    port: str
    word: int | None
    """Label without the rest; None: it is taken off."""


class Engine:
    """Feed it packets; do what it returns.  `lookup`: what a label that arrives means."""

    def __init__(self, lookup: Callable[[int], Entry | None]) -> None:
        self.received = self.forwarded = self.delivered = self.imposed = 0
        self.drops = dict.fromkeys(Reason, 0)
        self.last_drop: dict[Reason, Dropped] = {}
        self._now = 0.0
        self.load(lookup)

    def load(self, lookup: Callable[[int], Entry | None]) -> None:
        """Take other tables; counters go on."""
        self._lookup = lookup
        self._known: dict[int, _Copies | _Swap] = {}
        self._imposing: dict[Segment, _Copies] = {}

    @property
    def counters(self) -> dict[str, int]:
        """`received`, `forwarded`, `delivered`, `imposed`, and `dropped-` with each Reason."""
        return {
            "received": self.received,
            "forwarded": self.forwarded,
            "delivered": self.delivered,
            "imposed": self.imposed,
            **{f"dropped-{reason}": count for reason, count in self.drops.items()},
        }

    def receive(self, packet: bytes, now: float, *, allowed: bool) -> list[Output]:
        """Forward one packet that came in; it starts with its label stack.

        `allowed`: labelled packets pass the interface that it came in by.
        """
        self.received += 1
        self._now = now
        if not allowed:
            return self._drop(Reason.NOT_ALLOWED, packet)
        if len(packet) < ENTRY:
            return self._drop(Reason.MALFORMED, packet)
        word = int.from_bytes(packet[:ENTRY], "big")
        entry = self._known.get(word >> 12) or self._learn(word >> 12)
        if entry is None:
            return self._drop(Reason.UNKNOWN_LABEL, packet)
        ttl = word & 0xFF
        if not ttl:
            return self._drop(Reason.TTL_EXPIRED, packet)
        if isinstance(entry, _Swap):
            return self._swap(entry, word, packet)
        if not word & BOTTOM:
            return self._drop(Reason.BOTTOM, packet)
        return self._replicate(entry, word & _TC, ttl, packet, packet[ENTRY:])

    def impose(self, segment: Segment, payload: bytes, ttl: int = TTL) -> list[Output]:
        """As root, put `payload` on the tree of `segment`; the first hop sees `ttl`.

        ValueError where `ttl` is not 1..255: our caller errs.
        """
        if not 1 <= ttl <= 255:
            raise ValueError(f"ttl {ttl} is not 1..255")
        self.imposed += 1
        copies = self._imposing.get(segment)
        if copies is None:
            copies = self._imposing[segment] = _copies(segment)
        return self._replicate(copies, 0, ttl + 1, payload, payload)

    def _learn(self, label: int) -> _Copies | _Swap | None:
        entry = self._lookup(label)
        if entry is None:
            return None
        if isinstance(entry, Segment):
            made: _Copies | _Swap = _copies(entry)
        else:
            made = _Swap(entry.port, None if entry.label is None else entry.label << 12)
        self._known[label] = made
        return made

    def _replicate(
        self, entry: _Copies, tc: int, ttl: int, packet: bytes, payload: bytes
    ) -> list[Output]:
        output: list[Output] = []
        if entry.leaf:
            self.delivered += 1
            output.append(Deliver(payload))
        if entry.lost:
            self._drop(Reason.NO_BRANCH, packet, entry.lost)
        copies = entry.copies
        if not copies:
            return output
        if ttl == 1:
            self._drop(Reason.TTL_EXPIRED, packet)
            return output
        rest = tc | ttl - 1
        for port, word in entry.single:
            output.append(Send(port, (word | rest).to_bytes(ENTRY, "big") + payload))
        for port, words in entry.deep:
            labels = b"".join((word | rest).to_bytes(ENTRY, "big") for word in words)
            output.append(Send(port, labels + payload))
        self.forwarded += copies
        return output

    def _swap(self, entry: _Swap, word: int, packet: bytes) -> list[Output]:
        """Follow a node SID: another label, or none before its owner."""
        ttl = (word & 0xFF) - 1
        if not ttl:
            return self._drop(Reason.TTL_EXPIRED, packet)
        if entry.word is not None:
            head = entry.word | word & (_TC | BOTTOM) | ttl
            rest = packet[ENTRY:]
        elif word & BOTTOM:
            return self._drop(Reason.BOTTOM, packet)
        elif len(packet) < 2 * ENTRY:
            return self._drop(Reason.MALFORMED, packet)
        else:
            head = int.from_bytes(packet[ENTRY : 2 * ENTRY], "big")
            # RFC 3443 section 5.4: what comes out never lives longer than what went in.
            head = head & ~0xFF | min(ttl, head & 0xFF)
            rest = packet[2 * ENTRY :]
        self.forwarded += 1
        return [Send(entry.port, head.to_bytes(ENTRY, "big") + rest)]

    def _drop(self, reason: Reason, packet: bytes, count: int = 1) -> list[Output]:
        self.drops[reason] += count
        self.last_drop[reason] = Dropped(self._now, bytes(packet[:EVIDENCE]))
        return []


def _copies(segment: Segment) -> _Copies:
    words = [
        (
            branch.port,
            tuple(
                label << 12 | (BOTTOM if position == len(branch.labels) else 0)
                for position, label in enumerate(branch.labels, 1)
            ),
        )
        for branch in segment.branches
    ]
    idle = not words and not segment.leaf and not segment.lost
    return _Copies(
        leaf=segment.leaf,
        copies=len(words),
        single=tuple((port, labels[0]) for port, labels in words if len(labels) == 1),
        deep=tuple((port, labels) for port, labels in words if len(labels) > 1),
        lost=len(segment.lost) + idle,
    )
