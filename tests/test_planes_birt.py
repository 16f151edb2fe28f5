"""BIRT and BIFT: the next BFR, tunnels across non-BFRs, and what must be left out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from planes_networks import derive, derive_one, loopback, state, with_interface, with_sub_domain

from toolkit.bier.bift import BiftId, BiftKey
from toolkit.bier.birt import Neighbor, Tunnel
from toolkit.bier.wire import Encapsulation
from toolkit.planes.bfrs import Gap, GapReason
from toolkit.planes.plane import Plane
from toolkit.state.model import BierEncapsulation, NetworkState

KEY = BiftKey(0, 64, 0)


def via(plane: Plane) -> dict[int, str]:
    """BFR-id -> how the BIFT sends it."""
    return {
        bit: "local"
        if e.local
        else f"{e.neighbor.router}{' in GRE' if e.neighbor.tunnel else ''} {e.out_bift_id}"
        for bit, e in plane.bifts[KEY].entries.items()
        if e.local or e.neighbor
    }


def gaps(plane: Plane) -> list[tuple[str, int, str]]:
    return [(g.router, g.bfr_id, str(g.reason)) for g in plane.gaps]


LINE = [("a", "b"), ("b", "c"), ("c", "d")]


def test_rows_name_the_next_bfr_and_its_label() -> None:
    planes = derive(state(LINE, bfr_ids={"a": 1, "b": None, "c": 3, "d": 4}))
    assert via(planes["a"]) == {1: "local", 3: "b 2000", 4: "b 2000"}
    assert via(planes["b"]) == {1: "a 1000", 3: "c 3000", 4: "c 3000"}
    assert planes["a"].bifts[KEY].entries[3].f_bm == 0b1100
    row = planes["a"].birt[0, 64][4]
    assert (row.bfr_prefix, row.router, row.metric) == (loopback(4).network, "d", 30)
    assert row.neighbors == (Neighbor("b", "a-b:a", IPv4Address("10.0.0.1")),)
    assert all(plane.gaps == () for plane in planes.values())


def test_without_mpls_ids_are_domain_wide() -> None:
    planes = derive(state(LINE, bfr_ids={"a": 1, "b": 2, "c": 3, "d": 4}, kind="non-mpls"))
    assert via(planes["a"]) == {1: "local", 2: "b 7", 3: "b 7", 4: "b 7"}
    assert planes["a"].encapsulation is Encapsulation.NON_MPLS


def test_a_non_bfr_is_crossed_by_a_tunnel_to_the_first_bfr_behind_it() -> None:
    """RFC 8279 section 6.9."""
    planes = derive(state(LINE, bfr_ids={"a": 1, "c": 3, "d": 4}))
    assert via(planes["a"]) == {1: "local", 3: "c in GRE 3000", 4: "c in GRE 3000"}
    assert via(planes["c"]) == {1: "a in GRE 1000", 3: "local", 4: "d 4000"}
    neighbor = planes["a"].birt[0, 64][4].neighbors[0]
    tunnel = Tunnel(loopback(1).ip, loopback(3).ip)
    assert neighbor == Neighbor("c", "a-b:a", IPv4Address("10.0.0.1"), tunnel)
    assert not planes["b"].bfr
    assert planes["b"].bifts == {}


def test_two_non_bfrs_in_a_row_are_one_tunnel() -> None:
    planes = derive(state(LINE, bfr_ids={"a": 1, "d": 4}))
    assert via(planes["a"]) == {1: "local", 4: "d in GRE 4000"}


def test_a_bfr_beside_a_link_without_bier_is_reached_by_a_tunnel() -> None:
    net = state(LINE, bfr_ids={"a": 1, "b": 2, "c": 3, "d": 4})
    planes = derive(with_interface(net, "b", "b-c:b", bier=False))
    assert via(planes["b"]) == {1: "a 1000", 2: "local", 3: "c in GRE 3000", 4: "c in GRE 3000"}
    assert via(planes["c"])[2] == "b in GRE 2000"
    assert via(planes["a"])[4] == "b 2000"


def test_a_direct_bfr_is_preferred_to_a_tunnel_over_an_equal_path() -> None:
    net = state([("a", "c", 20), ("a", "b"), ("b", "c")], bfr_ids={"a": 1, "c": 3})
    assert via(derive_one(net, "a")) == {1: "local", 3: "c 3000"}
    assert len(derive_one(net, "a").birt[0, 64][3].neighbors) == 1


def test_a_link_that_is_not_the_shortest_way_is_not_used_although_it_carries_bier() -> None:
    """The routing underlay chooses the path (RFC 8279 section 6.2), non-BFRs on it or not."""
    net = state([("a", "c", 25), ("a", "b"), ("b", "c")], bfr_ids={"a": 1, "c": 3})
    assert via(derive_one(net, "a")) == {1: "local", 3: "c in GRE 3000"}


def test_a_non_bfr_behind_a_bfr_is_that_bfrs_affair() -> None:
    plane = derive_one(state(LINE, bfr_ids={"a": 1, "b": None, "d": 4}), "a")
    assert [n.router for n in plane.birt[0, 64][4].neighbors] == ["b"]


def test_equal_cost_neighbors_are_all_in_the_birt_and_the_first_is_used() -> None:
    ring = state(
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")], bfr_ids=dict.fromkeys("abcd") | {"c": 3}
    )
    plane = derive_one(ring, "a")
    assert [n.router for n in plane.birt[0, 64][3].neighbors] == ["b", "d"]
    assert via(plane) == {3: "b 2000"}
    # the order is that of system-ids, not of names
    swapped = {
        **ring.routers,
        "b": replace(ring.routers["b"], system_id="0000.0000.0009"),
    }
    assert via(derive_one(replace(ring, routers=swapped), "a")) == {3: "d 4000"}


def test_parallel_links_use_the_first_interface() -> None:
    plane = derive_one(state([("a", "b"), ("a", "b")], bfr_ids={"a": 1, "b": 2}), "a")
    assert [n.interface for n in plane.birt[0, 64][2].neighbors] == ["a-b-1:a", "a-b:a"]
    assert plane.bifts[KEY].entries[2].neighbor.interface == "a-b-1:a"


def test_metrics_of_each_direction_choose_each_direction() -> None:
    net = state(
        [("a", "b", 10, 99), ("b", "c"), ("a", "c", 25, 1)], bfr_ids={"a": 1, "b": 2, "c": 3}
    )
    planes = derive(net)
    assert via(planes["a"]) == {1: "local", 2: "b 2000", 3: "b 2000"}
    assert via(planes["b"]) == {1: "c 3000", 2: "local", 3: "c 3000"}


def test_half_a_link_cuts_everybody_behind_it_off() -> None:
    net = state(LINE, bfr_ids={"a": 1, "b": 2, "c": 3, "d": 4})
    planes = derive(with_interface(net, "c", "b-c:c", isis=None))
    assert via(planes["a"]) == {1: "local", 2: "b 2000"}
    assert via(planes["d"]) == {3: "c 3000", 4: "local"}


def test_an_id_held_twice_has_no_row_anywhere() -> None:
    """RFC 8279 section 5: no BFIR sets that bit."""
    planes = derive(state(LINE, bfr_ids={"a": 1, "b": 4, "c": 3, "d": 4}))
    assert via(planes["a"]) == {1: "local", 3: "b 2000"}
    assert 4 not in via(planes["d"])
    collision = str(GapReason.BFR_ID_COLLISION)
    assert gaps(planes["a"]) == [("b", 4, collision), ("d", 4, collision)]


def test_an_id_held_twice_is_fine_while_the_two_cannot_meet() -> None:
    net = state([("a", "b"), ("c", "d")], bfr_ids={"a": 1, "b": 4, "c": 3, "d": 4})
    planes = derive(net)
    assert via(planes["a"]) == {1: "local", 4: "b 2000"}
    assert via(planes["c"]) == {3: "local", 4: "d 4000"}


def offers(*parts: tuple[str, int, int, int]) -> tuple[BierEncapsulation, ...]:
    return tuple(BierEncapsulation(kind=k, bsl=b, base=i, max_si=m) for k, b, i, m in parts)


def labels(selects: dict[int, BiftKey]) -> dict[BiftId, BiftKey]:
    return {BiftId(Encapsulation.MPLS, label): key for label, key in selects.items()}


FULL = state(LINE, bfr_ids={"a": 1, "b": 2, "c": 3, "d": 4})


@pytest.mark.parametrize("offer", [("mpls", 128, 2000, 0), ("non-mpls", 64, 2000, 0)])
def test_another_bsl_or_encapsulation_is_a_non_bfr_and_reported(
    offer: tuple[str, int, int, int],
) -> None:
    """RFC 8279 section 6.10."""
    planes = derive(with_sub_domain(FULL, "b", encapsulations=offers(offer)))
    assert via(planes["a"]) == {1: "local", 3: "c in GRE 3000", 4: "c in GRE 3000"}
    assert gaps(planes["a"]) == [("b", 2, "bsl-or-encapsulation-mismatch")]


def test_two_lengths_at_once_make_two_tables() -> None:
    net = FULL
    for number, name in enumerate("abcd", 1):
        base = 1000 * number
        both = offers(("mpls", 64, base, 0), ("mpls", 128, base + 1, 1))
        net = with_sub_domain(net, name, encapsulations=both)
    plane = derive_one(net, "a")
    assert plane.bift_ids == labels({1000: KEY, 1001: BiftKey(0, 128, 0), 1002: BiftKey(0, 128, 1)})
    sent = {
        key: {e.out_bift_id for e in bift.entries.values() if e.neighbor is not None}
        for key, bift in plane.bifts.items()
    }
    assert sent == {KEY: {2000}, BiftKey(0, 128, 0): {2001}, BiftKey(0, 128, 1): set()}


def test_sets_are_bound_to_consecutive_ids_and_end_at_max_si() -> None:
    net = state(LINE, bfr_ids={"a": 1, "b": None, "c": 65, "d": 129}, max_si=1)
    plane = derive_one(net, "a")
    assert plane.bift_ids == labels({1000: KEY, 1001: BiftKey(0, 64, 1)})
    assert plane.bifts[0, 64, 1].entries[1].out_bift_id == 2001
    assert gaps(plane) == [("d", 129, "set-out-of-range")]


def test_a_bfer_whose_own_set_is_beyond_its_max_si_has_no_row() -> None:
    net = state(LINE, bfr_ids={"a": 1, "b": None, "c": 3, "d": 65}, max_si=1)
    plane = derive_one(with_sub_domain(net, "d", encapsulations=offers(("mpls", 64, 4000, 0))), "a")
    assert 65 not in plane.birt[0, 64]
    assert gaps(plane) == [("d", 65, "set-out-of-range")]


def test_a_neighbor_without_the_set_is_crossed() -> None:
    net = state(LINE, bfr_ids={"a": 1, "b": 2, "c": 3, "d": 65}, max_si=1)
    net = with_sub_domain(net, "b", encapsulations=offers(("mpls", 64, 2000, 0)))
    plane = derive_one(net, "a")
    assert via(plane) == {1: "local", 2: "b 2000", 3: "b 2000"}
    entry = plane.bifts[0, 64, 1].entries[1]
    assert (entry.neighbor.router, entry.out_bift_id) == ("c", 3001)
    assert entry.neighbor.tunnel is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bfr_prefix": IPv4Network("10.255.0.0/24")}, GapReason.NOT_HOST_PREFIX),
        ({"bfr_prefix": IPv4Network("10.99.0.1/32")}, GapReason.NOT_ADVERTISED),
        ({"encapsulations": offers(("mpls", 65, 2000, 0))}, GapReason.INVALID_BINDING),
        ({"encapsulations": offers(("mpls", 64, 3, 0))}, GapReason.INVALID_BINDING),
        ({"encapsulations": offers(("mpls", 64, (1 << 20) - 1, 1))}, GapReason.INVALID_BINDING),
        ({"encapsulations": offers(("ipv6", 64, 2000, 0))}, GapReason.INVALID_BINDING),
        ({"encapsulations": offers(*[("mpls", 64, b, 0) for b in (20, 30)])}, GapReason.REPEATED),
        (
            {"encapsulations": offers(("mpls", 64, 2000, 5), ("mpls", 128, 2005, 0))},
            GapReason.BIFT_ID_OVERLAP,
        ),
    ],
)
def test_what_the_rfc_ignores_is_ignored_and_named(
    changes: dict[str, object], reason: GapReason
) -> None:
    """RFC 8401 sections 4 and 6; the router is then crossed like any non-BFR."""
    planes = derive(with_sub_domain(FULL, "b", **changes))
    assert via(planes["a"]) == {1: "local", 3: "c in GRE 3000", 4: "c in GRE 3000"}
    assert reason in {gap.reason for gap in planes["b"].gaps}
    assert planes["b"].bifts == {}


def test_of_two_encapsulations_of_one_length_mpls_is_used() -> None:
    both = offers(("non-mpls", 64, 7, 0), ("mpls", 64, 2000, 0))
    planes = derive(with_sub_domain(FULL, "b", encapsulations=both))
    assert via(planes["a"])[2] == "b 2000"
    assert planes["b"].gaps == (Gap("b", 0, 64, GapReason.SECOND_ENCAPSULATION),)


def test_a_label_and_a_non_mpls_bift_id_may_be_the_same_number() -> None:
    """RFC 8296 sections 2.1.1 and 2.2.1: two number spaces."""
    net = FULL
    for number, name in enumerate("abcd", 1):
        both = offers(("mpls", 64, 1000 * number, 1), ("non-mpls", 128, 1000, 1))
        net = with_sub_domain(net, name, encapsulations=both)
    planes = derive(net)
    assert planes["a"].bift_ids == {
        (Encapsulation.MPLS, 1000): KEY,
        (Encapsulation.MPLS, 1001): (0, 64, 1),
        (Encapsulation.NON_MPLS, 1000): (0, 128, 0),
        (Encapsulation.NON_MPLS, 1001): (0, 128, 1),
    }
    assert via(planes["a"])[4] == "b 2000"
    entry = planes["a"].bifts[0, 128, 0].entries[4]
    assert (entry.neighbor.router, entry.out_bift_id) == ("b", 1000)
    assert all(plane.gaps == () for plane in planes.values())
    planes["a"].engine()
    shown = planes["a"].state_tree()["llmsync-bier:bier"]["bift"]
    assert [bift["bift-id"] for bift in shown] == [1000, 1001, 1000, 1001]


def test_non_mpls_blocks_that_overlap_leave_a_router_its_labels() -> None:
    """Our own rule: RFC 8401 section 6.2 speaks of labels."""
    three = offers(("mpls", 64, 2000, 0), ("non-mpls", 128, 7, 1), ("non-mpls", 256, 8, 0))
    planes = derive(with_sub_domain(FULL, "b", encapsulations=three))
    overlap = GapReason.BIFT_ID_OVERLAP
    assert planes["b"].gaps == (Gap("b", 0, 128, overlap), Gap("b", 0, 256, overlap))
    assert planes["b"].bift_ids == labels({2000: KEY})
    assert via(planes["a"])[4] == "b 2000"


def test_an_impossible_bfr_id_is_none() -> None:
    plane = derive_one(with_sub_domain(FULL, "b", bfr_id=70000), "b")
    assert (2 in via(plane), plane.bfr_ids) == (False, {})
    assert gaps(plane) == [("b", 70000, "invalid-bfr-id")]


def test_a_repeated_sub_domain_is_ignored_altogether() -> None:
    net: NetworkState = FULL
    part = net.routers["b"].sub_domains[0]
    twice = replace(net.routers["b"], sub_domains=(part, part))
    planes = derive(replace(net, routers={**net.routers, "b": twice}))
    assert not planes["b"].bfr
    assert via(planes["a"])[3] == "c in GRE 3000"
