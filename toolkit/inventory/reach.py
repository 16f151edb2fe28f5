"""Is it one network, and can it carry what is asked of it?  Pure.

Looks at the network as declared, with nothing broken: which paths are taken is for the plan.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

from toolkit.errors import Problem
from toolkit.inventory.declared import DeliveryBody
from toolkit.inventory.entry import Entry
from toolkit.inventory.quantity import format_rate
from toolkit.inventory.references import receivers_of
from toolkit.inventory.section import Declared

Widths = Mapping[str, Mapping[str, int]]
"""Router -> neighbor -> capacity of the widest link between them in bit/s."""

_LISTED = 6


def check_reach(declared: Declared) -> Iterator[Problem]:
    """Yield what is not connected, or too narrow for a delivery's rate."""
    if not declared.certain("routers", "links"):
        return
    widths = _widths(declared)
    if widths is None:
        return
    yield from _check_connected(declared, widths)
    for delivery in declared.deliveries.values():
        yield from _check_delivery(declared, delivery, widths)


def _widths(declared: Declared) -> Widths | None:
    """Return the graph, or None where a link's ends are in doubt: it would look broken."""
    widths: dict[str, dict[str, int]] = {name: {} for name in declared.routers}
    for link in declared.links:
        a, b = link.text("a"), link.text("b")
        if a is None or b is None or a not in widths or b not in widths:
            return None
        # A link whose capacity is not known stands in nobody's way.
        capacity = link.body.capacity if link.body else 1 << 62
        for one, other in ((a, b), (b, a)):
            widths[one][other] = max(capacity, widths[one].get(other, 0))
    return widths


def widest_paths(widths: Widths, source: str) -> dict[str, int]:
    """Return router -> capacity of the widest path to it; routers out of reach are left out."""
    best = {source: 1 << 62}
    heap = [(-best[source], source)]
    while heap:
        width, router = heapq.heappop(heap)
        if -width < best[router]:
            continue
        for neighbor, capacity in widths[router].items():
            through = min(-width, capacity)
            if through > best.get(neighbor, 0):
                best[neighbor] = through
                heapq.heappush(heap, (-through, neighbor))
    return best


def _check_connected(declared: Declared, widths: Widths) -> Iterator[Problem]:
    parts: list[list[str]] = []
    placed: set[str] = set()
    for router in widths:
        if router not in placed:
            reached = widest_paths(widths, router)
            parts.append([name for name in widths if name in reached])
            placed.update(reached)
    if not parts:
        return
    main = max(parts, key=len)
    for part in parts:
        if part is main:
            continue
        verb = "is" if len(part) == 1 else "are"
        what = f"{_some(part)} {verb} not connected to {_some(main)}"
        remedy = f"add a link, or remove {'it' if len(part) == 1 else 'them'}"
        yield declared.routers[part[0]].problem(what, remedy)


def _check_delivery(
    declared: Declared, delivery: Entry[DeliveryBody], widths: Widths
) -> Iterator[Problem]:
    source = declared.repositories.get(delivery.text("from") or "")
    if source is None:
        return
    start = source.text("router") or ""
    if start not in widths:
        return
    reach = widest_paths(widths, start)
    rate = delivery.body.rate if delivery.body else 0
    if source.body and rate > source.body.capacity:
        shown = format_rate(source.body.capacity)
        what = f"rate {format_rate(rate)} is more than the {shown} of '{source.name}'"
        yield delivery.problem(what, f"at most {shown}", at="rate")
    cut_off: list[str] = []
    slow: dict[str, int] = {}
    narrow: dict[str, int] = {}
    for name in receivers_of(declared, delivery):
        cloud = declared.clouds[name]
        router = cloud.text("router") or ""
        if router not in widths:
            continue
        if router not in reach:
            cut_off.append(f"{name} at {router}")
            continue
        if cloud.body and rate > cloud.body.capacity:
            slow[name] = cloud.body.capacity
        if rate > reach[router]:
            narrow[name] = reach[router]
    if cut_off:
        what = f"no path from {source.name} at {start} to {_some(cut_off)}"
        yield delivery.problem(what, "join the two parts of the network", at="to")
    if slow:
        least = format_rate(min(slow.values()))
        what = f"rate {format_rate(rate)} is more than the access link of {_some(list(slow))}"
        yield delivery.problem(what, f"at most {least}", at="rate")
    if narrow:
        least = format_rate(min(narrow.values()))
        what = (
            f"no path is wide enough for {format_rate(rate)} from {start} to {_some(list(narrow))}"
        )
        yield delivery.problem(what, f"the widest carries {least}", at="rate")


def _some(names: list[str]) -> str:
    names = [name or "''" for name in names]
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
