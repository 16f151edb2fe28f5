"""BFR-ids: who gets one, and in which set (SI) each receiver stands.

Pure.  Only edge routers with a host get a BFR-id; a transit BFR needs none (RFC 8279 section 2).
Every set that a delivery touches is one more copy of every packet leaving the BFIR, so as few sets
as possible are opened: up to one BitString's length of receivers, ids run 1, 2, 3, ... in one set,
region by region.  Beyond that, receivers are spread over the smallest number of sets, a region's
receivers staying together where they fit.  Ids that were given stay (`toolkit.plan.ids`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.errors import Problem
from toolkit.inventory.model import Inventory
from toolkit.plan.capabilities import Limit
from toolkit.plan.ids import name_order
from toolkit.plan.places import lock_place

Group = tuple[str, str]
"""Region and domain: receivers that share a part of most trees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edge routers that do BIER."""

    receivers: Mapping[str, Group]
    """Routers with a cloud."""
    sources: frozenset[str]
    """Routers with a repository and no cloud: they need an id as BFIR, but no bit is ever set."""

    @property
    def names(self) -> frozenset[str]:
        return self.sources | self.receivers.keys()


def edges(inventory: Inventory) -> Edges:
    """Return the BFRs that hosts are attached to."""
    receivers: dict[str, Group] = {}
    for cloud in sorted(inventory.clouds.values(), key=lambda c: name_order(c.name)):
        router = inventory.routers[cloud.router]
        if router.bier:
            group = (router.region or cloud.region, router.domain)
            receivers.setdefault(router.name, group)
    sources = {r.router for r in inventory.repositories.values()} - receivers.keys()
    return Edges(
        receivers=receivers,
        sources=frozenset(name for name in sources if inventory.routers[name].bier),
    )


def allocate_bfr_ids(
    held: Mapping[str, int], at: Edges, bsl: int, limit: Limit, problems: list[Problem]
) -> dict[str, int]:
    """Return BFR-ids of all edge routers beside those in `held`; ids are 1..`limit`."""
    for name in sorted(at.names & held.keys(), key=name_order):
        if held[name] > limit.bfr_id:
            what = f"BFR-id {held[name]} of {name} is too large: {limit.reason}"
            remedy = "remove the entry, and the router gets another BFR-id"
            problems.append(Problem(lock_place("bfr_ids", name), what, remedy))
    new = len(at.names - held.keys())
    free = limit.bfr_id - sum(1 for bfr_id in held.values() if bfr_id <= limit.bfr_id)
    if new > free:
        gone = len(held.keys() - at.names)
        what = f"{new} edge routers need a BFR-id, only {max(free, 0)} can be had: {limit.reason}"
        remedy = limit.remedy
        if gone:
            remedy += f"; or remove names that left ({gone}) from the lock"
        problems.append(Problem(limit.place, what, remedy))
        return dict(held)
    sets = _Sets(held, bsl, limit.bfr_id)
    given = dict(held)
    for si, names in _place(held, at, bsl, sets).items():
        for name in sorted(names, key=lambda n: (at.receivers[n], name_order(n))):
            given[name] = sets.take(si)
    for name in sorted(at.sources - held.keys(), key=name_order):
        given[name] = sets.take(sets.lowest_with_room())
    return given


class _Sets:
    """How much room each set has, and its lowest free id."""

    def __init__(self, held: Mapping[str, int], bsl: int, last: int) -> None:
        self._bsl, self._last = bsl, last
        self._taken = {i for i in held.values() if i <= last}
        self._used = Counter((i - 1) // bsl for i in self._taken)
        self._next: dict[int, int] = {}
        self._lowest = 0

    def room(self, si: int) -> int:
        first = si * self._bsl
        return max(0, min(self._bsl, self._last - first)) - self._used[si]

    def lowest_with_room(self) -> int:
        while not self.room(self._lowest):
            self._lowest += 1
        return self._lowest

    def take(self, si: int) -> int:
        bfr_id = self._next.get(si, si * self._bsl + 1)
        while bfr_id in self._taken:
            bfr_id += 1
        self._next[si] = bfr_id + 1
        self._taken.add(bfr_id)
        self._used[si] += 1
        return bfr_id


def _place(held: Mapping[str, int], at: Edges, bsl: int, sets: _Sets) -> dict[int, list[str]]:
    """Choose a set for every receiver that has no id yet: SI -> names."""
    waiting: defaultdict[Group, list[str]] = defaultdict(list)
    homes: defaultdict[Group, Counter[int]] = defaultdict(Counter)
    for name, group in at.receivers.items():
        if name in held:
            homes[group][(held[name] - 1) // bsl] += 1
        else:
            waiting[group].append(name)
    for names in waiting.values():
        names.sort(key=name_order)
    room = _open_sets(sum(map(len, waiting.values())), homes.values(), sets)
    chosen: defaultdict[int, list[str]] = defaultdict(list)
    # Large groups first: they are the hardest to keep together.
    for group in sorted(waiting, key=lambda g: (-len(waiting[g]), g)):
        names = waiting[group]
        while names:
            si = _best_set(len(names), homes[group], room)
            here, names = names[: room[si]], names[room[si] :]
            chosen[si] += here
            homes[group][si] += len(here)
            room[si] -= len(here)
    return chosen


def _open_sets(new: int, homes: Iterable[Counter[int]], sets: _Sets) -> dict[int, int]:
    """Return SI -> room: the sets that receivers stand in, and as few more as `new` needs."""
    room = {si: sets.room(si) for home in homes for si in home}
    total, si = sum(room.values()), 0
    while total < new:
        if si not in room:
            room[si] = sets.room(si)
            total += room[si]
        si += 1
    return room


def _best_set(size: int, home: Mapping[int, int], room: Mapping[int, int]) -> int:
    """Return the set with room that splits a group of `size` least."""

    def preference(si: int) -> tuple[bool, int, bool, int, int]:
        fits = room[si] >= size
        # Beside its own kind first; then the tightest set that holds all; then the roomiest.
        return (
            home.get(si, 0) == 0,
            -home.get(si, 0),
            not fits,
            room[si] if fits else -room[si],
            si,
        )

    return min((si for si in room if room[si]), key=preference)
