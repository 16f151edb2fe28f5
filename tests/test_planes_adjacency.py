"""An adjacency needs both ends; what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest
from planes_networks import state, with_interface, with_router

from toolkit.planes.adjacency import NO_FAILURES, Cut, Failures, adjacencies, half_adjacencies
from toolkit.state.model import Cable, End, IsisInterface, NetworkState, OspfInterface

RING = state(
    [("a", "b", 10, 20), ("b", "c"), ("c", "a")], bfr_ids={"a": 1, "b": 2}, hosts={"h": "a"}
)


def names(net: NetworkState, down: Failures = NO_FAILURES) -> list[str]:
    return [a.link for a in adjacencies(net, down)]


def causes(net: NetworkState, down: Failures = NO_FAILURES) -> dict[str, list[tuple[str, str]]]:
    return {
        half.cable.link: [(end.node if end else "", str(cut)) for end, cut in half.causes]
        for half in half_adjacencies(net, down)
    }


def test_every_cable_with_two_configured_ends_carries_an_adjacency() -> None:
    assert names(RING) == ["a-b", "b-c", "c-a"]
    assert half_adjacencies(RING) == ()
    first = adjacencies(RING)[0]
    assert (first.a.end, first.a.metric, str(first.a.address)) == (
        End("a", "a-b:a"), 10, "10.0.0.0/31"
    )  # fmt: skip
    assert (first.b.end.node, first.b.metric, first.bier) == ("b", 20, True)
    assert adjacencies(RING)[1].bier is False


def test_areas_may_differ_at_level_2() -> None:
    net = with_router(RING, replace(RING.routers["a"], areas=("49.0002",)))
    assert names(net) == ["a-b", "b-c", "c-a"]


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        ({"enabled": False}, Cut.DISABLED),
        ({"isis": None}, Cut.NO_ISIS_INTERFACE),
        ({"isis": IsisInterface(passive=True)}, Cut.PASSIVE),
        ({"addresses": ()}, Cut.NO_ADDRESS),
    ],
)
def test_half_of_a_configuration_is_no_link(change: dict[str, object], cut: Cut) -> None:
    net = with_interface(RING, "b", "a-b:b", **change)
    assert names(net) == ["b-c", "c-a"]
    assert causes(net) == {"a-b": [("b", str(cut))]}


@pytest.mark.parametrize(
    ("address", "cut"),
    [("10.9.9.1/31", Cut.SUBNET_MISMATCH), ("10.0.0.0/31", Cut.SAME_ADDRESS)],
)
def test_addresses_must_be_two_of_one_subnet(address: str, cut: Cut) -> None:
    net = with_interface(RING, "b", "a-b:b", addresses=(IPv4Interface(address),))
    assert causes(net) == {"a-b": [("", str(cut))]}


def test_one_shared_subnet_among_several_addresses_is_enough() -> None:
    several = (IPv4Interface("10.9.9.1/31"), IPv4Interface("10.0.0.1/31"))
    assert "a-b" in names(with_interface(RING, "b", "a-b:b", addresses=several))


def test_a_router_without_isis_has_no_neighbors() -> None:
    net = with_router(RING, replace(RING.routers["c"], system_id=""))
    assert names(net) == ["a-b"]
    assert causes(net) == {"b-c": [("c", "no-isis")], "c-a": [("c", "no-isis")]}


def test_one_system_id_on_both_ends_is_no_neighbor() -> None:
    twin = replace(RING.routers["b"], system_id=RING.routers["a"].system_id)
    assert causes(with_router(RING, twin)) == {"a-b": [("", "same-system-id")]}


def ospf(net: NetworkState) -> NetworkState:
    """Return the network with OSPF instead of IS-IS."""
    for number, router in enumerate(net.routers.values(), 1):
        net = with_router(net, replace(router, system_id="", router_id=f"10.255.0.{number}"))
        for port, old in router.interfaces.items():
            assert old.isis is not None
            new = OspfInterface(cost=old.isis.metric, passive=old.isis.passive)
            net = with_interface(net, router.name, port, isis=None, ospf=new, mtu=1500)
    return net


def test_ospf_makes_the_same_adjacencies() -> None:
    assert adjacencies(ospf(RING)) == adjacencies(RING)
    assert half_adjacencies(ospf(RING)) == ()


@pytest.mark.parametrize(
    ("change", "at", "cut"),
    [
        ({"ospf": None}, "b", Cut.NO_OSPF_INTERFACE),
        ({"ospf": OspfInterface(passive=True)}, "b", Cut.PASSIVE),
        ({"ospf": OspfInterface(cost=0)}, "b", Cut.COST_OUT_OF_RANGE),
        ({"ospf": OspfInterface(cost=65536)}, "b", Cut.COST_OUT_OF_RANGE),
        ({"ospf": OspfInterface(area="0.0.0.1")}, "", Cut.AREA_MISMATCH),
        ({"mtu": 1400}, "", Cut.MTU_MISMATCH),
    ],
)
def test_what_keeps_ospf_neighbors_apart(change: dict[str, object], at: str, cut: Cut) -> None:
    assert causes(with_interface(ospf(RING), "b", "a-b:b", **change)) == {"a-b": [(at, str(cut))]}


def test_ospf_needs_a_router_id_of_ones_own() -> None:
    net = ospf(RING)
    twin = replace(net.routers["b"], router_id=net.routers["a"].router_id)
    assert causes(with_router(net, twin)) == {"a-b": [("", "same-router-id")]}
    none = replace(net.routers["c"], router_id="")
    assert causes(with_router(net, none)) == {"b-c": [("c", "no-ospf")], "c-a": [("c", "no-ospf")]}


def test_mtus_may_differ_between_isis_neighbors() -> None:
    assert causes(with_interface(RING, "b", "a-b:b", mtu=1400)) == {}


def test_the_igp_is_that_of_most_routers_and_ospf_of_as_many() -> None:
    net = ospf(RING)
    alone = with_router(RING, net.routers["a"])
    assert names(alone) == ["b-c"]
    assert causes(alone)["a-b"] == [("a", "no-isis")]
    both = RING
    for name, router in net.routers.items():
        isis = RING.routers[name]
        interfaces = {
            p: replace(i, isis=isis.interfaces[p].isis) for p, i in router.interfaces.items()
        }
        both = with_router(both, replace(router, system_id=isis.system_id, interfaces=interfaces))
    assert names(both) == names(RING)
    assert causes(with_interface(both, "b", "a-b:b", ospf=None)) == {
        "a-b": [("b", "no-ospf-interface")]
    }


def test_all_reasons_are_given_at_once() -> None:
    net = with_interface(RING, "b", "a-b:b", enabled=False, isis=None, addresses=())
    net = with_interface(net, "a", "a-b:a", isis=IsisInterface(passive=True))
    assert causes(net, Failures(links=frozenset({"a-b"}))) == {
        "a-b": [
            ("", "link-failed"),
            ("a", "passive"),
            ("b", "disabled"),
            ("b", "no-isis-interface"),
            ("b", "no-address"),
        ]
    }


def test_failures_cut_cables() -> None:
    assert names(RING, Failures(links=frozenset({"b-c"}))) == ["a-b", "c-a"]
    down = Failures(nodes=frozenset({"c"}))
    assert names(RING, down) == ["a-b"]
    assert causes(RING, down) == {"b-c": [("c", "node-failed")], "c-a": [("c", "node-failed")]}


def test_an_unknown_router_and_a_missing_interface_are_named() -> None:
    net = replace(
        RING,
        cables=(
            *RING.cables,
            Cable(End("a", "x"), End("ghost", "y"), "a-ghost"),
        ),
    )
    assert causes(net) == {"a-ghost": [("a", "no-interface"), ("ghost", "unknown-router")]}


def test_cables_to_hosts_are_none_of_ours() -> None:
    assert "h" not in names(RING)
    assert "h" not in causes(RING)
