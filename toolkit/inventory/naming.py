"""Names of links, and names that must differ from each other.  Pure.

Routers, repositories and clouds share one name space, since each is a node of the network; a link's
name must differ from all of them, since `--break` takes either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from toolkit.errors import Place, Problem
from toolkit.inventory.section import SINGULAR, Declared

Ends = tuple[str, str, str | None]
"""Routers at both ends, and the name that the author gave, if any."""


def name_links(links: Sequence[Ends]) -> list[str]:
    """Return a unique name for each link: the author's, else `a-b`, `a-b-2` for parallel links.

    A link `b-a` is parallel to `a-b`, so it becomes `b-a-2`.
    """
    taken = {given for _, _, given in links if given}
    parallel: Counter[frozenset[str]] = Counter()
    names = []
    for a, b, given in links:
        name = given
        while not name:
            parallel[frozenset((a, b))] += 1
            ordinal = parallel[frozenset((a, b))]
            candidate = f"{a}-{b}" if ordinal == 1 else f"{a}-{b}-{ordinal}"
            if candidate not in taken:
                name = candidate
        taken.add(name)
        names.append(name)
    return names


def check_names(declared: Declared) -> Iterator[Problem]:
    """Yield names that two things share."""
    nodes: dict[str, tuple[str, Place]] = {}
    for section in ("routers", "repositories", "clouds"):
        for name, entry in getattr(declared, section).items():
            if name not in nodes:
                nodes[name] = (SINGULAR[section], entry.place())
                continue
            kind, place = nodes[name]
            what = f"'{name}' is also the name of a {kind}, at {place}"
            yield entry.problem(what, "routers, repositories and clouds need different names")
    given: dict[str, Place] = {}
    for entry in declared.links:
        name = entry.text("name")
        if name is not None and name in given:
            what = f"'{name}' is also the name of the link at {given[name]}"
            yield entry.problem(what, "give each link its own name", at="name")
        elif name is not None:
            given[name] = entry.place("name")
    ends: list[Ends] = [
        (e.text("a") or "", e.text("b") or "", e.text("name")) for e in declared.links
    ]
    for entry, name in zip(declared.links, name_links(ends), strict=True):
        if name in nodes:
            kind, place = nodes[name]
            what = f"the link's name '{name}' is also the name of a {kind}, at {place}"
            yield entry.problem(what, "give the link another 'name'")
