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
from toolkit.state.model import Cable, End, Interface

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
    routers = {name: RouterNode(plane, far) for name, plane in network.planes().items()}
    wires: dict[tuple[str, str], Wire] = {}
    for cable in plan.cables:
        ends = (cable.a, cable.b)
        cloud = any(e.node in plan.hosts and plan.hosts[e.node].kind == "cloud" for e in ends)
        lossy = scenario.loss_on is LossOn.ALL or cloud
        up = not network.down.cuts(cable) and all(_enabled(plan, network, end) for end in ends)
        mtu = min(_mtu(plan, network, end) for end in ends)
        for ours, theirs in (ends, ends[::-1]):
            capacity, delay = _terms(plan, ours)
            wires[ours.node, ours.port] = Wire(
                theirs.node, theirs.port, capacity, delay, mtu,
                loss=scenario.loss if lossy else 0.0, up=up,
            )  # fmt: skip
    return Fabric(plan, network, routers, wires, far)


def _interface(network: Network, end: End) -> Interface | None:
    router = network.state.routers.get(end.node)
    return None if router is None else router.interfaces.get(end.port)


def _enabled(plan: Plan, network: Network, end: End) -> bool:
    if end.node in plan.hosts:
        return True
    interface = _interface(network, end)
    return interface is not None and interface.enabled


def _mtu(plan: Plan, network: Network, end: End) -> int:
    host = plan.hosts.get(end.node)
    if host is not None:
        return host.mtu
    interface = _interface(network, end)
    return DEFAULT_MTU if interface is None or interface.mtu is None else interface.mtu


def gateway_answers(plan: Plan, network: Network, name: str) -> bool:
    """Say whether a host finds its gateway: the router's end is up and owns that address."""
    host = plan.hosts[name]
    interface = _interface(network, End(host.router, host.router_port))
    return (
        interface is not None
        and interface.enabled
        and any(
            address.ip == host.gateway and host.address.ip in address.network
            for address in interface.addresses
        )
    )


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
    paths = {}
    for cloud in flow.clouds:
        path = _path(fabric, flow.source, cloud)
        if path is not None:
            paths[cloud] = path
    return paths


def _path(fabric: Fabric, source: str, cloud: str) -> tuple[Cable, ...] | None:
    plan = fabric.plan
    cable_at = {(e.node, e.port): c for c in plan.cables for e in (c.a, c.b)}
    destination = plan.hosts[cloud].address.ip
    node, port = source, plan.hosts[source].port
    crossed: list[Cable] = []
    while len(crossed) <= len(plan.cables):
        if not fabric.wires[node, port].up:
            return None
        crossed.append(cable_at[node, port])
        node = fabric.far[node, port][0]
        if node == cloud:
            return tuple(crossed)
        router = fabric.routers.get(node)
        route = router.plane.fib.lookup(destination) if router is not None else None
        if route is None or not route.next_hops:
            return None
        port = route.next_hops[0].interface
        if (node, port) not in fabric.far:
            return None
    return None
