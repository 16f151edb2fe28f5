"""Make before break: whatever router commits first, every leaf gets every packet exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sr_networks import DEMO, sr_inventories
from sr_trees import tree_of, with_trees

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import (
    Disjointness,
    Inventory,
    Transport,
    TreeConstraints,
    TreeMetric,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Lock, Plan
from toolkit.plan.transports import over
from toolkit.srp2mp.update import Update, changed, plan_update
from toolkit.state.model import NetworkState
from toolkit.verify.scene import Scene


def trees(state: NetworkState) -> dict[str, dict]:
    return {name: tree_of(router) for name, router in state.routers.items()}


def other(draw: st.DrawFn, inventory: Inventory) -> Inventory:
    """Return the same network with another tree: other constraints, or other clouds."""
    (delivery,) = inventory.deliveries.values()
    constraints = TreeConstraints(
        metric=draw(st.sampled_from(TreeMetric)), disjoint=draw(st.sampled_from(Disjointness))
    )
    to = draw(st.lists(st.sampled_from(sorted(inventory.clouds)), min_size=1, unique=True))
    return replace(inventory, deliveries={"m": replace(delivery, tree=constraints, to=tuple(to))})


@st.composite
def updates(draw: st.DrawFn) -> tuple[Plan, Plan, Update]:
    inventory = draw(sr_inventories(least_links=3))
    first, lock = make_plan(other(draw, inventory))
    second, _ = make_plan(other(draw, inventory), lock)
    update = plan_update(trees(intended_state(first)), trees(intended_state(second)))
    return first, second, update


@settings(max_examples=150, deadline=None)
@given(updates(), st.randoms(use_true_random=False))
def test_every_leaf_gets_every_packet_once_at_every_interleaving(drawn, random) -> None:
    first, second, update = drawn
    state = intended_state(second)
    stay = set(first.flows[0].clouds) & set(second.flows[0].clouds)
    assert not update.obstacle
    if len(update.stages) == 1 and not update.moving:
        return  # nothing that is in use goes away
    runs = dict(update.running)
    for stage in update.stages:
        order = sorted(stage.trees)
        random.shuffle(order)
        for name in order:
            runs[name] = stage.trees[name]
            scene = Scene(second, with_trees(state, runs))
            got = Counter(a.host for a in scene.walks["m"].arrivals)
            assert {c: got[c] for c in stay} == dict.fromkeys(stay, 1), (stage.name, name)
    assert runs == trees(state)


@settings(max_examples=60, deadline=None)
@given(updates())
def test_a_push_that_stopped_after_a_stage_goes_on_with_the_next(drawn) -> None:
    _, _, update = drawn
    for number, stage in enumerate(update.stages):
        rest = plan_update(stage.trees, update.stages[-1].trees)
        names = [s.name for s in rest.stages if changed(rest.running, s.trees)]
        left = [s.name for s in update.stages[number + 1 :]]
        assert names == left or names == ["all"][: len(left)]


def demo(**changes: object) -> tuple[Plan, Lock]:
    inventory = over(load_inventory(DEMO), Transport.SR_P2MP)
    delivery = replace(inventory.deliveries["minilm"], **changes)  # type: ignore[arg-type]
    return make_plan(replace(inventory, deliveries={"minilm": delivery}))


def test_the_stages_of_a_new_tree_are_make_switch_break() -> None:
    first, lock = demo()
    inventory = over(load_inventory(DEMO), Transport.SR_P2MP)
    delivery = inventory.deliveries["minilm"]
    less = replace(delivery, to=tuple(c for c in delivery.to if c != "cloud-madrid"))
    second, _ = make_plan(replace(inventory, deliveries={"minilm": less}), lock)
    old, new = trees(intended_state(first)), trees(intended_state(second))
    update = plan_update(old, new)
    assert [stage.name for stage in update.stages] == ["make", "switch", "break"]
    assert update.moving == (("10.255.0.1", 8193),)
    make, switch, _ = update.stages
    assert changed(make.trees, switch.trees) == ("ams1",)
    assert "mad1" in changed(switch.trees, new)
    assert plan_update(new, new).stages[0].name == "all"
    assert changed(new, plan_update(new, new).stages[0].trees) == ()


def test_what_cannot_stand_side_by_side_is_said() -> None:
    first, _ = demo()
    old = trees(intended_state(first))
    new = {name: {**tree} for name, tree in old.items()}
    p2mp = old["ams1"]["llmsync-sr:p2mp"]
    (policy,) = p2mp["policy"]
    for name, tree in new.items():
        if "llmsync-sr:p2mp" in tree:
            segments = [
                {**s, "instance-id": s["instance-id"] + 8}
                for s in tree["llmsync-sr:p2mp"]["replication-segment"]
            ]
            new[name] = {**tree, "llmsync-sr:p2mp": {"replication-segment": segments}}
    paths = [{**p, "instance-id": p["instance-id"] + 8} for p in policy["candidate-path"]]
    new["ams1"]["llmsync-sr:p2mp"]["policy"] = [{**policy, "candidate-path": paths}]
    update = plan_update(old, new)
    assert [stage.name for stage in update.stages] == ["all"]
    assert update.obstacle == ("instances 1 and 9 have one replication SID, 15001, on ams1")
