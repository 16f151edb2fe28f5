"""Routers of the laboratory at the edge: what hosts forge goes nowhere, and a VPN keeps apart."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import mvpn_networks
import pytest
from mvpn_networks import change_vpn
from test_lab_router import Host
from verify_networks import LINES, change_port, network

from toolkit.bier import wire
from toolkit.errors import WireError
from toolkit.inet import ethernet, gre, ip, udp
from toolkit.inventory.model import Imposition, Transport
from toolkit.lab.fabric import Fabric, build_fabric
from toolkit.lab.hosts import Uplink
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Emission, Network
from toolkit.pim.wire import ROUTERS, GroupSet, JoinPrune, Selection, encode
from toolkit.plan.imposition import bier_header
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import IpAddress, NetworkState


class Listener(Host):
    """Takes datagrams; what else routers say to hosts is not its business."""

    def receive(self, port: str, frame: bytes, now: float) -> Iterable[Emission]:
        with suppress(WireError):
            return super().receive(port, frame, now)
        return ()


class Field:
    """A network of planes, whose hosts send what a test says."""

    def __init__(self, plan: Plan, state: NetworkState) -> None:
        self.plan = plan
        self.fabric: Fabric = build_fabric(plan, Planes(state), Scenario())
        self.hosts = {name: Listener() for name in plan.hosts}
        nodes = {**self.fabric.routers, **self.hosts}
        self._network = Network(nodes, self.fabric.wires, random.Random(1).random)

    def send(self, host: str, *frames: bytes) -> dict[str, list[bytes]]:
        """Send frames from a host; return who got which payloads."""
        port = self.plan.hosts[host].port
        for name in self.fabric.routers:
            self._network.arm(name)  # what they join at the start
        emissions = [(port, frame) for frame in frames]
        self._network.at(1.0, lambda _: self._network.send(host, emissions))
        self._network.run(4.0, lambda: False)
        return {name: node.got for name, node in self.hosts.items() if node.got}

    def front(self, host: str, kind: int) -> bytes:
        planned = self.plan.hosts[host]
        return Uplink(planned, self.fabric.far[host, planned.port]).header(kind)

    def dropped(self, router: str) -> dict[str, int]:
        counters = self.fabric.routers[router].counters
        return {n: c for n, c in counters.items() if n.startswith("dropped") and c}


def datagram(source: IpAddress, to: IpAddress, payload: bytes = b"forged") -> bytes:
    return udp.Template(source, 7000, to, 7000).packet(payload)


def multicast(plan: Plan, source: IpAddress | None = None) -> bytes:
    """Return a frame of the first delivery's group; `source`: as it says, the right one if None."""
    flow = plan.flows[0]
    packet = datagram(source or flow.source_address, flow.group)
    return ethernet.Header(ip.multicast_mac(flow.group), bytes(6), 0x0800).encode() + packet


def routed(clouds: str = "ad") -> tuple[Plan, NetworkState]:
    return network(LINES, clouds=clouds, imposition=Imposition.ROUTER)


def test_a_host_that_forges_the_source_is_heard_by_nobody() -> None:
    plan, state = routed()
    field = Field(plan, state)
    assert field.send("cloud-a", multicast(plan)) == {}
    assert field.dropped("a") == {"dropped-ip-edge-source": 1}
    # Without protection the same packet goes to all.
    port = plan.hosts["cloud-a"].router_port
    bare = Field(plan, change_port(state, "a", port, protection=None))
    assert set(bare.send("cloud-a", multicast(plan))) == {"cloud-a", "cloud-d"}


def test_the_source_itself_is_welcome_and_no_other_address_of_its_host() -> None:
    plan, state = routed()
    assert set(Field(plan, state).send("hub", multicast(plan))) == {"cloud-a", "cloud-d"}
    field = Field(plan, state)
    assert field.send("hub", multicast(plan, plan.hosts["cloud-d"].address.ip)) == {}
    assert field.dropped("a") == {"dropped-ip-edge-source": 1}


def imposed(field: Field, host: str, bits: int) -> bytes:
    """Return a frame in which a host imposes a BitString on a packet of the delivery."""
    plan, flow = field.plan, field.plan.flows[0]
    part = plan.routers[plan.hosts[host].router].sub_domains[0]
    header = bier_header(part.bift_id_base, flow.bsl, bits, 4, 1, wire.Encapsulation.MPLS)
    return field.front(host, 0x8847) + header + datagram(flow.source_address, flow.group)


