"""`--bift-id N:BSL[:SI]`: what BIFT-ids stand for, as a person says it.

The same words as in the preferences of the Wireshark dissector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolkit.bier.bitstring import MAX_SI, Bsl
from toolkit.bier.decode import Known
from toolkit.errors import Place, Problem, ProblemsError

_LARGEST = 0xFFFFF
_FORM = re.compile(r"(\d+)(?:-(\d+))?:(\d+)(?::(\d+))?")


def bift_ids(arguments: Iterable[str]) -> dict[int, Known]:
    """Read all of them; ProblemsError names every one that is wrong."""
    known: dict[int, Known] = {}
    problems = []
    for argument in arguments:
        try:
            known.update(_one(argument))
        except ValueError as error:
            problems.append(Problem(Place(f"--bift-id {argument}"), str(error)))
    if problems:
        raise ProblemsError(problems)
    return known


def _one(argument: str) -> dict[int, Known]:
    match = _FORM.fullmatch(argument.strip())
    if match is None:
        raise ValueError("not N:BSL or N:BSL:SI, such as 1000:256 or 1000-1003:256:0")
    low, high, bits, si = (int(text) if text else None for text in match.groups())
    assert low is not None, "the form has it"
    assert bits is not None, "the form has it"
    high = low if high is None else high
    if not low <= high <= _LARGEST:
        raise ValueError(f"BIFT-ids are 0 to {_LARGEST}, the smaller one first")
    bsl = Bsl.of_bits(bits)
    if si is None:
        return dict.fromkeys(range(low, high + 1), Known(bsl))
    if si + high - low > MAX_SI:
        raise ValueError(f"SI is 0 to {MAX_SI}")
    return {n: Known(bsl, si + n - low) for n in range(low, high + 1)}
