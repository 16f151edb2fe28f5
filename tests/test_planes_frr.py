"""Backup entries: after each single failure, with only its neighbors switched over, no BFER gets a
packet twice, no packet loops, and who is protected gets it."""

from __future__ import annotations

import pytest
from frr_networks import JustFailed, with_routing
from hypothesis import given, settings
from hypothesis import strategies as st
from planes_networks import state
from test_planes_forwarding import ids_of, networks

from toolkit.bier.bift import BiftKey
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.planes.frr import RepairKind
from toolkit.state.model import NetworkState
from toolkit.yang.schema import reference_schema

KEY = BiftKey(0, 64, 0)
RING = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
SIX = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f"), ("f", "a")]


def everybody(names: str) -> dict[str, int | None]:
    return {name: number for number, name in enumerate(names, 1)}


def repairs(net: NetworkState, router: str) -> dict[tuple[str, int], tuple[str, str, bool] | None]:
    """Return (failed interface, bit) -> kind, next BFR, whether the next router is avoided."""
    ways = Network(net).plane(router).ways
    assert ways is not None
    return {
        (port, bit): None if r is None else (str(r.kind), r.hops[0].neighbor.router, r.node)
        for port, by_key in ways.repairs.items()
        for bit, r in by_key[KEY].items()
    }


def test_a_square_has_equal_costs_and_alternates() -> None:
    net = with_routing(state(RING, bfr_ids=everybody("abcd")), fast_reroute="link")
    assert repairs(net, "a") == {
        ("a-b:a", 2): ("remote-lfa", "c", False),
        ("a-b:a", 3): ("equal-cost", "d", True),
        ("d-a:a", 4): ("remote-lfa", "c", False),
    }


def test_a_triangle_has_loop_free_alternates() -> None:
    net = with_routing(
        state([("a", "b"), ("b", "c"), ("c", "a")], bfr_ids=everybody("abc")), fast_reroute="link"
    )
    assert repairs(net, "a") == {
        ("a-b:a", 2): ("lfa", "c", False),
        ("c-a:a", 3): ("lfa", "b", False),
    }


def test_a_ring_of_six_needs_tunnels() -> None:
    """RFC 7490 section 2: where rings leave no alternate, a tunnel leads past the middle."""
    net = with_routing(state(SIX, bfr_ids=everybody("abcdef")), fast_reroute="link")
    assert repairs(net, "a") == {
        ("a-b:a", 2): ("remote-lfa", "d", False),
        ("a-b:a", 3): ("remote-lfa", "d", True),
        ("a-b:a", 4): ("equal-cost", "f", True),
        ("f-a:a", 5): ("remote-lfa", "d", True),
        ("f-a:a", 6): ("remote-lfa", "d", False),
    }
    failed = JustFailed(net, Failures(links=frozenset({"a-b"})))
    sent = failed.send("a", {2, 3, 4, 5, 6}, kind="mpls")
    assert sent.delivered == dict.fromkeys("bcdef", 1)
    assert sorted(sent.hops) == [
        ("a", "d"), ("a", "f"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"),
    ]  # fmt: skip
    assert sent.lost == 0


def test_where_nothing_is_left_bits_are_lost_and_counted() -> None:
    net = with_routing(state([("a", "b"), ("b", "c")], bfr_ids=everybody("abc")),
                       fast_reroute="link")  # fmt: skip
    assert repairs(net, "a") == {("a-b:a", 2): None, ("a-b:a", 3): None}
    failed = JustFailed(net, Failures(links=frozenset({"a-b"})))
    assert failed.send("a", {1, 2, 3}, kind="mpls").delivered == {"a": 1}
    assert failed.engines["a"].counters["dropped-null-neighbor"] == 2


def test_nodes_are_avoided_where_that_is_asked_for() -> None:
    """a reaches d by b, by c at a higher cost, or by b's neighbor x, which leads back through b."""
    links = [("a", "b", 1), ("b", "d", 1), ("a", "x", 1), ("x", "b", 1), ("a", "c", 3),
             ("c", "d", 3)]  # fmt: skip
    net = state(links, bfr_ids=everybody("abcdx"))
    assert repairs(with_routing(net, fast_reroute="node"), "a")["a-b:a", 4] == ("lfa", "c", True)
    # b itself: x is no nearer to it than we are, so its own neighbor could send it back; a tunnel
    # to b leads by c, and ends where b has died
    assert repairs(with_routing(net, fast_reroute="node"), "a")["a-b:a", 2] == (
        "remote-lfa", "b", False,
    )  # fmt: skip
    assert repairs(with_routing(net, fast_reroute="link"), "a")["a-b:a", 2] == ("lfa", "x", False)


def test_no_tables_are_made_where_nothing_is_asked_for() -> None:
    assert Network(state(RING, bfr_ids=everybody("abcd"))).plane("a").ways is None
    ways = Network(
        with_routing(state(RING, bfr_ids=everybody("abcd")), maximum_paths=2)
    ).plane("a").ways  # fmt: skip
    assert ways is not None
    assert (len(ways.tables[KEY]), ways.backups) == (2, {})


LEVELS = st.sampled_from(["link", "node"])
PATHS = st.sampled_from([1, 4])


@settings(deadline=None, max_examples=60)
@given(networks(), LEVELS, PATHS, st.integers(0, (1 << 20) - 1), st.data())
def test_after_any_single_failure_nobody_gets_it_twice_and_nothing_loops(
    case: tuple[NetworkState, str], level: str, paths: int, entropy: int, data: st.DataObject
) -> None:
    """Routers that are no BFRs, BIER off on some links, two sets: whatever is protected.

    Where links are protected and a router died, a packet may go to and fro between two of its
    neighbors until its TTL has run out (RFC 5286 section 3): all else ends within a few hops.
    """
    net, kind = case
    net = with_routing(net, fast_reroute=level, maximum_paths=paths)
    links = {c.link for c in net.cables}
    nodes = set(net.routers)
    name = data.draw(st.sampled_from(sorted(links) + sorted(nodes)))
    down = Failures(nodes=frozenset({name})) if name in nodes else Failures(frozenset({name}))
    failed = JustFailed(net, down)
    ids = ids_of(failed.planes)
    for bfir, plane in failed.planes.items():
        if plane.bfr:
            sent = failed.send(bfir, set(ids), kind=kind, entropy=entropy)
            assert set(sent.delivered.values()) <= {1}
            if level == "node" or not down.nodes:
                assert sent.longest <= (1 + (level == "node")) * len(net.routers)


@st.composite
def all_bfrs(draw: st.DrawFn) -> NetworkState:
    """A connected network of up to 9 BFERs, with bridges and parallel links."""
    size = draw(st.integers(3, 9))
    names = [f"r{i}" for i in range(size)]
    metric = st.integers(1, 3)
    links = [
        (names[i], names[draw(st.integers(0, i - 1))], draw(metric), draw(metric))
        for i in range(1, size)
    ]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names), metric, metric)
    links += [link for link in draw(st.lists(pairs, max_size=12)) if link[0] != link[1]]
    return state(links, bfr_ids={name: number for number, name in enumerate(names, 1)})


