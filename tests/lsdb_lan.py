"""The network of the captures that FRRouting made: what must be read from any of them."""

from __future__ import annotations

from toolkit.lsdb.capture import Databases
from toolkit.lsdb.scope import Scope

LINKS = {  # router -> interface -> (address, network type, metric)
    "r1": {"lan": ("10.0.12.1/24", "broadcast", 7)},
    "r2": {"lan": ("10.0.12.2/24", "broadcast", 9), "p2p": ("10.0.23.0/31", "point-to-point", 20)},
    "r3": {"p2p": ("10.0.23.1/31", "point-to-point", 30)},
}
LOOPBACKS = {"r1": "10.255.0.1", "r2": "10.255.0.2", "r3": "10.255.0.3"}


def complete(found: Databases) -> bool:
    """Both databases are all there."""
    ways = {scope.protocol: len(scope.ways) for scope in found.scopes}
    return ways == {"isis": 4, "ospf": 4}


def shape(scope: Scope) -> list[tuple[str, str, int]]:
    return [(scope.name_of(w.source), scope.name_of(w.target), w.metric) for w in scope.ways]


def assert_read(found: Databases) -> None:
    assert complete(found), (found.scopes, found.problems)
    by_protocol = {scope.protocol: scope for scope in found.scopes}
    expected = [("r1", "r2", 7), ("r2", "r1", 9), ("r2", "r3", 20), ("r3", "r2", 30)]
    assert shape(by_protocol["isis"]) == expected
    assert shape(by_protocol["ospf"]) == [
        (LOOPBACKS[a], LOOPBACKS[b], metric) for a, b, metric in expected
    ]
    assert [str(way.address) for way in by_protocol["ospf"].ways] == [
        "10.0.12.2", "10.0.12.1", "10.0.23.1", "10.0.23.0",
    ]  # fmt: skip
    assert [p for p in found.problems if p.harms] == []
