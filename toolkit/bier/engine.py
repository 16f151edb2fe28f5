"""The BIER forwarding engine of one router: packets in, copies and deliveries out.

RFC 8279 section 6.5 (forwarding), 4.3 (to and from the flow overlay); RFC 8296 sections 2 (header
rules) and 3 (imposing).  Law: an engine answers, it never does: no I/O, no clock, no chance; it
never raises on what a peer sent; everything that is not forwarded or delivered is counted under its
Reason.  Entropy is imposed and passed on, and chooses nothing: a BFER has one neighbor (`bift`).

Hot path: no Header object per packet.  The three words are peeked, and what RFC 8279's procedure
makes of a BitString is remembered per BIFT until the tables change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from toolkit.bier.bift import Bift, BiftId, BiftKey
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import MAX_BFR_ID, Bsl
from toolkit.bier.reason import Reason
from toolkit.bier.wire import (
    BOTTOM,
    FIXED,
    VERSION,
    WORDS,
    Encapsulation,
    HeaderError,
    Proto,
    check,
)

REMEMBERED: Final = 4096
"""BitStrings remembered per BIFT; the oldest goes first."""
EVIDENCE: Final = 44
"""Octets kept of the packet last dropped for each reason: a header with 256 bits."""
IP: Final = frozenset({int(Proto.IPV4), int(Proto.IPV6)})


class Arrived(StrEnum):
    """What kind of interface a packet came in by."""

    CORE = "core"
    """Another BFR is behind it."""
    HOST_EDGE = "host-edge"
    """A host that may impose BIER is behind it."""
    EDGE = "edge"
    """Anything else: BIER is not accepted."""


class Forward(NamedTuple):
    """Send `packet`, which starts at its BIFT-id, to `neighbor`."""

    neighbor: Neighbor
    packet: bytes
    encapsulation: Encapsulation
    """Which EtherType, or GRE protocol type, goes before it."""


class Deliver(NamedTuple):
    """Hand `payload` to the multicast flow overlay: this router is one of its BFERs."""

    proto: int
    bfir_id: int
    sub_domain_id: int
    payload: bytes


Output = Forward | Deliver


class Dropped(NamedTuple):
    """The last packet dropped for a reason: what RFC 8296 wants logged, for who cares to log it."""

    at: float
    """The `now` it came with; of imposed packets the last `now` known."""
    head: bytes
    """Its first octets, EVIDENCE at most."""


class _Decision(NamedTuple):
    copies: tuple[tuple[Neighbor, int, bytes], ...]
    """Neighbor, first word without TC and TTL, BitString."""
    local: bool
    losses: tuple[tuple[Reason, int], ...]
    """Reason and number of bits."""


class _Table:
    """A BIFT with what the hot path wants to know about it, and its memory."""

    __slots__ = (
        "bift",
        "bottom",
        "decisions",
        "encapsulation",
        "end",
        "field",
        "key",
        "mask",
        "tc",
    )

    def __init__(self, key: BiftKey, bift: Bift, encapsulation: Encapsulation) -> None:
        mpls = encapsulation is Encapsulation.MPLS
        self.key, self.bift, self.encapsulation = key, bift, encapsulation
        self.end = FIXED + bift.bsl.octets
        # the top 12 bits of the second word: nibble (ignored without MPLS), Ver, BSL
        self.mask = 0xFFF if mpls else 0x0FF
        self.field = encapsulation.nibble << 8 | VERSION << 4 | bift.bsl
        self.bottom = BOTTOM if mpls else 0
        self.tc = 0xE00 if mpls else 0
        self.decisions: dict[bytes, _Decision] = {}

    def decide(self, bits: bytes) -> _Decision:
        copies, local, unknown, null, broken = self.bift.forward(int.from_bytes(bits, "big"))
        octets = self.bift.bsl.octets
        lost = (
            (Reason.UNKNOWN_BIT, unknown),
            (Reason.NULL_NEIGHBOR, null),
            (Reason.BROKEN_ROW, broken),
        )
        losses = tuple((reason, value.bit_count()) for reason, value in lost if value)
        if not copies and not local and not losses:
            losses = ((Reason.EMPTY, 1),)
        decision = _Decision(
            tuple((c.neighbor, c.bift_id << 12 | BOTTOM, c.bits.to_bytes(octets)) for c in copies),
            local != 0,
            losses,
        )
        if len(self.decisions) >= REMEMBERED:
            del self.decisions[next(iter(self.decisions))]
        self.decisions[bits] = decision
        return decision


class Engine:
    """Feed it packets; do what it returns.

    `bifts`: the tables.  `bift_ids`: <encapsulation, BIFT-id> -> key of the table it selects.
    `encapsulations`: (sub-domain, BSL in bits) -> encapsulation, MPLS where nothing is said.
    `protos`: what the flow overlay of this BFER takes; other Protos are dropped here and forwarded
    unseen elsewhere.
    """

    def __init__(
        self,
        bifts: Mapping[BiftKey, Bift],
        bift_ids: Mapping[BiftId, BiftKey],
        *,
        encapsulations: Mapping[tuple[int, int], Encapsulation] | None = None,
        protos: Iterable[int] = IP,
    ) -> None:
        self.received = self.forwarded = self.delivered = self.imposed = 0
        self.drops = dict.fromkeys(Reason, 0)
        self.last_drop: dict[Reason, Dropped] = {}
        self._protos = frozenset(protos)
        self._now = 0.0
        self.load(bifts, bift_ids, encapsulations=encapsulations)

    def load(
        self,
        bifts: Mapping[BiftKey, Bift],
        bift_ids: Mapping[BiftId, BiftKey],
        *,
        encapsulations: Mapping[tuple[int, int], Encapsulation] | None = None,
    ) -> None:
        """Replace all tables at once; counters go on.  ValueError where the tables do not fit."""
        said = encapsulations or {}
        tables: dict[BiftKey, _Table] = {}
        for raw, bift in bifts.items():
            key = BiftKey(*raw)
            if bift.bsl.bits != key.bsl:
                raise ValueError(f"BIFT {key}: its table has {bift.bsl.bits} bits")
            encapsulation = said.get((key.sub_domain, key.bsl), Encapsulation.MPLS)
            tables[key] = _Table(key, bift, encapsulation)
        by_id: dict[Encapsulation, dict[int, _Table]] = {space: {} for space in Encapsulation}
        for (space, number), raw in bift_ids.items():
            table = tables.get(BiftKey(*raw))
            selects = f"{space} BIFT-id {number} selects BIFT {tuple(raw)}"
            if table is None:
                raise ValueError(f"{selects}, which does not exist")
            if table.encapsulation is not space:
                raise ValueError(f"{selects}, whose encapsulation is {table.encapsulation}")
            by_id[space][number] = table
        lengths = {
            space: {number: table.bift.bsl for number, table in known.items()}
            for space, known in by_id.items()
        }
        self._tables, self._by_id = tables, by_id
        self._lengths: dict[Encapsulation, dict[int, Bsl]] = {
            Encapsulation.MPLS: lengths[Encapsulation.NON_MPLS] | lengths[Encapsulation.MPLS],
            Encapsulation.NON_MPLS: lengths[Encapsulation.MPLS] | lengths[Encapsulation.NON_MPLS],
        }
        """Of either space, its own first: what `_reason` wants."""

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

    def receive(
        self, packet: bytes, encapsulation: Encapsulation, arrived: Arrived, now: float
    ) -> list[Output]:
        """Forward one packet that came in; it starts at the BIFT-id (its BIER-MPLS label).

        TTL (RFC 8296 section 2.1.1): 0 has expired; 1 is delivered here and goes no further;
        otherwise copies leave with one less.
        """
        self.received += 1
        self._now = now
        if arrived is Arrived.EDGE:
            return self._drop(Reason.EDGE_INTERFACE, packet)
        if len(packet) < FIXED:
            return self._drop(Reason.TRUNCATED, packet)
        first, second, third = WORDS.unpack_from(packet)
        table = self._by_id[encapsulation].get(first >> 12)
        if (
            table is None
            or second >> 20 & table.mask != table.field
            or first & table.bottom != table.bottom
            or len(packet) < table.end
        ):
            return self._drop(self._reason(packet, encapsulation), packet)
        ttl = first & 0xFF
        if not ttl:
            return self._drop(Reason.TTL_EXPIRED, packet)
        end = table.end
        bits = packet[FIXED:end]
        decision = table.decisions.get(bits) or table.decide(bits)
        if decision.losses:
            self._lose(decision, packet)
        payload = packet[end:]
        output: list[Output] = []
        if decision.local:
            output += self._deliver(third, table.key.sub_domain, payload, packet)
        if decision.copies:
            if ttl == 1:
                self._drop(Reason.TTL_EXPIRED, packet)
                return output
            rest = first & table.tc | ttl - 1
            middle = packet[4:FIXED]
            if second >> 28 != table.field >> 8:  # a nibble that only non-MPLS receivers overlook
                middle = bytes((middle[0] & 0x0F,)) + middle[1:]
            self._forward(table, decision, rest, middle, payload, output)
        return output

    def impose(
        self,
        sub_domain: int,
        bsl: int,
        sets: Mapping[int, int],
        proto: int,
        payload: bytes,
        bfir_id: int,
        entropy: int = 0,
        ttl: int = 64,
        *,
        tc: int = 0,
        dscp: int = 0,
        oam: int = 0,
    ) -> list[Output]:
        """As BFIR, send `payload` to `sets`: SI -> BitString value (RFC 8296 section 3).

        One packet for each set, replicated by that set's BIFT; the first hop sees `ttl`.  Our own
        bit is delivered here.  `bsl` is in bits.  ValueError where a field does not fit: our caller
        errs.
        """
        third = _third_word(proto, bfir_id, entropy, ttl, tc, dscp, oam)
        for si, value in sets.items():
            if value < 0 or value.bit_length() > bsl:
                raise ValueError(f"the bits of set {si} do not fit {bsl} bits")
        output: list[Output] = []
        for si, value in sets.items():
            self.imposed += 1
            table = self._tables.get(BiftKey(sub_domain, bsl, si))
            if table is None:
                self._drop(Reason.NO_BIFT, payload)
                continue
            bits = value.to_bytes(bsl // 8)
            decision = table.decisions.get(bits) or table.decide(bits)
            if decision.losses:
                self._lose(decision, payload)
            if decision.local:
                output += self._deliver(third, sub_domain, payload, payload)
            if decision.copies:
                middle = (table.field << 20 | entropy).to_bytes(4) + third.to_bytes(4)
                rest = tc << 9 & table.tc | ttl
                self._forward(table, decision, rest, middle, payload, output)
        return output

    def _forward(
        self,
        table: _Table,
        decision: _Decision,
        rest: int,
        middle: bytes,
        payload: bytes,
        output: list[Output],
    ) -> None:
        """Write a header and the payload once for each copy: one join, no header object."""
        encapsulation = table.encapsulation
        for neighbor, label, bits in decision.copies:
            packet = b"".join(((label | rest).to_bytes(4), middle, bits, payload))
            output.append(Forward(neighbor, packet, encapsulation))
        self.forwarded += len(decision.copies)

    def _deliver(
        self, third: int, sub_domain: int, payload: bytes, packet: bytes
    ) -> tuple[Deliver, ...]:
        proto = third >> 16 & 0x3F
        if proto not in self._protos:
            self._drop(Reason.UNKNOWN_PROTO, packet)
            return ()
        self.delivered += 1
        return (Deliver(proto, third & 0xFFFF, sub_domain, payload),)

    def _drop(self, reason: Reason, packet: bytes, count: int = 1) -> list[Output]:
        self.drops[reason] += count
        self.last_drop[reason] = Dropped(self._now, bytes(packet[:EVIDENCE]))
        return []

    def _lose(self, decision: _Decision, packet: bytes) -> None:
        for reason, count in decision.losses:
            self._drop(reason, packet, count)

    def _reason(self, packet: bytes, encapsulation: Encapsulation) -> Reason:
        """Say why the hot path refused a packet, in the order in which `parse` would."""
        try:
            check(packet, encapsulation, self._lengths[encapsulation])
        except HeaderError as error:
            return error.reason
        return Reason.ENCAPSULATION  # a sound header, but only the other space knows its BIFT-id


def _third_word(
    proto: int, bfir_id: int, entropy: int, ttl: int, tc: int, dscp: int, oam: int
) -> int:
    """Check every field that a BFIR chooses, all at once, and return the third word."""
    limits = (
        ("proto", proto, 0, 63),
        ("bfir_id", bfir_id, 1, MAX_BFR_ID),
        ("entropy", entropy, 0, 0xFFFFF),
        ("ttl", ttl, 1, 255),
        ("tc", tc, 0, 7),
        ("dscp", dscp, 0, 63),
        ("oam", oam, 0, 3),
    )
    wrong = [f"{n} {v} is not {lo}..{hi}" for n, v, lo, hi in limits if not lo <= v <= hi]
    if wrong:
        raise ValueError("; ".join(wrong))
    return oam << 30 | dscp << 22 | proto << 16 | bfir_id
