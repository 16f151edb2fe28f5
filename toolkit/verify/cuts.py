"""Why failures part two routers, as a person would say it: a bridge, the only uplinks, a cut.

Pure.  Looks at cables alone; where they do not part the two, the reason lies elsewhere and none is
given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from toolkit.planes.adjacency import Failures
from toolkit.state.model import Cable, NetworkState


def describe_cut(state: NetworkState, down: Failures, source: str, target: str) -> str:
    """Return why cables that are left do not join `source` and `target`; empty: they do."""
    core = [c for c in state.cables if c.a.node not in state.hosts and c.b.node not in state.hosts]
    if {source, target} & down.nodes:
        return f"{source if source in down.nodes else target} has failed"
    left = [c for c in core if not down.cuts(c)]
    if target in _joined(left, source):
        return ""
    for router in () if down.nodes else (target, source):
        if router not in {end.node for c in left for end in (c.a, c.b)}:
            return f"{router} has no other link"
    failed = sorted(down.links | down.nodes)
    if len(failed) == 1:
        what = "a bridge" if down.links else "a cut vertex"
        return f"{failed[0]} is {what}: every path from {source} to {target} uses it"
    return f"every path from {source} to {target} uses one of {', '.join(failed)}"


def _joined(cables: Iterable[Cable], start: str) -> set[str]:
    peers: dict[str, set[str]] = {}
    for cable in cables:
        peers.setdefault(cable.a.node, set()).add(cable.b.node)
        peers.setdefault(cable.b.node, set()).add(cable.a.node)
    found, queue = {start}, deque([start])
    while queue:
        for peer in peers.get(queue.popleft(), set()) - found:
            found.add(peer)
            queue.append(peer)
    return found
