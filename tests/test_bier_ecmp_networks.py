"""Equal-cost ways over whole networks: RFC 8279 sections 6.7.2 and 6.8.

Networks by chance, shortest paths by brute force, every router one engine with masks and one with
the rows of section 6.4, which have to agree octet for octet.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl, positions
from toolkit.bier.ecmp import choose
from toolkit.bier.engine import Arrived, Deliver, Engine, Forward
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import Encapsulation

KEY = BiftKey(0, 64, 0)
Graph = dict[tuple[int, int], int]
"""(Router, router), both ways -> metric."""


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Graph]:
    """Connected: a ring, or a chain, with chords; metrics of 1 and 2 make equal costs likely."""
    size = draw(st.integers(3, 7))
    edges = set(pairwise(range(size)))
    if draw(st.booleans()):
        edges.add((0, size - 1))
    every = [(a, b) for a in range(size) for b in range(a + 1, size)]
    edges |= draw(st.sets(st.sampled_from(every), max_size=6))
    graph: Graph = {}
    for a, b in sorted(edges):
        graph[a, b] = graph[b, a] = draw(st.integers(1, 2))
    return size, graph


def distances(size: int, graph: Graph) -> dict[tuple[int, int], int]:
    """All shortest distances, by Floyd and Warshall."""
    far = {
        (a, b): 0 if a == b else graph.get((a, b), 999) for a in range(size) for b in range(size)
    }
    for k in range(size):
        for a in range(size):
            for b in range(size):
                far[a, b] = min(far[a, b], far[a, k] + far[k, b])
    return far


def routes(size: int, graph: Graph) -> list[Routes]:
    """Router r has BFR-id r + 1 and label 100 + r; all equal-cost next hops are ways."""
    far = distances(size, graph)
    found = []
    for here in range(size):
        ways = {here + 1: Ways(local=True)}
        for there in range(size):
            if there == here:
                continue
            next_hops = [
                n
                for n in range(size)
                if (here, n) in graph and graph[here, n] + far[n, there] == far[here, there]
            ]
            ways[there + 1] = Ways(
                tuple(Hop(Neighbor(str(n), f"to-{n}"), 100 + n) for n in next_hops)
            )
        found.append(Routes(Bsl.B64, ways))
    return found


def row_by_row(known: Routes) -> tuple[Bift, ...]:
    """Tables of section 6.4 made from the ways alone: a row's F-BM is the OR of its neighbor's."""
    tables = []
    for number in range(len(known.tables)):
        chosen = {
            p: None if w.local else w.hops[number % len(w.hops)] for p, w in known.ways.items()
        }
        entries = {}
        for position, hop in chosen.items():
            if hop is None:
                entries[position] = Entry(1 << position - 1, local=True)
            else:
                f_bm = sum(1 << p - 1 for p, other in chosen.items() if other == hop)
                entries[position] = Entry(f_bm, hop.neighbor, hop.bift_id)
        tables.append(Bift(Bsl.B64, entries))
    return tuple(tables)


def engines(size: int, graph: Graph) -> list[tuple[Engine, Engine]]:
    """Each router with masks and with rows; its number is its salt."""
    return [
        (
            Engine({KEY: known.tables}, {BiftId(Encapsulation.MPLS, 100 + r): KEY}, salt=r),
            Engine({KEY: row_by_row(known)}, {BiftId(Encapsulation.MPLS, 100 + r): KEY}, salt=r),
        )
        for r, known in enumerate(routes(size, graph))
    ]


def deliver(
    known: list[tuple[Engine, Engine]], source: int, bits: int, entropy: int
) -> tuple[list[int], dict[int, tuple[int, ...]]]:
    """Return who was delivered to, and the path of each bit, for a packet that enters at a BFIR."""
    first = bytes.fromhex(f"{100 + source << 12 | 0x1FF:08x} 501{entropy:05x} 00040001 {bits:016x}")
    waiting = [(source, first, (source,))]
    delivered: list[int] = []
    paths: dict[int, tuple[int, ...]] = {}
    while waiting:
        here, packet, path = waiting.pop()
        masks, rows = known[here]
        outputs = masks.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
        again = rows.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
        assert sorted(map(repr, outputs)) == sorted(map(repr, again))
        for out in outputs:
            if isinstance(out, Deliver):
                delivered.append(here + 1)
                paths[here + 1] = path
            elif isinstance(out, Forward):
                there = int(out.neighbor.router)
                waiting.append((there, out.packet, (*path, there)))
    return delivered, paths


@settings(max_examples=40, deadline=None)
@given(graphs(), st.data())
def test_every_bfer_gets_one_copy_by_a_path_of_its_own(
    network: tuple[int, Graph], data: st.DataObject
) -> None:
    size, graph = network
    far, known = distances(size, graph), engines(size, graph)
    source = data.draw(st.integers(0, size - 1))
    bits = data.draw(st.integers(1, (1 << size) - 1))
    for entropy in data.draw(st.sets(st.integers(0, (1 << 20) - 1), min_size=4, max_size=8)):
        delivered, paths = deliver(known, source, bits, entropy)
        assert sorted(delivered) == list(positions(bits))
        for bfer, path in paths.items():
            assert sum(graph[hop] for hop in pairwise(path)) == far[source, bfer - 1]
            alone, its_path = deliver(known, source, 1 << bfer - 1, entropy)
            assert (alone, its_path) == ([bfer], {bfer: path})
    assert sum(sum(e.drops.values()) for pair in known for e in pair) == 0


@pytest.mark.parametrize(("x", "y"), [(2, 4), (1, 16), (3, 4), (2, 3), (16, 16), (5, 2)])
def test_tables_share_the_ways_of_every_bfer_evenly(x: int, y: int) -> None:
    """RFC 8279 section 6.7.2's example is X with 2 ways, Y with 4: four tables."""
    hops = tuple(Hop(Neighbor(str(n), f"to-{n}"), 100 + n) for n in range(16))
    known = Routes(Bsl.B64, {1: Ways(hops[:x]), 2: Ways(hops[:y])})
    for position, ways in ((1, x), (2, y)):
        used = [
            next(h.bift_id for h, f_bm in table.hops.items() if f_bm >> position - 1 & 1)
            for table in known.tables
        ]
        counts = [used.count(100 + n) for n in range(ways)]
        assert max(counts) - min(counts) <= (len(known.tables) % ways > 0)
    if (x, y) == (2, 4):
        assert len(known.tables) == 4


def test_flows_are_spread_over_the_tables() -> None:
    """Within a quarter of an even share: 4,096 flows over each number of tables, at two salts."""
    for salt in (0, 0xDEADBEEF):
        for ways in (2, 3, 4, 7, 16):
            chosen = [choose(entropy, salt, ways) for entropy in range(4096)]
            shares = [chosen.count(way) * ways / 4096 for way in range(ways)]
            assert min(shares) > 0.75
            assert max(shares) < 1.25
