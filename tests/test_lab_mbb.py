"""A tree changes while a model is delivered on it, through real NETCONF pushes: nobody notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sr_networks import DEMO

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Transport, TreeConstraints, TreeMetric
from toolkit.lab.deliver import DeliveryRun, scan
from toolkit.lab.memory import MemoryLab
from toolkit.lab.scenario import Scenario
from toolkit.netconf.push import PushState, Target, push
from toolkit.netconf.running import running_trees
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.render.payload import render_plan
from toolkit.srp2mp.update import plan_update
from toolkit.yang.schema import reference_schema

CHANGES = {"make": 0.40, "switch": 0.50, "break": 0.70}
"""Stage -> when it is pushed, in seconds of the delivery; packets flow from 0.23 to 0.9."""


@dataclass(frozen=True)
class Payload:
    tree: Any

    @property
    def xml(self) -> str:
        return reference_schema().to_xml(self.tree)


def plans() -> tuple[Plan, Plan]:
    """Return the demonstration over SR-P2MP at 100 Mbit/s, and the same with another tree."""
    inventory = over(load_inventory(DEMO), Transport.SR_P2MP)
    delivery = replace(inventory.deliveries["minilm"], rate=100_000_000)
    first, lock = make_plan(replace(inventory, deliveries={"minilm": delivery}))
    # Without lon1-par1 in the tree Madrid and America are reached otherwise.
    links = tuple(
        replace(k, affinity=("leased",)) if k.name == "lon1-par1" else k for k in inventory.links
    )
    constraints = TreeConstraints(metric=TreeMetric.DELAY, exclude_any=("leased",))
    moved = replace(
        inventory, links=links, deliveries={"minilm": replace(delivery, tree=constraints)}
    )
    return first, make_plan(moved, lock)[0]


@pytest.mark.parametrize("staged", [True, False])
def test_a_tree_changes_under_a_delivery_without_loss_or_copy(tmp_path: Path, staged: bool) -> None:
    first, second = plans()
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(range(256)) * (8 * 2**20 // 256))
    with MemoryLab(first, reference_schema()) as lab:
        targets = [
            Target(
                device=name, host=lab.addresses[name][0], port=lab.addresses[name][1],
                username=lab.username, password=lab.password, host_key=lab.host_keys[name],
            )
            for name in first.routers
        ]  # fmt: skip
        assert push(targets, render_plan(first)).state is PushState.COMMITTED
        (flow,) = first.flows
        run = DeliveryRun(
            first, flow, lab.network(), Scenario(), scan(model, flow), tmp_path / "clouds", "model"
        )
        running = running_trees(targets, timeout=30.0)
        assert running is not None
        wanted = {name: payload.tree for name, payload in render_plan(second).items()}
        update = plan_update(running, wanted)
        assert [stage.name for stage in update.stages] == [*CHANGES]
        pushed: list[str] = []

        def change(name: str, trees: Any) -> Callable[[float], None]:
            def act(_now: float) -> None:
                payloads = {router: Payload(tree) for router, tree in trees.items()}
                assert push(targets, payloads).state is PushState.COMMITTED
                run.reload(lab.network())
                pushed.append(name)

            return act

        if staged:
            for stage in update.stages:
                run.at(CHANGES[stage.name], change(stage.name, stage.trees))
        else:  # what it would cost without stages: packets that are on their way
            run.at(CHANGES["switch"], change("all", wanted))
        result = run.run().result
    assert pushed == ([*CHANGES] if staged else ["all"])
    assert result.complete
    ends = [c.last_byte for c in result.clouds if c.last_byte is not None]
    assert min(ends) > CHANGES["break"]  # packets flowed all the time
    uses = {use.router: use.counters for use in result.routers}
    imposed = uses[flow.bfir]["imposed"]
    delivered = {uses[first.hosts[cloud].router].get("delivered", 0) for cloud in flow.clouds}
    lost = sum(cloud.lost for cloud in result.clouds)
    if staged:  # every leaf had every packet exactly once
        assert delivered == {imposed}
        assert imposed >= result.packets
        assert (lost, result.repairs) == (0, 0)
    else:
        assert lost > 0
