"""Ways to get one leaf of a router's segment routing or P2MP trees wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from toolkit.state.model import (
    CandidatePath,
    Downstream,
    IpAddress,
    LabelBlock,
    NetworkState,
    P2mpPolicy,
    ReplicationSegment,
    RouterState,
    SegmentRouting,
    Source,
)


def sr_mutations(state: NetworkState) -> Iterator[tuple[str, NetworkState]]:
    """Yield (what was changed, the state with it) for each single change that is known here."""
    nodes = sorted(
        (s.prefix.network_address for r in state.routers.values() if r.sr for s in r.sr.node_sids),
        key=int,
    )
    for name, router in state.routers.items():
        for what, changed in _of_router(router, nodes):
            routers = {**state.routers, name: changed}
            yield f"{name}: {what}", replace(state, source=Source.RENDERED, routers=routers)


def _of_router(router: RouterState, nodes: list[IpAddress]) -> Iterator[tuple[str, RouterState]]:
    for name, interface in router.interfaces.items():
        changed = replace(interface, mpls=not interface.mpls)
        yield f"{name} other mpls", replace(router, interfaces={**router.interfaces, name: changed})
    yield "no sr", replace(router, sr=None)
    if router.sr is not None:
        for what, sr in _of_routing(router.sr, nodes):
            yield f"sr {what}", replace(router, sr=sr)
    for position, segment in enumerate(router.replication_segments):
        where = f"segment {segment.instance_id}"
        for what, made in _of_segment(segment, router, nodes):
            segments = list(router.replication_segments)
            segments[position : position + 1] = [] if made is None else [made]
            yield f"{where} {what}", replace(router, replication_segments=tuple(segments))
        twin = replace(segment, instance_id=99, downstream=())
        both = (*router.replication_segments, twin)
        yield f"{where} twin", replace(router, replication_segments=both)
    for position, policy in enumerate(router.p2mp_policies):
        for what, new in _of_policy(policy, nodes):
            policies = list(router.p2mp_policies)
            policies[position : position + 1] = [] if new is None else [new]
            yield f"policy {what}", replace(router, p2mp_policies=tuple(policies))
    for flow in router.tree_flows:
        for what, flows in (
            ("deleted", ()),
            ("source", (replace(flow, source=flow.source + 1),)),
            ("group", (replace(flow, group=flow.group + 1),)),
            ("tree-id", (replace(flow, tree_id=flow.tree_id + 1),)),
            *((f"root {node}", (replace(flow, root=node),)) for node in nodes),
        ):
            yield f"flow {what}", replace(router, tree_flows=flows)


def _of_routing(sr: SegmentRouting, nodes: list[IpAddress]) -> Iterator[tuple[str, SegmentRouting]]:
    for block in ((17_000, 24_999), (16_000, 16_003), (100, 200), (15_000, 15_999)):
        yield f"srgb {block}", replace(sr, srgb=LabelBlock(*block))
    for block in ((15_100, 15_999), (15_000, 15_001), (15_002, 15_999), (30_000, 30_999)):
        yield f"srlb {block}", replace(sr, srlb=LabelBlock(*block))
    yield "no node sid", replace(sr, node_sids=())
    for sid in sr.node_sids:
        for index in (*range(1, 14), 7_999, 8_000):
            yield f"index {index}", replace(sr, node_sids=(replace(sid, index=index),))
        for node in nodes:
            other = type(sid.prefix)(node)
            yield f"prefix {node}", replace(sr, node_sids=(replace(sid, prefix=other),))
        yield "wide prefix", replace(sr, node_sids=(replace(sid, prefix=sid.prefix.supernet(8)),))


def _of_segment(
    segment: ReplicationSegment, router: RouterState, nodes: list[IpAddress]
) -> Iterator[tuple[str, ReplicationSegment | None]]:
    yield "deleted", None
    yield "other leaf", replace(segment, leaf=not segment.leaf)
    for sid in (15_000, 15_001, 15_002, 15_003, 15_900, 14_000, 16_001):
        yield f"sid {sid}", replace(segment, sid=sid)
    yield "tree-id", replace(segment, tree_id=segment.tree_id + 1)
    for instance in (1, 2, 3):
        yield f"instance {instance}", replace(segment, instance_id=instance)
    for node in nodes:
        yield f"root {node}", replace(segment, root=node)
        more = Downstream(node=node, sid=segment.sid)
        if node not in {d.node for d in segment.downstream}:
            added = replace(segment, downstream=(*segment.downstream, more))
            yield f"branch to {node} too", added
    for position, branch in enumerate(segment.downstream):
        for what, made in (
            ("deleted", None),
            *((f"sid {s}", replace(branch, sid=s)) for s in (15_001, 15_002, 15_900, 16_003, 14)),
            *((f"node {n}", replace(branch, node=n)) for n in nodes),
            *((f"over {p}", replace(branch, interface=p)) for p in (*router.interfaces, "none")),
            ("over nothing", replace(branch, interface=None)),
            ("node unknown", replace(branch, node=branch.node + 1000)),
        ):
            branches = list(segment.downstream)
            branches[position : position + 1] = [] if made is None else [made]
            yield f"branch {branch.node} {what}", replace(segment, downstream=tuple(branches))


def _of_policy(
    policy: P2mpPolicy, nodes: list[IpAddress]
) -> Iterator[tuple[str, P2mpPolicy | None]]:
    yield "deleted", None
    yield "tree-id", replace(policy, tree_id=policy.tree_id + 1)
    for node in nodes:
        yield f"root {node}", replace(policy, root=node)
    yield "no path", replace(policy, candidate_paths=())
    for position, path in enumerate(policy.candidate_paths):
        changes: list[tuple[str, CandidatePath | None]] = [("deleted", None)]
        changes += [(f"instance {i}", replace(path, instance_id=i)) for i in (1, 2, 3)]
        changes += [(f"preference {p}", replace(path, preference=p)) for p in (0, 300)]
        for what, made in changes:
            paths = list(policy.candidate_paths)
            paths[position : position + 1] = [] if made is None else [made]
            yield f"{path.name} {what}", replace(policy, candidate_paths=tuple(paths))
