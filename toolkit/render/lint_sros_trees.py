"""P2MP policies and replication segments of SR OS: what makes no tree.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

TREE_IDS = range(8193, 16_287)
SOURCE = "nokia-conf-router-p2mp-sr-tree"
OBSOLETE = ("replication-sid", "sid-action", "downstream-nodes")
"""Below a replication segment itself; they moved into segment-routing-mpls."""
GUIDE = "SR OS multicast routing guide, SR P2MP policy"
_Key = tuple[str, int, int]


def tree_remarks(base: Branch, where: str) -> Iterator[Remark]:
    """Yield what is wrong with trees."""
    trees = base.one("p2mp-sr-tree")
    path = f"{where}/p2mp-sr-tree"
    block = _block(base, trees.text("reserved-label-block"))
    known: dict[_Key, str] = {}
    sids: dict[int, str] = {}
    for segment in trees.all("replication-segment"):
        name = segment.text("policy-name")
        below = f"{path}/replication-segment[policy-name='{name}']"
        yield from _obsolete(segment, below)
        yield from _tree_id(segment, below)
        yield from _action(segment.one("segment-routing-mpls"), below)
        other = known.setdefault(_key(segment), name)
        if other != name:
            yield Remark(
                path=below,
                what=f"{other} is of the same root, tree-id and instance-id",
                remedy="keep one of them",
                source=GUIDE,
            )
        sid = segment.number("segment-routing-mpls", "incoming-sid")
        if sid and block is not None and sid not in block:
            yield Remark(
                path=f"{below}/segment-routing-mpls/incoming-sid",
                what=f"{sid} is not in the reserved block {block.start}-{block.stop - 1}",
                remedy="take a label from it, or move the block",
                source=f"{SOURCE}, reserved-label-block",
            )
        if sid and sids.setdefault(sid, name) != name:
            yield Remark(
                path=f"{below}/segment-routing-mpls/incoming-sid",
                what=f"{sid} is the replication SID of {sids[sid]} too",
                remedy="give each segment one of its own",
                source="RFC 9524 section 2",
            )
    for policy in trees.all("p2mp-policy"):
        yield from _policy(policy, path, known)


def _key(entry: Branch) -> _Key:
    root = entry.text("root-address", default="0.0.0.0")
    return root, entry.number("tree-id"), entry.number("instance-id")


def _block(base: Branch, name: str) -> range | None:
    for block in base.one("mpls-labels").all("reserved-label-block"):
        if name and block.text("label-block-name") == name:
            return range(block.number("start-label"), block.number("end-label") + 1)
    return None


def _obsolete(segment: Branch, where: str) -> Iterator[Remark]:
    for name in OBSOLETE:
        if segment.has(name):
            yield Remark(
                path=f"{where}/{name}",
                what="it is obsolete and does nothing",
                remedy="write it inside segment-routing-mpls",
                source=f"{SOURCE}: status obsolete",
            )


def _tree_id(entry: Branch, where: str) -> Iterator[Remark]:
    tree_id = entry.number("tree-id")
    if tree_id not in TREE_IDS:
        yield Remark(
            path=f"{where}/tree-id",
            what=f"{tree_id} is no tree-id here" if tree_id else "it belongs to no tree",
            remedy=f"use {TREE_IDS.start} to {TREE_IDS.stop - 1}",
            source=SOURCE,
        )


def _action(mpls: Branch, where: str) -> Iterator[Remark]:
    action = mpls.text("sid-action", default="none")
    nodes = list(mpls.all("downstream-nodes"))
    path = f"{where}/segment-routing-mpls/sid-action"
    if action == "none":
        yield Remark(
            path=path,
            what="the segment does nothing",
            remedy="set push at the root, swap at transit routers, pop at leaves",
            source=GUIDE,
        )
    elif action in ("push", "swap") and not nodes:
        yield Remark(
            path=path,
            what=f"{action} leads to no downstream node",
            remedy="name downstream nodes, or pop where it is a leaf",
            source="RFC 9524 section 2",
            error=action == "swap",  # a root may have all hosts of the tree itself
        )
    elif action == "pop" and nodes:
        yield Remark(
            path=path,
            what="a bud: a leaf with downstream nodes; whether both are served is not documented",
            remedy="try it on the release in use, or keep hosts away from routers that branch",
            source="RFC 9524 section 2",
            error=False,
        )
    for node in nodes:
        if node.text("admin-state") != "enable":
            index = node.text("downstream-index")
            yield Remark(
                path=f"{where}/segment-routing-mpls/downstream-nodes[downstream-index='{index}']",
                what="nothing is sent to it",
                remedy="set its admin-state to enable",
                source=f"{SOURCE}: disable is the default",
                error=False,
            )


def _policy(policy: Branch, path: str, known: dict[_Key, str]) -> Iterator[Remark]:
    where = f"{path}/p2mp-policy[p2mp-policy-name='{policy.text('p2mp-policy-name')}']"
    yield from _tree_id(policy, where)
    root, tree_id = policy.text("root-address", default="0.0.0.0"), policy.number("tree-id")
    for candidate in policy.all("candidate-path"):
        below = f"{where}/candidate-path[candidate-path-name='"
        below += f"{candidate.text('candidate-path-name')}']"
        active = candidate.text("active-instance")
        instances = {i.text("index"): i.number("instance-id") for i in _instances(candidate)}
        if active not in instances:
            yield Remark(
                path=below,
                what="none of its instances is active",
                remedy="name one of them in active-instance",
                source=SOURCE,
            )
        elif (root, tree_id, instances[active]) not in known:
            yield Remark(
                path=below,
                what=f"its instance {instances[active]} has no replication segment here, at the"
                " root",
                remedy="configure the segment, or make another instance active",
                source="RFC 9960",
            )


def _instances(candidate: Branch) -> Iterator[Branch]:
    return candidate.all("path-instances")
