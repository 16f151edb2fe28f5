"""Tables that follow routes: whatever events came, they are those of a fresh start."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.bier.bift import BiftKey
from toolkit.bier.document import BiftFileError, read_program
from toolkit.bier.document_text import document
from toolkit.bier.ecmp import MAX_WAYS
from toolkit.bier.engine import Arrived, Forward
from toolkit.bier.follow import Added, Event, NextHop, Removed, Route, Synced
from toolkit.bier.live import Live
from toolkit.bier.node import Node
from toolkit.bier.wire import Encapsulation

DOCUMENT: dict[str, Any] = {
    "name": "r1",
    "bfr_ids": {"0": 1},
    "interfaces": {f"eth{n}": {"bier": "core"} for n in range(3)} | {"edge0": {}},
    "bifts": [
        {"bsl": 64, "si": 0, "bift_id": 300, "follow": True},
        {"bsl": 64, "si": 1, "bift_id": 301, "follow": True},
    ],
    "follow": {
        "bfers": [
            {"bfr_id": 1, "prefix": "192.0.2.1"},
            {"bfr_id": 2, "prefix": "192.0.2.2"},
            {"bfr_id": 3, "prefix": "192.0.2.3"},
            {"bfr_id": 70, "prefix": "192.0.2.70"},
        ],
        "peers": [
            {
                "router": f"r{n}",
                "addresses": [f"10.0.{n}.2"],
                "bift_ids": [{"bsl": 64, "base": 1000 * n}],
            }
            for n in range(3)
        ]
        + [{"router": "r3", "addresses": ["192.0.2.3"], "bift_ids": [{"bsl": 64, "base": 3000}]}],
    },
}
KEY = BiftKey(0, 64, 0)


def via(*numbers: int) -> tuple[NextHop, ...]:
    return tuple(NextHop(f"eth{n}", ip_address(f"10.0.{n}.2")) for n in numbers)


def route(prefix: str, *numbers: int, metric: int = 0, local: bool = False) -> Route:
    return Route(ip_network(prefix), via(*numbers), metric, local)


def live(events: Iterable[Event] = ()) -> Live:
    found = Live(Node(read_program(copy.deepcopy(DOCUMENT))))
    for event in events:
        assert found.route(event)
    return found


def ways_of(found: Live, position: int, key: BiftKey = KEY) -> list[tuple[str, str, int]]:
    hops = found.routes[key].ways[position].hops
    return [(hop.neighbor.router, hop.neighbor.interface, hop.bift_id) for hop in hops]


def forwarding(found: Live) -> list[Any]:
    """What the engine does with every bit of every table, for every choice of entropy."""
    engine, answers = found.node.engine, []
    for bift_id, bits in ((300, 0b1111), (301, 1 << 5)):
        for entropy in range(48):
            words = (bift_id << 12 | 0x109) << 64 | (0x5010_0000 | entropy) << 32 | 0x0004_0003
            packet = words.to_bytes(12, "big") + bits.to_bytes(8, "big")
            answers.append(
                sorted(
                    (o.neighbor.router, o.neighbor.interface, o.packet)
                    if isinstance(o, Forward) else ("", "", o.payload)
                    for o in engine.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
                )
            )  # fmt: skip
    return answers


def test_the_most_specific_route_with_the_lowest_metric_is_taken() -> None:
    found = live([Added(route("192.0.2.0/24", 0))])
    assert ways_of(found, 2) == [("r0", "eth0", 0)]
    assert ways_of(found, 6, BiftKey(0, 64, 1)) == [("r0", "eth0", 1)]
    found.route(Added(route("192.0.2.2/32", 1, metric=20)))
    assert ways_of(found, 2) == [("r1", "eth1", 1000)]
    found.route(Added(route("192.0.2.2/32", 2, metric=10)))
    assert ways_of(found, 2) == [("r2", "eth2", 2000)]
    (backup,) = found.routes[KEY].ways[2].backup
    assert backup.neighbor.router == "r1"
    found.route(Removed(route("192.0.2.2/32", 2, metric=10)))
    found.route(Removed(route("192.0.2.2/32", 1, metric=20)))
    assert ways_of(found, 2) == [("r0", "eth0", 0)]


def test_equal_cost_next_hops_are_equal_cost_ways() -> None:
    found = live([Added(route("192.0.2.2/32", 0, 2))])
    assert ways_of(found, 2) == [("r0", "eth0", 0), ("r2", "eth2", 2000)]
    assert len(found.routes[KEY].tables) == 2


def test_a_connected_bfer_is_a_peer_by_its_own_address() -> None:
    found = live([Added(Route(ip_network("192.0.2.0/24"), (NextHop("eth0"),)))])
    assert ways_of(found, 3) == [("r3", "eth0", 3000)]
    assert ways_of(found, 2) == []  # on the link too, but nobody's address that we know


def test_routes_that_lead_to_no_peer_leave_a_null_neighbor() -> None:
    elsewhere = NextHop("eth0", ip_address("10.9.9.9"))
    edge = NextHop("edge0", ip_address("10.0.1.2"))
    found = live([Added(Route(ip_network("192.0.2.0/24"), (elsewhere, edge)))])
    assert ways_of(found, 2) == []
    assert found.routes[KEY].tables[0].null == 0b110
    assert found.routes[KEY].tables[0].local == 0b1


def test_a_bfer_behind_others_than_bfrs_is_reached_by_its_tunnel() -> None:
    told = copy.deepcopy(DOCUMENT)
    told["follow"]["peers"].append({
        "router": "r70", "addresses": ["192.0.2.70"], "bift_ids": [{"bsl": 64, "base": 7000}],
        "tunnel": {"kind": "vxlan", "local": "192.0.2.1", "vni": 5},
    })  # fmt: skip
    found, key = Live(Node(read_program(told))), BiftKey(0, 64, 1)
    bare = NextHop("eth0", ip_address("10.9.9.9"))
    found.route(Added(Route(ip_network("192.0.2.0/24"), (bare,))))
    (hop,) = found.routes[key].ways[6].hops
    assert (hop.neighbor.address, hop.bift_id) == (bare.address, 7001)
    assert hop.neighbor.tunnel is not None
    assert (hop.neighbor.tunnel.remote, hop.neighbor.tunnel.vni) == (ip_address("192.0.2.70"), 5)
    assert ways_of(found, 2) == []
    found.route(Added(route("192.0.2.70/32", 1)))  # now a BFR is on the way
    assert ways_of(found, 6, key) == [("r1", "eth1", 1001)]
    assert document(read_program(document(read_program(told)))) == document(read_program(told))


def test_a_link_local_next_hop_is_another_peer_on_each_link() -> None:
    told = copy.deepcopy(DOCUMENT)
    told["follow"]["peers"] = [
        {"router": f"r{n}", "addresses": [f"fe80::2%eth{n}"], "bift_ids": [{"bsl": 64, "base": n}]}
        for n in (0, 1)
    ]
    found = Live(Node(read_program(told)))
    hops = tuple(NextHop(f"eth{n}", ip_address("fe80::2")) for n in range(3))
    found.route(Added(Route(ip_network("192.0.2.2/32"), hops)))
    assert ways_of(found, 2) == [("r0", "eth0", 0), ("r1", "eth1", 1)]
    (first, _) = found.routes[KEY].ways[2].hops
    assert first.neighbor.address == ip_address("fe80::2")


def test_a_local_route_is_the_local_bit() -> None:
    found = live([Added(route("192.0.2.2/32", local=True))])
    assert found.routes[KEY].tables[0].local == 0b11


def test_only_the_table_of_the_bfer_is_replaced() -> None:
    found = live([Added(route("192.0.2.0/24", 0))])
    before = found.reprogrammed
    found.route(Added(route("192.0.2.70/32", 1)))
    assert found.reprogrammed == before + 1
    found.route(Added(route("198.51.100.0/24", 1)))
    assert found.reprogrammed == before + 1


def test_removing_what_was_not_known_asks_for_all_routes() -> None:
    found = live([Added(route("192.0.2.0/24", 0))])
    assert not found.route(Removed(route("192.0.2.0/24", 1)))
    assert found.route(Synced((route("192.0.2.0/24", 2),)))
    assert ways_of(found, 2) == [("r2", "eth2", 2000)]


def test_a_failed_link_switches_to_backups_at_once() -> None:
    found = live([Added(route("192.0.2.2/32", 0)), Added(route("192.0.2.2/32", 1, metric=9))])
    while found.settle():
        pass
    before = found.reprogrammed
    found.link("eth0", up=False)
    assert found.reprogrammed == before
    assert ("r1", "eth1") in {copy[:2] for answer in forwarding(found) for copy in answer}
    found.link("eth0", up=True)
    assert found.reprogrammed == before
    assert ("r0", "eth0") in {copy[:2] for answer in forwarding(found) for copy in answer}


PREFIXES = ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.0/30", "192.0.2.2/32", "192.0.2.3/32",
            "192.0.2.70/32", "10.1.0.0/16"]  # fmt: skip
ROUTE = st.builds(
    lambda prefix, hops, metric, local: route(prefix, *hops, metric=metric, local=local),
    st.sampled_from(PREFIXES),
    st.lists(st.integers(0, 2), max_size=3, unique=True),
    st.sampled_from([0, 10, 20]),
    st.sampled_from([False, False, False, True]),
)
STEP = st.one_of(
    st.builds(Added, ROUTE, st.booleans()),
    st.tuples(st.just("remove"), st.integers(0, 50)),
    st.tuples(st.sampled_from(["down", "up"]), st.sampled_from(["eth0", "eth1", "eth2"])),
    st.just(("settle", 0)),
    st.builds(Synced, st.lists(ROUTE, max_size=4).map(tuple)),
)


class Kernel:
    """What a host has after the same events, kept in the simplest way."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def take(self, event: Event) -> None:
        if isinstance(event, Synced):
            self.routes = list(dict.fromkeys(event.routes))
        elif isinstance(event, Removed):
            self.routes.remove(event.route)
        else:
            same = (event.route.prefix, event.route.metric)
            if event.replace:
                self.routes = [r for r in self.routes if (r.prefix, r.metric) != same]
            if event.route not in self.routes:
                self.routes.append(event.route)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=120, deadline=None)
