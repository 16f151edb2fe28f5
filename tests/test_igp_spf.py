"""Shortest paths against another method, and their determinism."""

from __future__ import annotations

from itertools import permutations
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.igp.graph import MAX_METRIC, Edge, Graph
from toolkit.igp.spf import UNREACHABLE, shortest_paths


def both(a: str, b: str, metric: int, port: str = "") -> list[Edge]:
    return [Edge(a, b, metric, port), Edge(b, a, metric, port)]


SQUARE = [*both("a", "b", 1), *both("b", "d", 1), *both("a", "c", 1), *both("c", "d", 1)]


def test_a_square_has_two_ways_to_its_far_corner() -> None:
    paths = shortest_paths(Graph.of("abcd", SQUARE), "a")
    assert paths.distance_to("d") == 2
    far = paths.graph.index["d"]
    assert [paths.graph.names[t] for t, _, _ in paths.hops(far)] == ["b", "c"]
    assert [paths.graph.names[p] for p in paths.parents[far]] == ["b", "c"]


def test_parallel_edges_are_both_first_hops_when_they_cost_the_same() -> None:
    edges = [Edge("a", "b", 5, "x"), Edge("a", "b", 5, "y"), Edge("a", "b", 6, "z")]
    paths = shortest_paths(Graph.of("ab", edges), "a")
    assert [port for _, _, port in paths.hops(1)] == ["x", "y"]
    assert paths.parents[1] == (0,)


def test_metrics_are_those_of_the_direction() -> None:
    graph = Graph.of("ab", [Edge("a", "b", 3), Edge("b", "a", 7)])
    assert shortest_paths(graph, "a").distance_to("b") == 3
    assert shortest_paths(graph, "b").distance_to("a") == 7


def test_what_cannot_be_reached_says_so() -> None:
    paths = shortest_paths(Graph.of("abc", both("a", "b", 1)), "a")
    assert paths.distance_to("c") is None
    assert paths.distance_to("nowhere") is None
    assert not paths.reaches("c")
    assert paths.distance[paths.graph.index["c"]] == UNREACHABLE
    assert [paths.graph.names[n] for n in paths.order] == ["a", "b"]


def test_a_maximum_metric_takes_a_link_out() -> None:
    """RFC 5305 section 3."""
    paths = shortest_paths(Graph.of("ab", both("a", "b", MAX_METRIC)), "a")
    assert not paths.reaches("b")


def test_a_graph_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="metric 0"):
        Graph.of("ab", [Edge("a", "b", 0)])
    with pytest.raises(ValueError, match="no such node"):
        Graph.of("ab", [Edge("a", "c", 1)])


def test_the_order_of_the_input_does_not_matter() -> None:
    results = {
        (paths.distance, paths.first_hops, paths.parents, paths.order)
        for edges in permutations(SQUARE, 8)
        if edges[0] == SQUARE[0]
        for paths in [shortest_paths(Graph.of("dcba", edges), "a")]
    }
    assert len(results) == 1


GRAPHS = st.integers(2, 8).flatmap(
    lambda n: st.lists(
        st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.integers(1, 4)), max_size=24
    ).map(lambda edges: (n, [Edge(str(a), str(b), m, str(i)) for i, (a, b, m) in enumerate(edges)]))
)


@given(GRAPHS)
def test_distances_and_first_hops_agree_with_floyd_and_warshall(
    case: tuple[int, list[Edge]],
) -> None:
    size, edges = case
    names = [str(i) for i in range(size)]
    infinite = 10**9
    far = {(a, b): 0 if a == b else infinite for a in names for b in names}
    for a, b, metric, _ in edges:
        far[a, b] = min(far[a, b], metric)
    for k in names:
        for a in names:
            for b in names:
                far[a, b] = min(far[a, b], far[a, k] + far[k, b])
    graph = Graph.of(names, edges)
    for root in names:
        paths = shortest_paths(graph, root)
        for target in names:
            number = graph.index[target]
            known = far[root, target]
            assert paths.distance_to(target) == (None if known == infinite else known)
            hops = {port for _, _, port in paths.hops(number)}
            assert hops == {
                port
                for a, b, metric, port in edges
                if a == root != target
                and known < infinite
                and b != root
                and metric + far[b, target] == known
            }
            assert {graph.names[p] for p in paths.parents[number]} == {
                a
                for a, b, metric, _ in edges
                if b == target != root and a != target and known < infinite
                and far[root, a] + metric == known
            }  # fmt: skip


def test_ten_thousand_nodes_take_less_than_two_seconds_of_processor_time() -> None:
    side = 100
    edges = []
    for x in range(side):
        for y in range(side):
            if x + 1 < side:
                edges += both(f"{x},{y}", f"{x + 1},{y}", 1 + (x * y) % 7)
            if y + 1 < side:
                edges += both(f"{x},{y}", f"{x},{y + 1}", 1 + (x + y) % 5)
    graph = Graph.of({e.source for e in edges}, edges)
    start = process_time()
    paths = shortest_paths(graph, "0,0")
    assert process_time() - start < 2
    assert len(paths.order) == side * side
