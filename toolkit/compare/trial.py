"""A delivery in the memory laboratory, as one column of a comparison.

The configuration is rendered, pushed over NETCONF, and forwarded by, as in `llmsync run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.compare.events import Study
from toolkit.compare.model import CloudTime, TrafficFigures
from toolkit.delivery.source import FileSource
from toolkit.errors import ToolkitError
from toolkit.igp.minimum_tree import MinimumTree, minimum_tree
from toolkit.lab.deliver import DeliveryRun
from toolkit.lab.memory import MemoryLab
from toolkit.lab.result import DeliveryResult
from toolkit.lab.scenario import Scenario
from toolkit.netconf.push import PushState, push
from toolkit.plan.model import Plan
from toolkit.plan.order import order
from toolkit.render.payload import render_plan
from toolkit.yang.schema import reference_schema


@dataclass(frozen=True, slots=True)
class Trial:
    """How a delivery is tried: chance, loss, and where its files go."""

    source: FileSource
    label: str
    loss: float
    seed: int
    work: Path


def measure(study: Study, trial: Trial) -> TrafficFigures:
    """Deliver twice: to all from the start, and with one cloud that joins half way.

    Raises ToolkitError where the push fails.
    """
    plan, flow = study.plan, study.flow
    with MemoryLab(plan, reference_schema()) as lab:
        report = push(lab.targets, render_plan(plan), order=order(plan))
        if report.state is not PushState.COMMITTED:
            reasons = "; ".join(f"{o.device}: {o.error}" for o in report.outcomes if o.error)
            raise ToolkitError(f"the push ended {report.state.value}: {reasons}")
        network = lab.network()

        def deliver(scenario: Scenario, folder: str) -> DeliveryResult:
            where = trial.work / study.transport / folder
            run = DeliveryRun(plan, flow, network, scenario, trial.source, where, trial.label)
            return run.run().result

        result = deliver(Scenario(loss=trial.loss, seed=trial.seed), "all")
        late = _latest(result)
        second = deliver(
            Scenario(loss=trial.loss, seed=trial.seed, late={late: result.duration / 2}), "late"
        )
    return _figures(plan, result, trial, late, second)


def _latest(result: DeliveryResult) -> str:
    """Return the cloud that had its first byte last: the farthest one."""
    return max(result.clouds, key=lambda c: (c.first_byte or 0.0, c.cloud)).cloud


def _figures(
    plan: Plan, result: DeliveryResult, trial: Trial, late: str, second: DeliveryResult
) -> TrafficFigures:
    core = [link for link in result.links if not link.edge]
    copy = result.unicast_egress / len(result.clouds)
    tree = shortest_tree(plan, result.source, [c.cloud for c in result.clouds])
    joined = next(c for c in second.clouds if c.cloud == late)
    return TrafficFigures(
        size=result.size,
        loss=trial.loss,
        complete=result.complete,
        clouds=tuple(
            CloudTime(
                cloud=c.cloud,
                region=c.region,
                complete=c.complete and c.identical,
                verified=c.verified,
                reason=c.reason,
            )
            for c in result.clouds
        ),
        duration=result.duration,
        egress=result.egress,
        core=sum(link.a_to_b + link.b_to_a for link in core),
        optimal=None if tree is None else tree.links * copy,
        optimal_exact=tree is not None and tree.exact,
        unicast_egress=result.unicast_egress,
        unicast_core=sum(link.unicast for link in core),
        unicast_duration=result.unicast_duration,
        packets=result.packets,
        repairs=result.repairs,
        repair_bytes=result.repair_bytes,
        needless=sum(c.duplicates for c in result.clouds),
        late=late,
        late_wait=None if joined.first_byte is None else joined.first_byte - joined.joined,
    )


def shortest_tree(plan: Plan, source: str, clouds: Sequence[str]) -> MinimumTree | None:
    """Return the tree with the fewest links between routers that reaches all clouds."""
    neighbors: dict[str, set[str]] = {name: set() for name in plan.routers}
    for cable in plan.cables:
        if cable.a.node in neighbors and cable.b.node in neighbors:
            neighbors[cable.a.node].add(cable.b.node)
            neighbors[cable.b.node].add(cable.a.node)
    edges = [plan.hosts[cloud].router for cloud in clouds]
    return minimum_tree(neighbors, plan.hosts[source].router, edges)


def stand_in(folder: Path, size: int) -> Path:
    """Write a file of `size` bytes that stands for a model; the same bytes for the same size."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.bin"
    if not path.exists():
        random = np.random.Generator(np.random.PCG64(size))
        path.write_bytes(random.bytes(size))
    return path
