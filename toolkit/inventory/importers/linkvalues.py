"""Metric, delay, capacity and MTU of a link as other files carry them.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from toolkit.errors import Problem
from toolkit.inventory.importers.draft import DraftLink
from toolkit.inventory.importers.geography import LEAST_METRIC, MOST_METRIC
from toolkit.inventory.importers.yamlsource import Route, Source
from toolkit.inventory.quantity import parse_delay, parse_mtu, parse_rate
from toolkit.inventory.refusal import Refusal


def _metric(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) < 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("is not a metric", f"a whole number, {LEAST_METRIC} to {MOST_METRIC}")
    if not LEAST_METRIC <= value <= MOST_METRIC:
        raise Refusal(f"is not between {LEAST_METRIC} and {MOST_METRIC}")
    return value


def _mtu(value: object) -> int:
    return parse_mtu(int(value) if isinstance(value, str) and value.isdecimal() else value)


VALUES: Mapping[str, Callable[[object], int | float]] = {
    "metric": _metric,
    "delay": parse_delay,
    "capacity": parse_rate,
    "mtu": _mtu,
}


def link_with(
    a: str, b: str, values: Mapping[str, Any], source: Source, route: Route, *, prefix: str = ""
) -> tuple[DraftLink, list[Problem]]:
    """Return the link a-b with what `values` say of it, and what is wrong with them.

    `route` leads to `values` in `source`; keys begin with `prefix`.
    """
    found: dict[str, Any] = {}
    problems = []
    for name, parse in VALUES.items():
        key = prefix + name
        if key not in values:
            continue
        try:
            found[name] = parse(values[key])
        except Refusal as refusal:
            what = refusal.reason if refusal.whole else f"{values[key]!r} {refusal.reason}"
            problems.append(Problem(source.place(*route, key), what, refusal.remedy))
    return DraftLink(a=a, b=b, **found), problems
