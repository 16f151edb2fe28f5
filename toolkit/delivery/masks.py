"""Receivers as bits of a whole number, and as numbers in an array.

Pure.  A mask of a thousand receivers is one Python number: unions and differences cost the same as
for one.  Where something is kept for every receiver it is an array, and these two turn one into the
other without a loop.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.intp]


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def numbers(mask: int) -> Numbers:
    """The same as an array."""
    raw = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    return np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little"))


def mask_of(flags: npt.NDArray[np.bool_]) -> int:
    """The mask of the places where `flags` is true."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")
