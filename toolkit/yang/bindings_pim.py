"""A router's multicast state as typed values, read through the pyangbind classes of llmsync-pim.

Needs the extra `bindings`; imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.yang.bindings import load


@dataclass(frozen=True, slots=True, kw_only=True)
class MfibEntry:
    """One row of the multicast forwarding table (RFC 7761 section 4.1)."""

    source: str
    """`*` of a shared tree."""
    group: str
    iif: str | None
    rpf_neighbor: str | None
    oifs: tuple[str, ...]
    """Sorted."""
    spt: bool
    packets: int
    octets: int
    rpf_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PimCounters:
    """Packets and messages since the router started."""

    counted: Mapping[str, int]
    """`received`, `forwarded`, ...: the leaves of the container."""
    dropped: Mapping[str, int]
    """Reason -> packets."""


def mfib_of(tree: Mapping[str, Any], device: str = "") -> tuple[MfibEntry, ...]:
    """Return the multicast table of a router, by group and source; else as `bindings.load`."""
    module = load(_only(tree, "mfib"), device).get("llmsync-pim")
    if module is None:
        return ()
    rows = (
        MfibEntry(
            source=str(row.source),
            group=str(row.group),
            iif=str(row.iif) if row.iif._changed() else None,
            rpf_neighbor=str(row.rpf_neighbor) if row.rpf_neighbor._changed() else None,
            oifs=tuple(sorted(map(str, row.oif))),
            spt=bool(row.spt),
            packets=int(row.packets),
            octets=int(row.octets),
            rpf_failures=int(row.rpf_failures),
        )
        for row in module.pim.mfib.values()
    )
    return tuple(sorted(rows, key=lambda row: (row.group, row.source)))


def pim_counters_of(tree: Mapping[str, Any], device: str = "") -> PimCounters:
    """Return the multicast counters of a router, none where it has none."""
    module = load(_only(tree, "counters"), device).get("llmsync-pim")
    if module is None:
        return PimCounters(counted={}, dropped={})
    counters = module.pim.counters
    return PimCounters(
        counted={
            leaf: int(getattr(counters, leaf.replace("-", "_")))
            for leaf in tree["llmsync-pim:pim"]["counters"]
            if leaf != "dropped"
        },
        dropped={str(drop.reason): int(drop.packets) for drop in counters.dropped.values()},
    )


def _only(tree: Mapping[str, Any], child: str) -> dict[str, Any]:
    inside = tree.get("llmsync-pim:pim")
    if not isinstance(inside, Mapping) or child not in inside:
        return {}
    return {"llmsync-pim:pim": {child: inside[child]}}
