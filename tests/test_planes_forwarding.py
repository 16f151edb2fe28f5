"""Engines on derived planes: every BFER exactly once, from anywhere, on any network."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planes_networks import ENCAPSULATIONS, Engines, derive, state, with_interface

from toolkit.bier.bitstring import BitString, Bsl, sets_of
from toolkit.bier.wire import Header, Proto
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane
from toolkit.state.model import NetworkState

Case = tuple[NetworkState, str]


@st.composite
def networks(draw: st.DrawFn) -> Case:
    """A connected network of up to 9 routers with odd metrics, non-BFRs, transit BFRs, two sets."""
    size = draw(st.integers(2, 9))
    names = [f"r{i}" for i in range(size)]
    metric = st.integers(1, 3)
    links = [
        (names[i], names[draw(st.integers(0, i - 1))], draw(metric), draw(metric))
        for i in range(1, size)
    ]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names), metric, metric)
    links += [link for link in draw(st.lists(pairs, max_size=10)) if link[0] != link[1]]
    ids = draw(st.permutations(range(55, 55 + 2 * size)))  # 64 bits: sets 0 and 1
    bfr_ids: dict[str, int | None] = {}
    for name, bfr_id in zip(names, ids, strict=False):
        role = draw(st.sampled_from(["bfer", "bfer", "transit", "non-bfr"]))
        if role != "non-bfr":
            bfr_ids[name] = bfr_id if role == "bfer" else None
    kind = draw(st.sampled_from(["mpls", "non-mpls"]))
    net = state(links, bfr_ids=bfr_ids, kind=kind, max_si=1)
    for router in sorted(bfr_ids):
        for port in net.routers[router].interfaces:
            if port != "lo" and draw(st.integers(0, 9)) == 0:
                net = with_interface(net, router, port, bier=False)
    return net, kind


def send(planes: dict[str, Plane], kind: str, bfir: str, ids: set[int], bsl: int = 64) -> Engines:
    """Send one packet for each set from the host beside `bfir` to the BFERs with these ids."""
    engines = Engines(planes)
    base = min(planes[bfir].bift_ids).number  # one encapsulation a network
    for si, value in sets_of(ids, bsl).items():
        header = Header(
            encapsulation=ENCAPSULATIONS[kind],
            bift_id=base + si,
            ttl=64,
            proto=Proto.IPV4,
            bfir_id=1,
            bits=BitString(Bsl.of_bits(bsl), value),
        )
        engines.send(bfir, header)
    return engines


def ids_of(planes: dict[str, Plane]) -> dict[int, str]:
    return {p.bfr_ids[0]: name for name, p in planes.items() if 0 in p.bfr_ids}


@settings(deadline=None, max_examples=60)
@given(networks())
def test_every_bfer_gets_it_exactly_once_from_any_bfr(case: Case) -> None:
    net, kind = case
    planes = dict(derive(net))
    everybody = ids_of(planes)
    for bfir, plane in planes.items():
        if plane.bfr:
            engines = send(planes, kind, bfir, set(everybody))
            assert sorted(engines.delivered) == sorted(everybody.values())
            assert engines.dropped() == {}


@settings(deadline=None, max_examples=60)
@given(networks(), st.data())
def test_a_subset_reaches_exactly_itself(case: Case, data: st.DataObject) -> None:
    net, kind = case
    planes = dict(derive(net))
    everybody = ids_of(planes)
    bfrs = sorted(name for name, plane in planes.items() if plane.bfr)
    if everybody and bfrs:
        chosen = data.draw(st.sets(st.sampled_from(sorted(everybody))))
        engines = send(planes, kind, data.draw(st.sampled_from(bfrs)), chosen)
        assert sorted(engines.delivered) == sorted(everybody[i] for i in chosen)


@settings(deadline=None, max_examples=60)
@given(networks(), st.data())
def test_after_failures_each_bfer_gets_it_once_where_there_is_a_path_and_never_twice(
    case: Case, data: st.DataObject
) -> None:
    net, kind = case
    links = data.draw(st.sets(st.sampled_from([c.link for c in net.cables]), max_size=3))
    nodes = data.draw(st.sets(st.sampled_from(sorted(net.routers)), max_size=1))
    network = Network(net, Failures(frozenset(links), frozenset(nodes)))
    planes = network.planes()
    everybody = ids_of(planes)
    for bfir, plane in planes.items():
        if plane.bfr:
            paths = network.underlay.paths(bfir)
            there = [name for name in everybody.values() if paths.reaches(name)]
            engines = send(planes, kind, bfir, set(everybody))
            assert sorted(engines.delivered) == sorted(there)
            lost = len(everybody) - len(there)
            assert engines.dropped() == ({"unknown-bit": lost} if lost else {})


def test_a_ring_turns_around_when_a_link_fails() -> None:
    net = state(
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")],
        bfr_ids={"a": 1, "c": 3, "d": None, "b": None},
    )
    planes = dict(derive(net))
    assert send(planes, "mpls", "a", {3}).hops == [("a", "b"), ("b", "c")]
    planes = dict(derive(net, Failures(links=frozenset({"a-b"}))))
    assert send(planes, "mpls", "a", {3}).hops == [("a", "d"), ("d", "c")]


def test_a_packet_crosses_a_link_once_however_many_bfers_are_behind_it() -> None:
    net = state(
        [("a", "m"), ("m", "x"), ("m", "y"), ("m", "z")],
        bfr_ids={"a": 1, "m": None, "x": 2, "y": 3, "z": 4},
    )
    engines = send(dict(derive(net)), "mpls", "a", {2, 3, 4})
    assert engines.hops.count(("a", "m")) == 1
    assert sorted(engines.delivered) == ["x", "y", "z"]


def test_behind_a_non_bfr_every_branch_is_its_own_tunnel() -> None:
    """RFC 8279 section 6.9: the price of a router that cannot replicate."""
    net = state(
        [("a", "m"), ("m", "x"), ("m", "y"), ("m", "z")], bfr_ids={"a": 1, "x": 2, "y": 3, "z": 4}
    )
    engines = send(dict(derive(net)), "mpls", "a", {2, 3, 4})
    assert sorted(engines.hops) == [("a", "x"), ("a", "y"), ("a", "z")]
    assert sorted(engines.delivered) == ["x", "y", "z"]


@pytest.mark.parametrize("bsl", [length.bits for length in Bsl])
@pytest.mark.parametrize("kind", ["mpls", "non-mpls"])
def test_every_length_reaches_its_last_bit(kind: str, bsl: int) -> None:
    net = state([("a", "b"), ("b", "c")], bfr_ids={"a": 1, "b": 2, "c": bsl}, kind=kind, bsl=bsl)
    engines = send(dict(derive(net)), kind, "a", {1, 2, bsl}, bsl)
    assert sorted(engines.delivered) == ["a", "b", "c"]
    assert engines.dropped() == {}
