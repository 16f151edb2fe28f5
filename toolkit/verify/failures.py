"""From the names that a person types to failures: `lon1-mad1`, `mad1-lon1`, `dal1`.

Pure.  Every name that is unknown is reported, each with what was probably meant.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.errors import UsageError
from toolkit.inventory.suggestion import closest
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.state.model import Cable


def named_failures(plan: Plan, text: str, option: str = "--break") -> Failures:
    """Return the failures named in `text`, separated by commas.

    A link may be named from either end, and a host's access link by the host or as `router-host`; a
    router or host fails with all its links.  Where several links join two routers, their common
    name means all of them.  Raises UsageError.
    """
    links = _link_names(plan)
    nodes = {*plan.routers, *plan.hosts}
    found_links: set[str] = set()
    found_nodes: set[str] = set()
    unknown: list[str] = []
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{option}: name at least one link (a-b) or node")
    for name in names:
        if name in links:
            found_links |= links[name]
        elif name in nodes:
            found_nodes.add(name)
        else:
            unknown.append(_unknown(name, (*links, *nodes)))
    if unknown:
        raise UsageError("\n".join(f"{option}: {line}" for line in unknown))
    return Failures(frozenset(found_links), frozenset(found_nodes))


def _link_names(plan: Plan) -> dict[str, set[str]]:
    """Everything a link may be called -> the names of the cables that are meant."""
    names: dict[str, set[str]] = {}
    for cable in plan.cables:
        for pair in _pairs(cable):
            names.setdefault(pair, set()).add(cable.link)
    for cable in plan.cables:
        if cable.link in plan.hosts:
            continue  # a host's name means the host: it fails with its link
        names[cable.link] = {cable.link}
        if cable.link in _pairs(cable):
            names |= {pair: {cable.link} for pair in _pairs(cable)}
    return names


def _pairs(cable: Cable) -> tuple[str, str]:
    a, b = cable.a.node, cable.b.node
    return f"{a}-{b}", f"{b}-{a}"


def _unknown(name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    return f"there is no link or node {name}" + (f"; did you mean {near}?" if near else "")
