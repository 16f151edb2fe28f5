"""Links and routers that fail while a delivery is under way: what is noticed when, and by whom.

draft-ietf-bier-frr: the ends of a link notice after the time of detection and switch over to their
backups, where they have any; the IGP converges later, and then every router forwards by tables of
what is left.  Law: between the two nobody computes a route.  Frames that are on a wire when it dies
still arrive; those that are sent into it afterwards are lost and counted.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from toolkit.lab.fabric import Fabric
from toolkit.lab.result import OutageResult
from toolkit.lab.scenario import Outage, Scenario
from toolkit.lab.wires import Network, Wire
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState


@dataclass(slots=True)
class _Course:
    """How one outage goes."""

    outage: Outage
    wires: dict[tuple[str, str], Wire]
    """Those that it takes down."""
    down: bool = False
    noticed: float | None = None
    converged: float | None = None
    rerouted: list[str] = field(default_factory=list)
    dark: int = 0
    """Frames that its wires had lost before."""


class Outages:
    """All outages of a run."""

    def __init__(
        self, fabric: Fabric, planes: Planes, network: Network, scenario: Scenario
    ) -> None:
        self._fabric, self._planes, self._network = fabric, planes, network
        self._scenario = scenario
        self._known: set[int] = set()
        """Outages that the IGP has converged on."""
        self._courses = [_Course(outage, self._wires(outage)) for outage in scenario.outages]

    def _wires(self, outage: Outage) -> dict[tuple[str, str], Wire]:
        cut = outage.failures
        return {
            (end.node, end.port): self._fabric.wires[end.node, end.port]
            for cable in self._fabric.plan.cables
            if cut.cuts(cable)
            for end in (cable.a, cable.b)
            if self._fabric.wires[end.node, end.port].up
        }

    def begin(self) -> None:
        """Put all of it on the network's clock; before it runs."""
        detect, converge = self._scenario.detect, self._scenario.converge
        for number, course in enumerate(self._courses):
            at, back = course.outage.at, course.outage.back
            self._network.at(at, self._failing(course))
            self._network.at(at + detect, self._noticing(course))
            self._network.at(at + converge, self._converging(number, course))
            if back is not None:
                self._network.at(back, self._returning(course))
                self._network.at(back + converge, self._converging(number, course))

    @property
    def down(self) -> Failures:
        """What has failed as far as the IGP knows, with what had failed from the start."""
        failed = [self._scenario.down]
        failed += [self._courses[number].outage.failures for number in self._known]
        return Failures(
            links=frozenset().union(*(f.links for f in failed)),
            nodes=frozenset().union(*(f.nodes for f in failed)),
        )

    def results(self) -> tuple[OutageResult, ...]:
        return tuple(
            OutageResult(
                what=course.outage.name,
                at=course.outage.at,
                noticed=course.noticed,
                converged=course.converged,
                back=course.outage.back,
                rerouted=tuple(course.rerouted),
                lost=course.dark + self._lost(course),
            )
            for course in self._courses
        )

    def _lost(self, course: _Course) -> int:
        return sum(wire.dark for wire in course.wires.values()) if course.down else 0

    def _failing(self, course: _Course) -> Callable[[float], None]:
        def fail(_now: float) -> None:
            course.down = True
            for wire in course.wires.values():
                wire.up, wire.dark = False, 0

        return fail

    def _noticing(self, course: _Course) -> Callable[[float], None]:
        def notice(now: float) -> None:
            if not course.down:
                return
            course.noticed = now
            for node, port in sorted(course.wires):
                router = self._fabric.routers.get(node)
                dead = node in course.outage.failures.nodes
                if router is not None and not dead and router.fail(port):
                    course.rerouted.append(node)

        return notice

    def _converging(self, number: int, course: _Course) -> Callable[[float], None]:
        def converge(now: float) -> None:
            if course.down:
                self._known.add(number)
                course.converged = now
            else:
                self._known.discard(number)
            planes = self._planes.without(self.down)
            for name, router in self._fabric.routers.items():
                if name in planes.routers:
                    router.load(planes.plane(name))

        return converge

    def _returning(self, course: _Course) -> Callable[[float], None]:
        def come_back(_now: float) -> None:
            course.dark += self._lost(course)
            course.down = False
            for wire in course.wires.values():
                wire.up = True

        return come_back


def without_reroute(state: NetworkState) -> NetworkState:
    """Return the same network with fast reroute off on every router: what it is measured by."""
    return replace(
        state,
        routers={
            name: replace(router, bier=replace(router.bier, fast_reroute="none"))
            for name, router in state.routers.items()
        },
    )


def reroutes(state: NetworkState) -> bool:
    """Say whether any router keeps backup entries."""
    return any(router.bier.fast_reroute != "none" for router in state.routers.values())
