"""A router's segment routing and P2MP trees as YANG data path -> value.  Pure.  llmsync-sr."""

from __future__ import annotations

from toolkit.state.model import ReplicationSegment, RouterState
from toolkit.verify import places

PRESENT = "present"
"""Value of a list entry or presence container."""


def layout_sr(router: RouterState) -> dict[str, str]:
    """Return what llmsync-sr configures on a router, every entry before its leaves."""
    rows: dict[str, str] = {}
    sr = router.sr
    if sr is not None:
        rows[places.SR] = PRESENT
        for name, block in (("srgb", sr.srgb), ("srlb", sr.srlb)):
            rows[f"{places.SR}/{name}/lower"] = str(block.lower)
            rows[f"{places.SR}/{name}/upper"] = str(block.upper)
        for sid in sr.node_sids:
            path = places.node_sid(sid.prefix)
            rows[path] = PRESENT
            rows[f"{path}/index"] = str(sid.index)
    for name, interface in sorted(router.interfaces.items()):
        if interface.mpls:
            rows[places.mpls_interface(name)] = PRESENT
    for policy in router.p2mp_policies:
        path = places.policy(policy.root, policy.tree_id)
        rows[path] = PRESENT
        rows[f"{path}/name"] = policy.name
        for candidate in policy.candidate_paths:
            entry = f"{path}/candidate-path[name='{candidate.name}']"
            rows[entry] = PRESENT
            rows[f"{entry}/preference"] = str(candidate.preference)
            rows[f"{entry}/instance-id"] = str(candidate.instance_id)
    for segment in router.replication_segments:
        rows |= _segment(segment)
    for flow in router.tree_flows:
        path = places.tree_flow(flow.source, flow.group)
        rows[path] = PRESENT
        rows[f"{path}/root"] = str(flow.root)
        rows[f"{path}/tree-id"] = str(flow.tree_id)
    return rows


def _segment(segment: ReplicationSegment) -> dict[str, str]:
    path = places.segment(segment.root, segment.tree_id, segment.instance_id)
    rows = {
        path: PRESENT,
        f"{path}/replication-sid": str(segment.sid),
        f"{path}/leaf": str(segment.leaf).lower(),
    }
    for branch in segment.downstream:
        entry = f"{path}/downstream[node='{branch.node}']"
        rows[entry] = PRESENT
        rows[f"{entry}/replication-sid"] = str(branch.sid)
        if branch.interface is not None:
            rows[f"{entry}/interface"] = branch.interface
    return rows
