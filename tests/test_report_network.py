"""What a drawing knows of the plan and of what was counted."""

from __future__ import annotations

from dataclasses import replace

from report_sample import CLOUDS, LINKS, REGIONS, delivered, good_record, planned

from toolkit.report.network import carried, lines, nodes, tree_directions, use_of


def demo():
    return planned(LINKS, CLOUDS, regions=REGIONS, plain=frozenset({"dal1"}))


def test_every_router_host_and_cable_is_there_once() -> None:
    plan = demo()
    names = [node.name for node in nodes(plan)]
    assert len(names) == len(set(names)) == 12 + 7
    assert [line.name for line in lines(plan)][-7:] == list(plan.hosts)
    assert sum(line.edge for line in lines(plan)) == 7
    assert {node.name for node in nodes(plan) if not node.bfr} == {"dal1"}


def test_a_host_without_a_region_stands_in_its_routers() -> None:
    plan = demo()
    hosts = {name: replace(host, region="") for name, host in plan.hosts.items()}
    regions = {node.name: node.region for node in nodes(replace(plan, hosts=hosts))}
    assert regions["cloud-miami"] == "america"


def test_uses_are_found_by_name_and_else_by_their_ends() -> None:
    plan, result = demo(), delivered(demo(), LINKS)
    renamed = [replace(use, link=f"{use.a}/{use.b}") for use in result.links]
    assert use_of(result.links, lines(plan)).keys() == use_of(renamed, lines(plan)).keys()
    assert use_of([], lines(plan)) == {}


def test_tree_direction_follows_the_counted_bytes() -> None:
    plan, result = demo(), delivered(demo(), LINKS)
    uses = use_of(result.links, lines(plan))
    directions = tree_directions(plan, "minilm", ["lon1-nyc1", "hub", "cloud-miami"], uses)
    assert directions["lon1-nyc1"] == ("lon1", "nyc1")
    assert directions["hub"] == ("hub", "ams1")
    back = replace(uses["lon1-nyc1"], a_to_b=1, b_to_a=9)
    turned = tree_directions(plan, "minilm", ["lon1-nyc1"], {"lon1-nyc1": back})
    assert turned["lon1-nyc1"] == ("nyc1", "lon1")


def test_without_counts_the_tree_leads_away_from_the_source() -> None:
    record = good_record()
    directions = tree_directions(record.plan, "minilm", record.trees["minilm"], {})
    counted = tree_directions(
        record.plan, "minilm", record.trees["minilm"],
        use_of(record.results[0].links, lines(record.plan)),
    )  # fmt: skip
    assert directions == counted
    assert len({down for _, down in directions.values()}) == len(directions)


def test_the_main_flow_is_told_from_reports_by_counting() -> None:
    record = good_record()
    assert set(carried(record.results[0])) == set(record.trees["minilm"])
    assert carried(replace(record.results[0], links=())) == ()
    quiet = tuple(replace(use, a_to_b=0, b_to_a=0) for use in record.results[0].links)
    assert carried(replace(record.results[0], size=0, links=quiet)) == ()
