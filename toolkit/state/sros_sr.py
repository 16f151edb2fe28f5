"""Segment routing and P2MP trees of an SR OS router as network state.

Pure.  nokia-conf-router-segment-routing, nokia-conf-router-p2mp-sr-tree; RFC 8660, RFC 9524.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import TypedDict

from toolkit.state.branch import Branch
from toolkit.state.model import (
    CandidatePath,
    Downstream,
    IpInterface,
    LabelBlock,
    NodeSid,
    P2mpPolicy,
    ReplicationSegment,
    SegmentRouting,
)

PREFIX = "llmsync-"
"""Names that are ours begin with it; what follows is the plan's word."""
DEFAULT_PREFERENCE = 100
"""nokia-conf-router-p2mp-sr-tree, leaf preference."""
NO_LABELS = LabelBlock(0, 0)


class SrParts(TypedDict):
    """What RouterState takes of it."""

    sr: SegmentRouting | None
    replication_segments: tuple[ReplicationSegment, ...]
    p2mp_policies: tuple[P2mpPolicy, ...]


def read_sr(base: Branch, igp: Branch, addresses: Mapping[str, tuple[IpInterface, ...]]) -> SrParts:
    """Return the parts of a router's state that segment routing of Base configures."""
    trees = base.one("p2mp-sr-tree")
    running = trees.text("admin-state") == "enable"
    segments = [_segment(e) for e in trees.all("replication-segment") if running and _on(e)]
    policies = [_policy(e) for e in trees.all("p2mp-policy") if running and _on(e)]
    return SrParts(
        sr=_routing(base, igp, addresses),
        replication_segments=tuple(
            sorted(segments, key=lambda s: (int(s.root), s.tree_id, s.instance_id))
        ),
        p2mp_policies=tuple(sorted(policies, key=lambda p: (int(p.root), p.tree_id))),
    )


def _on(entry: Branch) -> bool:
    return entry.text("admin-state") == "enable"


def _routing(
    base: Branch, igp: Branch, addresses: Mapping[str, tuple[IpInterface, ...]]
) -> SegmentRouting | None:
    routing = igp.one("segment-routing")
    if not _on(routing):
        return None
    labels, local = base.one("mpls-labels"), routing.one("prefix-sid-range")
    srgb = NO_LABELS
    if local.has("start-label"):
        first = local.number("start-label")
        srgb = LabelBlock(first, first + local.number("max-index"))
    elif labels.has("sr-labels"):
        srgb = LabelBlock(labels.number("sr-labels", "start"), labels.number("sr-labels", "end"))
    return SegmentRouting(
        srgb=srgb,
        srlb=_srlb(base, routing),
        node_sids=tuple(
            sorted(_node_sids(base, srgb, addresses), key=lambda s: (s.index, str(s.prefix)))
        ),
    )


def _srlb(base: Branch, routing: Branch) -> LabelBlock:
    """The block of trees, which are what it is for here; without trees that of the IGP."""
    names = (base.text("p2mp-sr-tree", "reserved-label-block"), routing.text("srlb"))
    for name in filter(None, names):
        for block in base.one("mpls-labels").all("reserved-label-block"):
            if block.text("label-block-name") == name:
                return LabelBlock(block.number("start-label"), block.number("end-label"))
    return NO_LABELS


def _node_sids(
    base: Branch, srgb: LabelBlock, addresses: Mapping[str, tuple[IpInterface, ...]]
) -> Iterator[NodeSid]:
    for entry in base.one("segment-routing", "sr-mpls").all("prefix-sids"):
        for version in (4, 6):
            sid = entry.one(f"ipv{version}-sid")
            for address in addresses.get(entry.text("interface-name"), ()):
                if address.version != version or not sid:
                    continue
                index = sid.number("index", default=sid.number("label") - srgb.lower)
                yield NodeSid(prefix=ip_network(address.ip), index=index)


def _segment(entry: Branch) -> ReplicationSegment:
    mpls = entry.one("segment-routing-mpls")
    nodes = [node for node in mpls.all("downstream-nodes") if _on(node)]
    backups = {node.text("protect-nexthop-id") for node in nodes}
    downstream = [_downstream(n) for n in nodes if n.text("downstream-index") not in backups]
    return ReplicationSegment(
        root=ip_address(entry.text("root-address", default="0.0.0.0")),
        tree_id=entry.number("tree-id"),
        instance_id=entry.number("instance-id"),
        sid=mpls.number("incoming-sid"),
        downstream=tuple(sorted(downstream, key=lambda d: (d.node.version, int(d.node)))),
        leaf=mpls.text("sid-action") == "pop",
    )


def _downstream(node: Branch) -> Downstream:
    """The bottom label is the replication SID; labels above it lead there."""
    labels = sorted(node.one("label").all("sid-list"), key=lambda sid: sid.number("index"))
    return Downstream(
        node=ip_address(node.text("next-hop-address", default="0.0.0.0")),
        sid=labels[-1].number("replication-sid") if labels else 0,
        interface=node.text("next-hop-interface-name") or None,
    )


def _policy(entry: Branch) -> P2mpPolicy:
    paths = (_path(path) for path in entry.all("candidate-path") if _on(path))
    return P2mpPolicy(
        name=entry.text("p2mp-policy-name").removeprefix(PREFIX),
        root=ip_address(entry.text("root-address", default="0.0.0.0")),
        tree_id=entry.number("tree-id"),
        candidate_paths=tuple(sorted(paths, key=lambda p: (-p.preference, p.name))),
    )


def _path(entry: Branch) -> CandidatePath:
    active = entry.text("active-instance")
    instances = {i.text("index"): i.number("instance-id") for i in entry.all("path-instances")}
    return CandidatePath(
        name=entry.text("candidate-path-name"),
        preference=entry.number("preference", default=DEFAULT_PREFERENCE),
        instance_id=instances.get(active, 0),
    )
