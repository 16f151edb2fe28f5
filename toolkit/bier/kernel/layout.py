"""A BFR as records of the kernel program: which entries hold what, and what a change writes.

Law: entries that a packet may be reading are never written; a change writes new ones beside them
and then one slot, which is one store.  Slots are numbered failure by failure, so that switching
over is writing one number.  Pure: `Writes` says what is to be written, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from toolkit.bier.bift import Bift, BiftKey, Hop
from toolkit.bier.ecmp import MAX_WAYS
from toolkit.bier.kernel import records
from toolkit.bier.kernel.pool import Pool
from toolkit.bier.lookup import Bifts
from toolkit.bier.masks import Masks

SPARE: Final = 8192
"""Rows beyond those of a program: what changes use until packets have passed."""


class Out(NamedTuple):
    """What the host says of the way to a neighbor."""

    ifindex: int
    mtu: int
    src: bytes
    dst: bytes | None
    """None: the neighbor's MAC address is not known (yet)."""
    port: int = 0
    """Which of the interfaces that are counted."""


Outs = Callable[[Hop], Out]


class Writes(NamedTuple):
    """Entries to write: rows and tables that nobody reads yet, then slots."""

    rows: list[tuple[int, bytes]]
    tables: list[tuple[int, bytes]]
    slots: list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """The tables of one <sub-domain, BSL, SI> in the arrays."""

    first: int
    ways: int
    rows: tuple[tuple[int, int], ...]


class Full(Exception):  # noqa: N818 - not an error: the caller settles, or makes room
    """No room until what rests is settled, or at all."""


def as_masks(bifts: Bifts) -> tuple[Masks, ...]:
    """Return tables in the form that the kernel holds; ValueError says why they have none."""
    several = (bifts,) if isinstance(bifts, Bift | Masks) else tuple(bifts)
    masks = tuple(t if isinstance(t, Masks) else Masks.of(t) for t in several)
    for table in masks:
        if len(table.hops) > records.HOPS:
            raise ValueError(f"{len(table.hops)} neighbors; {records.HOPS} are the most")
    return masks


class Layout:
    """Where the tables of a BFR are.

    `tables`: those in use while nothing has failed; `backups`: failure -> tables that differ then;
    `lone_masks`: how often `mask` will be asked; `more_failures`: how many failures may get their
    first backup by `changed`.
    """

    def __init__(
        self,
        tables: Mapping[BiftKey, tuple[Masks, ...]],
        backups: Mapping[str, Mapping[BiftKey, tuple[Masks, ...]]],
        lone_masks: int = 0,
        more_failures: int = 0,
    ) -> None:
        self.numbers = {key: number for number, key in enumerate(tables)}
        self.failures = {name: number for number, name in enumerate(backups, 1)}
        self.slots = len(tables) * (1 + len(backups) + more_failures)
        every = [*tables.values(), *(t for of in backups.values() for t in of.values())]
        rows = 1 + sum(_rows(masks) for several in every for masks in several)
        largest = max((sum(map(_rows, several)) for several in every), default=0)
        self.rows = Pool(rows + lone_masks + max(SPARE, 2 * largest))
        self.tables = Pool(sum(map(len, every)) + max(SPARE // 4, MAX_WAYS * MAX_WAYS))
        self.rows.take(1)  # row 0 has no bits: what hosts without a list may address
        self._tables, self._backups = tables, backups
        self._placed: dict[BiftKey, dict[int, _Placed]] = {key: {} for key in tables}

    def everything(self, outs: Outs) -> Writes:
        """Return what makes empty arrays those of this BFR."""
        writes = Writes([], [], [])
        for key, masks in self._tables.items():
            placed = self._place(masks, outs, writes)
            for failure in range(1 + len(self.failures)):
                self._point(key, failure, placed, writes)
        for name, of in self._backups.items():
            for key, masks in of.items():
                if masks != self._tables[key]:
                    placed = self._place(masks, outs, writes)
                    self._point(key, self.failures[name], placed, writes)
        return writes

    def changed(
        self, key: BiftKey, masks: tuple[Masks, ...], outs: Outs, failed: str | None = None
    ) -> Writes:
        """Return what gives one key other tables: the normal ones, or those for what has `failed`.

        A failure that has none yet begins with the normal ones.  Full where there is no room;
        nothing has changed then.
        """
        writes = Writes([], [], [])
        failure = 0 if failed is None else self.failures.get(failed, len(self.failures) + 1)
        if (failure + 1) * len(self.numbers) > self.slots:
            raise Full
        placed = self._place(masks, outs, writes)
        if failed is not None and failed not in self.failures:
            self.failures[failed] = failure
            for other, of in self._placed.items():
                self._point(other, failure, of[0], writes)
        old = self._placed[key][failure]
        self._point(key, failure, placed, writes)
        if not any(used is old for used in self._placed[key].values()):
            self._give_back(old)
        return writes

    def settle(self) -> None:
        """Every packet that was on its way has passed."""
        self.rows.settle()
        self.tables.settle()

    def mask(self, value: int, octets: int) -> tuple[int, bytes]:
        """Return (entry, row) of a mask on its own: bits that a host may address."""
        at = self.rows.take(1)
        if at is None:
            raise Full
        return at, records.row(records.HOP, value.to_bytes(octets, "big"))

    def _point(self, key: BiftKey, failure: int, placed: _Placed, writes: Writes) -> None:
        self._placed[key][failure] = placed
        number = failure * len(self.numbers) + self.numbers[key]
        writes.slots.append((number, records.SLOT.pack(placed.first, placed.ways)))

    def _place(self, several: Sequence[Masks], outs: Outs, writes: Writes) -> _Placed:
        first = self.tables.take(len(several))
        if first is None:
            raise Full
        taken: list[tuple[int, int]] = []
        for number, masks in enumerate(several):
            made = list(_encoded(masks, outs))
            at = self.rows.take(len(made)) if made else 0
            if at is None:
                self._give_back(_Placed(first, len(several), tuple(taken)))
                raise Full
            taken.append((at, len(made)))
            writes.rows.extend(enumerate(made, at))
            writes.tables.append((first + number, records.TABLE.pack(at, len(made))))
        return _Placed(first, len(several), tuple(taken))

    def _give_back(self, placed: _Placed) -> None:
        self.tables.give_back(placed.first, placed.ways)
        for start, count in placed.rows:
            if count:
                self.rows.give_back(start, count)


def _rows(masks: Masks) -> int:
    return len(masks.hops) + bool(masks.local) + bool(masks.null)


def _encoded(masks: Masks, outs: Outs) -> Iterable[bytes]:
    octets = masks.bsl.octets
    if masks.local:
        yield records.row(records.LOCAL, masks.local.to_bytes(octets, "big"))
    if masks.null:
        yield records.row(records.NULL, masks.null.to_bytes(octets, "big"))
    for hop, f_bm in masks.hops.items():
        out = outs(hop)
        mask = f_bm.to_bytes(octets, "big")
        if out.dst is None:
            yield records.row(records.HOP_WITHOUT_MAC, mask)
            continue
        yield records.row(
            records.HOP, mask, ifindex=out.ifindex, bift_id=hop.bift_id, mtu=out.mtu,
            dst=out.dst, src=out.src, port=out.port,
        )  # fmt: skip
