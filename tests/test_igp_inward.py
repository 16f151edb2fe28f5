"""Shortest paths towards a node: against those from every node, and after failures against those
computed from nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_igp_spf import GRAPHS, SQUARE

from toolkit.igp.graph import Edge, Graph
from toolkit.igp.inward import InwardPaths, PathsOnTheWay, inward_paths
from toolkit.igp.spf import shortest_paths


def test_a_square_has_two_ways_from_its_far_corner() -> None:
    graph = Graph.of("abcd", SQUARE)
    paths = inward_paths(graph, "a")
    assert paths.distance == (0, 1, 1, 2)
    assert [graph.names[target] for target, _, _ in paths.hops(3)] == ["b", "c"]
    assert paths.first_hops(3) == 0b11
    assert paths.first_hops(0) == 0
    with pytest.raises(KeyError):
        inward_paths(graph, "e")


def test_what_is_taken_out_of_a_graph_leaves_the_numbers_of_the_rest() -> None:
    graph = Graph.of("abcd", SQUARE)
    rest, lost = graph.without(["b"], [Edge("c", "d", 1), Edge("c", "nowhere", 1)])
    assert rest.names == graph.names
    assert list(rest.index) == ["a", "c", "d"]
    assert {(e.source, e.target) for e in lost} == {
        ("a", "b"), ("b", "a"), ("b", "d"), ("d", "b"), ("c", "d")
    }  # fmt: skip
    assert inward_paths(graph, "a").without(rest, lost).distance == (0, -1, 1, 2)
    assert inward_paths(graph, "d").without(rest, lost).distance == (-1, -1, -1, 0)
    with pytest.raises(KeyError):
        inward_paths(rest, "b")


@given(GRAPHS)
def test_paths_towards_a_node_are_the_paths_from_all_others(
    case: tuple[int, list[Edge]],
) -> None:
    size, edges = case
    graph = Graph.of(map(str, range(size)), edges)
    for target in graph.names:
        inward = inward_paths(graph, target)
        for source, number in graph.index.items():
            outward = shortest_paths(graph, source)
            assert inward.distance[number] == outward.distance[inward.root]
            assert inward.first_hops(number) == outward.first_hops[inward.root]
            assert [*inward.hops(number)] == [*outward.hops(inward.root)]


@given(GRAPHS, st.data())
def test_failures_leave_what_a_computation_from_nothing_gives(
    case: tuple[int, list[Edge]], data: st.DataObject
) -> None:
    size, edges = case
    names = [str(i) for i in range(size)]
    graph = Graph.of(names, edges)
    failed = data.draw(st.sets(st.sampled_from(names), max_size=2))
    cut = data.draw(st.sets(st.sampled_from(edges), max_size=4)) if edges else set()
    rest, lost = graph.without(failed, cut)
    left = [e for e in edges if e not in cut and not {e.source, e.target} & failed]
    fresh = Graph.of(names, left)
    assert (rest.out, rest.into) == (fresh.out, fresh.into)
    assert set(lost) == {e for e in edges if e not in left}
    for target in rest.index:
        moved = inward_paths(graph, target).without(rest, lost)
        assert moved.distance == inward_paths(fresh, target).distance
        back = [Edge(e.target, e.source, e.metric, e.port) for e in lost]
        moved = inward_paths(graph.turned(), target).without(rest.turned(), back)
        assert moved.distance == shortest_paths(fresh, target).distance


@given(GRAPHS, st.data())
def test_paths_on_the_way_are_parts_of_the_paths_from_where_packets_start(
    case: tuple[int, list[Edge]], data: st.DataObject
) -> None:
    size, edges = case
    graph = Graph.of(map(str, range(size)), edges)
    starts = data.draw(st.sets(st.sampled_from(graph.names), min_size=1, max_size=2))
    origins = [inward_paths(graph.turned(), name) for name in sorted(starts)]
    for target in graph.names:
        whole = inward_paths(graph, target)
        asked: list[str] = []

        def inward(target: str = target, asked: list[str] = asked) -> InwardPaths:
            asked.append(target)
            return inward_paths(graph, target)

        paths = PathsOnTheWay(whole.root, graph, origins, inward)
        on_the_way = [paths.root for paths in origins]
        for number in on_the_way:  # grows
            assert paths.far(number) == whole.far(number)
            assert [*paths.hops(number)] == [*whole.hops(number)]
            on_the_way += (t for t, _, _ in whole.hops(number) if t not in on_the_way)
        assert not asked
        for number in graph.index.values():
            assert paths.far(number) == whole.far(number)
            assert [*paths.hops(number)] == [*whole.hops(number)]
