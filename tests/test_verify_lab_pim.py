"""What verification says of a PIM network is what the laboratory's packets do on it.

Hosts join by IGMP, then packets of the delivery are sent, far enough apart for every message that
one leads to; each packet's copies are compared with the round of the walk that it is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_reports import send_reports
from mutations import SHARDS, misjudged, mutations
from verify_edge_cases import CASES

from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Transport
from toolkit.lab.fabric import build_fabric
from toolkit.lab.hosts import Uplink, datagram_of
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Emission, Network
from toolkit.pim.igmp import link_local
from toolkit.pim.listener import Listener
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState
from toolkit.verify.multicast import examine
from toolkit.verify.scene import Scene
from toolkit.verify.walk_pim import rounds
from toolkit.verify.whatif import core_links, lost_clouds

ROOT = Path(__file__).parent.parent
APART = 1.0
"""Seconds between packets: more than any message of the demonstration network takes."""


class Host:
    """Joins, answers queries, and notes which packets come, by the number in their payload."""

    def __init__(self, uplink: Uplink, listener: Listener | None) -> None:
        self.got: list[int] = []
        self.heard: set[object] = set()
        self._uplink, self._listener = uplink, listener
        self._joined = False

    @property
    def deadline(self) -> float | None:
        if self._listener is None:
            return None
        return self._listener.deadline if self._joined else 0.0

    def expire(self, now: float) -> Iterable[Emission]:
        assert self._listener is not None
        packets = self._listener.expire(now) if self._joined else self._listener.join(now)
        self._joined = True
        return self._frames(packets)

    def receive(self, _port: str, frame: bytes, _now: float) -> Iterable[Emission]:
        try:
            outer, _, payload = datagram_of(frame)
        except WireError:
            listener = self._listener
            return self._frames(listener.receive(frame[14:]) if listener else ())
        if outer.destination.is_multicast:
            self.got.append(int.from_bytes(payload[:4], "big"))
        else:
            self.heard.add(outer.source)
        return ()

    def _frames(self, packets: Iterable[bytes]) -> list[Emission]:
        return [(self._uplink.host.port, self._uplink.multicast(p)) for p in packets]


def delivered(
    plan: Plan, state: NetworkState, down: Failures, count: int
) -> tuple[list[Counter[str]], set[str]]:
    """Return the copies of each of `count` packets by host, and whose reports came."""
    (flow,) = plan.flows
    planes = Planes(state, down)
    fabric = build_fabric(plan, planes, Scenario(down=down))
    source = None if flow.transport is Transport.PIM_SM else flow.source_address
    hosts = {}
    for name, host in plan.hosts.items():
        own = link_local(host.address.ip)
        listener = Listener(own, flow.group, source) if name in flow.clouds else None
        hosts[name] = Host(Uplink(host, fabric.far[name, host.port]), listener)
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    for name in (*fabric.routers, *hosts):
        network.arm(name)
    hub = plan.hosts[flow.source]
    template = udp.Template(flow.source_address, flow.port, flow.group, flow.port)
    kind = ethernet.EtherType.IPV4 if flow.group.version == 4 else ethernet.EtherType.IPV6
    front = ethernet.Header(ip.multicast_mac(flow.group), bytes(6), kind).encode()

    def sender(number: int) -> Callable[[float], None]:
        payload = number.to_bytes(4, "big") + bytes(flow.payload - 4)
        frame = front + template.packet(payload)
        return lambda _now: network.send(hub.name, [(hub.port, frame)])

    for number in range(count):
        network.at((number + 1) * APART, sender(number))
    send_reports(network, fabric, plan, planes)
    network.run((count + 1) * APART, lambda: False)
    copies: list[Counter[str]] = [Counter() for _ in range(count)]
    for name, node in hosts.items():
        for number in node.got:
            copies[number][name] += 1
    heard = {c for c in flow.clouds if plan.hosts[c].address.ip in hosts[hub.name].heard}
    return copies, heard


def compare(plan: Plan, state: NetworkState, down: Failures = NO_FAILURES) -> None:
    (flow,) = plan.flows
    scene = Scene(plan, state, down=down)
    said = rounds(scene, flow)
    copies, heard = delivered(plan, state, down, len(said))
    for told, got in zip(said, copies, strict=True):
        assert {a.host for a in told.arrivals} == set(got)
    steady = copies[-1]
    walk = scene.walks[flow.delivery]
    assert Counter(arrival.host for arrival in walk.arrivals) == steady
    lost = set(flow.clouds) - (heard & steady.keys())
    assert {item.cloud for item in lost_clouds(scene)} == lost
    named: dict[str, set[str]] = {}
    for found in examine(scene).findings:
        named.setdefault(found.id, set()).update(found.subjects)
    losing = ("cloud-unreached", "report-path-missing")
    assert {s for kind in losing for s in named.get(kind, ())} == lost
    assert named.get("cloud-duplicate", set()) == {h for h, n in steady.items() if n > 1}
    unreached = named.get("cloud-unreached", set())
    blamed = {c for loss in walk.losses for c in loss.clouds}
    assert blamed == unreached  # every cloud that is lost has a reason, and no other


SETTINGS = [Transport.PIM_SSM, Transport.PIM_SM]


@cache
def demo(transport: Transport) -> Plan:
    plan, _ = make_plan(over(load_inventory(ROOT / "inventories" / "demo"), transport))
    return plan


@cache
def mutants(transport: Transport) -> dict[str, NetworkState]:
    return dict(mutations(intended_state(demo(transport))))


@pytest.mark.parametrize("transport", SETTINGS)
def test_the_plan_delivers_once_to_every_cloud(transport: Transport) -> None:
    plan = demo(transport)
    compare(plan, intended_state(plan))
    assert lost_clouds(Scene(plan, intended_state(plan))) == ()


CHECKED = {name: make().plan for name, make in CASES.items()}
PIM_CASES = [name for name, of in CHECKED.items() if of.pim is not None and of.mvpn is None]
"""Those of VPNs, whose clouds join at no PIM router: tests/test_verify_lab_vpn.py."""


@pytest.mark.parametrize("name", PIM_CASES)
def test_a_bad_network_fares_as_verification_says(name: str) -> None:
    bad = CASES[name]()
    compare(bad.plan, bad.state)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SETTINGS), st.data())
def test_one_wrong_leaf_loses_in_the_laboratory_whom_verification_names(
    transport: Transport, data: st.DataObject
) -> None:
    what = data.draw(st.sampled_from(sorted(mutants(transport))))
    compare(demo(transport), mutants(transport)[what])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SETTINGS), st.data())
def test_a_wrong_leaf_of_pim_loses_whom_verification_names(
    transport: Transport, data: st.DataObject
) -> None:
    words = ("pim", "membership", "threshold")
    chosen = [w for w in sorted(mutants(transport)) if any(word in w for word in words)]
    compare(demo(transport), mutants(transport)[data.draw(st.sampled_from(chosen))])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SETTINGS), st.data())
def test_several_wrong_leaves_and_a_failure_are_judged_alike_too(
    transport: Transport, data: st.DataObject
) -> None:
    plan = demo(transport)
    state = intended_state(plan)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(state.routers)))
        what = data.draw(
            st.sampled_from(sorted(w for w in mutants(transport) if w.startswith(name)))
        )
        changed = mutants(transport)[what].routers[name]
        state = replace(state, routers={**state.routers, name: changed})
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=1))
    compare(plan, state, Failures(links=frozenset(links)))


@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("transport", SETTINGS)
def test_every_single_mutation_of_the_demonstration_is_judged_as_its_packets_fare(
    transport: Transport, shard: int
) -> None:
    plan = demo(transport)
    assert (
        misjudged(mutations(intended_state(plan)), shard, lambda state: compare(plan, state)) == []
    )
