"""Forwarding entries of one router, laid out as key -> value, the same way for every transport.

Pure.  An entry is a row that a packet of the transport is looked up in: a BIFT row (RFC 8279
section 6.4) or an overlay flow, a replication segment (RFC 9524) or what puts a flow on one, a
multicast route (RFC 7761 section 4.1).  Its value is all that forwarding reads there, so an entry
whose value differs had to be written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.compare.events import Moment
from toolkit.inventory.model import Transport
from toolkit.planes.plane import Plane
from toolkit.state.model import TreeFlow
from toolkit.verify.walk_pim import Trees

Entries = Mapping[tuple[object, ...], object]


def all_entries(moment: Moment, transport: Transport) -> dict[str, Entries]:
    """Return router -> its forwarding entries for one transport, of routers that are up."""
    network = moment.network
    if transport.pim:
        return _multicast(moment)
    planes = network.planes()
    if transport is Transport.BIER:
        return {name: {**_bier(plane), **_flows(plane)} for name, plane in planes.items()}
    return {
        name: {**_replication(plane, moment.state.routers[name].tree_flows), **_flows(plane)}
        for name, plane in planes.items()
    }


def _multicast(moment: Moment) -> dict[str, Entries]:
    """Multicast routes when every member has joined and packets flow."""
    tables: dict[str, dict[tuple[object, ...], object]] = {n: {} for n in moment.network.routers}
    for flow in moment.plan.flows:
        for name, mfib in Trees(moment.scene, flow).domain.mfibs().items():
            tables[name] |= {("route", *key): entry for key, entry in mfib.items()}
    return dict(tables)


def _replication(plane: Plane, flows: Iterable[TreeFlow]) -> Entries:
    """Replication segments, and at a root the segment that its flows are put on.

    The labels of node SIDs are left out, as unicast routes are: they serve all that is on the
    network.
    """
    here = plane.replication
    if here is None:
        return {}
    return {
        **{("segment", sid): segment for sid, segment in here.segments.items()},
        **{("tree-flow", f.source, f.group): here.imposed(f.source, f.group) for f in flows},
    }


def _bier(plane: Plane) -> Entries:
    return {
        ("bift", key.sub_domain, key.bsl, key.si, position): (entry.neighbor, entry.f_bm)
        for key, bift in plane.bifts.items()
        for position, entry in bift.entries.items()
    }


def _flows(plane: Plane) -> Entries:
    """The flow overlay (RFC 8279 section 4.3)."""
    return {
        **{("ingress", *flow): tuple(f.sets.items()) for flow, f in plane.ingress_flows.items()},
        **{("egress", *flow): f.interfaces for flow, f in plane.egress_flows.items()},
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two networks' tables."""

    rows: int
    routers: int


def difference(before: Mapping[str, Entries], after: Mapping[str, Entries]) -> Difference:
    """Count entries that were made, changed or taken away, on routers that are there after."""
    rows = [
        sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())
        for name, new in after.items()
        for old in [before.get(name, {})]
    ]
    return Difference(rows=sum(rows), routers=sum(n > 0 for n in rows))
