"""From planes to a network of wires and nodes; and what unicast would have cost on it.

Pure: the plan's capacities and delays, the state's planes, the scenario's failures and loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.lab.links import far_ends
from toolkit.lab.result import LinkUse
from toolkit.lab.router import RouterNode
from toolkit.lab.scenario import LossOn, Scenario
from toolkit.lab.wires import Wire
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.derive import Network
from toolkit.planes.oam import identity_of
from toolkit.planes.paths import Paths, cables_up, gateway_answers
from toolkit.state.model import Cable, End

DEFAULT_MTU = 65535
"""Of an interface that says nothing: it then takes what the other end takes."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """All that lies between the hosts."""

    plan: Plan
    network: Network
    routers: Mapping[str, RouterNode]
    wires: Mapping[tuple[str, str], Wire]
    far: Mapping[tuple[str, str], tuple[str, str]]

    def counters(self) -> dict[str, dict[str, int]]:
        """Return router -> counters of engine and IP, and what its outgoing wires did not take."""
        counted = {name: node.counters for name, node in self.routers.items()}
        for (node, _), wire in self.wires.items():
            if node in counted:
                mine = counted[node]
                mine["dropped-mtu"] = mine.get("dropped-mtu", 0) + wire.oversized
                mine["dropped-queue"] = mine.get("dropped-queue", 0) + wire.overflowed
        return counted


def build_fabric(plan: Plan, network: Network, scenario: Scenario) -> Fabric:
    """Return routers and wires as they are before the first frame.

    Capacity and delay are the cable's, from the plan.  Whether a router's end is up, and how large
    a packet it takes, is what was configured: a cable carries what both of its ends take.
    """
    far = far_ends(plan.cables)
    planes = network.planes()
    owners = {name: plane.addresses for name, plane in planes.items()}
    owners |= {name: frozenset({host.address.ip}) for name, host in plan.hosts.items()}
    routers = {
        name: RouterNode(plane, far, owners, identity_of(network, name) if plane.bfr else None)
        for name, plane in planes.items()
    }
    up = cables_up(network.state, network.down)
    wires: dict[tuple[str, str], Wire] = {}
    for cable in plan.cables:
        ends = (cable.a, cable.b)
        cloud = any(e.node in plan.hosts and plan.hosts[e.node].kind == "cloud" for e in ends)
        lossy = scenario.loss_on is LossOn.ALL or cloud
        mtu = min(_mtu(plan, network, end) for end in ends)
        for ours, theirs in (ends, ends[::-1]):
            capacity, delay = _terms(plan, ours)
            wires[ours.node, ours.port] = Wire(
                theirs.node, theirs.port, capacity, delay, mtu,
                loss=scenario.loss if lossy else 0.0, up=ours in up,
            )  # fmt: skip
    return Fabric(plan, network, routers, wires, far)


def _mtu(plan: Plan, network: Network, end: End) -> int:
    host = plan.hosts.get(end.node)
    if host is not None:
        return host.mtu
    router = network.state.routers.get(end.node)
    interface = None if router is None else router.interfaces.get(end.port)
    return DEFAULT_MTU if interface is None or interface.mtu is None else interface.mtu


def has_gateway(plan: Plan, network: Network, name: str) -> bool:
    """Say whether a host finds its gateway at the router's end of its cable."""
    host = plan.hosts[name]
    end = End(host.router, host.router_port)
    return gateway_answers(network.state, end, host.gateway, host.address.ip)


def _terms(plan: Plan, end: End) -> tuple[int, float]:
    """Return capacity and delay of the wire that leaves this end."""
    host = plan.hosts.get(end.node)
    if host is not None:
        return host.capacity, host.delay
    planned = next(p for p in plan.routers[end.node].ports if p.name == end.port)
    return planned.capacity, planned.delay


def link_uses(fabric: Fabric, unicast: Mapping[str, int]) -> tuple[LinkUse, ...]:
    """Return the bytes that crossed each link; `unicast`: link -> computed bytes."""
    uses = []
    for cable in fabric.plan.cables:
        a, b = (cable.a.node, cable.a.port), (cable.b.node, cable.b.port)
        wire = fabric.wires[a]
        uses.append(
            LinkUse(
                link=cable.link, a=a[0], b=b[0],
                a_to_b=wire.bytes, b_to_a=fabric.wires[b].bytes,
                capacity=wire.capacity, unicast=unicast.get(cable.link, 0),
                edge=bool({a[0], b[0]} & fabric.plan.hosts.keys()), up=wire.up,
            )
        )  # fmt: skip
    return tuple(uses)


def unicast_paths(fabric: Fabric, flow: FlowPlan) -> dict[str, tuple[Cable, ...]]:
    """Return the cables that a unicast packet crosses from the source to each cloud, by the FIBs.

    A cloud that no route leads to is missing.
    """
    paths = Paths.of(fabric.network)
    source = End(flow.source, fabric.plan.hosts[flow.source].port)
    found = {c: paths.path(source, fabric.plan.hosts[c].address.ip) for c in flow.clouds}
    return {
        cloud: path.cables
        for cloud, path in found.items()
        if path.arrived is not None and path.arrived.node == cloud
    }
