"""Topology, timeline and link bytes as SVG."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from lxml import etree
from report_sample import CLOUDS, LINKS, REGIONS, broken_record, delivered, good_record, planned

from toolkit.report.charts import MOST_LINKS, busiest, link_bytes, timeline
from toolkit.report.layout import arrange
from toolkit.report.network import lines, nodes
from toolkit.report.pictures import topology
from toolkit.report.style import COLOURS, PICTURES
from toolkit.report.svg import NAMESPACE, element, number, shortened, standalone
from toolkit.report.symbols import COMPACT, item


def parsed(svg: str) -> etree._Element:
    return etree.fromstring(svg.encode())


def titles(svg: str) -> list[str]:
    return [node.text or "" for node in parsed(svg).iter("title")]


def count(svg: str, class_: str) -> int:
    return sum(class_ in (node.get("class") or "").split() for node in parsed(svg).iter())


def test_every_router_host_and_link_is_named() -> None:
    record = good_record()
    found = "\n".join(titles(topology(record)))
    for node in nodes(record.plan):
        assert f"{node.name} · " in found
    for line in lines(record.plan):
        assert f"{line.a} – {line.b}" in found


def test_boxes_of_the_demonstration_do_not_overlap() -> None:
    plan = good_record().plan
    placed = arrange(
        [item(node, compact=False) for node in nodes(plan)],
        [(line.a, line.b) for line in lines(plan)],
        "hub",
    )
    for a, b in combinations(placed.boxes.values(), 2):
        apart_x = abs(a.x - b.x) - (a.width + b.width) / 2
        apart_y = abs(a.y - b.y) - (a.height + b.height) / 2
        assert max(apart_x, apart_y) > 10, (a, b)
    europe, america = placed.regions["europe"], placed.regions["america"]
    assert europe.x + europe.width / 2 < america.x - america.width / 2


def test_the_tree_is_drawn_where_the_record_says_with_its_direction() -> None:
    record = good_record()
    svg = topology(record)
    in_legend = 1
    assert count(svg, "tree") == len(record.trees["minilm"]) + in_legend
    assert any("in the tree: lon1 → nyc1" in title for title in titles(svg))
    assert "lon1 to nyc1" in parsed(svg).findtext("desc", "")
    without = replace(record, trees={}, results=())
    assert count(topology(without), "tree") == 0


def test_failures_are_crossed_out_and_said() -> None:
    record = broken_record()
    svg = topology(record)
    in_legend = 1
    assert count(svg, "cross") == 2 + in_legend
    assert count(svg, "broken") == 2 + in_legend
    assert any(title.startswith("chi1 – sea1 (failed)") for title in titles(svg))
    assert "Without the model: cloud-seattle." in parsed(svg).findtext("desc", "")
    assert count(topology(good_record()), "cross") == 0


def test_a_failed_router_takes_its_links_with_it() -> None:
    record = replace(good_record(), broken_nodes=("chi1",), trees={}, results=())
    svg = topology(record)
    assert count(svg, "failed") == 1
    assert sum("(failed)" in title for title in titles(svg)) == 3


def test_served_unserved_and_plain_nodes_differ_by_more_than_colour() -> None:
    svg = topology(broken_record())
    assert count(svg, "plain") == 2  # dal1 and the legend's
    paths = {
        node.get("d", "")[-30:] for node in parsed(svg).iter("path") if node.get("class") == "tick"
    }
    assert any("4.2-4.8" in path for path in paths)
    assert any("l-5.2 5.2" in path for path in paths)


def test_the_same_record_is_the_same_picture() -> None:
    assert topology(broken_record()) == topology(broken_record())


def test_large_networks_show_names_on_hover() -> None:
    links = [(f"r{i}", f"r{i // 3}", 10) for i in range(1, COMPACT + 10)]
    plan = planned(links, {"cloud-a": ("r40", 8)}, source=("hub", "r0"))
    record = replace(good_record(), plan=plan, results=(delivered(plan, links),), trees={})
    svg = topology(record)
    shown = {node.text for node in parsed(svg).iter("text")}
    assert "cloud-a" in shown
    assert "r17" not in shown
    assert any(title.startswith("r17 · ") for title in titles(svg))


def test_parallel_links_are_two_lines() -> None:
    plan = planned([("a", "b", 10), ("a", "b", 10)], {"c": ("b", 1)}, source=("hub", "a"))
    record = replace(good_record(), plan=plan, results=(), trees={})
    svg = topology(record)
    drawn = [n.get("d") for n in parsed(svg).iter("path") if n.get("class") == "wire"]
    assert len(drawn) == len(set(drawn)) == 2 + 2 + 1


def test_names_stay_text_whatever_they_contain() -> None:
    hostile = '<script>alert("x")</script>&\x00'
    plan = planned([("a", hostile, 10)], {"c<b>": (hostile, 1)}, source=("hub", "a"))
    links = [("a", hostile, 10)]
    result = delivered(plan, links)
    svg = topology(replace(good_record(), plan=plan, results=(result,), trees={}))
    for picture in (svg, timeline(result), link_bytes(result)):
        assert not list(parsed(picture).iter("script"))
        assert "<script" not in picture
    assert any("<script>" in title for title in titles(svg))


def test_a_row_of_the_timeline_tells_all_times() -> None:
    svg = timeline(good_record().results[0])
    row = next(title for title in titles(svg) if title.startswith("cloud-madrid: "))
    assert row.replace("\u00a0", " ") == (
        "cloud-madrid: joined 16.1 ms, first byte 19.2 ms, first tensor 80.2 ms, "
        "last byte 394 ms, verified 409 ms."
    )
    assert count(svg, "receive") == 6 + 1
    assert row in parsed(svg).findtext("desc", "")


def test_an_incomplete_cloud_shows_why_instead_of_a_time() -> None:
    svg = timeline(broken_record().results[0])
    texts = [node.text for node in parsed(svg).iter("text")]
    assert "no path from ams1 to sea1: nothing arrived" in texts
    assert "incomplete" in texts
    assert count(svg, "receive") == 5 + 1


def test_a_cloud_that_got_some_of_it_shows_how_far_it_came() -> None:
    result = good_record().results[0]
    partly = replace(
        result.clouds[0], complete=False, identical=False, verified=None, last_byte=None,
        first_tensor=None, reason="the delivery ended early",
    )  # fmt: skip
    svg = timeline(replace(result, clouds=(partly, *result.clouds[1:])))
    assert "the delivery ended early" in [node.text for node in parsed(svg).iter("text")]
    assert count(svg, "lost") == 1


@pytest.mark.parametrize("picture", [timeline, link_bytes])
def test_a_delivery_to_nobody_has_pictures_all_the_same(picture) -> None:
    nobody = replace(good_record().results[0], clouds=(), links=(), routers=(), duration=0.0)
    assert parsed(picture(nobody)).tag == "svg"


def test_links_are_sorted_by_what_unicast_would_cost_them() -> None:
    result = good_record().results[0]
    costs = [use.unicast for use in busiest(result.links)]
    assert costs == sorted(costs, reverse=True)
    shown = titles(link_bytes(result))[1:]
    assert len(shown) == MOST_LINKS
    assert shown[0].startswith("ams1 → hub: ")


def test_a_picture_can_stand_alone() -> None:
    image = standalone(topology(good_record()), COLOURS + PICTURES)
    root = parsed(image)
    assert root.tag == f"{{{NAMESPACE}}}svg"
    assert "--tree" in (root.findtext(f"{{{NAMESPACE}}}style") or "")


def test_numbers_and_long_names_are_short() -> None:
    assert [number(v) for v in (1.0, -0.01, 2.25, 1e3)] == ["1", "0", "2.2", "1000"]
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abcde", 5) == "abcde"
    assert element("a", text="<", class_="x", x=None) == '<a class="x">&lt;</a>'


def test_regions_come_in_the_order_of_the_delivery() -> None:
    plan = planned(LINKS, CLOUDS, regions=REGIONS)
    texts = [node.text for node in parsed(timeline(delivered(plan, LINKS))).iter("text")]
    assert texts.index("cloud-warsaw") < texts.index("cloud-miami")
