"""The order of names.  Pure."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(\d+)")


def counting(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sorting key for names the way people count: `r2` before `r10`."""
    parts = (part for part in _DIGITS.split(name) if part)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts)
