"""Role, region and GPUs of a host, from labels or variables that begin with llmsync.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.errors import Place, Problem
from toolkit.inventory.importers.names import printable
from toolkit.inventory.suggestion import suggest

ROLES = ("repository", "cloud")
GPUS = 8
MOST_GPUS = 1_000_000


def role_of(facts: Mapping[str, Any], key: str, place: Place) -> tuple[str, list[Problem]]:
    """Return `repository`, `cloud` or nothing; a problem for another word."""
    role = facts.get(key)
    if role is None:
        return "", []
    if role in ROLES:
        return str(role), []
    what = f"{key} '{role}' is neither repository nor cloud"
    return "", [Problem(place, what, suggest(str(role), ROLES))]


def region_of(facts: Mapping[str, Any], key: str) -> str:
    """Return the region, empty where none is given."""
    value = facts.get(key)
    return printable(str(value)) if isinstance(value, str | int | float) else ""


def gpus_of(facts: Mapping[str, Any], key: str, place: Place) -> tuple[int, list[Problem]]:
    """Return the number of GPUs; a problem where it is none."""
    value = facts.get(key, GPUS)
    if isinstance(value, str) and value.isdecimal() and len(value) < 9:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_GPUS:
        return value, []
    return GPUS, [Problem(place, f"{key} {value!r} is no number of GPUs", f"1 to {MOST_GPUS}")]
