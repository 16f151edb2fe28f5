"""What verification says of a network is what the laboratory's packets do on it.

One packet of each delivery and one report of each cloud are sent over the laboratory's routers and
wires; who gets how many copies and whose report comes to the source is compared with the findings.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from functools import cache

from mutations import mutations
from test_lab_router import demo_plan

from toolkit.bier import wire
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp
from toolkit.inventory.model import Encapsulation, Imposition
from toolkit.lab.fabric import build_fabric
from toolkit.lab.hosts import Uplink, bier_header, datagram_of
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Emission, Network
from toolkit.plan.intended import intended_state
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.planes.paths import gateway_answers
from toolkit.state.model import End, NetworkState
from toolkit.verify.multicast import examine
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import lost_clouds


class Host:
    """Counts what comes: packets of the group, and reports by their sender's address."""

    deadline: float | None = None

    def __init__(self) -> None:
        self.got: Counter[object] = Counter()

    def receive(self, _port: str, frame: bytes, _now: float) -> Iterable[Emission]:
        try:
            outer, _, _ = datagram_of(frame)
        except WireError:
            return ()
        self.got[outer.destination if outer.destination.is_multicast else outer.source] += 1
        return ()

    def expire(self, _now: float) -> Iterable[Emission]:
        return ()


def sent_by_source(plan: Plan, flow: FlowPlan, far: tuple[str, str]) -> list[bytes]:
    """Return the frames of one packet of the delivery's size."""
    hub = plan.hosts[flow.source]
    packet = udp.Template(flow.source_address, flow.port, flow.group, flow.port).packet(
        bytes(flow.payload)
    )
    if flow.imposition is Imposition.ROUTER:
        kind = ethernet.EtherType.IPV4
        group = ip.multicast_mac(flow.group)
        return [ethernet.Header(group, bytes(6), kind).encode() + packet]
    part = plan.routers[flow.bfir].sub_domains[0]
    encapsulation = wire.Encapsulation(part.encapsulation.value)
    mpls = encapsulation is wire.Encapsulation.MPLS
    front = Uplink(hub, far).header(
        ethernet.EtherType.MPLS if mpls else ethernet.EtherType.BIER
    )
    return [
        front
        + bier_header(
            part.bift_id_base + si, flow.bsl, bits, wire.Proto.IPV4, part.bfr_id or 0, encapsulation
        )
        + packet
        for si, bits in flow.bit_strings().items()
    ]


def forwarded(
    plan: Plan, state: NetworkState, down: Failures = NO_FAILURES
) -> tuple[Counter[str], set[str]]:
    """Return host -> copies of one packet, and the clouds whose reports came to the source."""
    (flow,) = plan.flows
    planes = Planes(state, down)
    fabric = build_fabric(plan, planes, Scenario(down=down))
    hosts = {name: Host() for name in plan.hosts}
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    hub = plan.hosts[flow.source]
    frames = sent_by_source(plan, flow, fabric.far[hub.name, hub.port])
    network.send(hub.name, [(hub.port, frame) for frame in frames])
    for cloud in flow.clouds:
        host = plan.hosts[cloud]
        edge = End(host.router, host.router_port)
        if gateway_answers(state, edge, host.gateway, host.address.ip):
            report = udp.Template(
                host.address.ip, flow.control_port, flow.source_address, flow.control_port
            ).packet(bytes(89 + len(cloud)))
            uplink = Uplink(host, fabric.far[host.name, host.port])
            network.send(cloud, [(host.port, uplink.ip_header + report)])
    network.run(1e6, lambda: False)
    copies = Counter({name: host.got[flow.group] for name, host in hosts.items()})
    heard = {c for c in flow.clouds if hosts[hub.name].got[plan.hosts[c].address.ip]}
    return +copies, heard


def compare(plan: Plan, state: NetworkState, down: Failures = NO_FAILURES) -> None:
    (flow,) = plan.flows
    copies, heard = forwarded(plan, state, down)
    scene = Scene(plan, state, down=down)
    walk = scene.walks[flow.delivery]
    assert Counter(arrival.host for arrival in walk.arrivals) == copies
    unheard = {cloud for (_, cloud), back in scene.ways_back.items() if back.reason}
    assert unheard == set(flow.clouds) - heard
    lost = set(flow.clouds) - (heard & copies.keys())
    assert {item.cloud for item in lost_clouds(scene)} == lost
    named: dict[str, set[str]] = {}
    for found in examine(scene).findings:
        named.setdefault(found.id, set()).update(found.subjects)
    losing = ("cloud-unreached", "report-path-missing")
    assert {s for kind in losing for s in named.get(kind, ())} == lost
    assert named.get("cloud-unasked", set()) == copies.keys() - set(flow.clouds)
    assert named.get("cloud-duplicate", set()) == {h for h, n in copies.items() if n > 1}


@cache
def demo(encapsulation: Encapsulation, imposition: Imposition) -> tuple[Plan, list[NetworkState]]:
    plan = demo_plan(encapsulation, imposition)
    return plan, [state for _, state in mutations(intended_state(plan))]
