"""What verification says of fast reroute is what packets of the laboratory do in the moment after a
failure: routers forward by the tables of before, and only the ends of what failed know of it."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from test_verify_lab import EVENTS, Host, sent_by_source
from test_verify_ways import WAYS, spread
from test_verify_whatif import connected
from verify_networks import SQUARE, network

from toolkit.inventory.model import (
    BierSettings,
    BierTunnel,
    Encapsulation,
    FastReroute,
    Imposition,
    Inventory,
)
from toolkit.lab.fabric import build_fabric
from toolkit.lab.scenario import Scenario
from toolkit.lab.wires import Network
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network as Planes
from toolkit.state.model import NetworkState
from toolkit.verify import reroute
from toolkit.verify.scene import Scene


def just_after(plan: Plan, state: NetworkState, down: Failures) -> Counter[str]:
    """Return host -> copies of one packet that is sent when only the ends have noticed."""
    (flow,) = plan.flows
    fabric = build_fabric(plan, Planes(state), Scenario())
    hosts = {name: Host() for name in plan.hosts}
    for cable in plan.cables:
        if down.cuts(cable):
            for end in (cable.a, cable.b):
                fabric.wires[end.node, end.port].up = False
                if end.node in fabric.routers and end.node not in down.nodes:
                    fabric.routers[end.node].fail(end.port)
    network = Network({**fabric.routers, **hosts}, fabric.wires, random.Random(1).random)
    hub = plan.hosts[flow.source]
    frames = sent_by_source(plan, flow, fabric.far[hub.name, hub.port])
    network.send(hub.name, [(hub.port, frame) for frame in frames])
    network.run(1e6, lambda: network.events > EVENTS)
    assert network.events <= EVENTS
    return +Counter({name: host.got[flow.group] for name, host in hosts.items()})


def judged(plan: Plan, state: NetworkState) -> dict[tuple[str, str], set[str]]:
    """Return (scope, what fails) -> clouds that verification says lose packets."""
    scene = Scene(plan, state)
    lost: dict[tuple[str, str], set[str]] = {}
    for flow in plan.flows:
        for what, scope, cloud, repair in reroute.judged(scene, flow):
            lost.setdefault((scope, what), set()).update({cloud} if repair is None else ())
    return lost


@settings(max_examples=50, deadline=None)
@given(
    connected(), st.sampled_from(list(Imposition)), st.sampled_from([1, 4]),
    st.sampled_from(["link", "node"]), st.sampled_from(WAYS),
)  # fmt: skip
def test_clouds_lose_packets_where_it_is_said_and_nowhere_else(
    of: Inventory, imposition: Imposition, paths: int, level: str,
    way: tuple[BierTunnel, Encapsulation],
) -> None:  # fmt: skip
    plan, state = spread(
        of, imposition, maximum_paths=paths, fast_reroute=FastReroute(level), tunnel=way[0],
        encapsulation=way[1],
    )  # fmt: skip
    (flow,) = plan.flows
    for (scope, what), lost in judged(plan, state).items():
        name = frozenset({what})
        down = Failures(links=name) if scope == "links" else Failures(nodes=name)
        got = just_after(plan, state, down)
        assert set(got.values()) <= {1}
        missing = set(flow.clouds) - got.keys()
        assert missing == lost if scope == "links" else missing <= lost


def test_a_square_loses_nothing_at_any_link() -> None:
    plan, state = network(
        SQUARE, clouds="bcd", bier=BierSettings(fast_reroute=FastReroute.LINK)
    )  # fmt: skip
    lost = judged(plan, state)
    assert lost == {("links", "a-b"): set(), ("links", "b-c"): set(), ("links", "d-a"): set()}
    for _scope, link in lost:
        down = Failures(links=frozenset({link}))
        assert just_after(plan, state, down) == {"cloud-b": 1, "cloud-c": 1, "cloud-d": 1}
