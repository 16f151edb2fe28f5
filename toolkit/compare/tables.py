"""Forwarding entries of one router, laid out as key -> value, the same way for every transport.

Pure.  An entry is a row that a packet of the transport is looked up in: a BIFT row (RFC 8279
section 6.4) or an overlay flow, a replication segment (RFC 9524) or what puts a flow on one, a
multicast route (RFC 7761 section 4.1).  Its value is all that forwarding reads there, so an entry
whose value differs had to be written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Transport
from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane

Entries = Mapping[tuple[object, ...], object]


def entries(plane: Plane, transport: Transport) -> Entries:
    """Return the forwarding entries of one router for one transport."""
    if transport is Transport.BIER:
        return {**_bier(plane), **_flows(plane)}
    raise NotImplementedError


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


def all_entries(network: Network, transport: Transport) -> dict[str, Entries]:
    """Return router -> its entries, of every router that has not failed."""
    return {name: entries(network.plane(name), transport) for name in network.routers}


def difference(before: Mapping[str, Entries], after: Mapping[str, Entries]) -> Difference:
    """Count entries that were made, changed or taken away, on routers that are there after."""
    rows = [
        sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())
        for name, new in after.items()
        for old in [before.get(name, {})]
    ]
    return Difference(rows=sum(rows), routers=sum(n > 0 for n in rows))
