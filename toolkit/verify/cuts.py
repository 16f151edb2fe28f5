"""Why failures part two routers, as a person would say it: a bridge, the only uplinks, a cut.

Pure.  Looks at cables alone; where they do not part the two, the reason lies elsewhere and none is
given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from toolkit.planes.adjacency import Failures
from toolkit.state.model import Cable, NetworkState


class Cuts:
    """What failures part from one router."""

    def __init__(self, state: NetworkState, down: Failures, source: str) -> None:
        self._down, self._source = down, source
        hosts = state.hosts
        left = [
            c
            for c in state.cables
            if c.a.node not in hosts and c.b.node not in hosts and not down.cuts(c)
        ]
        self._ends = {end.node for cable in left for end in (cable.a, cable.b)}
        self._joined = _joined(left, source)

    def describe(self, target: str) -> str:
        """Return why cables that are left do not join the router and `target`; empty: they do."""
        source, down = self._source, self._down
        if {source, target} & down.nodes:
            return f"{source if source in down.nodes else target} has failed"
        if target in self._joined:
            return ""
        for router in () if down.nodes else (target, source):
            if router not in self._ends:
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
