"""Names of core ports, with parallel links told apart.

Pure.  A port is `to-<peer>`; the port of a second link to the same peer is `to-<peer>-2`.  Links
are counted in the order in which the lock got to know them, those that left included as far as
their names tell (`a-b`, `a-b-2`, ...): taking the first of two such links away renames nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from toolkit.inventory.model import Link


def port_names(links: Mapping[str, Link], indices: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Return link name -> names of its ports at `a` and at `b`.

    `indices`: the lock's link name -> index, with all of `links` in it.
    """
    parallel: defaultdict[frozenset[str], set[str]] = defaultdict(set)
    for name, link in links.items():
        parallel[frozenset((link.a, link.b))].add(name)
    taken: defaultdict[str, set[str]] = defaultdict(set)
    ports: dict[str, tuple[str, str]] = {}
    for name in sorted(links, key=indices.__getitem__):
        link = links[name]
        known = parallel[frozenset((link.a, link.b))].union(_left(link, links, indices))
        number = 1 + sum(indices[other] < indices[name] for other in known)
        ends = []
        for here, peer in ((link.a, link.b), (link.b, link.a)):
            port = _port(peer, number)
            while port in taken[here]:
                # A router that is itself called `<peer>-2` has the name already.
                number += 1
                port = _port(peer, number)
            taken[here].add(port)
            ends.append(port)
        ports[name] = ends[0], ends[1]
    return ports


def _port(peer: str, number: int) -> str:
    return f"to-{peer}" if number == 1 else f"to-{peer}-{number}"


def _left(link: Link, links: Mapping[str, Link], indices: Mapping[str, int]) -> Iterator[str]:
    """Yield the names in the lock of former links between the two ends of `link`."""
    for base in (f"{link.a}-{link.b}", f"{link.b}-{link.a}"):
        name, number = base, 1
        while name in indices:
            if name not in links:
                yield name
            number += 1
            name = f"{base}-{number}"