def unprotected(failed: JustFailed) -> set[tuple[str, int]]:
    """Return (router, BFR-id) of all that the ends of the failure cannot repair."""
    return {
        (router, position)
        for router, port in failed.repaired
        if (ways := failed.planes[router].ways) is not None
        for position, repair in ways.repairs.get(port, {}).get(KEY, {}).items()
        if repair is None
    }


@settings(deadline=None, max_examples=80)
@given(all_bfrs(), PATHS, st.integers(0, (1 << 20) - 1), st.data())
def test_every_bfer_that_is_protected_against_a_link_gets_it_once(
    net: NetworkState, paths: int, entropy: int, data: st.DataObject
) -> None:
    net = with_routing(net, fast_reroute="link", maximum_paths=paths)
    link = data.draw(st.sampled_from(sorted({c.link for c in net.cables})))
    failed = JustFailed(net, Failures(links=frozenset({link})))
    ids = ids_of(failed.planes)
    without = unprotected(failed)
    for bfir in failed.planes:
        chosen = data.draw(st.sets(st.sampled_from(sorted(ids)), min_size=1))
        sent = failed.send(bfir, chosen, kind="mpls", entropy=entropy)
        assert sent.longest <= len(net.routers)
        assert sent.lost == 0  # nobody sends into the dead link any more
        missing = {i for i in chosen if not sent.delivered[ids[i]]}
        assert set(sent.delivered.values()) <= {1}
        assert missing <= {position for _router, position in without}


@settings(deadline=None, max_examples=80)
@given(all_bfrs(), PATHS, st.integers(0, (1 << 20) - 1), st.data())
def test_every_bfer_that_is_protected_against_a_node_gets_it_once(
    net: NetworkState, paths: int, entropy: int, data: st.DataObject
) -> None:
    net = with_routing(net, fast_reroute="node", maximum_paths=paths)
    dead = data.draw(st.sampled_from(sorted(net.routers)))
    failed = JustFailed(net, Failures(nodes=frozenset({dead})))
    ids = ids_of(failed.planes)
    weak = unprotected(failed) | {
        (router, position)
        for router, port in failed.repaired
        if (ways := failed.planes[router].ways) is not None
        for position, repair in ways.repairs.get(port, {}).get(KEY, {}).items()
        if repair is not None and not repair.node
    }
    for bfir in failed.planes:
        sent = failed.send(bfir, set(ids), kind="mpls", entropy=entropy)
        assert set(sent.delivered.values()) <= {1}
        missing = {i for i in ids if not sent.delivered[ids[i]]}
        assert missing <= {position for _router, position in weak}


