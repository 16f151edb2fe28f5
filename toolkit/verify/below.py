"""Which clouds stand below a node of a P2MP tree, by the plan and by what is configured.

Pure.  Used to say who loses by what: a cloud that a walk did not reach is below the node where its
copy was lost.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_address

from toolkit.plan.model import FlowPlan, RouterPlan, TreePathPlan
from toolkit.planes.srdomain import InstanceKey, SrDomain
from toolkit.verify import places
from toolkit.verify.ground import Ground, Loss


class Below:
    """The tree that a walk was on."""

    def __init__(self, ground: Ground, flow: FlowPlan, key: InstanceKey | None) -> None:
        """`key`: of the tree instance; None: the packet was put on none."""
        self._ground, self._flow, self._key = ground, flow, key
        self._at: dict[str, set[str]] = {}
        for cloud in flow.clouds:
            self._at.setdefault(ground.plan.hosts[cloud].router, set()).add(cloud)

    @cached_property
    def _domain(self) -> SrDomain | None:
        root = self._ground.plane(self._flow.bfir)
        replication = None if root is None else root.replication
        return None if replication is None else replication.domain

    @cached_property
    def _path(self) -> TreePathPlan | None:
        """The plan's path of this instance; another one where the plan does not have it."""
        paths = () if self._flow.tree is None else self._flow.tree.paths
        instance = None if self._key is None else self._key[2]
        return next((p for p in paths if p.instance_id == instance), paths[0] if paths else None)

    def clouds(self, node: str) -> frozenset[str]:
        """Return the clouds below a node, given by its address or its router's name."""
        owner = node
        if node and node not in self._ground.plan.routers:
            planned = (r.name for r in self._ground.plan.routers.values() if _is(r, node))
            owner = next(planned, "")
            if self._domain is not None:
                owner = self._domain.owner(ip_address(node)) or owner
        below: set[str] = set()
        queue = [owner]
        while queue:
            name = queue.pop()
            if not name or name in below:
                continue
            below.add(name)
            queue += self._children(name)
        return frozenset(cloud for name in below for cloud in self._at.get(name, ()))

    def _children(self, name: str) -> list[str]:
        children = []
        if self._path is not None and name in self._path.nodes:
            children += [branch.router for branch in self._path.nodes[name].branches]
        if self._domain is not None and self._key is not None:
            segment = self._domain.configured.get(self._key, {}).get(name)
            for branch in segment.downstream if segment is not None else ():
                children.append(self._domain.owner(branch.node) or "")
        return children

    def why(self, cloud: str, visited: set[str], leaves: set[str]) -> Loss:
        """Return why a cloud is not reached although no copy for it was lost."""
        router, flow = self._ground.plan.hosts[cloud].router, self._flow
        clouds = frozenset({cloud})
        if router in leaves:
            text = f"{router} gets the packets and does not hand them to {cloud}"
            return Loss(router, "dropped", text, (), clouds=clouds)
        at = places.P2MP if self._key is None else places.segment(*self._key)
        if router in visited:
            text = f"{router} is no leaf of the tree, and {cloud} is behind it"
            kind = "leaf-not-covered"
            return Loss(router, "dropped", text, (), clouds=clouds, kind=kind, at=f"{at}/leaf")
        chain = self._chain(router)
        last = next((name for name in reversed(chain) if name in visited), flow.bfir)
        after = chain[chain.index(last) + 1] if last in chain[:-1] else router
        text = f"{last} has no branch to {after} on the way to {cloud}"
        return Loss(
            last, "dropped", text, (), clouds=clouds, kind="leaf-not-covered",
            at=f"{at}/downstream",
        )  # fmt: skip

    def _chain(self, router: str) -> list[str]:
        """Return the routers from the root to `router` in the plan's tree; empty: not in it."""
        nodes = {} if self._path is None else self._path.nodes
        parents = {b.router: name for name, node in nodes.items() for b in node.branches}
        if router not in nodes:
            return []
        chain = [router]
        while chain[0] in parents:
            chain.insert(0, parents[chain[0]])
        return chain


def _is(router: RouterPlan, address: str) -> bool:
    return str(router.loopback.ip) == address
