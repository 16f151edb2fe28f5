"""Unicast paths: where a packet goes by the tables of the routers that it meets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path as File

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutations
from verify_networks import LINES, SQUARE, change_port, network, planned

from toolkit.inventory.load import load_inventory
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.fib import Fib, NextHop, Route
from toolkit.planes.paths import Path, Paths, cables_up, gateway_answers
from toolkit.planes.plane import Plane
from toolkit.state.model import End, IpAddress, NetworkState

DEMO = File(__file__).parent.parent / "inventories" / "demo"


def host_end(plan: Plan, name: str) -> End:
    return End(name, plan.hosts[name].port)


def unicast_path(network: Network, source: End, destination: IpAddress) -> Path:
    return Paths.of(network).path(source, destination)


def by_tables(state: NetworkState, planes: Mapping[str, Plane]) -> Paths:
    return Paths(planes.get, cables_up(state), state.hosts)


def routed(plane: Plane, port: str, router: str) -> Plane:
    """Return the plane with one route for everything."""
    route = Route(IPv4Network("0.0.0.0/0"), 1, (NextHop(port, router),))
    return replace(plane, fib=Fib([route]))


def test_a_packet_goes_from_host_to_host_and_names_every_cable() -> None:
    plan, state = network(LINES)
    path = unicast_path(Network(state), host_end(plan, "hub"), plan.hosts["cloud-d"].address.ip)
    assert path.nodes == ("hub", "a", "b", "c", "d", "cloud-d")
    assert [cable.link for cable in path.cables] == ["hub", "a-b", "b-c", "c-d", "cloud-d"]
    assert path.arrived == host_end(plan, "cloud-d")
    assert path.reason == ""


def test_a_router_is_reached_by_any_of_its_addresses_and_reaches_itself_at_once() -> None:
    plan, state = network(LINES)
    loopback = plan.routers["c"].loopback.ip
    path = unicast_path(Network(state), End("a", ""), loopback)
    assert (path.nodes, path.arrived) == (("a", "b", "c"), End("c", "to-b"))
    assert unicast_path(Network(state), End("c", ""), loopback).arrived == End("c", "")


def test_a_path_ends_where_no_route_or_cable_goes_on() -> None:
    plan, state = network(LINES)
    far = plan.hosts["cloud-d"].address.ip
    without = change_port(state, "d", "host-cloud-d", isis=None)
    path = unicast_path(Network(without), host_end(plan, "hub"), far)
    assert (path.at, path.arrived, path.reason) == ("a", None, f"a has no route to {far}")
    off = change_port(state, "a", "host-hub", enabled=False)
    path = unicast_path(Network(off), host_end(plan, "hub"), far)
    assert (path.cables, path.reason) == ((), "hub eth0 is down or leads nowhere")
    cut = Network(state, Failures(links=frozenset({"cloud-d"})))
    assert unicast_path(cut, End("a", ""), far).arrived is None
    loopback = plan.routers["d"].loopback.network
    taken = change_port(state, "b", "to-a", addresses=(IPv4Interface(loopback),))
    assert unicast_path(Network(taken), End("b", ""), IPv4Address("10.9.9.9")).at == "b"


def test_who_is_on_a_connected_prefix_has_to_own_the_address() -> None:
    plan, state = network(LINES)
    hub = plan.hosts["hub"].address.ip
    (own,) = state.routers["c"].interfaces["to-b"].addresses
    claim = (own, IPv4Interface(f"{hub + 1}/30"))
    path = unicast_path(
        Network(change_port(state, "c", "to-b", addresses=claim)), host_end(plan, "cloud-d"), hub
    )
    assert path.at == "c"
    assert path.reason == f"c looks for {hub} on to-b: b has it not"


def test_tables_that_disagree_loop_and_tables_that_err_lead_nowhere() -> None:
    _, state = network(LINES)
    planes = Network(state).planes()
    far = IPv4Address("192.0.2.1")
    back = {**planes, "b": routed(planes["b"], "to-c", "c"), "c": routed(planes["c"], "to-b", "b")}
    path = by_tables(state, back).path(End("b", ""), far)
    assert path.nodes == ("b", "c", "b")
    assert path.reason == f"the route to {far} loops at b"
    wrong = {**planes, "b": routed(planes["b"], "to-c", "d")}
    assert by_tables(state, wrong).path(End("b", ""), far).reason == "b to-c does not lead to d"
    gone = {**planes, "b": routed(planes["b"], "to-c", "c")}
    del gone["c"]
    assert by_tables(state, gone).path(End("b", ""), far).reason == "c is down"


@pytest.mark.parametrize(("ttl", "arrives"), [(4, False), (5, True), (6, True)])
def test_every_router_but_the_last_node_takes_one_from_the_ttl(ttl: int, arrives: bool) -> None:
    plan, state = network(LINES)
    paths = Paths.of(Network(state))
    path = paths.path(host_end(plan, "hub"), plan.hosts["cloud-d"].address.ip, ttl)
    assert (path.arrived is not None) == arrives
    assert len(path.cables) == min(ttl, 5)


def test_a_cable_is_up_where_both_of_its_ends_are() -> None:
    plan, state = network(SQUARE, clouds="c")
    assert len(cables_up(state)) == 2 * len(plan.cables)
    off = change_port(state, "b", "to-a", enabled=False)
    assert set(cables_up(state)) - set(cables_up(off)) == {End("a", "to-b"), End("b", "to-a")}
    rest = {n: r for n, r in state.routers.items() if n != "b"}
    assert not any(
        "b" in (c.a.node, c.b.node) for c in cables_up(replace(state, routers=rest)).values()
    )
    down = cables_up(state, Failures(nodes=frozenset({"cloud-c"})))
    assert End("c", "host-cloud-c") not in down


def test_a_gateway_answers_on_its_own_address_in_the_hosts_subnet() -> None:
    plan, state = network(LINES)
    host = plan.hosts["cloud-d"]
    end = End("d", "host-cloud-d")

    def answers(changed: NetworkState) -> bool:
        return gateway_answers(changed, end, host.gateway, host.address.ip)

    assert answers(state)
    for wrong in (f"{host.gateway}/32", f"{host.address.ip}/31"):
        other = (IPv4Interface(wrong),)
        assert not answers(change_port(state, "d", "host-cloud-d", addresses=other))
    assert not answers(change_port(state, "d", "host-cloud-d", enabled=False))
    assert not gateway_answers(state, End("d", "none"), host.gateway, host.address.ip)
    assert not gateway_answers(state, End("none", "x"), host.gateway, host.address.ip)


DEMO_PLAN, DEMO_STATE = planned(load_inventory(DEMO))
MUTANTS = [state for _, state in mutations(DEMO_STATE)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(MUTANTS), st.data())
def test_one_route_is_what_the_whole_table_says(state: NetworkState, data: st.DataObject) -> None:
    underlay, fresh = Network(state).underlay, Network(state).underlay
    router = data.draw(st.sampled_from(underlay.graph.names))
    fib = underlay.fib(router)
    addresses = [host.address.ip for host in DEMO_PLAN.hosts.values()]
    addresses += [a.ip for i in state.routers[router].interfaces.values() for a in i.addresses]
    addresses += [IPv4Address("192.0.2.1"), *(r.loopback.ip for r in DEMO_PLAN.routers.values())]
    for address in addresses:
        assert underlay.route(router, address) == fib.lookup(address)
        # one that has not computed the paths of this router, but distances to the address
        assert fresh.route(router, address) == fib.lookup(address)
