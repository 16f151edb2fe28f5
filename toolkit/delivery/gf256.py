"""The field GF(2^8) with the polynomial x^8+x^4+x^3+x^2+1.  RFC 5510 section 8.1.

Pure.  Scalars come from log tables; whole symbols are combined bit by bit: the inputs whose
coefficient has bit b set are XORed together, and the eight sums are then folded by Horner's rule.
That is XOR at memory speed, where a table lookup per byte is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

POLYNOMIAL = 0x11D


def _tables() -> tuple[list[int], list[int]]:
    exp, log, x = [0] * 510, [0] * 256, 1
    for i in range(255):
        exp[i] = exp[i + 255] = x
        log[x] = i
        x = x << 1 ^ (POLYNOMIAL if x & 0x80 else 0)
    return exp, log


EXP, LOG = _tables()
"""EXP[i] = alpha^i for i < 510; LOG[x] for x > 0."""


def multiply(a: int, b: int) -> int:
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def inverse(a: int) -> int:
    if a == 0:
        raise ZeroDivisionError("0 has no inverse in GF(2^8)")
    return EXP[255 - LOG[a]]


def invert(matrix: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the inverse of an e x e matrix by Gauss-Jordan; ValueError when it is singular."""
    size = len(matrix)
    rows = [[*row, *(int(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next((r for r in range(column, size) if rows[r][column]), None)
        if pivot is None:
            raise ValueError("matrix over GF(2^8) is singular")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = inverse(rows[column][column])
        base = rows[column] = [multiply(scale, x) for x in rows[column]]
        for r, row in enumerate(rows):
            if r != column and row[column]:
                factor = row[column]
                rows[r] = [x ^ multiply(factor, y) for x, y in zip(row, base, strict=True)]
    return [row[size:] for row in rows]


class Row:
    """Coefficients of a sum over symbols, made ready for `combine`."""

    __slots__ = ("bits",)

    def __init__(self, coefficients: Sequence[int]) -> None:
        row = np.array(coefficients, np.uint8)
        self.bits = [np.flatnonzero(row >> bit & 1) for bit in range(8)]
        """Per bit, the numbers of the symbols whose coefficient has it."""


def combine(row: Row, symbols: Bytes) -> Bytes:
    """Return the sum of coefficient[i] * symbols[i].

    `symbols`: uint8 of shape (k, E), rows without gaps; the result has shape (E,).
    """
    size = symbols.shape[1]
    wide = symbols.view(_WIDEST[size % 8])
    gathered = np.empty_like(wide)
    xor = np.bitwise_xor
    out = np.zeros(size, np.uint8)
    for chosen in reversed(row.bits):
        # out = 2 * out + partial sum; a byte that overflows takes the polynomial's low half.
        carry = (out >> 7) * np.uint8(POLYNOMIAL & 0xFF)
        out <<= 1
        out ^= carry
        if len(chosen):
            # One gather and one reduction: two calls where a loop would take one per symbol.
            rows = wide.take(chosen, axis=0, out=gathered[: len(chosen)], mode="clip")
            out ^= xor.reduce(rows, axis=0).view(np.uint8)
    return out


_WIDEST = [np.dtype(f"u{next(w for w in (8, 4, 2, 1) if rest % w == 0)}") for rest in range(8)]
"""E modulo 8 -> the widest unsigned type that E is a multiple of."""
