"""Minimum trees against brute force, and their known cases."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.igp.minimum_tree import EXACT, minimum_tree

Graph = dict[str, set[str]]


def graph(*edges: tuple[str, str], nodes: str = "") -> Graph:
    found: Graph = {name: set() for name in nodes}
    for a, b in edges:
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def joins(edges: tuple[tuple[str, str], ...], wanted: set[str]) -> bool:
    reached, grown = {min(wanted)}, True
    while grown:
        grown = False
        for a, b in edges:
            if (a in reached) != (b in reached):
                reached |= {a, b}
                grown = True
    return wanted <= reached


def brute_force(net: Graph, wanted: set[str]) -> int | None:
    edges = sorted({(min(a, b), max(a, b)) for a, others in net.items() for b in others})
    for size in range(len(edges) + 1):
        if any(joins(chosen, wanted) for chosen in combinations(edges, size)):
            return size
    return None


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, str, list[str]]:
    names = "abcdefg"[: draw(st.integers(2, 7))]
    pairs = list(combinations(names, 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=10, unique=True))
    root = draw(st.sampled_from(names))
    return graph(*edges, nodes=names), root, draw(st.lists(st.sampled_from(names), max_size=5))


@given(graphs())
def test_the_optimum_is_that_of_brute_force(case: tuple[Graph, str, list[str]]) -> None:
    net, root, terminals = case
    found = minimum_tree(net, root, terminals)
    best = brute_force(net, {root, *terminals})
    assert (None if found is None else found.links) == best
    assert found is None or found.exact


def test_a_point_that_is_no_terminal_shortens_the_tree() -> None:
    # Three terminals around a hub: by the rim two links each, through the hub three in all.
    net = graph(("h", "a"), ("h", "b"), ("h", "c"), ("a", "x"), ("x", "b"), ("b", "y"), ("y", "c"))
    found = minimum_tree(net, "a", ["b", "c"])
    assert found is not None
    assert found.links == 3


def test_beyond_the_limit_it_is_an_upper_bound_and_says_so() -> None:
    spokes = [f"s{i:02}" for i in range(EXACT + 5)]
    found = minimum_tree(graph(*(("hub", name) for name in spokes)), "hub", spokes)
    assert found is not None
    assert (found.links, found.exact) == (len(spokes), False)


@pytest.mark.parametrize("terminals", [[], ["a"]])
def test_a_root_alone_needs_no_link(terminals: list[str]) -> None:
    found = minimum_tree(graph(("a", "b")), "a", terminals)
    assert found is not None
    assert (found.links, found.exact) == (0, True)