def test_any_events_end_in_the_tables_of_a_fresh_start(steps: list[Any]) -> None:
    found, kernel = live(), Kernel()
    for step in steps:
        event = step
        if step[0] in ("down", "up"):
            found.link(step[1], up=step[0] == "up")
            continue
        if step[0] == "settle":
            found.settle()
            continue
        if step[0] == "remove":
            if not kernel.routes:
                continue
            event = Removed(kernel.routes[step[1] % len(kernel.routes)])
        kernel.take(event)
        assert found.route(event)
    fresh = live([Synced(tuple(kernel.routes))])
    for interface in sorted(found.down):
        fresh.link(interface, up=False)
    assert {k: r.ways for k, r in found.routes.items()} == {
        k: r.ways for k, r in fresh.routes.items()
    }
    assert forwarding(found) == forwarding(fresh)
    found.reload(read_program(copy.deepcopy(DOCUMENT)))
    assert forwarding(found) == forwarding(fresh)


def test_more_ways_than_there_are_tables_are_cut() -> None:
    peers = [
        {"router": f"p{n}", "addresses": [f"10.1.0.{n}"], "bift_ids": [{"bsl": 64, "base": 900}]}
        for n in range(20)
    ]
    told = copy.deepcopy(DOCUMENT)
    told["follow"]["peers"] = peers
    found = Live(Node(read_program(told)))
    hops = tuple(NextHop("eth0", ip_address(f"10.1.0.{n}")) for n in range(20))
    assert found.route(Added(Route(ip_network("192.0.2.2/32"), hops)))
    assert len(ways_of(found, 2)) == MAX_WAYS


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bfers": [{"bfr_id": 200, "prefix": "192.0.2.9"}]},
         "follow.bfers[0].bfr_id: 200 is in set 3, which no table of BSL 64 follows "
         "(add one to bifts, with follow: true)"),
        ({"bfers": [{"bfr_id": 2}, {"bfr_id": 2, "prefix": "192.0.2.2/32"}]},
         "follow.bfers[0].prefix: is missing (the BFR-prefix, an address of the BFER)\n"
         "follow.bfers[1].prefix: '192.0.2.2/32' is no IP address"),
        ({"peers": [{"router": "r2", "addresses": ["10.0.0.2"]}]},
         "follow.peers[0].bift_ids: has none for sub-domain 0 and BSL 64 "
         "(labels are each router's own: give the first of its block)"),
        ({"peers": [{"router": "r2", "addresses": ["10.0.0.2", "x"],
                     "bift_ids": [{"base": 5}, {"bsl": 64, "base": 5}]}]},
         "follow.peers[0].addresses: 'x' is no IP address\n"
         "follow.peers[0].bift_ids[0]: no table of sub-domain 0 and BSL 256 follows"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_document_that_follows(change: dict[str, Any], text: str) -> None:
    told = copy.deepcopy(DOCUMENT)
    told["follow"] |= change
    with pytest.raises(BiftFileError) as refused:
        read_program(told)
    assert str(refused.value) == text