def test_bits_that_a_host_may_not_set_are_taken_out_and_counted() -> None:
    plan, state = network(LINES, clouds="bd")
    ids = {n: plan.routers[n].sub_domains[0].bfr_id or 0 for n in "bd"}
    both = 1 << ids["b"] - 1 | 1 << ids["d"] - 1
    assert set(Field(plan, state).send("hub", imposed(Field(plan, state), "hub", both))) == {
        "cloud-b",
        "cloud-d",
    }
    protection = state.routers["a"].interfaces["host-hub"].protection
    assert protection is not None
    only = replace(protection, bit_strings={0: 1 << ids["b"] - 1})
    field = Field(plan, change_port(state, "a", "host-hub", protection=only))
    assert set(field.send("hub", imposed(field, "hub", both))) == {"cloud-b"}
    assert field.dropped("a") == {"dropped-bit-not-permitted": 1}


def test_a_cloud_that_forges_a_bit_string_is_stopped_at_its_port() -> None:
    plan, state = network(LINES, clouds="bd")
    field = Field(plan, state)
    assert field.send("cloud-b", imposed(field, "cloud-b", 3)) == {}
    assert field.dropped("b") == {"dropped-edge-interface": 1}


def test_a_host_speaks_no_pim() -> None:
    plan, state = mvpn_networks.planned(
        mvpn_networks.over(mvpn_networks.inventory(LINES, clouds="ad"), Transport.PIM_SSM)
    )
    flow, host = plan.flows[0], plan.hosts["cloud-d"]
    entry = GroupSet(flow.group, (Selection(flow.source_address),), ())
    message = encode(JoinPrune(host.gateway, 100, (entry,)), host.address.ip, ROUTERS[4])
    packet = ip.Template(host.address.ip, ROUTERS[4], 103, ttl=1).packet(message)
    frame = ethernet.Header(ip.multicast_mac(ROUTERS[4]), bytes(6), 0x0800).encode() + packet
    field = Field(plan, state)
    field.send("cloud-d", frame)
    assert field.dropped("d") == {"dropped-ip-edge-pim": 1}


VPNS = [Transport.BIER, Transport.SR_P2MP, Transport.PIM_SSM]


@pytest.mark.parametrize("transport", VPNS)
def test_a_vpn_carries_multicast_to_every_member_once(transport: Transport) -> None:
    plan, state = mvpn_networks.network(LINES, transport, clouds="acd")
    got = Field(plan, state).send("hub", multicast(plan))
    assert got == {name: [b"forged"] for name in ("cloud-a", "cloud-c", "cloud-d")}


@pytest.mark.parametrize("transport", VPNS)
def test_who_does_not_import_the_vpn_gets_nothing_of_it(transport: Transport) -> None:
    plan, state = mvpn_networks.network(LINES, transport, clouds="acd")
    state = change_vpn(state, "d", route_target="64512:9")
    got = Field(plan, state).send("hub", multicast(plan))
    assert set(got) == {"cloud-a", "cloud-c"}


def test_reports_go_to_the_source_between_edge_routers_and_inside_one() -> None:
    plan, state = mvpn_networks.network(LINES, clouds="ad")
    hub = plan.hosts["hub"].address.ip
    for cloud in ("cloud-a", "cloud-d"):
        field = Field(plan, state)
        report = field.front(cloud, 0x0800) + datagram(plan.hosts[cloud].address.ip, hub, b"done")
        assert field.send(cloud, report) == {"hub": [b"done"]}
        crossed = {end: w.bytes for end, w in field.fabric.wires.items() if end[0] == "c"}
        assert any(crossed.values()) == (cloud == "cloud-d")


def test_a_vpn_has_no_way_to_the_core_nor_the_core_to_it() -> None:
    plan, state = mvpn_networks.network(LINES, clouds="ad")
    cloud, hub = plan.hosts["cloud-d"].address.ip, plan.hosts["hub"].address.ip
    loopback = plan.routers["b"].loopback.ip
    field = Field(plan, state)
    assert field.send("cloud-d", field.front("cloud-d", 0x0800) + datagram(cloud, loopback)) == {}
    assert field.dropped("d") == {"dropped-ip-no-vpn-route": 1}
    # GRE as edge routers send it, forged by a host, to its own router
    field = Field(plan, state)
    outer = ip.Template(plan.routers["a"].loopback.ip, plan.routers["d"].loopback.ip, gre.PROTOCOL)
    forged = outer.packet(gre.header(0x0800) + datagram(hub, cloud))
    assert field.send("cloud-d", field.front("cloud-d", 0x0800) + forged) == {}
    assert field.dropped("d") == {"dropped-ip-gre-protocol": 1}
