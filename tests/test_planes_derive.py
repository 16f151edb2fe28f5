"""Routes and whole planes, from small states built by hand."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address

import pytest
from planes_networks import derive, derive_one, prefix, state, with_interface

from toolkit.bier.engine import Arrived
from toolkit.bier.wire import Encapsulation
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane
from toolkit.state.model import EgressFlow, IngressFlow
from toolkit.yang.schema import reference_schema

# a(1) - b(2) - c(3) - d(4) - a: two ways from a to c
RING = state(
    [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")],
    bfr_ids={"a": 1, "b": None, "c": 3, "d": 4},
    hosts={"hub": "a", "cloud": "c"},
)


def hops(plane: Plane, destination: str) -> tuple[int, list[tuple[str, str, str]]]:
    route = plane.fib.lookup(IPv4Address(destination))
    assert route is not None
    return route.metric, [(h.interface, h.router, str(h.address)) for h in route.next_hops]


def test_loopbacks_links_and_edges_are_all_routed() -> None:
    plane = derive_one(RING, "a")
    assert hops(plane, "10.255.0.2") == (11, [("a-b:a", "b", "10.0.0.1")])
    assert hops(plane, "10.0.1.1") == (20, [("a-b:a", "b", "10.0.0.1")])
    # equal cost: both ways, in the order of system-ids; a passive interface costs its own metric
    two = [("a-b:a", "b", "10.0.0.1"), ("d-a:a", "d", "10.0.3.0")]
    assert hops(plane, "10.255.0.3") == (21, two)
    assert hops(plane, "10.1.1.9") == (30, two)
    assert hops(plane, "10.1.0.9") == (0, [("to-hub", "", "None")])
    assert plane.fib.lookup(IPv4Address("192.0.2.1")) is None
    assert plane.fib.lookup(ip_address("2001:db8::1")) is None


def test_a_prefix_of_two_routers_is_reached_through_both_at_equal_cost() -> None:
    triangle = state([("a", "b"), ("b", "c"), ("c", "a")], bfr_ids={})
    assert hops(derive_one(triangle, "a"), "10.0.1.0") == (
        20,
        [("a-b:a", "b", "10.0.0.1"), ("c-a:a", "c", "10.0.2.0")],
    )


def test_the_longest_prefix_wins_and_a_connected_one_beats_isis() -> None:
    wide = (IPv4Interface("10.1.1.1/24"), IPv4Interface("10.255.0.250/8"))
    net = with_interface(RING, "c", "to-cloud", addresses=wide)
    plane = derive_one(net, "a")
    assert plane.fib.lookup(IPv4Address("10.77.0.1")).prefix == IPv4Network("10.0.0.0/8")
    assert plane.fib.lookup(IPv4Address("10.255.0.2")).prefix == prefix(2)
    assert plane.fib.lookup(IPv4Address("10.0.0.1")).connected


def test_each_direction_costs_what_its_own_interface_says() -> None:
    net = state([("a", "b", 10, 99), ("b", "c"), ("a", "c", 25, 1)], bfr_ids={})
    planes = derive(net)
    assert hops(planes["a"], "10.255.0.2")[0] == 11
    assert hops(planes["b"], "10.255.0.1") == (12, [("b-c:b", "c", "10.0.1.1")])


def test_planes_know_their_edges_and_flows() -> None:
    s, g = IPv4Address("10.1.0.2"), IPv4Address("232.1.0.1")
    ingress = IngressFlow(source=s, group=g, sub_domain_id=0, bsl=64, sets={0: 0b1100})
    egress = EgressFlow(source=s, group=g, interfaces=("to-hub",))
    router = replace(RING.routers["a"], ingress_flows=(ingress,), egress_flows=(egress,))
    plane = derive_one(replace(RING, routers={**RING.routers, "a": router}), "a")
    assert plane.ingress_flows == {(s, g): ingress}
    assert plane.egress_flows == {(s, g): egress}
    assert plane.edge_interfaces == {"to-hub": "hub"}
    assert plane.core_bier == {"a-b:a", "d-a:a"}
    assert plane.bfr_ids == {0: 1}
    assert plane.encapsulation is Encapsulation.MPLS
    assert IPv4Address("10.255.0.1") in plane.addresses
    assert [n.router for n in plane.adjacencies] == ["b", "d"]


def test_where_bier_may_come_from() -> None:
    plane = derive_one(RING, "a")
    assert plane.arrived("a-b:a") is Arrived.CORE
    assert plane.arrived("to-hub") is Arrived.HOST_EDGE
    assert plane.arrived("lo") is Arrived.EDGE
    closed = derive_one(with_interface(RING, "a", "to-hub", accept_host_bier=False), "a")
    assert closed.arrived("to-hub") is Arrived.EDGE


def test_bier_in_gre_is_taken_from_bfrs_inside_only() -> None:
    plane = derive_one(RING, "a")
    assert plane.arrived("a-b:a", IPv4Address("10.255.0.3")) is Arrived.CORE
    assert plane.arrived("to-hub", IPv4Address("10.255.0.3")) is Arrived.EDGE
    assert plane.arrived("a-b:a", IPv4Address("10.1.1.2")) is Arrived.EDGE


def test_failed_nodes_have_no_plane_and_failed_links_no_route() -> None:
    down = Failures(links=frozenset({"a-b"}), nodes=frozenset({"d"}))
    planes = derive(RING, down)
    assert sorted(planes) == ["a", "b", "c"]
    assert planes["a"].adjacencies == ()
    assert planes["a"].fib.lookup(IPv4Address("10.255.0.2")) is None
    assert IPv4Address("10.0.0.0") not in planes["a"].addresses
    with pytest.raises(KeyError):
        derive_one(RING, "d", down)


def test_a_failed_access_link_takes_its_prefix_away() -> None:
    plane = derive_one(RING, "a", Failures(links=frozenset({"cloud"})))
    assert plane.fib.lookup(IPv4Address("10.1.1.9")) is None
    assert derive_one(RING, "c", Failures(nodes=frozenset({"cloud"}))).edge_interfaces == {}


def test_a_network_makes_planes_when_asked_and_the_same_ones() -> None:
    network = Network(RING)
    assert network.plane("a") is network.plane("a")
    cut = network.without(Failures(links=frozenset({"a-b"})))
    fresh = derive(RING, cut.down)
    for name in cut.routers:
        lazy = cut.plane(name)
        assert lazy.fib.routes == fresh[name].fib.routes
        assert (lazy.bifts, lazy.bift_ids, lazy.birt) == (
            fresh[name].bifts, fresh[name].bift_ids, fresh[name].birt
        )  # fmt: skip
    assert network.without(network.down).adjacencies == network.adjacencies


def test_the_order_of_a_state_does_not_matter() -> None:
    backwards = replace(
        RING,
        routers=dict(reversed(RING.routers.items())),
        cables=tuple(reversed(RING.cables)),
    )
    for name, plane in derive(RING).items():
        other = derive_one(backwards, name)
        assert other.fib.routes == plane.fib.routes
        assert (other.birt, other.bifts, other.gaps) == (plane.birt, plane.bifts, plane.gaps)


def test_state_is_shown_as_yang_says() -> None:
    plane = derive_one(RING, "a")
    engine = plane.engine()
    engine.receive(b"", Encapsulation.MPLS, Arrived.CORE, 0.0)
    tree = plane.state_tree(engine.counters)
    bier = tree["llmsync-bier:bier"]
    assert isinstance(bier, dict)
    [bift] = bier["bift"]
    assert (bift["sub-domain"], bift["bsl"], bift["si"], bift["bift-id"]) == (0, 64, 0, 1000)
    assert bift["entry"][0] == {"bfr-id": 1, "f-bm": "0000000000000001"}
    assert bift["entry"][1] == {
        "bfr-id": 3,
        "f-bm": "0000000000000004",
        "neighbor": "b",
        "out-interface": "a-b:a",
        "out-bift-id": 2000,
        "tunnel": False,
    }
    assert bier["counters"]["received"] == "1"
    assert {"reason": "truncated", "packets": "1"} in bier["counters"]["dropped"]
    isis = tree["llmsync-isis:isis"]
    assert isis["adjacency"][0] == {
        "interface": "a-b:a",
        "neighbor-system-id": "0000.0000.0002",
        "neighbor-hostname": "b",
    }
    assert {"prefix": "10.255.0.3/32", "metric": 21, "next-hop": ["a-b:a", "d-a:a"]} in isis[
        "route"
    ]
    assert "counters" not in plane.state_tree()["llmsync-bier:bier"]


def test_what_is_shown_is_valid_against_our_own_modules() -> None:
    for plane in derive(RING).values():
        tree = plane.state_tree(plane.engine().counters)
        reference_schema().parse_json(tree, plane.router, state=True)


def test_a_router_without_bier_and_isis_shows_neither() -> None:
    net = state([("a", "b")], bfr_ids={})
    bare = replace(net, routers={**net.routers, "a": replace(net.routers["a"], system_id="")})
    assert derive_one(bare, "a").state_tree() == {}
    assert "llmsync-bier:bier" not in derive_one(net, "b").state_tree()
    assert derive_one(net, "b").encapsulation is None
