"""Stable numbers for names: once given, never changed, never given to another name.

Pure.  The law: an allocation only ever adds.  Whatever `held` says stays, names that are gone keep
their number (so that re-adding them re-uses it), and new names take the smallest free numbers in
the order of `name_order`, so that the order of lines in a file decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_DIGITS = re.compile(r"(\d+)")


def name_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that counts: `r2` comes before `r10`."""
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in _DIGITS.split(name)
        if part
    )


def _nothing_refused(_: int) -> bool:
    return False


def allocate(
    held: Mapping[str, int],
    names: Iterable[str],
    refused: Callable[[int], bool] = _nothing_refused,
) -> dict[str, int]:
    """Return `held` and, beside it, the smallest free numbers from 1 for names that have none.

    `refused` says which numbers no new name may have (what is held already stays).
    """
    given = dict(held)
    taken = set(held.values())
    number = 0
    for name in sorted(set(names) - held.keys(), key=name_order):
        number += 1
        while number in taken or refused(number):
            number += 1
        given[name] = number
    return given
