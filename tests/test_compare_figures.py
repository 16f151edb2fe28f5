"""What state and events cost, on networks small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plan_inventories import inventory

from toolkit.compare.events import Study
from toolkit.compare.figures import event_figures, state_figures
from toolkit.compare.trial import shortest_tree, stand_in
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Transport

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


def square() -> Inventory:
    """A ring of four: the source at a; clouds at b, c and d, c two hops away."""
    return inventory(
        "abcd",
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")],
        clouds={"cloud-b": "b", "cloud-c": "c", "cloud-d": "d"},
        repositories={"hub": "a"},
    )


def study(transport: Transport = Transport.BIER, net: Inventory | None = None) -> Study:
    net = net or square()
    return Study(net, next(iter(net.deliveries)), transport)


def events(of: Study) -> dict[str, object]:
    return {event.name: event for event in event_figures(of)}


def test_bier_has_a_row_for_every_bfer_on_every_bfr_and_one_flow_where_it_leaves() -> None:
    figures = state_figures(study())
    # 4 BFR-ids (the BFIR has one too) on 4 routers, an egress flow at b, c and d.
    assert (figures.entries, figures.routers, figures.most) == (4 * 4 + 3, 4, 5)
    # Another delivery to the same clouds: only its egress flows.
    assert (figures.further, figures.further_routers) == (3, 3)


def test_bier_takes_in_a_provisioned_receiver_without_any_router_knowing() -> None:
    join = events(study())["join"]
    assert join.subjects == ("cloud-b", "cloud-c", "cloud-d")
    assert (join.worst.configured, join.worst.messages, join.worst.rows) == (0, 0, 0)


def test_where_the_edge_router_imposes_it_alone_learns_of_a_receiver() -> None:
    net = square()
    model = replace(net.deliveries["model"], imposition=Imposition.ROUTER)
    join = events(study(net=replace(net, deliveries={"model": model})))["join"]
    worst = join.worst
    assert (worst.configured, worst.messages, worst.rows, worst.routers) == (1, 0, 1, 1)


def test_a_new_cloud_is_configured_where_it_is_and_at_the_source_and_one_row_on_every_bfr() -> None:
    new = events(study())["new-cloud"]
    # Its own edge router, and the source's: the host may set one bit more.
    assert new.worst.configured == 2
    net = square()
    open_ = {**net.routers, "a": replace(net.routers["a"], edge_protection=False)}
    assert events(study(net=replace(net, routers=open_)))["new-cloud"].worst.configured == 1
    assert new.worst.routers == 4
    # At least the new row on each of four BFRs and the egress flow; F-BMs beside them change too.
    assert new.mean["rows"] >= 5


def test_no_failure_of_a_ring_cuts_a_cloud_off_and_a_cut_one_is_named() -> None:
    assert events(study())["link-failure"].unserved == {}
    chain = inventory(
        "abc", [("a", "b"), ("b", "c")], clouds={"cloud-c": "c"}, repositories={"hub": "a"}
    )
    found = events(study(net=chain))
    assert found["link-failure"].unserved == {"a-b": ("cloud-c",), "b-c": ("cloud-c",)}
    assert found["node-failure"].unserved == {"b": ("cloud-c",)}


def test_the_figures_do_not_depend_on_chance() -> None:
    net = load_inventory(DEMO)
    assert event_figures(study(net=net)) == event_figures(study(net=net))


def test_the_smallest_tree_of_the_ring_has_a_link_for_each_cloud() -> None:
    of = study()
    tree = shortest_tree(of.plan, "hub", of.flow.clouds)
    assert tree is not None
    assert (tree.links, tree.exact) == (3, True)


def test_a_file_stands_for_the_model_with_the_same_bytes_for_the_same_size(tmp_path: Path) -> None:
    one, other = stand_in(tmp_path / "a", 5000), stand_in(tmp_path / "b", 5000)
    assert one.read_bytes() == other.read_bytes()
    assert one.stat().st_size == 5000


@pytest.mark.parametrize("transport", list(Transport))
def test_every_transport_is_studied_whole(transport: Transport) -> None:
    of = study(transport, load_inventory(DEMO))
    figures = state_figures(of)
    assert figures.entries > 0
    assert 0 < figures.routers <= figures.network
    assert figures.further > 0
    found = events(of)
    assert found["new-cloud"].worst.configured > 0
    assert found["link-failure"].subjects
    assert found["link-failure"].unserved == {}
