"""Over OSPF everything stands as it does over IS-IS: routes, BIER tables, labels, PIM."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_verify_properties import networks
from verify_networks import SQUARE, inventory, over_ospf, planned

from toolkit.inventory.model import BierTunnel, FastReroute, Inventory, Transport
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.jsonvalue import Json
from toolkit.state.model import NetworkState
from toolkit.verify.multicast import verify_state

ISIS = "llmsync-isis:isis"


def shown(state: NetworkState, down: Failures) -> dict[str, tuple[object, ...]]:
    """Return all that planes are, the IGP's own name of routers left out."""
    found = {}
    for name, plane in Network(state, down).planes().items():
        tree: dict[str, Json] = plane.state_tree()
        tree.pop(ISIS, None)
        tree.pop("llmsync-ospf:ospf", None)
        routes = {route.prefix: route for route in plane.fib.routes}
        neighbors = [(n.interface, n.router) for n in plane.adjacencies]
        found[name] = tree, routes, neighbors, plane.pim, plane.tunnel_sources, plane.gaps
    return found


@settings(max_examples=40, deadline=None)
@given(networks(), st.sampled_from(list(Transport)), st.booleans(), st.data())
def test_a_network_and_the_same_over_ospf_have_the_same_planes(
    of: tuple[Inventory, Plan, NetworkState], transport: Transport, many: bool, data: st.DataObject
) -> None:
    declared, _, _ = of
    bier = replace(
        declared.bier,
        maximum_paths=4 if many else 1,
        fast_reroute=FastReroute.LINK if many else FastReroute.NONE,
        tunnel=BierTunnel.GRE,
    )
    plan, state = planned(over(replace(declared, bier=bier), transport))
    links = sorted({c.link for c in plan.cables})
    down = Failures(links=frozenset(data.draw(st.sets(st.sampled_from(links), max_size=2))))
    over_plan, turned = over_ospf(plan)
    assert shown(turned, down) == shown(state, down)
    assert verify_state(over_plan, turned).errors == ()


@pytest.mark.parametrize("transport", Transport)
def test_failures_over_ospf_are_judged_as_over_isis(transport: Transport) -> None:
    plan, state = planned(over(inventory(SQUARE, clouds="c"), transport))
    for link in ("a-b", "b-c"):
        down = Failures(links=frozenset({link, "d-a"}))
        isis = verify_state(plan, state, down=down)
        ospf = verify_state(*over_ospf(plan), down=down)
        assert isis.errors
        assert [(f.id, f.subjects) for f in ospf.errors] == [
            (f.id, f.subjects) for f in isis.errors
        ]
