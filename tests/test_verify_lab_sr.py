"""SR-P2MP: what verification says of a network is what the laboratory's packets do on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import SHARDS, misjudged, mutations
from mutations_sr import sr_mutations
from sr_networks import demo_sr_plan
from test_verify_lab import forwarded

from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.state.model import NetworkState
from toolkit.verify.findings import Severity
from toolkit.verify.multicast import examine
from toolkit.verify.scene import Scene
from toolkit.verify.trees import BRANCHES, IMPOSITION, SEGMENTS
from toolkit.verify.whatif import core_links, lost_clouds

TREE_ERRORS = {*IMPOSITION, *SEGMENTS, *BRANCHES} - {"replication-loop", "tree-two-parents"}


def compare(plan: Plan, state: NetworkState, down: Failures = NO_FAILURES) -> None:
    """Assert that every cloud fares on the wires as the findings say."""
    (flow,) = plan.flows
    copies, heard = forwarded(plan, state, down)
    scene = Scene(plan, state, down=down)
    walk = scene.walks[flow.delivery]
    arrived = Counter(arrival.host for arrival in walk.arrivals)
    if any(loss.reason == "loop" for loss in walk.losses):  # both give up, each in its way
        assert arrived.keys() == copies.keys()
    else:
        assert arrived == copies
    unheard = {cloud for (_, cloud), back in scene.ways_back.items() if back.reason}
    assert unheard == set(flow.clouds) - heard
    lost = set(flow.clouds) - (heard & copies.keys())
    assert {item.cloud for item in lost_clouds(scene)} == lost
    report = examine(scene)
    named: dict[str, set[str]] = {}
    for found in report.findings:
        named.setdefault(found.id, set()).update(found.subjects)
    losing = ("cloud-unreached", "report-path-missing")
    assert {s for kind in losing for s in named.get(kind, ())} == lost
    assert named.get("cloud-unasked", set()) == copies.keys() - set(flow.clouds)
    assert named.get("cloud-duplicate", set()) == {h for h, n in arrived.items() if n > 1}
    # Every error about the tree names a cloud that does not get the packets.
    unreached = set(flow.clouds) - copies.keys()
    for found in report.findings:
        if found.severity is Severity.ERROR and found.id in TREE_ERRORS:
            assert set(found.subjects) & unreached, found


@cache
def mutants() -> dict[str, NetworkState]:
    state = intended_state(demo_sr_plan())
    return dict(sr_mutations(state)) | dict(mutations(state))


@cache
def tree_mutants() -> tuple[str, ...]:
    return tuple(name for name, _ in sr_mutations(intended_state(demo_sr_plan())))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_wrong_leaf_loses_in_the_laboratory_whom_verification_names(
    data: st.DataObject,
) -> None:
    what = data.draw(st.sampled_from(tree_mutants()) | st.sampled_from(sorted(mutants())))
    compare(demo_sr_plan(), mutants()[what])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_several_wrong_leaves_and_a_failure_are_judged_alike_too(data: st.DataObject) -> None:
    plan = demo_sr_plan()
    state = intended_state(plan)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(state.routers)))
        mine = [w for w in tree_mutants() if w.startswith(f"{name}:")]
        what = data.draw(st.sampled_from(mine))
        state = replace(state, routers={**state.routers, name: mutants()[what].routers[name]})
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=2))
    nodes = data.draw(st.sets(st.sampled_from(("fra1", "par1", "nyc1", "chi1")), max_size=1))
    compare(plan, state, Failures(links=frozenset(links), nodes=frozenset(nodes)))


@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_single_mutation_of_the_demonstration_is_judged_as_its_packets_fare(
    shard: int,
) -> None:
    plan = demo_sr_plan()
    assert misjudged(mutants().items(), shard, lambda state: compare(plan, state)) == []
