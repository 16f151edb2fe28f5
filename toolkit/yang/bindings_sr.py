"""A router's replication entries and their counters as typed values (llmsync-sr).

Like `toolkit.yang.bindings`: needs the extra `bindings`; imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.yang.bindings import Counters, _counters, _number, _only, _text, _values, load


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchEntry:
    """A copy that leaves."""

    node: str
    out_interface: str | None
    out_labels: tuple[int, ...]
    """The outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationEntry:
    """A replication segment that is installed (RFC 9524 section 2)."""

    sid: int
    root: str
    tree_id: int
    instance_id: int
    leaf: bool
    branches: tuple[BranchEntry, ...]
    """By address of the downstream node."""


def replication_of(tree: Mapping[str, Any], device: str = "") -> tuple[ReplicationEntry, ...]:
    """Return the installed segments of a router, by replication SID; else as `load`."""
    holder = load(_only(tree, "llmsync-sr:p2mp", "replication-entry"), device)
    entries = (
        ReplicationEntry(
            sid=int(entry.replication_sid),
            root=str(entry.root),
            tree_id=_number(entry.tree_id) or 0,
            instance_id=_number(entry.instance_id) or 0,
            leaf=bool(entry.leaf),
            branches=tuple(
                sorted(
                    (
                        BranchEntry(
                            node=str(branch.node),
                            out_interface=_text(branch.out_interface),
                            out_labels=tuple(int(label) for label in branch.out_label),
                        )
                        for branch in entry.branch.values()
                    ),
                    key=lambda branch: branch.node,
                )
            ),
        )
        for entry in _values(holder, "llmsync-sr", "p2mp", "replication_entry")
    )
    return tuple(sorted(entries, key=lambda entry: entry.sid))


def sr_counters_of(tree: Mapping[str, Any], device: str = "") -> Counters:
    """Return the counters of a router's replication engine, 0 where it has none; else as
    `load`."""
    module = load(_only(tree, "llmsync-sr:p2mp", "counters"), device).get("llmsync-sr")
    if module is None:
        return Counters(dropped={})
    return _counters(module.p2mp.counters)
