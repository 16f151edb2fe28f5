"""Routers of the laboratory: frames in, frames out, by the planes of the demonstration network."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.bier import wire
from toolkit.inet import ethernet, udp
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Encapsulation, Imposition, Inventory
from toolkit.lab.fabric import Fabric, build_fabric, link_uses, unicast_paths
from toolkit.lab.hosts import Uplink, datagram_of
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Emission, Network
from toolkit.plan.expand import make_plan
from toolkit.plan.imposition import bier_header
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network as Planes

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


class Host:
    deadline: float | None = None

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def receive(self, port: str, frame: bytes, now: float) -> Iterable[Emission]:
        self.got.append(datagram_of(frame)[2])
        return ()

    def expire(self, now: float) -> Iterable[Emission]:
        return ()


def demo_plan(encapsulation: Encapsulation, imposition: Imposition, **bier: object) -> Plan:
    inventory: Inventory = load_inventory(DEMO)
    delivery = replace(inventory.deliveries["minilm"], imposition=imposition)
    return make_plan(
        replace(
            inventory,
            bier=replace(inventory.bier, encapsulation=encapsulation, **bier),  # type: ignore[arg-type]
            deliveries={"minilm": delivery},
        )
    )[0]


def send(
    plan: Plan, scenario: Scenario, payload: bytes, mask: frozenset[str] | None = None
) -> tuple[Fabric, dict[str, Host]]:
    """Send one datagram from the repository; return the fabric and the hosts with what they got."""
    fabric = build_fabric(plan, Planes(intended_state(plan), scenario.down), scenario)
    hosts = {name: Host() for name in plan.hosts}
    flow = plan.flows[0]
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    hub = plan.hosts[flow.source]
    packet = udp.Template(flow.source_address, flow.port, flow.group, flow.port).packet(payload)
    if flow.imposition is Imposition.HOST:
        part = plan.routers[flow.bfir].sub_domains[0]
        mpls = part.encapsulation is Encapsulation.MPLS
        uplink = Uplink(hub, fabric.far[hub.name, hub.port])
        for si, bits in flow.bit_strings(mask).items():
            front = uplink.header(0x8847 if mpls else 0xAB37) + bier_header(
                part.bift_id_base + si, flow.bsl, bits, 4, part.bfr_id or 0,
                wire.Encapsulation.MPLS if mpls else wire.Encapsulation.NON_MPLS,
            )  # fmt: skip
            network.send(hub.name, [(hub.port, front + packet)])
    else:
        front = ethernet.Header(b"\x01\0\x5e\0\0\1", b"\2\0\0\0\0\1", 0x0800).encode()
        network.send(hub.name, [(hub.port, front + packet)])
    network.run(10.0, lambda: False)
    return fabric, hosts


@pytest.mark.parametrize("imposition", Imposition)
@pytest.mark.parametrize("encapsulation", Encapsulation)
def test_every_cloud_gets_a_packet_exactly_once(
    encapsulation: Encapsulation, imposition: Imposition
) -> None:
    plan = demo_plan(encapsulation, imposition)
    fabric, hosts = send(plan, Scenario(), b"payload" * 100)
    got = {name: host.got for name, host in hosts.items() if name != "hub"}
    assert got == {cloud: [b"payload" * 100] for cloud in plan.flows[0].clouds}
    assert {name for name, node in fabric.routers.items() if node.drops} == set()
    assert sum(sum(node.engine.drops.values()) for node in fabric.routers.values()) == 0


def test_a_packet_crosses_each_link_at_most_once_and_the_non_bfr_in_a_tunnel() -> None:
    plan = demo_plan(Encapsulation.MPLS, Imposition.HOST)
    fabric, _ = send(plan, Scenario(), bytes(1000))
    frames = Counter({end: wire.frames for end, wire in fabric.wires.items() if wire.frames})
    assert max(frames.values()) == 1
    # dal1 cannot do BIER: what it forwards is IP, and its BIER engine has seen nothing
    assert fabric.wires["dal1", "to-sjc1"].frames == 1
    assert fabric.routers["dal1"].engine.received == 0


def test_a_packet_addressed_to_one_cloud_reaches_that_one_alone() -> None:
    plan = demo_plan(Encapsulation.MPLS, Imposition.HOST)
    _, hosts = send(plan, Scenario(), b"repair", frozenset({"cloud-sanjose"}))
    assert {name for name, host in hosts.items() if host.got} == {"cloud-sanjose"}


def test_a_pair_of_failed_links_cuts_the_cloud_behind_them_off_and_no_other() -> None:
    plan = demo_plan(Encapsulation.MPLS, Imposition.HOST)
    scenario = Scenario(down=Failures(links=frozenset({"par1-mad1", "lon1-mad1"})))
    fabric, hosts = send(plan, scenario, b"x")
    lost = {name for name, host in hosts.items() if not host.got} - {"hub"}
    assert lost == {"cloud-madrid"}
    assert "cloud-madrid" not in unicast_paths(fabric, plan.flows[0])


def test_bier_from_a_host_that_may_not_impose_is_dropped_and_counted() -> None:
    plan = demo_plan(Encapsulation.MPLS, Imposition.ROUTER)
    part = plan.routers["ams1"].sub_domains[0]
    fabric = build_fabric(plan, Planes(intended_state(plan)), Scenario())
    node = fabric.routers["ams1"]
    front = bytes(12) + b"\x88\x47"
    packet = bier_header(part.bift_id_base, 256, 63, 4, 7, wire.Encapsulation.MPLS) + bytes(40)
    assert list(node.receive("host-hub", front + packet, 0.0)) == []
    assert node.counters["dropped-edge-interface"] == 1


def test_unicast_costs_each_link_as_many_copies_as_clouds_behind_it() -> None:
    plan = demo_plan(Encapsulation.MPLS, Imposition.HOST)
    fabric = build_fabric(plan, Planes(intended_state(plan)), Scenario())
    paths = unicast_paths(fabric, plan.flows[0])
    assert set(paths) == set(plan.flows[0].clouds)
    copies = Counter(cable.link for path in paths.values() for cable in path)
    assert copies["hub"] == 6
    assert all(copies[cloud] == 1 for cloud in plan.flows[0].clouds)
    assert {u.link for u in link_uses(fabric, copies) if u.edge} == set(plan.hosts)
