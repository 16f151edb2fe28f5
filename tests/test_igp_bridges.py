"""Bridges, components and edge connectivity against brute force."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topologies import NAMES, zoo

from toolkit.igp.bridges import components, find_bridges
from toolkit.igp.connectivity import edge_connectivity
from toolkit.inventory.importers.survival import ends_of
from toolkit.inventory.importers.zoo import read_zoo


def reached(size, edges, start, without=()):
    """Plain search; nothing in common with what is tested."""
    found, todo = {start}, [start]
    while todo:
        node = todo.pop()
        for number, (a, b) in enumerate(edges):
            if number in without or node not in (a, b):
                continue
            other = b if node == a else a
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


@st.composite
def multigraphs(draw):
    size = draw(st.integers(1, 8))
    node = st.integers(0, size - 1)
    return size, draw(st.lists(st.tuples(node, node), max_size=14))


@given(multigraphs(), st.data())
@settings(max_examples=300)
def test_bridges_are_the_edges_whose_loss_parts_the_network(graph, data):
    size, edges = graph
    root = data.draw(st.integers(0, size - 1))
    whole = reached(size, edges, root)
    found = find_bridges(size, edges, root)
    lost = {n: whole - reached(size, edges, root, {n}) for n in range(len(edges))}
    assert [b.edge for b in found.bridges] == [n for n, nodes in lost.items() if nodes]
    for bridge in found.bridges:
        assert set(found.behind(bridge)) == lost[bridge.edge]
        assert {bridge.near, bridge.far} == set(edges[bridge.edge])
        assert bridge.far in lost[bridge.edge]
        assert bridge.near not in lost[bridge.edge]
    assert set(found.order) == whole


@given(multigraphs())
def test_components_are_what_can_be_reached(graph):
    size, edges = graph
    found = components(size, edges)
    assert sorted(node for part in found for node in part) == list(range(size))
    for part in found:
        assert set(part) == reached(size, edges, part[0])
    assert [len(p) for p in found] == sorted((len(p) for p in found), reverse=True)


@given(multigraphs(), st.data())
@settings(max_examples=200)
def test_connectivity_is_the_least_number_of_links_that_part_two_nodes(graph, data):
    size, edges = graph
    if size < 2:
        return
    a, b = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    limit = 3
    least = next(
        (
            k
            for k in range(limit)
            for gone in combinations(range(len(edges)), k)
            if b not in reached(size, edges, a, set(gone))
        ),
        limit,
    )
    assert edge_connectivity(size, edges, a, b, limit=limit) == least
    assert edge_connectivity(size, edges, b, a, limit=limit) == least


def test_a_node_is_never_parted_from_itself():
    with pytest.raises(ValueError, match="itself"):
        edge_connectivity(2, [(0, 1)], 1, 1, limit=2)


def test_a_line_longer_than_the_stack_is_all_bridges():
    size = 50_000
    edges = [(n, n + 1) for n in range(size - 1)]
    found = find_bridges(size, edges)
    assert len(found.bridges) == size - 1
    assert found.behind(found.bridges[-1]) == (size - 1,)
    ring = find_bridges(size, [*edges, (size - 1, 0)])
    assert ring.bridges == ()


@pytest.mark.parametrize(("name", "count"), [("Chinanet", 22), ("Kdl", 73)])
def test_the_zoo_has_as_many_bridges_as_removing_each_link_finds(name, count):
    path = zoo(name)
    names, edges = ends_of(read_zoo(path.read_bytes(), path.name))
    near = [[] for _ in names]
    for number, (a, b) in enumerate(edges):
        near[a].append((b, number))
        near[b].append((a, number))

    def parted(gone):
        a, b = edges[gone]
        seen, todo = {a}, [a]
        while todo:
            for other, number in near[todo.pop()]:
                if number != gone and other not in seen:
                    seen.add(other)
                    todo.append(other)
        return b not in seen

    brute = [number for number in range(len(edges)) if parted(number)]
    assert len(brute) == count
    assert [b.edge for b in find_bridges(len(names), edges).bridges] == brute


@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_the_zoo_here_is_connected(name):
    path = zoo(name)
    names, edges = ends_of(read_zoo(path.read_bytes(), path.name))
    assert [len(part) for part in components(len(names), edges)] == [len(names)]
