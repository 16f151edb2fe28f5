"""Capacities as topology files write them: `LinkSpeedRaw 2500000000.0`, `"10 Gbps"`, `"STM-16"`.

Pure.  ITU-T G.707 (STM-N is N x 155.52 Mbit/s), ANSI T1.105 (OC-N is N x 51.84 Mbit/s).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from toolkit.inventory.importers.gml import Value
from toolkit.inventory.quantity import HIGHEST_RATE, LOWEST_RATE

_POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SPEED = re.compile(
    r"(?<![\w.])([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([kmgt])(?:b(?:it)?(?:ps|/s|s)?|be|e)?(?![\w/])",
    re.IGNORECASE,
)
_NOT_DECIMAL = re.compile(r"(?<![\w.])[0-9.]+\s*(?:[kmgt]i|[KMGT]?B(?![a-z]))")
_SONET = re.compile(r"\b(oc|stm)[- ]?([0-9]{1,4})c?\b", re.IGNORECASE)
_HIERARCHY = {"oc": 51_840_000, "stm": 155_520_000}


def capacity_in(text: str) -> int | None:
    """Return the bit/s that a text names, None where it names none or none that is sure."""
    if match := _SONET.search(text):
        return usable(_HIERARCHY[match[1].lower()] * int(match[2]))
    if _NOT_DECIMAL.search(text):
        return None
    if match := _SPEED.search(text):
        return usable(float(match[1]) * _POWERS[match[2].lower()])
    return None


def usable(rate: float) -> int | None:
    """Return whole bit/s, None for what no link of an inventory can have."""
    if not isfinite(rate) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        return None
    return round(rate)


def capacity_of(values: Mapping[str, Value]) -> int | None:
    """Return the bit/s of an edge: LinkSpeedRaw, else LinkSpeed with its units, else LinkLabel."""
    raw = _number(values.get("LinkSpeedRaw"))
    if raw is not None and (rate := usable(raw)) is not None:
        return rate
    speed, units = _number(values.get("LinkSpeed")), values.get("LinkSpeedUnits", "")
    power = _POWERS.get(units[:1].lower()) if isinstance(units, str) else None
    if speed is not None and power and (rate := usable(speed * power)) is not None:
        return rate
    label = values.get("LinkLabel", "")
    return capacity_in(label) if isinstance(label, str) else None


def _number(value: Value | None) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None
