"""What a router of a plan says of segment routing and of P2MP trees.

Pure.  RFC 8660, RFC 9524, RFC 9960.  The order is that of `toolkit.state.sr`.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.plan.model import FlowPlan, Plan, RouterPlan, TreeNodePlan, TreePathPlan, TreePlan
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


def routing_of(plan: Plan, router: RouterPlan) -> SegmentRouting | None:
    """Return the label blocks and the node SID of a router; None where it has none."""
    if plan.sr is None or router.node_sid is None:
        return None
    srgb, srlb = plan.sr.srgb, plan.sr.srlb
    return SegmentRouting(
        srgb=LabelBlock(srgb.lower, srgb.upper),
        srlb=LabelBlock(srlb.lower, srlb.upper),
        node_sids=(NodeSid(prefix=router.loopback.network, index=router.node_sid),),
    )


def segments_of(plan: Plan, router: str) -> tuple[ReplicationSegment, ...]:
    """Return the replication segments of a router, by root, tree-id and instance-id."""
    segments = [
        _segment(plan, flow.tree, path, path.nodes[router])
        for flow in plan.flows
        if flow.tree is not None
        for path in flow.tree.paths
        if router in path.nodes
    ]
    return tuple(sorted(segments, key=lambda s: (int(s.root), s.tree_id, s.instance_id)))


def _segment(
    plan: Plan, tree: TreePlan, path: TreePathPlan, node: TreeNodePlan
) -> ReplicationSegment:
    downstream = (
        Downstream(node=plan.routers[b.router].loopback.ip, sid=b.sid, interface=b.port)
        for b in node.branches
    )
    return ReplicationSegment(
        root=plan.routers[tree.root].loopback.ip,
        tree_id=tree.tree_id,
        instance_id=path.instance_id,
        sid=node.sid,
        downstream=tuple(sorted(downstream, key=lambda d: int(d.node))),
        leaf=node.leaf,
    )


def policies_of(plan: Plan, ingress: Iterable[FlowPlan]) -> tuple[P2mpPolicy, ...]:
    """Return the policies of the flows that start at a router, by root and tree-id."""
    policies = [
        P2mpPolicy(
            name=flow.delivery,
            root=plan.routers[flow.tree.root].loopback.ip,
            tree_id=flow.tree.tree_id,
            candidate_paths=tuple(
                CandidatePath(name=p.name, preference=p.preference, instance_id=p.instance_id)
                for p in flow.tree.paths
            ),
        )
        for flow in ingress
        if flow.tree is not None
    ]
    return tuple(sorted(policies, key=lambda p: (int(p.root), p.tree_id)))


def tree_flows_of(plan: Plan, ingress: Iterable[FlowPlan]) -> tuple[TreeFlow, ...]:
    """Return which flows of a router go on which tree, by group."""
    flows = [
        TreeFlow(
            source=flow.source_address,
            group=flow.group,
            root=plan.routers[flow.tree.root].loopback.ip,
            tree_id=flow.tree.tree_id,
        )
        for flow in ingress
        if flow.tree is not None
    ]
    return tuple(sorted(flows, key=lambda f: (int(f.group), int(f.source))))
