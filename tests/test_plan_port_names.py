"""Port names: unique on a router, and the same as long as the lock remembers."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.inventory.model import Link
from toolkit.plan.port_names import port_names


def names(links: Iterable[Link], lock: dict[str, int]) -> dict[str, tuple[str, str]]:
    return port_names({link.name: link for link in links}, lock)


NORTH = Link(a="a", b="b", name="a-b")
SOUTH = Link(a="a", b="b", name="a-b-2")
BACK = Link(a="b", b="a", name="b-a")


def test_parallel_links_are_numbered_in_the_order_of_the_lock() -> None:
    lock = {"b-a": 1, "a-b": 2, "a-b-2": 3}
    assert names([NORTH, SOUTH, BACK], lock) == {
        "b-a": ("to-a", "to-b"),
        "a-b": ("to-b-2", "to-a-2"),
        "a-b-2": ("to-b-3", "to-a-3"),
    }


def test_taking_one_of_two_links_away_renames_nothing() -> None:
    lock = {"a-b": 1, "a-b-2": 2, "b-a": 3}
    both = names([NORTH, SOUTH, BACK], lock)
    assert names([SOUTH, BACK], lock) == {n: both[n] for n in ("a-b-2", "b-a")}


def test_links_with_names_of_their_own_are_numbered_too() -> None:
    links = [Link(a="a", b="b", name="duct-7"), Link(a="a", b="b", name="duct-9")]
    assert names(links, {"duct-9": 1, "duct-7": 2}) == {
        "duct-9": ("to-b", "to-a"),
        "duct-7": ("to-b-2", "to-a-2"),
    }


def test_a_router_called_like_a_second_port_still_gets_a_port_of_its_own() -> None:
    links = [NORTH, Link(a="a", b="b", name="x"), Link(a="a", b="b-2")]
    ports = names(links, {"a-b": 1, "x": 2, "a-b-2": 3})
    assert len({end for name, (end, _) in ports.items()}) == 3
