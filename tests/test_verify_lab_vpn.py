"""What verification says of OSPF, of MVPN and of edges is what the laboratory's packets do.

As test_verify_lab, over the demonstration network: one leaf wrong, or several and a failure.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_reports import send_reports
from mutations import SHARDS, misjudged, mutations
from mvpn_networks import declared
from test_verify_lab import EVENTS, Host, sent_by_source
from verify_edge_cases import CASES

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Igp, Transport
from toolkit.lab.fabric import build_fabric
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Network
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState
from toolkit.verify.multicast import examine
from toolkit.verify.scene import Scene
from toolkit.verify.whatif import core_links, lost_clouds

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
SETTLED = 20.0
"""Seconds after which every tree of the core stands."""
KINDS = {
    "ospf": (Transport.BIER, Igp.OSPF, False, ()),
    "bier": (Transport.BIER, Igp.ISIS, True, ()),
    "bier, reflected": (Transport.BIER, Igp.OSPF, True, ("dal1",)),
    "sr-p2mp": (Transport.SR_P2MP, Igp.ISIS, True, ()),
    "pim-ssm": (Transport.PIM_SSM, Igp.OSPF, True, ()),
}


@cache
def demo(kind: str) -> Plan:
    transport, igp, vpn, reflectors = KINDS[kind]
    inventory = replace(load_inventory(DEMO), igp=igp)
    if vpn:
        inventory = declared(inventory, transport, reflectors)
    return make_plan(inventory)[0]


@cache
def mutants(kind: str) -> dict[str, NetworkState]:
    """What is wrong -> the state of the demonstration network with it."""
    return dict(mutations(intended_state(demo(kind))))


def forwarded(plan: Plan, state: NetworkState, down: Failures) -> tuple[Counter[str], set[str]]:
    """Return host -> copies of one packet, and the clouds whose reports came to the source."""
    (flow,) = plan.flows
    planes = Planes(state, down)
    fabric = build_fabric(plan, planes, Scenario(down=down))
    hosts = {name: Host() for name in plan.hosts}
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    for name in fabric.routers:
        network.arm(name)
    hub = plan.hosts[flow.source]

    def speak(_now: float) -> None:
        frames = sent_by_source(plan, flow, fabric.far[hub.name, hub.port])
        network.send(hub.name, [(hub.port, frame) for frame in frames])
        send_reports(network, fabric, plan, planes)

    network.at(SETTLED, speak)
    network.run(SETTLED + 10, lambda: network.events > EVENTS)
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_planned_network_delivers(kind: str) -> None:
    plan = demo(kind)
    compare(plan, intended_state(plan))
    copies, heard = forwarded(plan, intended_state(plan), NO_FAILURES)
    assert copies == dict.fromkeys(plan.flows[0].clouds, 1)
    assert heard == set(plan.flows[0].clouds)


CHECKED = {name: make().plan for name, make in CASES.items()}
VPN_CASES = [name for name, of in CHECKED.items() if of.mvpn is not None]


@pytest.mark.parametrize("name", VPN_CASES)
def test_a_bad_network_fares_as_verification_says(name: str) -> None:
    bad = CASES[name]()
    compare(bad.plan, bad.state)


NEW = ("vpn", "bgp", "protection", "ospf", "router-id", "membership")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_one_wrong_leaf_loses_in_the_laboratory_whom_verification_names(
    kind: str, data: st.DataObject
) -> None:
    names = sorted(mutants(kind))
    if data.draw(st.booleans()):
        names = [name for name in names if any(word in name for word in NEW)]
    compare(demo(kind), mutants(kind)[data.draw(st.sampled_from(names))])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_several_wrong_leaves_and_a_failure_are_judged_alike_too(
    kind: str, data: st.DataObject
) -> None:
    plan = demo(kind)
    state = intended_state(plan)
    for _ in range(data.draw(st.integers(2, 3))):
        name = data.draw(st.sampled_from(sorted(state.routers)))
        what = data.draw(st.sampled_from(sorted(w for w in mutants(kind) if w.startswith(name))))
        state = replace(state, routers={**state.routers, name: mutants(kind)[what].routers[name]})
    links = data.draw(st.sets(st.sampled_from(core_links(state)), max_size=1))
    compare(plan, state, Failures(links=frozenset(links)))


@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_single_mutation_is_judged_as_its_packets_fare(kind: str, shard: int) -> None:
    plan = demo(kind)
    assert (
        misjudged(mutations(intended_state(plan)), shard, lambda state: compare(plan, state)) == []
    )
