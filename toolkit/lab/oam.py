"""Pings and traces in the memory laboratory: real OAM packets on the wires of the plan.

Pure: time is the laboratory's clock, chance the scenario's seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from toolkit.bier.oam_initiator import Probe
from toolkit.lab.fabric import Fabric, build_fabric
from toolkit.lab.hosts import SilentHost
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Network
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network as Planes

LIMIT = 24 * 3600.0
"""Seconds on the lab's clock after which probes are given up."""
SETTLE = 2.0
"""Seconds in which late and duplicate replies still arrive."""


class OamRun:
    """The network in which probes are sent."""

    def __init__(self, plan: Plan, planes: Planes, scenario: Scenario) -> None:
        self.fabric: Fabric = build_fabric(plan, planes, scenario)
        self._network = Network(
            {**self.fabric.routers, **{name: SilentHost() for name in plan.hosts}},
            self.fabric.wires,
            Random(scenario.seed).random,
        )

    def run(self, router: str, probes: Sequence[Probe]) -> None:
        """Let `router` send the probes until all are finished.

        Once for a run.  ValueError where the router is no BFR.
        """
        oam = self.fabric.routers[router].oam
        if oam is None:
            raise ValueError(f"{router} is no BFR")
        oam.probes = tuple(probes)
        self._network.arm(router)
        self._network.run(LIMIT, lambda: all(probe.finished for probe in probes))
        self._network.run(self._network.now + SETTLE, lambda: False)
