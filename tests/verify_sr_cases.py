"""Bad networks whose mistake is in segment routing or in a P2MP tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from verify_cases import CASES, Case, case
from verify_networks import change_port, change_router, inventory, planned

from toolkit.inventory.model import Disjointness, Router, Transport, TreeConstraints
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import Failures
from toolkit.state.model import (
    Downstream,
    LabelBlock,
    NetworkState,
    NodeSid,
    ReplicationSegment,
    RouterState,
)

__all__ = ["CASES", "Case"]

LADDER = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "e"), ("e", "d"), ("e", "b")]
"""The tree to clouds at b and d is a > b, a > e > d; its backup a > e > b > c > d."""


def ladder(
    *, disjoint: Disjointness = Disjointness.NONE, without: tuple[str, ...] = ()
) -> tuple[Plan, NetworkState]:
    made = over(inventory(LADDER, clouds="bd"), Transport.SR_P2MP)
    delivery = replace(made.deliveries["model"], tree=TreeConstraints(disjoint=disjoint))
    routers: dict[str, Router] = {
        name: replace(router, replication=name not in without)
        for name, router in made.routers.items()
    }
    return planned(replace(made, deliveries={"model": delivery}, routers=routers))


def segment_of(state: NetworkState, router: str, instance: int = 1) -> ReplicationSegment:
    segments = state.routers[router].replication_segments
    return next(s for s in segments if s.instance_id == instance)


def change_segment(
    state: NetworkState, router: str, instance: int = 1, **changes: Any
) -> NetworkState:
    segments = state.routers[router].replication_segments
    made = tuple(replace(s, **changes) if s.instance_id == instance else s for s in segments)
    return change_router(state, router, replication_segments=made)


def loopback(state: NetworkState, router: str) -> Any:
    found: RouterState = state.routers[router]
    return found.interfaces["lo0"].addresses[0].ip


@case
def sr_good() -> Case:
    plan, state = ladder(disjoint=Disjointness.LINK)
    return Case(plan, state, frozenset())


@case
def sr_root_without_a_flow() -> Case:
    plan, state = ladder()
    bad = change_router(state, "a", tree_flows=())
    return Case(plan, bad, frozenset({"cloud-unreached", "tree-flow-missing"}))


@case
def sr_flow_of_another_root() -> Case:
    plan, state = ladder()
    (flow,) = state.routers["a"].tree_flows
    bad = change_router(state, "a", tree_flows=(replace(flow, root=loopback(state, "c")),))
    return Case(plan, bad, frozenset({"cloud-unreached", "root-mismatch"}))


@case
def sr_policy_of_another_root() -> Case:
    plan, state = ladder()
    (policy,) = state.routers["a"].p2mp_policies
    bad = change_router(state, "a", p2mp_policies=(replace(policy, root=loopback(state, "b")),))
    return Case(plan, bad, frozenset({"cloud-unreached", "root-mismatch"}))


@case
def sr_instance_without_segments() -> Case:
    plan, state = ladder()
    (policy,) = state.routers["a"].p2mp_policies
    paths = tuple(replace(path, instance_id=5) for path in policy.candidate_paths)
    bad = change_router(state, "a", p2mp_policies=(replace(policy, candidate_paths=paths),))
    ids = {"cloud-unreached", "instance-missing", "candidate-path-invalid"}
    return Case(plan, bad, frozenset(ids))


@case
def sr_leaf_that_is_none() -> Case:
    plan, state = ladder()
    bad = change_segment(state, "d", leaf=False)
    return Case(plan, bad, frozenset({"cloud-unreached", "leaf-not-covered"}))


@case
def sr_branch_forgotten() -> Case:
    plan, state = ladder()
    bad = change_segment(state, "e", downstream=())
    return Case(plan, bad, frozenset({"cloud-unreached", "leaf-not-covered"}))


@case
def sr_segment_missing() -> Case:
    plan, state = ladder()
    bad = change_router(state, "e", replication_segments=())
    return Case(plan, bad, frozenset({"cloud-unreached", "segment-missing"}))


@case
def sr_two_segments_with_one_sid() -> Case:
    plan, state = ladder()
    mine = segment_of(state, "b")
    both = (mine, replace(mine, instance_id=9))
    bad = change_router(state, "b", replication_segments=both)
    return Case(plan, bad, frozenset({"cloud-unreached", "sid-clash"}))


@case
def sr_sid_outside_srlb() -> Case:
    plan, state = ladder()
    sr = state.routers["b"].sr
    assert sr is not None
    bad = change_router(state, "b", sr=replace(sr, srlb=LabelBlock(30_000, 30_999)))
    return Case(plan, bad, frozenset({"cloud-unreached", "sid-outside-srlb"}))


@case
def sr_replication_loop() -> Case:
    plan, state = ladder()
    mine = segment_of(state, "d")
    up = Downstream(node=loopback(state, "e"), sid=mine.sid, interface="to-e")
    bad = change_segment(state, "d", downstream=(up,))
    ids = {"replication-loop", "cloud-duplicate", "tree-two-parents"}
    return Case(plan, bad, frozenset(ids - {"tree-two-parents"}))


@case
def sr_two_parents() -> Case:
    plan, state = ladder()
    mine = segment_of(state, "e")
    more = Downstream(node=loopback(state, "b"), sid=mine.sid, interface="to-b")
    bad = change_segment(state, "e", downstream=(*mine.downstream, more))
    return Case(plan, bad, frozenset({"cloud-duplicate", "tree-two-parents"}))


@case
def sr_downstream_unreachable() -> Case:
    plan, state = ladder()
    ids = {"cloud-unreached", "report-path-missing", "downstream-unreachable"}
    down = Failures(links=frozenset({"c-d", "e-d"}))
    return Case(plan, state, frozenset(ids | {"candidate-path-invalid"}), down)


@case
def sr_node_sids_clash() -> Case:
    """e does not replicate: d is reached by its node SID, which is also that of c."""
    plan, state = ladder(without=("e",))
    sid = state.routers["d"].sr
    other = state.routers["c"].sr
    assert sid is not None
    assert other is not None
    same = tuple(replace(s, index=other.node_sids[0].index) for s in sid.node_sids)
    bad = change_router(state, "d", sr=replace(sid, node_sids=same))
    return Case(plan, bad, frozenset({"cloud-unreached", "node-sid-clash", "node-sid-unused"}))


@case
def sr_node_sid_missing() -> Case:
    plan, state = ladder(without=("e",))
    sr = state.routers["d"].sr
    assert sr is not None
    bad = change_router(state, "d", sr=replace(sr, node_sids=()))
    return Case(plan, bad, frozenset({"cloud-unreached", "node-sid-missing"}))


@case
def sr_node_sid_of_nobody() -> Case:
    plan, state = ladder()
    sr = state.routers["c"].sr
    assert sr is not None
    elsewhere = type(sr.node_sids[0].prefix)("192.0.2.1/32")
    sids = (*sr.node_sids, NodeSid(prefix=elsewhere, index=77))
    return Case(
        plan,
        change_router(state, "c", sr=replace(sr, node_sids=sids)),
        frozenset({"node-sid-unused"}),
    )


@case
def sr_srgb_of_its_own() -> Case:
    plan, state = ladder(without=("e",))
    sr = state.routers["e"].sr
    assert sr is not None
    bad = change_router(state, "e", sr=replace(sr, srgb=LabelBlock(40_000, 47_999)))
    return Case(plan, bad, frozenset({"srgb-mismatch"}))


@case
def sr_mpls_off_at_the_far_end() -> Case:
    plan, state = ladder()
    bad = change_port(state, "b", "to-a", mpls=False)
    return Case(plan, bad, frozenset({"cloud-unreached", "mpls-missing", "mpls-half-adjacency"}))


@case
def sr_backup_broken() -> Case:
    plan, state = ladder(disjoint=Disjointness.LINK)
    bad = change_segment(state, "d", instance=2, leaf=False)
    return Case(plan, bad, frozenset({"candidate-path-broken"}))
