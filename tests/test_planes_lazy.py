"""What is derived when asked for is what is derived at once: on generated networks, with failures,
routers that are no BFRs, BFR-ids held twice, several sets and metrics of one direction."""

from __future__ import annotations

from dataclasses import replace

from frr_networks import with_routing
from hypothesis import given, settings
from hypothesis import strategies as st
from planes_networks import state, with_interface, with_sub_domain

from toolkit.bier.bitstring import bfr_id_at
from toolkit.bier.ecmp import choose, salt_of
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.birt import make_tables
from toolkit.planes.derive import Network
from toolkit.planes.fib import Fib
from toolkit.state.model import NetworkState
from toolkit.verify.moved import MovedPlanes

NAMES = "abcdefgh"
BSL = 64


@st.composite
def networks(draw: st.DrawFn) -> NetworkState:
    """Return a network of up to eight routers, not always connected, sometimes with mistakes."""
    names = NAMES[: draw(st.integers(2, 8))]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda p: p[0] < p[1])
    metrics = st.integers(1, 3)
    links = draw(
        st.lists(st.tuples(pairs, metrics, metrics).map(lambda x: (*x[0], x[1], x[2])), min_size=1,
                 max_size=14)
    )  # fmt: skip
    bfrs = draw(st.sets(st.sampled_from(names), min_size=1))
    ids = st.sampled_from([None, 1, 2, 3, 4, 5, 63, 64, 65, 66, 130])
    of = state(
        links,
        bfr_ids={name: draw(ids) for name in sorted(bfrs)},
        bsl=BSL,
        max_si=1,
        kind=draw(st.sampled_from(["mpls", "non-mpls"])),
        hosts={"hub": links[0][0], "cloud": links[-1][1]},
    )
    ports = [(r.name, p) for r in of.routers.values() for p in r.interfaces]
    for router, port in draw(st.lists(st.sampled_from(ports), max_size=3)):
        change = draw(st.sampled_from([{"bier": False}, {"enabled": False}, {"isis": None}]))
        of = with_interface(of, router, port, **change)
    for router in draw(st.lists(st.sampled_from(sorted(bfrs)), max_size=2)):
        (offer,) = of.routers[router].sub_domains[0].encapsulations
        changed = draw(st.sampled_from([replace(offer, max_si=0), replace(offer, bsl=128)]))
        of = with_sub_domain(of, router, encapsulations=(changed,))
    return of


def failures(of: NetworkState) -> st.SearchStrategy[Failures]:
    links = st.frozensets(st.sampled_from(sorted({c.link for c in of.cables})), max_size=2)
    nodes = st.frozensets(st.sampled_from([*of.routers, "hub"]), max_size=1)
    return st.builds(Failures, links, nodes) | st.just(NO_FAILURES)


@settings(max_examples=150, deadline=None)
@given(networks(), st.data())
def test_rows_and_routes_made_alone_are_those_of_whole_tables(
    of: NetworkState, data: st.DataObject
) -> None:
    down = data.draw(failures(of))
    base = Network(of)
    fresh = Network(of, down)
    moved = base.without(down)
    starts = data.draw(st.sets(st.sampled_from(sorted(of.routers)), min_size=1, max_size=2))
    followed = base.without(down, sorted(starts))
    assert moved.routers == fresh.routers
    assert set(moved.adjacencies) == set(fresh.adjacencies)
    assert moved.bfrs == fresh.bfrs
    addresses = [a.ip for r in of.routers.values() for i in r.interfaces.values()
                 for a in i.addresses]  # fmt: skip
    again = MovedPlanes(base, moved)
    for name in fresh.routers:
        tables = make_tables(fresh.underlay, fresh.bfrs, name)
        routes = Fib(fresh.underlay.routes(name))
        for plane in (fresh.plane(name), moved.plane(name), again[name], followed.plane(name)):
            assert plane.bift_ids == tables.bift_ids
            assert set(plane.bifts) == set(tables.bifts)
            assert set(plane.birt) == set(tables.birt)
            for key, bift in tables.bifts.items():
                bits = data.draw(st.integers(0, (1 << BSL) - 1)) | 0b11111 | 3 << 62
                assert plane.forward(key, bits) == bift.forward(bits)
                for position in range(1, BSL + 1):
                    own = fresh.bfrs.by_router[name][key.sub_domain]
                    bfr_id = bfr_id_at(key.si, position, key.bsl)
                    row = followed.rows.row(own, key.bsl, bfr_id)
                    assert moved.rows.row(own, key.bsl, bfr_id) == row
                    assert row == tables.birt[key[:2]].get(bfr_id)
            for address in addresses:
                assert plane.fib.lookup(address) == routes.lookup(address)
            assert plane.fib.routes == routes.routes
            assert plane.gaps == tables.gaps
            assert (plane.bifts, plane.birt) == (tables.bifts, tables.birt)
        for field in ("addresses", "adjacencies", "edge_interfaces", "core_bier", "bfr_ids",
                      "encapsulations", "tunnel_sources", "accept_host_bier"):  # fmt: skip
            one, other = getattr(moved.plane(name), field), getattr(fresh.plane(name), field)
            assert one == other == getattr(again[name], field)
    for address in addresses:
        routed = {n for n in fresh.routers if fresh.plane(n).fib.lookup(address) is not None}
        assert moved.underlay.routed(address) == fresh.underlay.routed(address) == routed


@settings(max_examples=80, deadline=None)
@given(networks(), st.sampled_from([2, 3, 4, 16]), st.integers(0, (1 << 20) - 1), st.data())
def test_rows_of_several_ways_made_alone_are_those_of_the_tables_that_entropy_chooses(
    of: NetworkState, paths: int, entropy: int, data: st.DataObject
) -> None:
    of = with_routing(of, maximum_paths=paths)
    down = data.draw(failures(of))
    moved = Network(of).without(down)
    for name in moved.routers:
        plane = Network(of, down).plane(name)
        assert plane.ways is not None
        for key, tables in plane.ways.tables.items():
            assert len(tables) == {2: 2, 3: 6, 4: 12, 16: 16}[paths]
            assert tables[0].bift().entries == plane.bifts[key].entries
            table = tables[choose(entropy, salt_of(name), len(tables))]
            bits = data.draw(st.integers(0, (1 << BSL) - 1)) | 0b11111 | 3 << 62
            whole = table.forward(bits)
            lazy = moved.plane(name).forward(key, bits, entropy)
            assert set(lazy.copies) == set(whole.copies)
            assert lazy[1:] == whole[1:]
            for position in (1, 2, 3, 63, 64):  # whoever else is addressed
                alone = moved.plane(name).forward(key, 1 << position - 1, entropy)
                for copy in alone.copies:
                    assert any(
                        (copy.neighbor, copy.bift_id) == (c.neighbor, c.bift_id)
                        and c.bits & copy.bits
                        for c in whole.copies
                    )
