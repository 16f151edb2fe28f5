"""Tree-ids, instance-ids and replication SIDs: which numbers a tree has, and keeps.

Pure.  A tree's index (from the lock) gives its tree-id and its block of SIDs; an instance's id
gives the SID in the block.  The first candidate path has instances 1, 4, 5, 8, 9, ... and the
second 2, 3, 6, 7, 10, ...: an instance, its heir and those of the other path, which live side by
side while one is made before the other is broken, never have the same id modulo four.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from toolkit.errors import Place, Problem
from toolkit.inventory.model import LabelRange
from toolkit.plan.ids import allocate
from toolkit.plan.model import Lock
from toolkit.plan.sr_capabilities import SLOTS, TREE_IDS

_PRIMARY = "primary"


class Instances:
    """What the lock knows of trees, and what it learns while a plan is made."""

    def __init__(
        self, lock: Lock, deliveries: Iterable[str], srlb: LabelRange, problems: list[Problem]
    ) -> None:
        names = tuple(deliveries)
        self.trees = allocate(lock.trees, names)
        self.ids, self.digests = dict(lock.instances), dict(lock.digests)
        self._srlb = srlb
        last = max((self.trees[name] for name in names), default=0)
        blocks, ids = len(srlb) // SLOTS, len(TREE_IDS)
        gone = len(self.trees.keys() - set(names))
        remedy = f"; or remove names that left ({gone}) from the lock" if gone else ""
        if last > ids:
            what = f"tree {last} is beyond the tree-ids {TREE_IDS.start}-{TREE_IDS.stop - 1}"
            problems.append(Problem(Place(path="deliveries"), what, f"use fewer trees{remedy}"))
        elif last > blocks:
            problems.append(
                Problem(
                    Place(path="sr.srlb"),
                    f"{srlb} has replication SIDs for {blocks} trees ({SLOTS} each), not for "
                    f"tree {last}",
                    f"make it {last * SLOTS} labels or longer{remedy}",
                )
            )

    def tree_id(self, delivery: str) -> int:
        return TREE_IDS.start + self.trees[delivery] - 1

    def instance(self, delivery: str, path: str, text: str) -> tuple[int, int]:
        """Return (instance-id, replication SID) of the tree that `text` describes."""
        key = f"{delivery} {path}"
        whole = f"{self._srlb.lower}\n{text}"  # other SIDs make another instance, too
        digest = int.from_bytes(hashlib.blake2b(whole.encode(), digest_size=4).digest()) or 1
        primary = path == _PRIMARY
        known = self.ids.get(key)
        if known is None:
            self.ids[key] = 1 if primary else 2
        elif self.digests.get(key) != digest:
            self.ids[key] = _next(known, primary=primary)
        self.digests[key] = digest
        return self.ids[key], self.sid(delivery, self.ids[key])

    def sid(self, delivery: str, instance_id: int) -> int:
        return self._srlb.lower + SLOTS * (self.trees[delivery] - 1) + instance_id % SLOTS


def _next(instance_id: int, *, primary: bool) -> int:
    slots = (0, 1) if primary else (2, 3)
    heir = instance_id + 1
    while heir % SLOTS not in slots:
        heir += 1
    return heir
