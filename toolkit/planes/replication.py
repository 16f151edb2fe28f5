"""What labels mean to one router, and which tree its flows are put on.

RFC 9524 section 2 (replication segments), RFC 9960 (the candidate path in use), RFC 8660 section 2
(labels of node SIDs).  Law: it follows from configurations, cables and failures; everything is made
when it is first asked for, so that one router of a thousand costs what its own labels cost.

A copy goes to a downstream node over the interface that its segment names while an adjacency to the
node is up there; otherwise its node SID leads there, along the shortest path, with the replication
SID beneath: that protects the branch.  A root uses the valid candidate path with the highest
preference; valid is a path whose downstream nodes are all reachable from their parents.  Where
none is, the path that reaches the most leaves is used.  The root is taken to know this of its whole
tree: that stands for what a PCE or BFD would tell it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from toolkit.planes.fib import NextHop
from toolkit.planes.srdomain import InstanceKey, SrDomain, host_prefix
from toolkit.planes.underlay import Underlay
from toolkit.srp2mp.table import Branch, Cause, Entry, Hop, Lost, Segment
from toolkit.state.model import (
    CandidatePath,
    Downstream,
    IpAddress,
    IpNetwork,
    P2mpPolicy,
    ReplicationSegment,
    TreeFlow,
)


class Replication:
    """One router of a network with some failures."""

    def __init__(
        self,
        domain: SrDomain,
        underlay: Underlay,
        router: str,
        flows: tuple[TreeFlow, ...] | None = None,
    ) -> None:
        """`flows`: those that go on trees here; None: all that are configured to."""
        self.domain, self.router = domain, router
        self._underlay = underlay
        self._state = domain.state.routers[router]
        self._flows = self._state.tree_flows if flows is None else flows
        self._hops: dict[IpNetwork, Hop | Lost] = {}

    @cached_property
    def accepts(self) -> frozenset[str]:
        """Interfaces that labelled packets pass: MPLS is on, and no host is behind them."""
        name, edges = self.router, self.domain.edge_ports
        return frozenset(
            i.name
            for i in self._underlay.interfaces(name)
            if i.mpls and (name, i.name) not in edges
        )

    @cached_property
    def segments(self) -> Mapping[int, Segment]:
        """Replication SID -> segment that is installed, by SID."""
        installed = self.domain.installed.get(self.router, {})
        return {sid: self._segment(installed[sid]) for sid in sorted(installed)}

    def entry(self, label: int) -> Entry | None:
        """Return what a label that arrives means; None: nothing."""
        segment = self.segments.get(label)
        if segment is not None:
            return segment
        sr = self._state.sr
        if sr is None or not sr.srgb.lower <= label <= sr.srgb.upper:
            return None
        prefix = self.domain.prefixes.get(label - sr.srgb.lower)
        hop = None if prefix is None else self._hop(prefix)
        return hop if isinstance(hop, Hop) else None

    def node_hops(self) -> Iterator[tuple[int, Hop]]:
        """Yield (label, next hop) of all node SIDs, by label."""
        sr = self._state.sr
        if sr is not None:
            for index in sorted(self.domain.prefixes):
                hop = self.entry(sr.srgb.lower + index)
                if isinstance(hop, Hop):
                    yield sr.srgb.lower + index, hop

    def node_hop(self, prefix: IpNetwork) -> Hop | Lost:
        """Return the next hop of the node SID of a host route, or why there is none."""
        return self._hop(prefix)

    # ----- the ways of copies

    def _segment(self, segment: ReplicationSegment) -> Segment:
        ways = [self.way(branch) for branch in segment.downstream]
        return Segment(
            root=str(segment.root),
            tree_id=segment.tree_id,
            instance_id=segment.instance_id,
            sid=segment.sid,
            leaf=segment.leaf,
            branches=tuple(way for way in ways if isinstance(way, Branch)),
            lost=tuple(way for way in ways if isinstance(way, Lost)),
        )

    def adjacent(self, branch: Downstream) -> str | None:
        """Return the router at the other end of a branch's interface, where it is the node."""
        sides = self._underlay.ways(self.router).get(branch.interface or "")
        if sides is None or not self.domain.has(sides[1].end.node, branch.node):
            return None
        return sides[1].end.node

    def way(self, branch: Downstream) -> Branch | Lost:
        """Return how a copy goes to a downstream node now."""
        node = str(branch.node)
        neighbor = self.adjacent(branch)
        port = branch.interface
        if neighbor is not None and port is not None and self._state.interfaces[port].mpls:
            return Branch(node, neighbor, port, (branch.sid,))
        hop = self._hop(host_prefix(branch.node))
        if isinstance(hop, Lost):
            return hop
        labels = (branch.sid,) if hop.label is None else (hop.label, branch.sid)
        return Branch(node, hop.neighbor, hop.port, labels)

    def _hop(self, prefix: IpNetwork) -> Hop | Lost:
        """Return the next hop of a node SID, or why there is none."""
        if prefix not in self._hops:
            self._hops[prefix] = self._find_hop(prefix)
        return self._hops[prefix]

    def _find_hop(self, prefix: IpNetwork) -> Hop | Lost:
        name, node = self.router, str(prefix.network_address)
        if prefix not in self.domain.indices:
            if any(g.prefix == prefix and g.clash for g in self.domain.gaps):
                return Lost(node, Cause.NODE_SID_CLASH, f"the node SID of {node} clashes")
            return Lost(node, Cause.NODE_SID_MISSING, f"{node} has no node SID")
        route = self._underlay.route(name, prefix.network_address)
        if route is None or route.prefix != prefix or not route.next_hops:
            return Lost(node, Cause.UNREACHABLE, f"{name} has no route to {node}")
        next_hop: NextHop = route.next_hops[0]
        neighbor, port = next_hop.router, next_hop.interface
        if not neighbor:
            return Lost(node, Cause.UNREACHABLE, f"{node} is an address of {name} itself")
        if not self._state.interfaces[port].mpls:
            why = f"{name} {port} on the way to {node} carries no MPLS"
            return Lost(node, Cause.NO_MPLS, why, port)
        if self.domain.has(neighbor, prefix.network_address):
            return Hop(str(prefix), neighbor, port, None)
        sr = self.domain.state.routers[neighbor].sr
        label = None if sr is None else sr.srgb.lower + self.domain.indices[prefix]
        if sr is None or label is None or label > sr.srgb.upper:
            why = f"{neighbor} on the way to {node} has no label for its node SID"
            return Lost(node, Cause.NODE_SID_MISSING, why)
        return Hop(str(prefix), neighbor, port, label)

    # ----- the root

    def policy(self, root: IpAddress, tree_id: int) -> P2mpPolicy | None:
        """Return a policy that has its root here: at an address of ours."""
        for policy in self._state.p2mp_policies:
            if (policy.root, policy.tree_id) == (root, tree_id) and self._owns(root):
                return policy
        return None

    def _owns(self, address: IpAddress) -> bool:
        return any(a.ip == address for i in self._state.interfaces.values() for a in i.addresses)

    def own_segment(self, key: InstanceKey) -> Segment | None:
        """Return our installed segment of a tree instance."""
        return next(
            (s for s in self.segments.values() if _key(s) == (str(key[0]), key[1], key[2])), None
        )

    def active(self, policy: P2mpPolicy) -> CandidatePath | None:
        """Return the candidate path in use; None where our segment of each is missing."""
        best: tuple[tuple[bool, int, int], CandidatePath] | None = None
        for path in sorted(policy.candidate_paths, key=lambda p: p.name):
            key = policy.root, policy.tree_id, path.instance_id
            if self.own_segment(key) is None:
                continue
            valid, leaves = self.standing(key)
            rank = valid, 0 if valid else leaves, path.preference
            if best is None or rank > best[0]:
                best = rank, path
        return None if best is None else best[1]

    def standing(self, key: InstanceKey) -> tuple[bool, int]:
        """Return whether a tree instance is valid, and the number of leaves that it reaches."""
        segments = self.domain.configured.get(key, {})
        reached = {self.router}
        valid = True
        for parent, branch, owner in self.edges(key):
            if owner is None or not self._reaches(parent, branch, owner):
                valid = False
            else:
                reached.add(owner)
        return valid, sum(1 for name in reached if name in segments and segments[name].leaf)

    def edges(self, key: InstanceKey) -> Iterator[tuple[str, Downstream, str | None]]:
        """Yield (parent, branch, router of the downstream node) of a tree as it is configured, as
        far as nodes are reachable."""
        segments = self.domain.configured.get(key, {})
        queue, known = [self.router], {self.router}
        while queue:
            parent = queue.pop(0)
            segment = segments.get(parent)
            for branch in segment.downstream if segment is not None else ():
                owner = self.domain.owner(branch.node)
                yield parent, branch, owner
                if owner is not None and owner not in known:
                    known.add(owner)
                    if self._reaches(parent, branch, owner):
                        queue.append(owner)

    def _reaches(self, parent: str, branch: Downstream, owner: str) -> bool:
        index = self._underlay.graph.index
        if parent not in index or owner not in index:
            return False
        sides = self._underlay.ways(parent).get(branch.interface or "")
        if sides is not None and sides[1].end.node == owner:
            return True
        return owner != parent and self._underlay.paths(parent).reaches(owner)

    @property
    def flows(self) -> frozenset[tuple[IpAddress, IpAddress]]:
        """Every (S,G) that goes on a tree here."""
        return frozenset((flow.source, flow.group) for flow in self._flows)

    def imposed(self, source: IpAddress, group: IpAddress) -> Segment | str:
        """Return the segment that an (S,G) starts at, or why it starts at none."""
        flow = next((f for f in self._flows if (f.source, f.group) == (source, group)), None)
        if flow is None:
            return "no-tree-flow"
        policy = self.policy(flow.root, flow.tree_id)
        if policy is None:
            return "no-policy"
        path = self.active(policy)
        if path is None:
            return "no-instance"
        segment = self.own_segment((policy.root, policy.tree_id, path.instance_id))
        return "no-instance" if segment is None else segment


def _key(segment: Segment) -> tuple[str, int, int]:
    return segment.root, segment.tree_id, segment.instance_id
