"""What a check looks at: a plan, a state, what has failed, and everything derived from them, once.

Pure.  Derived values are made when first asked for, so that a check of configuration alone costs no
shortest paths.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from toolkit.inventory.model import Inventory
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.adjacency import NO_FAILURES, Adjacency, Failures
from toolkit.planes.derive import Network
from toolkit.planes.interior import Protocol, protocol_of
from toolkit.planes.paths import Paths, cables_up
from toolkit.planes.plane import Plane
from toolkit.state.model import Cable, End, IpAddress, Member, NetworkState, SubDomain
from toolkit.verify.ground import Walk
from toolkit.verify.reports import WayBack, way_back
from toolkit.verify.walk import walk


class Scene:
    """One network under examination."""

    def __init__(
        self,
        plan: Plan,
        state: NetworkState,
        *,
        down: Failures = NO_FAILURES,
        intended: NetworkState | None = None,
        inventory: Inventory | None = None,
        planes: Mapping[str, Plane] | None = None,
        network: Network | None = None,
        intact: Scene | None = None,
    ) -> None:
        """`planes` replaces what would be derived, where devices were asked for their tables;
        `network` is the derivation itself, where the caller already has it; `intact`: the same
        network without failures."""
        self.plan, self.state, self.down = plan, state, down
        self.intended, self.inventory = intended, inventory
        self._given = planes
        self._network = network
        self._intact = intact
        self._ways_back: dict[tuple[str, str], WayBack] = {}

    @cached_property
    def network(self) -> Network:
        return self._network or Network(self.state, self.down)

    @cached_property
    def igp(self) -> Protocol:
        """The network's IGP; where no router runs any, the plan's."""
        runs = any(router.system_id or router.router_id for router in self.state.routers.values())
        return protocol_of(self.state) if runs else Protocol(self.plan.igp.value)

    @property
    def members(self) -> frozenset[Member]:
        """What the hosts have joined."""
        return self.state.members

    @property
    def adjacencies(self) -> tuple[Adjacency, ...]:
        """The adjacencies that are up."""
        return self.network.adjacencies

    @cached_property
    def planes(self) -> Mapping[str, Plane]:
        """The plane of every router that has not failed."""
        return self.network.planes() if self._given is None else self._given

    def plane(self, name: str) -> Plane | None:
        """Return one router's plane; None where it has failed or does not exist."""
        if self._given is not None:
            return self._given.get(name)
        return self.network.plane(name) if name in self.network.underlay.graph.index else None

    @property
    def derived(self) -> bool:
        """The planes follow from the state; False: they were given."""
        return self._given is None

    def routed(self, destination: IpAddress) -> Collection[str]:
        """Return the routers that have a route to `destination`."""
        if self._given is None:
            return self.network.underlay.routed(destination)
        return {n for n, p in self._given.items() if p.fib.lookup(destination) is not None}

    def sub_domain(self, router: str, number: int) -> SubDomain | None:
        """Return a router's part in a sub-domain as it is configured."""
        state = self.state.routers.get(router)
        if state is None:
            return None
        return next((s for s in state.sub_domains if s.sub_domain_id == number), None)

    def is_bfr(self, router: str) -> bool:
        state = self.state.routers.get(router)
        return state is not None and bool(state.sub_domains)

    def mtu(self, end: End) -> int | None:
        """Return the largest network-layer packet that an end takes, in bytes; None: not known."""
        host = self.plan.hosts.get(end.node)
        if host is not None:
            return host.mtu
        router = self.state.routers.get(end.node)
        interface = None if router is None else router.interfaces.get(end.port)
        return None if interface is None else interface.mtu

    @cached_property
    def cables(self) -> Mapping[End, Cable]:
        """Each end of a cable that is up -> the cable."""
        if self._intact is None:
            return cables_up(self.state, self.down)
        cables = dict(self._intact.cables)
        for cable in self._intact.network.underlay.cables_at(self.down):
            if self.down.cuts(cable):
                cables.pop(cable.a, None)
                cables.pop(cable.b, None)
        return cables

    @cached_property
    def paths(self) -> Paths:
        """The ways of unicast packets."""
        return Paths(self.plane, self.cables, self.state.hosts)

    def far(self, end: End) -> End | None:
        """Return the other end of the cable at `end`; None where none is plugged in or it is
        down."""
        cable = self.cables.get(end)
        if cable is None:
            return None
        return cable.b if cable.a == end else cable.a

    @cached_property
    def walks(self) -> Mapping[str, Walk]:
        """Delivery -> where its packets go."""
        return {flow.delivery: walk(self, flow) for flow in self.plan.flows}

    def way_back(self, flow: FlowPlan, cloud: str) -> WayBack:
        """Return how the reports of one of a flow's clouds fare."""
        key = (flow.delivery, cloud)
        if key not in self._ways_back:
            self._ways_back[key] = way_back(self, flow, cloud)
        return self._ways_back[key]

    @cached_property
    def ways_back(self) -> Mapping[tuple[str, str], WayBack]:
        """(delivery, cloud) -> how the cloud's reports fare."""
        return {
            (flow.delivery, cloud): self.way_back(flow, cloud)
            for flow in self.plan.flows
            for cloud in flow.clouds
        }

    def walked(self) -> Iterator[tuple[FlowPlan, Walk]]:
        for flow in self.plan.flows:
            yield flow, self.walks[flow.delivery]
