"""Checks of P2MP trees: what breaks a delivery on them, and what would break its protection.

Pure.  RFC 9524, RFC 9960.  Errors are read off the walk: each names clouds that lose the delivery
by it.  What only a failure would bring to light is a warning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.planes.replication import Replication
from toolkit.planes.srdomain import SrGapReason
from toolkit.state.model import CandidatePath, P2mpPolicy
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene
from toolkit.verify.walk_sr import walk_sr

IMPOSITION = ("tree-flow-missing", "root-mismatch", "instance-missing")
SEGMENTS = ("leaf-not-covered", "segment-missing", "sid-clash", "sid-outside-srlb",
            "replication-loop", "tree-two-parents")  # fmt: skip
BRANCHES = ("downstream-unreachable", "node-sid-clash", "node-sid-missing", "mpls-missing")


def root(scene: Scene) -> Iterator[Finding]:
    """The root puts the flow on a tree."""
    yield from _of_walk(scene, IMPOSITION)


def segments(scene: Scene) -> Iterator[Finding]:
    """Every cloud is below a leaf of the tree, which is one."""
    yield from _of_walk(scene, SEGMENTS)


def branches(scene: Scene) -> Iterator[Finding]:
    """Every copy has a way to the next node."""
    yield from _of_walk(scene, BRANCHES)


def _of_walk(scene: Scene, kinds: tuple[str, ...]) -> Iterator[Finding]:
    for flow, walk in scene.walked():
        for loss in walk.losses:
            if loss.kind not in kinds:
                continue
            harmless = loss.reason not in ("loop", "joined") and not loss.clouds
            if not harmless:  # nobody loses by what no cloud is below of
                yield finding(
                    loss.kind,
                    places.on(loss.router, loss.at),
                    f"{flow.delivery}: {loss.text}",
                    evidence=[" > ".join(loss.path)] if loss.path else (),
                    subjects=[*sorted(loss.clouds), loss.router],
                )


def candidate_paths(scene: Scene) -> Iterator[Finding]:
    """Every candidate path of a policy could carry the delivery."""
    for flow in scene.plan.flows_over(Transport.SR_P2MP):
        plane = scene.plane(flow.bfir)
        replication = None if plane is None else plane.replication
        if replication is None or flow.tree is None:
            continue
        loopback = scene.plan.routers[flow.tree.root].loopback.ip
        policy = replication.policy(loopback, flow.tree.tree_id)
        if policy is not None:
            active = replication.active(policy)
            for path in policy.candidate_paths:
                yield from _path(scene, flow, replication, policy, path, active)


def _path(
    scene: Scene,
    flow: FlowPlan,
    replication: Replication,
    policy: P2mpPolicy,
    path: CandidatePath,
    active: CandidatePath | None,
) -> Iterator[Finding]:
    key = policy.root, policy.tree_id, path.instance_id
    entry = f"{places.policy(policy.root, policy.tree_id)}/candidate-path[name='{path.name}']"
    at = places.on(flow.bfir, entry)
    subjects = [flow.delivery, flow.bfir]
    if replication.own_segment(key) is None:
        text = f"{flow.bfir} has no segment of instance {path.instance_id}"
    elif not replication.standing(key)[0]:
        text = "a downstream node is not reachable from its parent"
    else:
        if active is None or path.name == active.name:
            return
        walk = walk_sr(scene, flow, path.instance_id)
        missing = sorted(set(flow.clouds) - walk.reached)
        if missing:
            reasons = [loss.text for loss in walk.losses if loss.clouds]
            yield finding(
                "candidate-path-broken",
                at,
                f"{path.name} of {flow.delivery} would not reach {', '.join(missing)}: "
                f"{reasons[0] if reasons else 'no branch leads there'}",
                evidence=reasons,
                subjects=subjects,
            )
        return
    yield finding(
        "candidate-path-invalid", at, f"{path.name} of {flow.delivery} is not valid: {text}",
        subjects=subjects,
    )  # fmt: skip


def labels(scene: Scene) -> Iterator[Finding]:
    """Routers agree on label blocks, node SIDs are theirs alone, links pass labels both ways."""
    blocks: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for name, router in sorted(scene.state.routers.items()):
        if router.sr is not None:
            blocks[router.sr.srgb.lower, router.sr.srgb.upper].append(name)
    if len(blocks) > 1:
        usual = max(blocks, key=lambda block: (len(blocks[block]), block))
        for (lower, upper), names in sorted(blocks.items()):
            for name in names if (lower, upper) != usual else ():
                yield finding(
                    "srgb-mismatch",
                    places.on(name, f"{places.SR}/srgb"),
                    f"{name} has the SRGB {lower}-{upper}, {len(blocks[usual])} others have "
                    f"{usual[0]}-{usual[1]}",
                    subjects=[name],
                )
    for gap in scene.network.sr_domain.gaps:
        if gap.prefix is not None:
            clash = gap.reason is SrGapReason.NODE_SID_CLASH
            words = "clashes with another" if clash else f"is of no address in {scene.igp.spelled}"
            yield finding(
                "node-sid-unused",
                places.on(gap.router, places.node_sid(gap.prefix)),
                f"the node SID {gap.number} of {gap.router} for {gap.prefix} {words}",
                subjects=[gap.router],
            )
    for adjacency in scene.adjacencies:
        on = [
            scene.state.routers[side.end.node].interfaces[side.end.port].mpls
            for side in (adjacency.a, adjacency.b)
        ]
        if on[0] != on[1]:
            off = adjacency.b.end if on[0] else adjacency.a.end
            yield finding(
                "mpls-half-adjacency",
                places.on(off.node, places.mpls_interface(off.port)),
                f"no labels between {adjacency.a.end.node} and {adjacency.b.end.node}: "
                f"MPLS is off on {off.node} {off.port}",
                subjects=[adjacency.link, off.node],
            )
