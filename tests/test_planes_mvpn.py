"""BGP MVPN: sessions, reflection, imports; and the overlay that follows is the static one."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mvpn_networks import AS, change_bgp, change_vpn, declared, network
from test_verify_whatif import connected
from verify_networks import LINES, change_port, over_ospf, planned

from toolkit.inventory.model import Inventory, Policy, Transport
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.bgp import SessionCut
from toolkit.planes.derive import Network
from toolkit.planes.mvpn import Overlay
from toolkit.planes.mvpn_model import JoinCut
from toolkit.state.model import End, Mvpn, NetworkState
from toolkit.verify.multicast import verify_state
from toolkit.verify.whatif import judge_policy

# a (hub) - b - c - d; clouds at a, c and d
OVER = (Transport.BIER, Transport.SR_P2MP)


def overlay(state: NetworkState, down: Failures = NO_FAILURES) -> Overlay:
    found = Network(state, down).overlay
    assert found is not None
    return found


def cuts(state: NetworkState) -> dict[str, JoinCut | None]:
    return {join.member.host: join.cut for join in overlay(state).joins}


def gaps(state: NetworkState) -> set[tuple[str, str, SessionCut]]:
    return {(gap.router, gap.peer, gap.cut) for gap in overlay(state).sessions.gaps}


def sets_of(state: NetworkState) -> dict[int, int]:
    (flow,) = overlay(state).ingress("a")
    return dict(flow.sets)


@settings(max_examples=50, deadline=None)
@given(connected(), st.sampled_from(OVER), st.booleans(), st.booleans(), st.data())
def test_what_is_signalled_is_what_the_plan_would_have_written_down(
    of: Inventory, transport: Transport, reflected: bool, ospf: bool, data: st.DataObject
) -> None:
    names = sorted(of.routers)
    some = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2))
    plan, state = planned(declared(of, transport, some if reflected else ()))
    if ospf:
        plan, state = over_ospf(plan)
    static = intended_state(replace(plan, mvpn=None)).routers
    for name, plane in Network(state).planes().items():
        written = {(f.source, f.group): f for f in static[name].egress_flows}
        assert {k: set(f.interfaces) for k, f in plane.egress_flows.items()} == {
            k: set(f.interfaces) for k, f in written.items()
        }
        imposed = {(f.source, f.group): f for f in static[name].ingress_flows}
        assert plane.ingress_flows.keys() == imposed.keys()
        for key, flow in plane.ingress_flows.items():
            assert (flow.bsl, flow.sub_domain_id) == (imposed[key].bsl, imposed[key].sub_domain_id)
            for si, bits in imposed[key].sets.items():
                assert flow.sets[si] & bits == bits
        if plane.replication is not None:
            trees = {(f.source, f.group) for f in static[name].tree_flows}
            assert plane.replication.flows == trees
    report = verify_state(plan, state)
    assert report.errors == ()


def test_an_inclusive_tunnel_leads_to_every_edge_router_and_no_further() -> None:
    plan, state = network(LINES, clouds="cd")
    ids = {n: plan.routers[n].sub_domains[0].bfr_id for n in "acd"}
    assert sets_of(state) == {0: sum(1 << (ids[n] or 0) - 1 for n in "cd")}
    alone = replace(state, members=frozenset(m for m in state.members if m.host == "cloud-d"))
    assert sets_of(alone) == sets_of(state)
    nobody = replace(state, members=frozenset())
    assert overlay(nobody).ingress("a") == ()
    # c does not import: it is no leaf any more, and its member gets nothing
    other = change_vpn(state, "c", route_target="64512:9")
    assert sets_of(other) == {0: 1 << (ids["d"] or 0) - 1}
    assert cuts(other) == {"cloud-c": JoinCut.ROUTE_TARGET, "cloud-d": None}


def test_a_receiver_beside_the_source_needs_no_bgp() -> None:
    plan, state = network(LINES, clouds="ad")
    state = change_bgp(state, "a", neighbors=())
    assert cuts(state) == {"cloud-a": None, "cloud-d": JoinCut.NOT_HEARD}
    own = plan.routers["a"].sub_domains[0].bfr_id or 0
    assert sets_of(state) == {0: 1 << own - 1}


def test_a_tree_that_nobody_joins_carries_nothing() -> None:
    _, state = network(LINES, Transport.SR_P2MP, clouds="d")
    router = state.routers["a"]
    assert overlay(state).tree_flows(router) == router.tree_flows != ()
    nobody = replace(state, members=frozenset())
    assert overlay(nobody).tree_flows(router) == ()
    other = change_vpn(state, "a", policies=())
    assert overlay(other).tree_flows(other.routers["a"]) == ()


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        ({"neighbors": ()}, SessionCut.ONE_SIDED),
        ({"as_number": AS + 1}, SessionCut.OTHER_AS),
        ({"router_id": "10.255.0.1"}, SessionCut.SAME_ROUTER_ID),
    ],
)
def test_a_session_needs_both_ends(change: dict[str, object], cut: SessionCut) -> None:
    _, state = network(LINES, clouds="d")
    assert gaps(state) == set()
    wrong = change_bgp(state, "d", **change)
    assert ("a", "d", cut) in gaps(wrong)
    assert cuts(wrong) == {"cloud-d": JoinCut.NOT_HEARD}


def test_a_session_needs_a_route_in_each_direction_and_one_owner_of_the_address() -> None:
    _, state = network(LINES, clouds="d")
    hidden = change_port(state, "d", "lo0", isis=None)
    assert gaps(hidden) == {("a", "d", SessionCut.UNREACHABLE), ("d", "a", SessionCut.UNREACHABLE)}
    nobody = change_bgp(state, "a", neighbors=(IPv4Address("192.0.2.1"),))
    assert ("a", "", SessionCut.UNKNOWN) in gaps(nobody)
    taken = change_port(state, "b", "lo0", addresses=state.routers["d"].interfaces["lo0"].addresses)
    assert ("a", "", SessionCut.AMBIGUOUS) in gaps(taken)


def test_a_neighbor_that_has_failed_is_no_mistake_of_anybody() -> None:
    _, state = network(LINES, clouds="cd")
    found = overlay(state, Failures(nodes=frozenset("d")))
    assert found.sessions.gaps == []
    assert {join.member.host: join.cut for join in found.joins} == {
        "cloud-c": None,
        "cloud-d": JoinCut.PORT_DOWN,
    }


def test_reflection_passes_clients_routes_to_all_and_others_to_clients() -> None:
    _, state = network(LINES, clouds="cd", reflectors=("b",))
    sessions = overlay(state).sessions
    assert sessions.heard("a") == {"b", "c", "d"}
    # d is no client: its routes go to clients, and theirs to it; two that are none hear nothing
    (d,) = (a.ip for a in state.routers["d"].interfaces["lo0"].addresses)
    assert state.routers["b"].bgp is not None
    fewer = tuple(c for c in state.routers["b"].bgp.clients if c != d)
    one = change_bgp(state, "b", clients=fewer)
    assert overlay(one).sessions.heard("d") == {"a", "b", "c"}
    assert cuts(one) == {"cloud-c": None, "cloud-d": None}
    none = change_bgp(state, "b", clients=fewer[:1])
    assert overlay(none).sessions.heard("d") == {"a", "b"}
    assert overlay(none).sessions.heard("c") == {"a", "b"}
    nobody = change_bgp(state, "b", clients=())
    assert overlay(nobody).sessions.heard("a") == {"b"}
    assert cuts(nobody) == {"cloud-c": JoinCut.NOT_HEARD, "cloud-d": JoinCut.NOT_HEARD}


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        ({"route_target": "64512:2"}, JoinCut.ROUTE_TARGET),
        ({"tunnel": "sr-p2mp"}, JoinCut.TUNNEL_TYPE),
        ({"sub_domain_id": 7}, JoinCut.SUB_DOMAIN),
        ({"interfaces": ()}, JoinCut.NOT_IN_VRF),
    ],
)
def test_what_keeps_a_leaf_from_a_tunnel(change: dict[str, object], cut: JoinCut) -> None:
    _, state = network(LINES, clouds="cd")
    assert cuts(change_vpn(state, "d", **change)) == {"cloud-c": None, "cloud-d": cut}


def test_what_keeps_a_host_from_joining() -> None:
    plan, state = network(LINES, clouds="cd")
    for version in (None, 2):
        old = change_port(state, "d", "host-cloud-d", membership=version)
        assert cuts(old)["cloud-d"] is JoinCut.NO_MEMBERSHIP
    down = change_port(state, "d", "host-cloud-d", enabled=False)
    assert cuts(down)["cloud-d"] is JoinCut.PORT_DOWN
    outside = change_vpn(state, "a", interfaces=())
    assert set(cuts(outside).values()) == {JoinCut.NO_SOURCE}
    del plan


def paths_of(plan: Plan, state: NetworkState) -> str:
    from toolkit.planes.paths import Paths

    host = plan.hosts["cloud-d"]
    path = Paths.of(Network(state)).path(End(host.name, host.port), plan.flows[0].source_address)
    return path.reason or " ".join(path.nodes)


def test_unicast_of_the_vpn_goes_between_edge_routers_and_nobody_else_knows_it() -> None:
    plan, state = network(LINES, clouds="cd")
    assert paths_of(plan, state) == "cloud-d d c b a hub"
    source = plan.flows[0].source_address
    planes = Network(state).planes()
    assert all(plane.fib.lookup(source) is None for plane in planes.values())
    other = change_vpn(state, "d", route_target="64512:2")
    assert paths_of(plan, other) == f"d has no route to {source} in the VPN"
    outside = change_vpn(state, "d", interfaces=())
    assert paths_of(plan, outside) == f"d has no route to {source}"


def test_a_prefix_in_a_vrf_is_not_in_the_igp_whatever_is_configured() -> None:
    _, state = network(LINES, clouds="d")
    state = change_port(state, "d", "host-cloud-d", isis=state.routers["d"].interfaces["lo0"].isis)
    (address,) = state.routers["d"].interfaces["host-cloud-d"].addresses
    assert Network(state).plane("a").fib.lookup(address.ip) is None


def test_two_vpns_of_one_router_do_not_see_each_other() -> None:
    _, state = network(LINES, clouds="cd")
    first = state.routers["d"].mvpns[0]
    second = Mvpn(
        name="other", rd="10.255.0.4:2", route_target="64512:2", tunnel="bier",
        interfaces=first.interfaces, sub_domain_id=0,
    )  # fmt: skip
    router = replace(state.routers["d"], mvpns=(replace(first, interfaces=()), second))
    state = replace(state, routers={**state.routers, "d": router})
    assert cuts(state)["cloud-d"] is JoinCut.ROUTE_TARGET


# A reflector that stands aside: e is on no way of a packet.
ASIDE = [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("b", "e"), ("c", "e")]


def test_a_policy_counts_what_the_sessions_stand_on() -> None:
    policy = Policy(name="links", scope="links", failures=2)
    plan, state = network(ASIDE, clouds="d", reflectors=("e",))
    broken = judge_policy(plan, state, policy).broken
    # Both links of the reflector: no packet goes there, and without it nobody hears anybody.
    assert ("b-e", "c-e") in broken
    plan, state = network(ASIDE, clouds="d")
    assert ("b-e", "c-e") not in judge_policy(plan, state, policy).broken
    node = Policy(name="nodes", scope="nodes", failures=1)
    plan, state = network(ASIDE, clouds="d", reflectors=("e",))
    assert set(judge_policy(plan, state, node).broken) == {("e",)}
