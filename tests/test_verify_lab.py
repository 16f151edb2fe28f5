"""What verification says of a network is what the laboratory's packets do on it.

One packet of each delivery and one report of each cloud are sent over the laboratory's routers and
wires; who gets how many copies and whose report comes to the source is compared with the findings.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from inspect import signature
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_reports import send_reports
from mutations import SHARDS, misjudged, mutations
from test_lab_router import demo_plan

from toolkit.bier import wire
from toolkit.bier.engine import Engine
from toolkit.bier.entropy import entropy_of
from toolkit.delivery.catalog import HAVE_CHUNK
from toolkit.delivery.reporting import MAX_POLL
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp
from toolkit.inventory.model import Encapsulation, Imposition
from toolkit.lab.fabric import build_fabric
from toolkit.lab.hosts import Uplink, datagram_of
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Emission, Network
from toolkit.plan.imposition import bier_header
from toolkit.plan.intended import intended_state
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState
from toolkit.verify.ground import TTL
from toolkit.verify.multicast import examine
from toolkit.verify.reports import MOST
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import core_links, lost_clouds

EVENTS = 20_000
"""A loop that multiplies packets is plain by then; nothing else makes so many."""


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
        v4 = flow.group.version == 4
        kind = ethernet.EtherType.IPV4 if v4 else ethernet.EtherType.IPV6
        group = ip.multicast_mac(flow.group)
        return [ethernet.Header(group, bytes(6), kind).encode() + packet]
    part = plan.routers[flow.bfir].sub_domains[0]
    encapsulation = wire.Encapsulation(part.encapsulation.value)
    mpls = encapsulation is wire.Encapsulation.MPLS
    front = Uplink(hub, far).header(ethernet.EtherType.MPLS if mpls else ethernet.EtherType.BIER)
    return [
        front
        + bier_header(
            part.bift_id_base + si,
            flow.bsl,
            bits,
            wire.Proto.IPV4,
            part.bfr_id or 0,
            encapsulation,
            entropy_of(flow.source_address, flow.group),
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
    send_reports(network, fabric, plan, planes)
    network.run(1e6, lambda: network.events > EVENTS)
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
def demo(encapsulation: Encapsulation, imposition: Imposition) -> Plan:
    return demo_plan(encapsulation, imposition)


@cache
def mutants(encapsulation: Encapsulation, imposition: Imposition) -> dict[str, NetworkState]:
    """What is wrong -> the state of the demonstration network with it."""
    return dict(mutations(intended_state(demo(encapsulation, imposition))))


KINDS = list(product(Encapsulation, Imposition))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_one_wrong_leaf_loses_in_the_laboratory_whom_verification_names(
    kind: tuple[Encapsulation, Imposition], data: st.DataObject
) -> None:
    what = data.draw(st.sampled_from(sorted(mutants(*kind))))
    compare(demo(*kind), mutants(*kind)[what])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_several_wrong_leaves_and_a_failure_are_judged_alike_too(
    kind: tuple[Encapsulation, Imposition], data: st.DataObject
) -> None:
    plan = demo(*kind)
    state = intended_state(plan)
    for _ in range(data.draw(st.integers(2, 3))):
        name = data.draw(st.sampled_from(sorted(state.routers)))
        what = data.draw(st.sampled_from(sorted(w for w in mutants(*kind) if w.startswith(name))))
        state = replace(state, routers={**state.routers, name: mutants(*kind)[what].routers[name]})
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=1))
    compare(plan, state, Failures(links=frozenset(links)))


HOST, ROUTER = (Encapsulation.MPLS, Imposition.HOST), (Encapsulation.MPLS, Imposition.ROUTER)


@pytest.mark.parametrize(
    ("kind", "what", "lost"),
    [
        (ROUTER, "ams1: sub-domain bfr-id None", 6),
        (HOST, "ams1: host-hub no isis", 6),
        (HOST, "ams1: host-hub no address", 6),
        (HOST, "waw1: host-cloud-warsaw no isis", 0),
        (HOST, "waw1: host-cloud-warsaw no address", 1),
        (HOST, "waw1: host-cloud-warsaw other enabled", 1),
        (HOST, "waw1: egress_flows to host-cloud-warsaw too", 0),
        (HOST, "waw1: to-fra1 mtu 100", 0),
        # Two routers own the address that a tunnel leads to: the nearer one takes its packets.
        (
            (Encapsulation.NON_MPLS, Imposition.ROUTER),
            "chi1: to-nyc1 address 10.255.0.11/32 of another",
            1,
        ),
    ],
)
def test_what_was_once_judged_wrong(
    kind: tuple[Encapsulation, Imposition], what: str, lost: int
) -> None:
    plan, state = demo(*kind), mutants(*kind)[what]
    compare(plan, state)
    assert len(lost_clouds(Scene(plan, state))) == lost


def test_ttl_and_sizes_are_those_that_packets_have() -> None:
    assert signature(Engine.impose).parameters["ttl"].default == TTL
    assert HAVE_CHUNK == MAX_POLL == MOST


@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("imposition", Imposition)
@pytest.mark.parametrize("encapsulation", Encapsulation)
def test_every_single_mutation_of_the_demonstration_is_judged_as_its_packets_fare(
    encapsulation: Encapsulation, imposition: Imposition, shard: int
) -> None:
    plan = demo(encapsulation, imposition)
    assert (
        misjudged(mutations(intended_state(plan)), shard, lambda state: compare(plan, state)) == []
    )
