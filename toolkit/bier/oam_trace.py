"""BIER traceroute: the tree that the packets of one set take, hop by hop, and where it breaks.
draft-ietf-bier-ping-23 sections 4.3 and 4.6.

Law: an initiator answers, it never does (as `oam_ping`).  TTL goes up by one as soon as the replies
account for every BFER that is still looked for, or when the time for that is over.  The BitString
in the header stays the same throughout, since it decides the way; the Target SI-BitString loses the
BFERs that have answered.  Pure.

A BFER is given up after `PATIENCE` hops without a sign of it; after one, where a router has said
that it has no way for it; at once, where its packets run in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from toolkit.bier.bitstring import bfr_id_at, positions, set_and_bit
from toolkit.bier.oam import ReturnCode
from toolkit.bier.oam_initiator import Reply, Request, Scope, read_reply, request
from toolkit.bier.oam_tlv import ASK, Downstream, Ingress, IpAddress
from toolkit.bier.oam_tree import Hop

TIMEOUT: Final = 1.0
"""Seconds in which the replies of one request count on their own."""
ATTEMPTS: Final = 2
"""Requests for each TTL."""
PATIENCE: Final = 3
MAX_TTL: Final = 64
_MAPPINGS: Final = 900
"""Octets of DDMAPs that a request carries at most."""


@dataclass(slots=True)
class _Asked:
    ttl: int
    at: float
    seen: dict[IpAddress | None, int]
    """Who has answered this request, and with which bits."""


class Trace:
    """One traceroute towards the BFERs of one set."""

    def __init__(
        self,
        scope: Scope,
        si: int,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_ttl: int = MAX_TTL,
        start: float = 0.0,
        first_sequence: int = 1,
    ) -> None:
        if not scope.sets.get(si):
            raise ValueError(f"set {si} holds no BFER that is asked")
        self.scope, self.si = scope, si
        self.hops: list[Hop] = []
        """In the order of their answers."""
        self.reached: dict[int, int] = {}
        """BFR-id -> hops to it."""
        self.loops: list[tuple[Hop, Hop]] = []
        """The same router twice with the same bits: first and second time."""
        self.doubled: list[tuple[IpAddress | None, int]] = []
        """Who got one packet more than once, and the bits that it then had in common."""
        self.ignored = 0
        """Messages that were no replies to this trace."""
        self._timeout, self._attempts, self._max_ttl = timeout, attempts, max_ttl
        self._left = scope.sets[si]
        """Bits that are still looked for."""
        self._silence: dict[int, int] = {}
        """Bit -> hops since the last sign of it."""
        self._hopeless = 0
        """Bits that somebody has no way for."""
        self._ttl, self._attempt, self._signs = 0, attempts, 0
        self._next = start
        self._sequence = first_sequence
        self._asked: dict[int, _Asked] = {}

    @property
    def finished(self) -> bool:
        return not self._left

    @property
    def deadline(self) -> float | None:
        """When `poll` wants to be called; None: never again."""
        return None if self.finished else self._next

    @property
    def missing(self) -> tuple[int, ...]:
        """BFR-ids that have not answered."""
        return tuple(
            bfr_id
            for p in positions(self.scope.sets[self.si])
            if (bfr_id := bfr_id_at(self.si, p, self.scope.bsl)) not in self.reached
        )

    def poll(self, now: float) -> list[Request]:
        """Return the request that is due."""
        if self.finished or now < self._next:
            return []
        if self._attempt >= self._attempts or not self._unseen:
            self._give_up()
            self._ttl, self._attempt, self._signs = self._ttl + 1, 0, 0
            if self._ttl > self._max_ttl:
                self._left = 0
            if not self._left:
                return []
        self._attempt += 1
        self._next = now + self._timeout
        self._asked[self._sequence] = _Asked(self._ttl, now, {})
        self._sequence += 1
        return [
            request(
                self.scope, self.si, self._sequence - 1, now,
                ttl=self._ttl, target=self._unseen, more=self._announced(),
            )
        ]  # fmt: skip

    @property
    def _unseen(self) -> int:
        """Bits that are looked for, of which nobody has told at this TTL."""
        return self._left & ~self._signs

    def _announced(self) -> tuple[Downstream, ...]:
        """Return the mappings of the last hop, as section 4.6 wants; ASK where there are none."""
        found = tuple(
            m for hop in self.hops if hop.depth == self._ttl - 1 for m in hop.mappings
        )  # fmt: skip
        size = sum(len(m.encode()) for m in found)
        return found if found and size <= _MAPPINGS else (ASK,)

    def _give_up(self) -> None:
        for position in positions(self._unseen if self._ttl else 0):
            bit = 1 << position - 1
            self._silence[bit] = self._silence.get(bit, 0) + 1
            if self._hopeless & bit or self._silence[bit] >= PATIENCE:
                self._left &= ~bit

    def receive(self, payload: bytes, source: IpAddress | None, now: float) -> None:
        """Take the payload of a datagram from `source`, or of a BIER packet (None)."""
        reply = read_reply(payload, self.scope.handle, source)
        asked = None if reply is None else self._asked.get(reply.sequence)
        if reply is None or asked is None:
            self.ignored += 1
            return
        repeats = reply.reached and self.reached.get(reply.bfr_id or 0, asked.ttl) < asked.ttl
        if repeats:
            return  # it answers although it is no longer asked (section 4.6)
        before = asked.seen.get(reply.prefix)
        asked.seen[reply.prefix] = (before or 0) | reply.incoming
        if before is not None and (before & reply.incoming or before == reply.incoming):
            self.doubled.append((reply.prefix, before & reply.incoming))
            return
        self._take(reply, asked, now)
        if asked.ttl == self._ttl and not self._unseen:
            self._next = now  # everybody is accounted for: no need to wait

    def _take(self, reply: Reply, asked: _Asked, now: float) -> None:
        hop = self._placed(reply, asked, now)
        if any(h.prefix == hop.prefix and h.incoming == hop.incoming and h.depth == hop.depth
               for h in self.hops):  # fmt: skip
            self._sign(hop.incoming, asked.ttl)
            return  # a second attempt was answered too
        for earlier in self.hops:
            common = earlier.incoming & hop.incoming & ~self._own(earlier)
            if earlier.prefix == hop.prefix and earlier.depth < hop.depth and common:
                self.loops.append((earlier, hop))
                self._left &= ~common
        self.hops.append(hop)
        self._hopeless |= hop.lost
        self._sign(hop.incoming, asked.ttl)
        if reply.reached and reply.bfr_id:
            si, position = set_and_bit(reply.bfr_id, self.scope.bsl)
            bit = 1 << position - 1
            if si == self.si and self.scope.sets[si] & bit:
                self.reached.setdefault(reply.bfr_id, hop.depth)
                self._left &= ~bit

    def _sign(self, bits: int, ttl: int) -> None:
        if ttl == self._ttl:
            self._signs |= bits
        for position in positions(bits & ~self._hopeless):
            self._silence.pop(1 << position - 1, None)

    def _own(self, hop: Hop) -> int:
        if not hop.bfr_id or not hop.reached:
            return 0
        return 1 << set_and_bit(hop.bfr_id, self.scope.bsl)[1] - 1

    def _placed(self, reply: Reply, asked: _Asked, now: float) -> Hop:
        """Return the reply as a hop, below the router that announced it."""
        ingress: Ingress | None = reply.ingress
        hop = Hop(
            depth=asked.ttl, prefix=reply.prefix, bfr_id=reply.bfr_id, code=reply.code,
            incoming=reply.incoming, ingress=None if ingress is None else ingress.interface,
            mappings=reply.mappings, parent=None, rtt=now - asked.at, lost=0,
        )  # fmt: skip
        hop = replace(hop, lost=self._lost(hop))
        above = sorted(
            (h for h in self.hops if h.depth < asked.ttl), key=lambda h: h.depth, reverse=True
        )
        for exactly in (True, False):
            for parent in above:
                for mapping in parent.mappings:
                    bits = 0 if mapping.egress is None else mapping.egress.bits.value
                    if mapping.address == hop.prefix and (
                        bits == hop.incoming if exactly else bits & hop.incoming
                    ):
                        return replace(hop, depth=parent.depth + 1, parent=parent.prefix)
        return hop

    def _lost(self, hop: Hop) -> int:
        """Return the bits that came in and neither stay nor go on, as far as the hop says."""
        going = self._own(hop)
        if hop.code == ReturnCode.NO_MATCHING_ENTRY:
            return hop.incoming
        if hop.code in (ReturnCode.ONE_OF_THE_BFERS, ReturnCode.FORWARD_SUCCESS):
            if not hop.mappings:
                return 0  # it has not said where
        elif hop.code != ReturnCode.ONLY_BFER:
            return 0
        for mapping in hop.mappings:
            going |= 0 if mapping.egress is None else mapping.egress.bits.value
        return hop.incoming & ~going
