"""The BIER forwarding engine of one router: packets in, copies and deliveries out.

RFC 8279 section 6.5 (forwarding), 4.3 (to and from the flow overlay); RFC 8296 sections 2 (header
rules) and 3 (imposing).  Law: an engine answers, it never does: no I/O, no clock, no chance; it
never raises on what a peer sent; everything that is not forwarded or delivered is counted under its
Reason.  Where several BIFTs stand for one <sub-domain, BSL, SI>, entropy chooses (section 6.7.2).

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
from toolkit.bier.lookup import Bifts, Decision, Table, Tables, make_table, make_tables
from toolkit.bier.punt import OAM, PROTO, Punt, punt
from toolkit.bier.reason import Reason
from toolkit.bier.wire import (
    FIXED,
    WORDS,
    Encapsulation,
    HeaderError,
    Proto,
    check,
)

EVIDENCE: Final = 44
"""Octets kept of the packet last dropped for each reason: a header with 256 bits."""
_new: Final = tuple.__new__
"""Makes a NamedTuple without the call of Python that its class would be: hot path."""
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


Output = Forward | Deliver | Punt


class Dropped(NamedTuple):
    """The last packet dropped for a reason: what RFC 8296 wants logged, for who cares to log it."""

    at: float
    """The `now` it came with; of imposed packets the last `now` known."""
    head: bytes
    """Its first octets, EVIDENCE at most."""


class Engine:
    """Feed it packets; do what it returns.

    `bifts`: the tables.  `bift_ids`: <encapsulation, BIFT-id> -> key of the table it selects.
    `encapsulations`: (sub-domain, BSL in bits) -> encapsulation, MPLS where nothing is said.
    `backups`: what has failed (an interface, as a rule) -> the tables that then replace those of
    `bifts` (`switch_over`).
    `protos`: what the flow overlay of this BFER takes; other Protos are dropped here and forwarded
    unseen elsewhere.  With OAM among them, OAM packets that are ours, or whose TTL expires here,
    are handed to the control plane.
    `bfirs`: <sub-domain, BFIR-id> that the overlay has a context for; None: all.
    `salt`: of this router, for its choice among equal-cost ways (`toolkit.bier.ecmp`).
    """

    def __init__(
        self,
        bifts: Mapping[BiftKey, Bifts],
        bift_ids: Mapping[BiftId, BiftKey],
        *,
        encapsulations: Mapping[tuple[int, int], Encapsulation] | None = None,
        backups: Mapping[str, Mapping[BiftKey, Bifts]] | None = None,
        protos: Iterable[int] = IP,
        bfirs: Iterable[tuple[int, int]] | None = None,
        salt: int = 0,
    ) -> None:
        self.received = self.forwarded = self.delivered = self.imposed = 0
        self.drops = dict.fromkeys(Reason, 0)
        self.last_drop: dict[Reason, Dropped] = {}
        self.overlay(protos=protos, bfirs=bfirs, salt=salt)
        self._now = 0.0
        self.load(bifts, bift_ids, encapsulations=encapsulations, backups=backups)

    def load(
        self,
        bifts: Mapping[BiftKey, Bifts],
        bift_ids: Mapping[BiftId, BiftKey],
        *,
        encapsulations: Mapping[tuple[int, int], Encapsulation] | None = None,
        backups: Mapping[str, Mapping[BiftKey, Bifts]] | None = None,
    ) -> None:
        """Replace all tables at once; counters go on, no backup is in use.

        ValueError where the tables do not fit; then the old ones stay.
        """
        said = encapsulations or {}
        normal = make_tables(bifts, bift_ids, said)
        standby = {
            failed: make_tables({**bifts, **instead}, bift_ids, said)
            for failed, instead in (backups or {}).items()
        }
        lengths = {
            space: {number: table.bift.bsl for number, table in known.items()}
            for space, known in normal.by_id.items()
        }
        self._encapsulations = dict(said)
        self._normal, self._standby = normal, standby
        self._use(normal)
        self.failed: str | None = None
        """What the backups in use are for."""
        self._lengths: dict[Encapsulation, dict[int, Bsl]] = {
            Encapsulation.MPLS: lengths[Encapsulation.NON_MPLS] | lengths[Encapsulation.MPLS],
            Encapsulation.NON_MPLS: lengths[Encapsulation.MPLS] | lengths[Encapsulation.NON_MPLS],
        }
        """Of either space, its own first: what `_reason` wants."""

    def overlay(
        self,
        *,
        protos: Iterable[int] = IP,
        bfirs: Iterable[tuple[int, int]] | None = None,
        salt: int = 0,
    ) -> None:
        """Replace what is no table: see the class."""
        self._protos = frozenset(protos)
        self._oam = OAM if Proto.OAM in self._protos else -1
        self._bfirs = None if bfirs is None else frozenset(bfirs)
        self._salt = salt

    def replace(self, key: BiftKey, bifts: Bifts, failed: str | None = None) -> None:
        """Replace the tables of one known key, between two packets; the others keep their memory.

        In the normal tables, or in the backups for what has `failed`, which begin as the normal
        ones.  KeyError without such a key, ValueError where the new tables have another length.
        """
        if failed is not None and failed not in self._standby:
            self._standby[failed] = self._normal.copied()
        tables = self._normal if failed is None else self._standby[failed]
        tables.put(make_table(key, bifts, self._encapsulations))

    def switch_over(self, failed: str | None) -> bool:
        """Forward by the backups for what has failed, or by the normal tables (None).

        One assignment: no route is computed (draft-ietf-bier-frr).  False where there is no backup
        for it; then nothing changes.
        """
        if failed is None:
            self._use(self._normal)
        elif failed in self._standby:
            self._use(self._standby[failed])
        else:
            return False
        self.failed = failed
        return True

    def _use(self, tables: Tables) -> None:
        self._tables, self._by_id = tables

    @property
    def bifts(self) -> dict[BiftKey, Bift]:
        """The tables in use, row by row; of several for one key, the first."""
        return {key: table.rows for key, table in self._tables.items()}

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
        self,
        packet: bytes,
        encapsulation: Encapsulation,
        arrived: Arrived,
        now: float,
        permitted: Mapping[BiftKey, int] | None = None,
    ) -> list[Output]:
        """Forward one packet that came in; it starts at the BIFT-id (its BIER-MPLS label).

        `permitted`: the bits that whoever is behind the interface may address, by BIFT (none where
        there is no entry); others are cleared and counted.  None: all.

        TTL (RFC 8296 section 2.1.1): 0 has expired; 1 is delivered here and goes no further;
        otherwise copies leave with one less.
        """
        self.received += 1
        self._now = now
        if arrived is Arrived.EDGE:
            return self.drop(Reason.EDGE_INTERFACE, packet)
        if len(packet) < FIXED:
            return self.drop(Reason.TRUNCATED, packet)
        first, second, third = WORDS.unpack_from(packet)
        table = self._by_id[encapsulation].get(first >> 12)
        if (
            table is None
            or second >> 20 & table.mask != table.field
            or first & table.bottom != table.bottom
            or len(packet) < table.end
        ):
            return self.drop(self._reason(packet, encapsulation), packet)
        ttl = first & 0xFF
        if not ttl and third & PROTO != self._oam:
            return self.drop(Reason.TTL_EXPIRED, packet)
        end = table.end
        bits = packet[FIXED:end]
        if permitted is not None:
            allowed = self._permit(table, bits, permitted, packet)
            if allowed is None:
                return []
            bits = allowed
        if table.chooses:
            decision = table.chosen(bits, second & 0xFFFFF, self._salt)
        else:
            decision = table.decisions.get(bits) or table.decide(bits)
        if decision.losses:
            self._lose(decision, packet)
        payload = packet[end:]
        output: list[Output] = []
        if decision.local or ttl < 2:
            if third & PROTO == self._oam:
                self.delivered += decision.local
                output.append(punt(table, third, second, bits, decision, payload, expired=ttl < 2))
            elif decision.local:
                output += self._deliver(third, table.key.sub_domain, payload, packet)
            if ttl < 2:
                if decision.copies or not ttl:
                    self.drop(Reason.TTL_EXPIRED, packet)
                return output
        if decision.copies:
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
                self.drop(Reason.NO_BIFT, payload)
                continue
            bits = value.to_bytes(bsl // 8)
            if table.chooses:
                decision = table.chosen(bits, entropy, self._salt)
            else:
                decision = table.decisions.get(bits) or table.decide(bits)
            if decision.losses:
                self._lose(decision, payload)
            if decision.local and third & PROTO == self._oam:
                self.delivered += 1
                output.append(punt(table, third, entropy, bits, decision, payload, expired=False))
            elif decision.local:
                output += self._deliver(third, sub_domain, payload, payload)
            if decision.copies:
                middle = (table.field << 20 | entropy).to_bytes(4) + third.to_bytes(4)
                rest = tc << 9 & table.tc | ttl
                self._forward(table, decision, rest, middle, payload, output)
        return output

    def _forward(
        self,
        table: Table,
        decision: Decision,
        rest: int,
        middle: bytes,
        payload: bytes,
        output: list[Output],
    ) -> None:
        """Write a header and the payload once for each copy: one join, no header object."""
        encapsulation, join, append = table.encapsulation, b"".join, output.append
        for neighbor, label, bits in decision.copies:
            packet = join(((label | rest).to_bytes(4, "big"), middle, bits, payload))
            append(_new(Forward, (neighbor, packet, encapsulation)))
        self.forwarded += len(decision.copies)

    def _deliver(
        self, third: int, sub_domain: int, payload: bytes, packet: bytes
    ) -> tuple[Deliver, ...]:
        proto, bfir_id = third >> 16 & 0x3F, third & 0xFFFF
        if proto not in self._protos:
            self.drop(Reason.UNKNOWN_PROTO, packet)
            return ()
        if self._bfirs is not None and (sub_domain, bfir_id) not in self._bfirs:
            self.drop(Reason.UNKNOWN_BFIR, packet)
            return ()
        self.delivered += 1
        return (Deliver(proto, bfir_id, sub_domain, payload),)

    def _permit(
        self, table: Table, bits: bytes, permitted: Mapping[BiftKey, int], packet: bytes
    ) -> bytes | None:
        """Clear and count the bits that the sender may not address; None: none are left of some."""
        value = int.from_bytes(bits, "big")
        refused = value & ~permitted.get(table.key, 0)
        if not refused:
            return bits
        self.drop(Reason.NOT_PERMITTED, packet, refused.bit_count())
        return None if refused == value else (value ^ refused).to_bytes(len(bits))

    def drop(self, reason: Reason, packet: bytes, count: int = 1) -> list[Output]:
        """Count what goes nowhere, and keep how the packet begins; return no output."""
        self.drops[reason] += count
        self.last_drop[reason] = Dropped(self._now, bytes(packet[:EVIDENCE]))
        return []

    def _lose(self, decision: Decision, packet: bytes) -> None:
        for reason, count in decision.losses:
            self.drop(reason, packet, count)

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
        # a BFR without a BFR-id answers OAM as BFIR 0 (draft-ietf-bier-ping-23 section 4.5)
        ("bfir_id", bfir_id, int(proto != Proto.OAM), MAX_BFR_ID),
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
