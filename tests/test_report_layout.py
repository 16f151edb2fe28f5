"""Boxes of a topology: apart, in their regions, always at the same place."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.report.layout import GAP, Box, Item, arrange, separate
from toolkit.report.routes import route


def overlap(a: Box, b: Box) -> bool:
    return (
        abs(a.x - b.x) < (a.width + b.width) / 2 - 0.05
        and abs(a.y - b.y) < (a.height + b.height) / 2 - 0.05
    )


def inside(inner: Box, outer: Box) -> bool:
    return (
        abs(inner.x - outer.x) + inner.width / 2 <= outer.width / 2 + 0.05
        and abs(inner.y - outer.y) + inner.height / 2 <= outer.height / 2 + 0.05
    )


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Item], list[tuple[str, str]]]:
    """Up to 40 nodes: connected or not, with and without regions, hosts beside routers."""
    routers = draw(st.integers(1, 28))
    regions = draw(st.integers(0, 4))
    items = [
        Item(f"r{i}", 60, 36, f"region {i % regions}" if regions and i % 7 else "")
        for i in range(routers)
    ]
    links = draw(
        st.lists(
            st.tuples(st.integers(0, routers - 1), st.integers(0, routers - 1)),
            max_size=2 * routers,
        )
    )
    pairs = [(f"r{a}", f"r{b}") for a, b in links if a != b]
    if draw(st.booleans()):
        pairs += [(f"r{i}", f"r{i // 2}") for i in range(1, routers)]
    for host in range(draw(st.integers(0, 40 - routers))):
        at = (host * 7) % routers
        items.append(Item(f"h{host}", 130, 42, items[at].region, leaf=True))
        pairs.append((f"h{host}", f"r{at}"))
    return items, pairs


@settings(max_examples=25, deadline=None)
@given(networks())
def test_boxes_do_not_overlap_and_regions_hold_their_own_nodes_and_no_others(network) -> None:
    items, links = network
    placed = arrange(items, links, "h0")
    assert list(placed.boxes) == [item.name for item in items]
    for a, b in combinations(placed.boxes.values(), 2):
        assert not overlap(a, b)
    for a, b in combinations(placed.regions.values(), 2):
        assert not overlap(a, b)
    whole = Box(placed.width / 2, placed.height / 2, placed.width, placed.height)
    for box in [*placed.boxes.values(), *placed.regions.values()]:
        assert inside(box, whole)
    for item in items:
        for name, region in placed.regions.items():
            box = placed.boxes[item.name]
            assert inside(box, region) if item.region == name else not overlap(box, region)


@settings(max_examples=5, deadline=None)
@given(networks())
def test_the_same_network_stands_at_the_same_place(network) -> None:
    items, links = network
    assert arrange(items, links, "r0") == arrange(list(items), list(links), "r0")


def test_a_chain_reads_from_left_to_right() -> None:
    items = [Item(name, 60, 36) for name in "abcdef"]
    placed = arrange(items, list(zip("abcde", "bcdef", strict=True)), "a")
    assert [n for n, _ in sorted(placed.boxes.items(), key=lambda row: row[1].x)] == list("abcdef")


def test_one_region_alone_is_not_framed() -> None:
    items = [Item("a", 60, 36, "europe"), Item("b", 60, 36, "europe")]
    assert arrange(items, [("a", "b")]).regions == {}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_very_small_networks_have_a_picture(number) -> None:
    items = [Item(f"r{i}", 60, 36) for i in range(number)]
    placed = arrange(items, [])
    assert len(placed.boxes) == number
    assert placed.width > 0
    assert placed.height > 0


def test_boxes_at_one_and_the_same_place_come_apart() -> None:
    sizes = np.array([(60.0, 36.0)] * 12)
    points = separate(np.zeros((12, 2)), sizes, GAP)
    boxes = [Box(x, y, 60, 36) for x, y in points]
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_a_link_bends_around_a_box_in_its_way() -> None:
    a, b, between = Box(0, 0, 60, 36), Box(400, 0, 60, 36), Box(200, 0, 60, 36)
    assert route(a, b, []).at(0.5) == (200, 0)
    bent = route(a, b, [between])
    assert abs(bent.at(0.5)[1]) > between.height / 2
    assert bent.start[0] == pytest.approx(30, abs=6)


def test_parallel_links_take_different_ways() -> None:
    a, b = Box(0, 0, 60, 36), Box(300, 0, 60, 36)
    middles = {route(a, b, [], lane).at(0.5) for lane in range(4)}
    assert len(middles) == 4


def test_a_curve_knows_its_direction() -> None:
    curve = route(Box(0, 0, 10, 10), Box(100, 0, 10, 10), [])
    assert curve.direction(0.5) == (1, 0)
    assert curve.path == "M5 0L95 0"
