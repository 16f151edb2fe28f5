"""What routers show of their P2MP trees after a delivery, held against what was used.

Pure but for the bindings.  RFC 9524, llmsync-sr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.planes.plane import Plane
from toolkit.planes.srtree import DROPPED, split
from toolkit.srp2mp.table import Segment

FILTER = (
    '<p2mp xmlns="urn:llmsync:sr"><replication-entry/><counters/>'
    "<policy><root/><tree-id/><active-candidate-path/></policy></p2mp>"
)
"""RFC 6241 section 6: segments that are installed, counters, candidate paths in use."""
SHOWN = ("received", "forwarded", "delivered", "imposed")
Difference = tuple[str, str]
"""YANG path, and what is shown where what was used."""


def trees(name: str, tree: Mapping[str, object], plane: Plane) -> Iterator[Difference]:
    """Yield where the installed segments that a router shows are not those it forwards by."""
    from toolkit.yang import bindings_sr

    shown = {
        entry.sid: (
            entry.root,
            entry.tree_id,
            entry.instance_id,
            entry.leaf,
            tuple((b.node, b.out_interface, b.out_labels) for b in entry.branches),
        )
        for entry in bindings_sr.replication_of(tree, name)
    }
    segments = {} if plane.replication is None else plane.replication.segments
    used = {sid: _row(segment) for sid, segment in segments.items()}
    for sid in sorted({*shown, *used}):
        if shown.get(sid) != used.get(sid):
            path = f"/llmsync-sr:p2mp/replication-entry[replication-sid='{sid}']"
            yield path, f"shows {shown.get(sid)} where it forwards by {used.get(sid)}"


def _row(segment: Segment) -> tuple[object, ...]:
    branches = sorted((b.node, b.port, b.labels) for b in segment.branches)
    return segment.root, segment.tree_id, segment.instance_id, segment.leaf, tuple(branches)


def counters(
    name: str, tree: Mapping[str, object], counted: Mapping[str, int], plane: Plane
) -> Iterator[Difference]:
    """Yield where the counters that a router shows are not those that were counted."""
    from toolkit.yang import bindings_sr

    found = bindings_sr.sr_counters_of(tree, name)
    shown = {leaf: getattr(found, leaf) for leaf in SHOWN}
    shown |= {f"{DROPPED}{reason}": packets for reason, packets in found.dropped.items()}
    ours, others = split(counted)
    if not plane.bfr:
        ours |= {leaf: n for leaf, n in others.items() if leaf.startswith(DROPPED)}
    for leaf in sorted({*shown, *ours}):
        if shown.get(leaf, 0) != ours.get(leaf, 0):
            path = f"/llmsync-sr:p2mp/counters/{leaf}"
            yield path, f"shows {shown.get(leaf)}, counted {ours.get(leaf)}"


def rows(plane: Plane) -> int:
    """Return the number of segments that a router has installed."""
    return 0 if plane.replication is None else len(plane.replication.segments)