@settings(deadline=None, max_examples=60)
@given(all_bfrs(), st.data())
def test_an_alternate_of_each_kind_does_what_its_rfc_promises(
    net: NetworkState, data: st.DataObject
) -> None:
    """RFC 5286 inequalities 1 and 3, RFC 7490: shortest paths from the repair avoid us."""
    net = with_routing(net, fast_reroute="link")
    network = Network(net)
    router = data.draw(st.sampled_from(sorted(net.routers)))
    ways = network.plane(router).ways
    assert ways is not None
    for failed, by_key in ways.repairs.items():
        beyond = network.underlay.ways(router)[failed][1].end.node
        for position, repair in by_key[KEY].items():
            bfer = ways.rows[KEY][position].router
            if repair is None:
                continue
            for hop in repair.hops:
                via = hop.neighbor
                assert via.interface != failed
                first = network.underlay.ways(router)[via.interface][1].end.node
                far = network.underlay.inward(bfer).distance
                index = network.underlay.graph.index
                own, to_own = index[router], network.underlay.inward(router).distance
                start = index[via.router]
                assert far[start] < to_own[start] + far[own]
                assert (via.tunnel is not None) == (repair.kind is RepairKind.REMOTE_LFA)
                if repair.node:
                    to_beyond = network.underlay.inward(beyond).distance
                    beside = far[index[beyond]]
                    assert far[start] < to_beyond[start] + beside
                    assert first != beyond


@pytest.mark.parametrize("kind", ["mpls", "non-mpls"])
def test_a_network_of_two_connected_parts_is_protected_throughout(kind: str) -> None:
    """Every link of a ring with chords: link protection reaches every BFER (RFC 7490 with the
    Q-space of each BFER; metrics are symmetric)."""
    net = state([*SIX, ("a", "d"), ("b", "e")], bfr_ids=everybody("abcdef"), kind=kind)
    net = with_routing(net, fast_reroute="link")
    for link in sorted({c.link for c in net.cables}):
        failed = JustFailed(net, Failures(links=frozenset({link})))
        for bfir in failed.planes:
            sent = failed.send(bfir, {1, 2, 3, 4, 5, 6}, kind=kind)
            assert sent.delivered == dict.fromkeys("abcdef", 1)


def test_a_router_shows_its_ways_and_what_is_protected_as_its_module_says() -> None:
    net = state([*RING, ("c", "e")], bfr_ids=everybody("abcde"))
    net = with_routing(net, fast_reroute="link", maximum_paths=2)
    tree = Network(net).plane("a").state_tree()
    schema = reference_schema()
    shown = schema.parse_xml(schema.to_xml(tree, "a"), "a", state=True)["llmsync-bier:bier"]
    to_c = next(e for e in shown["bift"][0]["entry"] if e["bfr-id"] == 3)
    assert to_c["f-bm"] == f"{0b10110:016x}"
    assert to_c["other-way"] == [
        {"table": 1, "f-bm": f"{0b11100:016x}", "neighbor": "d", "out-interface": "d-a:a",
         "out-bift-id": 4000, "tunnel": False},
    ]  # fmt: skip
    assert to_c["backup"] == [
        {"failed": "a-b:a", "kind": "equal-cost", "f-bm": f"{0b11100:016x}", "neighbor": "d",
         "out-interface": "d-a:a", "out-bift-id": 4000, "tunnel": False},
        {"failed": "d-a:a", "kind": "equal-cost", "f-bm": f"{0b10110:016x}", "neighbor": "b",
         "out-interface": "a-b:a", "out-bift-id": 2000, "tunnel": False},
    ]  # fmt: skip
    to_b = next(e for e in shown["bift"][0]["entry"] if e["bfr-id"] == 2)
    assert to_b["backup"] == [
        {"failed": "a-b:a", "kind": "remote-lfa", "f-bm": f"{0b00010:016x}", "neighbor": "c",
         "out-interface": "d-a:a", "out-bift-id": 3000, "tunnel": True},
    ]  # fmt: skip
    assert shown["protection"] == [
        {"kind": "equal-cost", "pairs": 4, "around-router": 4},
        {"kind": "remote-lfa", "pairs": 2, "around-router": 0},
    ]
    alone = Network(with_routing(state([("a", "b")], bfr_ids=everybody("ab")), fast_reroute="link"))
    assert alone.plane("a").state_tree()["llmsync-bier:bier"]["protection"] == [  # type: ignore[call-overload,index]
        {"kind": "none", "pairs": 1, "around-router": 0},
    ]
