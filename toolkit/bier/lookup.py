"""What the engine looks packets up in: tables by BIFT-id, and what they made of a BitString.

RFC 8279 sections 6.4 to 6.7, RFC 8296 section 2.1.2.  Law: all tables of a router are one value
that is replaced as one.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from toolkit.bier.bift import Bift, BiftId, BiftKey
from toolkit.bier.birt import Neighbor
from toolkit.bier.ecmp import choose, mix
from toolkit.bier.masks import Masks
from toolkit.bier.reason import Reason
from toolkit.bier.wire import BOTTOM, FIXED, VERSION, Encapsulation

REMEMBERED: Final = 4096
"""BitStrings remembered per BIFT; when there are more, all are forgotten."""
Bifts = Bift | Masks | Sequence[Bift | Masks]
"""The table of one <sub-domain, BSL, SI>, or several of which entropy chooses one."""


class Decision(NamedTuple):
    """What the procedure of RFC 8279 section 6.5 makes of one BitString."""

    copies: tuple[tuple[Neighbor, int, bytes], ...]
    """Neighbor, first word without TC and TTL, BitString."""
    local: bool
    losses: tuple[tuple[Reason, int], ...]
    """Reason and number of bits."""


class Table:
    """A BIFT with what the hot path wants to know about it, and its memory."""

    __slots__ = (
        "bift",
        "bottom",
        "chooses",
        "decisions",
        "encapsulation",
        "end",
        "field",
        "key",
        "mask",
        "octets",
        "tc",
        "ways",
    )

    def __init__(self, key: BiftKey, bift: Bift | Masks, encapsulation: Encapsulation) -> None:
        mpls = encapsulation is Encapsulation.MPLS
        self.key, self.bift, self.encapsulation = key, bift, encapsulation
        self.octets = bift.bsl.octets
        self.end = FIXED + self.octets
        # the top 12 bits of the second word: nibble (ignored without MPLS), Ver, BSL
        self.mask = 0xFFF if mpls else 0x0FF
        self.field = encapsulation.nibble << 8 | VERSION << 4 | bift.bsl
        self.bottom = BOTTOM if mpls else 0
        self.tc = 0xE00 if mpls else 0
        self.decisions: dict[bytes, Decision] = {}
        self.ways: tuple[Table, ...] = ()
        """All tables for this key, itself the first; empty where it is the only one."""
        self.chooses = bift.chooses
        """Entropy matters: to which of `ways`, or inside of the table (section 6.7.1)."""

    @property
    def rows(self) -> Bift:
        """The table as RFC 8279 section 6.4 writes it."""
        return self.bift.bift() if isinstance(self.bift, Masks) else self.bift

    def decide(self, bits: bytes) -> Decision:
        decision = self._made_of(bits, 0)
        if len(self.decisions) >= REMEMBERED:
            self.decisions.clear()  # to find the oldest would cost more than a decision
        self.decisions[bits] = decision
        return decision

    def chosen(self, bits: bytes, entropy: int, salt: int) -> Decision:
        """Decide where entropy has a say."""
        table = self.ways[choose(entropy, salt, len(self.ways))] if self.ways else self
        if table.bift.chooses:
            return table._made_of(bits, mix(entropy, salt))
        return table.decisions.get(bits) or table.decide(bits)

    def _made_of(self, bits: bytes, entropy: int) -> Decision:
        value = int.from_bytes(bits, "big")
        copies, local, unknown, null, broken = self.bift.forward(value, entropy)
        losses: tuple[tuple[Reason, int], ...] = ()
        if unknown or null or broken:
            lost = (
                (Reason.UNKNOWN_BIT, unknown),
                (Reason.NULL_NEIGHBOR, null),
                (Reason.BROKEN_ROW, broken),
            )
            losses = tuple((reason, value.bit_count()) for reason, value in lost if value)
        elif not copies and not local:
            losses = ((Reason.EMPTY, 1),)
        octets = self.octets
        leaving = [(n, i << 12 | BOTTOM, b.to_bytes(octets, "big")) for n, i, b in copies]
        return Decision(tuple(leaving), local != 0, losses)


class Tables(NamedTuple):
    """Everything that packets are looked up in: replaced as one."""

    by_key: dict[BiftKey, Table]
    by_id: dict[Encapsulation, dict[int, Table]]

    def put(self, table: Table) -> None:
        """Replace the table of one known key; KeyError without one."""
        old, self.by_key[table.key] = self.by_key[table.key], table
        for known in self.by_id.values():
            for number in [number for number, other in known.items() if other is old]:
                known[number] = table

    def copied(self) -> Tables:
        """Return the same tables, to be replaced by themselves."""
        return Tables(dict(self.by_key), {space: dict(of) for space, of in self.by_id.items()})


def make_table(
    key: BiftKey, bifts: Bifts, encapsulations: Mapping[tuple[int, int], Encapsulation]
) -> Table:
    """Return the first of the tables for a key, which knows the others; ValueError where they do
    not fit."""
    several = (bifts,) if isinstance(bifts, Bift | Masks) else tuple(bifts)
    encapsulation = encapsulations.get((key.sub_domain, key.bsl), Encapsulation.MPLS)
    if not several:
        raise ValueError(f"BIFT {tuple(key)}: no table")
    for bift in several:
        if bift.bsl.bits != key.bsl:
            raise ValueError(f"BIFT {key}: its table has {bift.bsl.bits} bits")
    tables = tuple(Table(key, bift, encapsulation) for bift in several)
    if len(tables) > 1:
        tables[0].ways, tables[0].chooses = tables, True
    return tables[0]


def make_tables(
    bifts: Mapping[BiftKey, Bifts],
    bift_ids: Mapping[BiftId, BiftKey],
    encapsulations: Mapping[tuple[int, int], Encapsulation],
) -> Tables:
    """Return all tables of a router; ValueError where they do not fit each other."""
    by_key = {
        BiftKey(*raw): make_table(BiftKey(*raw), b, encapsulations) for raw, b in bifts.items()
    }
    by_id: dict[Encapsulation, dict[int, Table]] = {space: {} for space in Encapsulation}
    for (space, number), raw in bift_ids.items():
        table = by_key.get(BiftKey(*raw))
        selects = f"{space} BIFT-id {number} selects BIFT {tuple(raw)}"
        if table is None:
            raise ValueError(f"{selects}, which does not exist")
        if table.encapsulation is not space:
            raise ValueError(f"{selects}, whose encapsulation is {table.encapsulation}")
        by_id[space][number] = table
    return Tables(by_key, by_id)
