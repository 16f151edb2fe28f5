"""Segment routing of a router with the IETF's modules, and P2MP trees, which are llmsync-sr's.

Pure.  RFC 9020, RFC 9524, RFC 9960.  The order is that of `toolkit.state.sr`.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from toolkit.state.branch import Branch
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
from toolkit.state.sr import DEFAULT_PREFERENCE


def segment_routing(routing: Branch) -> SegmentRouting | None:
    """Return label blocks and node SIDs; None: the router does no SR-MPLS."""
    mpls = routing.one("segment-routing", "sr-mpls")
    if not mpls.has("srgb", "srgb"):
        return None
    sids = (
        NodeSid(prefix=ip_network(entry.text("prefix")), index=entry.number("start-sid"))
        for entry in mpls.one("bindings", "local-prefix-sid").all("local-prefix-sid")
        if entry.text("value-type", default="index") == "index"
    )
    return SegmentRouting(
        srgb=_block(mpls.one("srgb", "srgb")),
        srlb=_block(mpls.one("srlb", "srlb")),
        node_sids=tuple(sorted(sids, key=lambda s: (s.index, str(s.prefix)))),
    )


def _block(entry: Branch) -> LabelBlock:
    return LabelBlock(entry.number("lower-bound"), entry.number("upper-bound"))


def segments(top: Branch) -> tuple[ReplicationSegment, ...]:
    """Return the replication segments, by root, tree-id and instance-id."""
    found = map(_segment, top.one("p2mp").all("replication-segment"))
    return tuple(sorted(found, key=lambda s: (int(s.root), s.tree_id, s.instance_id)))


def _segment(entry: Branch) -> ReplicationSegment:
    downstream = (
        Downstream(
            node=ip_address(branch.text("node")),
            sid=branch.number("replication-sid"),
            interface=branch.text("interface") or None,
        )
        for branch in entry.all("downstream")
    )
    return ReplicationSegment(
        root=ip_address(entry.text("root")),
        tree_id=entry.number("tree-id"),
        instance_id=entry.number("instance-id"),
        sid=entry.number("replication-sid"),
        downstream=tuple(sorted(downstream, key=lambda d: (d.node.version, int(d.node)))),
        leaf=entry.flag("leaf"),
    )


def policies(top: Branch) -> tuple[P2mpPolicy, ...]:
    """Return the P2MP policies, by root and tree-id."""
    found = map(_policy, top.one("p2mp").all("policy"))
    return tuple(sorted(found, key=lambda p: (int(p.root), p.tree_id)))


def _policy(entry: Branch) -> P2mpPolicy:
    paths = (
        CandidatePath(
            name=path.text("name"),
            preference=path.number("preference", default=DEFAULT_PREFERENCE),
            instance_id=path.number("instance-id"),
        )
        for path in entry.all("candidate-path")
    )
    return P2mpPolicy(
        name=entry.text("name"),
        root=ip_address(entry.text("root")),
        tree_id=entry.number("tree-id"),
        candidate_paths=tuple(sorted(paths, key=lambda p: (-p.preference, p.name))),
    )


def tree_flows(top: Branch) -> tuple[TreeFlow, ...]:
    """Return which flows go on which tree, by group."""
    found = (
        TreeFlow(
            source=ip_address(entry.text("source")),
            group=ip_address(entry.text("group")),
            root=ip_address(entry.text("root")),
            tree_id=entry.number("tree-id"),
        )
        for entry in top.one("p2mp").all("flow")
    )
    return tuple(sorted(found, key=lambda f: (int(f.group), int(f.source))))
