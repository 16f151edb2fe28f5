"""Names of routers from whatever people call places.  Pure.

A name obeys `identifier.parse_name` and leaves room for what is made of it: `to-NAME-2` is an
interface, `cloud-NAME-2` a host, and some platforms stop at 32 characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from toolkit.inventory.identifier import LABEL_LENGTH, RESERVED_NAMES

LONGEST = 24
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
"""Letters that Unicode does not take apart (NFKD)."""


def fold(label: str, longest: int = LONGEST) -> str:
    """Return `label` in lower-case ASCII letters, digits and inner hyphens; may be empty."""
    lowered = label.casefold().translate(_LETTERS)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c)
    )
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-")


def unique_names(labels: Sequence[str], otherwise: Sequence[str]) -> list[str]:
    """Return a name for each label; `otherwise` serves where a label folds to nothing.

    The first bearer of a name keeps it, the others are numbered: `lebanon`, `lebanon-2`.
    """
    bases = [fold(label) or other for label, other in zip(labels, otherwise, strict=True)]
    taken = set(RESERVED_NAMES)
    names = [""] * len(bases)
    for position, base in enumerate(bases):
        if base not in taken:
            names[position] = base
            taken.add(base)
    for position, base in enumerate(bases):
        if not names[position]:
            names[position] = numbered(base, taken, LONGEST)
            taken.add(names[position])
    return names


def numbered(base: str, taken: Collection[str], longest: int = 32) -> str:
    """Return `base`, or the first of `base-2`, `base-3`, ... that is not taken."""
    if base not in taken:
        return base
    number = 2
    while (name := _with(base, number, longest)) in taken:
        number += 1
    return name


def _with(base: str, number: int, longest: int) -> str:
    end = f"-{number}"
    return base[: longest - len(end)].rstrip("-") + end


def printable(text: str, longest: int = LABEL_LENGTH) -> str:
    """Return `text` on one line, fit for a label or a comment; may be empty."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean[:longest].strip()
