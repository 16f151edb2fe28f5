"""A reference router's segment routing and P2MP trees as state.  Pure.  llmsync-sr, RFC 7951."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, TypedDict

from toolkit.state.model import (
    CandidatePath,
    Downstream,
    LabelBlock,
    NodeSid,
    P2mpPolicy,
    ReplicationSegment,
    SegmentRouting,
    TreeFlow,
)

DEFAULT_PREFERENCE = 100
"""llmsync-sr, leaf preference (RFC 9256 section 2.7)."""

_Node = Mapping[str, Any]


class SrParts(TypedDict):
    """What RouterState takes of it."""

    sr: SegmentRouting | None
    replication_segments: tuple[ReplicationSegment, ...]
    p2mp_policies: tuple[P2mpPolicy, ...]
    tree_flows: tuple[TreeFlow, ...]


def read_sr(tree: _Node) -> SrParts:
    """Return the parts of a router's state that llmsync-sr configures.

    Segments and policies are sorted by root, tree-id and instance-id, downstream nodes by address,
    candidate paths by preference, the highest first, flows by group.
    """
    p2mp: _Node = tree.get("llmsync-sr:p2mp", {})
    segments = map(_segment, _entries(p2mp, "replication-segment"))
    policies = map(_policy, _entries(p2mp, "policy"))
    flows = map(_flow, _entries(p2mp, "flow"))
    return SrParts(
        sr=_routing(tree.get("llmsync-sr:segment-routing")),
        replication_segments=tuple(
            sorted(segments, key=lambda s: (int(s.root), s.tree_id, s.instance_id))
        ),
        p2mp_policies=tuple(sorted(policies, key=lambda p: (int(p.root), p.tree_id))),
        tree_flows=tuple(sorted(flows, key=lambda f: (int(f.group), int(f.source)))),
    )


def mpls_interfaces(tree: _Node) -> frozenset[str]:
    """Return the interfaces that labelled packets pass."""
    routing: _Node = tree.get("llmsync-sr:segment-routing", {})
    return frozenset(entry["name"] for entry in _entries(routing, "interface"))


def _entries(node: _Node, name: str) -> Iterable[_Node]:
    entries: Iterable[_Node] = node.get(name, ())
    return entries


def _routing(node: _Node | None) -> SegmentRouting | None:
    if node is None:
        return None
    sids = (
        NodeSid(prefix=ip_network(entry["prefix"]), index=entry["index"])
        for entry in _entries(node, "node-sid")
    )
    return SegmentRouting(
        srgb=LabelBlock(node["srgb"]["lower"], node["srgb"]["upper"]),
        srlb=LabelBlock(node["srlb"]["lower"], node["srlb"]["upper"]),
        node_sids=tuple(sorted(sids, key=lambda s: (s.index, str(s.prefix)))),
    )


def _segment(entry: _Node) -> ReplicationSegment:
    downstream = (
        Downstream(
            node=ip_address(branch["node"]),
            sid=branch["replication-sid"],
            interface=branch.get("interface"),
        )
        for branch in _entries(entry, "downstream")
    )
    return ReplicationSegment(
        root=ip_address(entry["root"]),
        tree_id=entry["tree-id"],
        instance_id=entry["instance-id"],
        sid=entry["replication-sid"],
        downstream=tuple(sorted(downstream, key=lambda d: (d.node.version, int(d.node)))),
        leaf=entry.get("leaf", False),
    )


def _policy(entry: _Node) -> P2mpPolicy:
    paths = (
        CandidatePath(
            name=path["name"],
            preference=path.get("preference", DEFAULT_PREFERENCE),
            instance_id=path["instance-id"],
        )
        for path in _entries(entry, "candidate-path")
    )
    return P2mpPolicy(
        name=entry["name"],
        root=ip_address(entry["root"]),
        tree_id=entry["tree-id"],
        candidate_paths=tuple(sorted(paths, key=lambda p: (-p.preference, p.name))),
    )


def _flow(entry: _Node) -> TreeFlow:
    return TreeFlow(
        source=ip_address(entry["source"]),
        group=ip_address(entry["group"]),
        root=ip_address(entry["root"]),
        tree_id=entry["tree-id"],
    )
