"""GML graphs as networks: names, places, delays, capacities, and what is said of each decision."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topologies import NAMES, OWN, zoo

from toolkit.cli.main import main
from toolkit.inventory.identifier import parse_name
from toolkit.inventory.importers.geography import (
    LEAST_METRIC,
    MIN_DELAY,
    MOST_METRIC,
    STEP,
    Position,
    delay_of,
    distance,
    metric_of,
    middle,
)
from toolkit.inventory.importers.linkspeed import capacity_in
from toolkit.inventory.importers.names import LONGEST, fold, unique_names
from toolkit.inventory.importers.zoo import read_zoo

GOLDEN = Path(__file__).parent / "golden" / "import"
UPDATE = os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1"
LONDON, NEW_YORK = Position(51.5074, -0.1278), Position(40.7128, -74.0060)
POSITIONS = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180))


def small():
    return read_zoo((OWN / "small.gml").read_bytes(), "small.gml")


def note(draft, kind):
    return [n for n in draft.notes if n.kind == kind]


def test_distances_are_those_of_the_globe():
    assert distance(LONDON, NEW_YORK) == pytest.approx(5570, abs=5)
    assert distance(Position(0, 0), Position(0, 180)) == pytest.approx(20015, abs=1)
    assert distance(Position(0, 179.5), Position(0, -179.5)) == pytest.approx(111.2, abs=0.1)
    assert delay_of(5570, 1.0) == pytest.approx(0.02785)
    assert delay_of(5570) == pytest.approx(0.04178, abs=1e-5)


@given(POSITIONS, POSITIONS)
def test_delays_are_in_steps_and_metrics_follow_them(a, b):
    delay = delay_of(distance(a, b))
    assert delay >= MIN_DELAY
    assert metric_of(delay) * STEP == pytest.approx(delay, rel=1e-9)
    assert LEAST_METRIC <= metric_of(delay) <= MOST_METRIC
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-6)


def test_the_middle_is_on_the_globe_not_in_the_numbers():
    assert middle([Position(0, 179), Position(0, -179)]).longitude == pytest.approx(180, abs=1e-6)
    assert middle([]) is None
    assert middle([Position(0, 0), Position(0, 180)]) is None


@given(st.lists(st.text(max_size=50), max_size=12))
def test_names_obey_the_inventory_and_differ(labels):
    names = unique_names(labels, [f"node-{n}" for n in range(len(labels))])
    assert len(set(names)) == len(names)
    for name in names:
        assert parse_name(name) == name
        assert len(name) <= LONGEST


def test_names_are_folded_and_numbered():
    labels = ["Zürich", "Ålborg", "Łódź", "Straße", "a", "A", "a-2", "all", "北京", "-", "x" * 40]
    spares = [f"node-{n}" for n in range(len(labels))]
    assert unique_names(labels, spares) == [
        "zurich", "alborg", "lodz", "strasse", "a", "a-3", "a-2", "all-2", "node-8", "node-9",
        "x" * 24,
    ]  # fmt: skip
    assert fold("Biel/Bienne", 7) == "biel-bi"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10 Gbps", 10**10), ("2.5G", 2_500_000_000), ("155M", 155_000_000), ("2M", 2_000_000),
        ("100GbE", 10**11), ("10 Gbit/s", 10**10), ("STM-16", 2_488_320_000),
        ("OC-48c", 2_488_320_000),
        ("< 45 Mbps", 45_000_000), ("Red Link", None), ("10 GB", None), ("10 Gi", None), ("", None),
        ("1k", None), ("99999T", None), ("v10G2", None), ("Lit Fibre", None),
    ],
)  # fmt: skip
def test_capacities_are_read_where_they_are_sure(text, rate):
    assert capacity_in(text) == rate


def test_names_regions_and_remarks_of_a_small_network():
    draft = small()
    assert [(r.name, r.region, r.site) for r in draft.routers] == [
        ("zurich", "Switzerland", True),
        ("milan", "Italy", True),
        ("milan-2", "Italy", True),
        ("munchen", "Germany", True),
        ("junction-14", "", False),
        ("peering-no", "", True),
        ("node-16", "", True),
    ]
    assert draft.name == "small"
    assert "Small & Co" in draft.about[0]


def test_links_of_a_small_network():
    links = {(link.a, link.b, link.capacity): link for link in small().links}
    assert len(links) == 9
    assert links["zurich", "milan", 2_488_320_000].delay == pytest.approx(
        delay_of(distance(Position(47.3769, 8.5417), Position(45.4642, 9.19)))
    )
    assert links["milan", "milan-2", 2_500_000_000].delay == MIN_DELAY
    assert ("munchen", "zurich", 40_000_000_000) in links
    assert ("milan-2", "munchen", 100_000_000_000) in links


def test_what_was_decided_is_said_by_name():
    draft = small()
    assert note(draft, "duplicate")[0].names == ("milan", "milan-2")
    assert note(draft, "loop")[0].names == ("munchen",)
    assert note(draft, "parallel")[0].names == ("milan-zurich",)
    assert note(draft, "junction")[0].names == ("junction-14",)
    assert note(draft, "external")[0].names == ("peering-no",)
    assert [n.names for n in note(draft, "position")] == [
        ("junction-14",), ("peering-no", "node-16"),
    ]  # fmt: skip
    assert "5 of 9 links" in note(draft, "capacity")[0].text


def test_a_place_taken_from_one_neighbor_says_nothing_of_the_distance_to_it():
    text = b"""graph [
      node [ id 0 Latitude 50 Longitude 0 ] node [ id 1 Latitude 50 Longitude 10 ]
      node [ id 2 Latitude 50 Longitude 20 ] node [ id 3 ]
      edge [ source 0 target 1 ] edge [ source 1 target 2 ] edge [ source 2 target 3 ] ]"""
    links = read_zoo(text, "x.gml").links
    assert links[2].delay == pytest.approx(links[0].delay, abs=2 * STEP)
    assert links[2].delay > 10 * MIN_DELAY


def test_a_directed_graph_s_ways_back_are_no_second_link():
    text = b"""graph [ directed 1 node [ id 0 ] node [ id 1 ] node [ id 2 ]
      edge [ source 0 target 1 ] edge [ source 1 target 0 ] edge [ source 0 target 1 ]
      edge [ source 1 target 2 ] ]"""
    draft = read_zoo(text, "x.gml")
    assert [(k.a, k.b) for k in draft.links] == [
        ("node-0", "node-1"), ("node-0", "node-1"), ("node-1", "node-2"),
    ]  # fmt: skip
    assert "1 of 4 edges" in note(draft, "directed")[0].text


@pytest.mark.parametrize("name", ["Cernet", "Geant2012"])
def test_imports_of_the_zoo_are_as_written_down(name, tmp_path, capsys):
    source = zoo(name)
    out = tmp_path / name
    assert main(["inventory", "import", "gml", str(source), "--output", str(out)]) == 0
    report = capsys.readouterr().out.replace(str(out), "DIR")
    for file, text in (
        ("network.yaml", (out / "network.yaml").read_text("utf-8")),
        ("deliveries.yaml", (out / "deliveries.yaml").read_text("utf-8")),
        ("report.txt", report),
    ):
        golden = GOLDEN / name / file
        if UPDATE:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(text, "utf-8")
        assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_the_zoo_here_loads_and_is_planned(name, tmp_path, capsys):
    out = tmp_path / "net"
    assert main(["inventory", "import", "gml", str(zoo(name)), "--output", str(out)]) == 0
    assert main(["inventory", "check", str(out)]) == 0
    assert main(["plan", str(out)]) == 0
    capsys.readouterr()
