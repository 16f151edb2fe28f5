"""The GML reader: what it reads, and that nothing makes it stumble."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InventoryError
from toolkit.inventory.importers.gml import MOST_PROBLEMS, Block, decode_gml, parse_gml
from toolkit.inventory.importers.gmlgraph import read_graph
from toolkit.inventory.importers.zoo import read_zoo


def values(text):
    return [(item.key, item.value) for item in parse_gml(text, "x.gml").items]


def test_values_of_every_kind():
    text = 'a 1 b -2.5 c "x &amp; y" d 1e3 e .5 # comment\nf +7 g INF h "two\nlines" i 3.'
    found = values("# head\n" + text.replace("# comment", "\n# comment"))
    assert found == [
        ("a", 1), ("b", -2.5), ("c", "x & y"), ("d", 1000.0), ("e", 0.5), ("f", 7),
        ("g", float("inf")), ("h", "two\nlines"), ("i", 3.0),
    ]  # fmt: skip


def test_lines_are_counted_through_texts_of_several_lines():
    root = parse_gml('a "1\n2\n3"\nb 4', "x.gml")
    assert [item.line for item in root.items] == [1, 4]


def test_lists_nest_as_deep_as_they_like():
    root = parse_gml("a [ " * 20_000 + "]" * 20_000, "x.gml")
    depth = 0
    block = root
    while block.items:
        block = block.items[0].value
        depth += 1
    assert depth == 20_000


def test_problems_end_somewhere():
    with pytest.raises(InventoryError) as caught:
        parse_gml("] " * 10_000, "x.gml")
    assert len(caught.value.problems) == MOST_PROBLEMS
    nodes = "node [ ]\n" * 500
    with pytest.raises(InventoryError) as caught:
        read_zoo(f"graph [ {nodes} ]".encode(), "x.gml")
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert "460 more" in str(caught.value)


WORDS = st.sampled_from(
    ["graph", "node", "edge", "[", "]", "id", "source", "target", "label", '"x"', "0", "1", "2",
     "-1", "1.5", "Latitude", "Longitude", "NAN", "91", '"', "directed", "\n", "#", "é", "\x01"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=60).map(" ".join))
@settings(max_examples=400)
def test_any_text_is_a_graph_or_a_list_of_problems_with_lines(text):
    problems, graph = (), None
    try:
        graph = read_graph(parse_gml(text, "x.gml"), "x.gml")
    except InventoryError as error:
        problems = error.problems
    assert bool(problems) == (graph is None)
    assert all(1 <= p.place.line <= text.count("\n") + 1 for p in problems)
    assert list(problems) == sorted(problems)
    if graph is not None:
        assert graph.nodes
        known = {node.id for node in graph.nodes}
        assert all({edge.source, edge.target} <= known for edge in graph.edges)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(data):
    try:
        root = parse_gml(decode_gml(data, "x.gml"), "x.gml")
    except InventoryError:
        return
    assert isinstance(root, Block)
