"""The field GF(2^8) with the polynomial x^8+x^4+x^3+x^2+1.  RFC 5510 section 8.1.

Pure.  Scalars come from log tables.  Whole symbols are combined by a Codec; the one that is always
there is `Numpy`, and `toolkit.delivery.isal` has a faster one.  Numpy's goes bit by bit: the inputs
whose coefficient has bit b set are XORed together, and the eight sums are then folded by Horner's
rule.  That is XOR at memory speed, where a table lookup per byte is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

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


class Codec(Protocol):
    """Sums of symbols.  All codecs give the same bytes."""

    def __hash__(self) -> int: ...

    def prepare(self, matrix: Bytes) -> Any:  # noqa: ANN401 - each codec has its own
        """Return `matrix`, of shape (r, k), as this codec wants it."""
        ...

    def product(self, ready: Any, block: Bytes) -> Bytes:  # noqa: ANN401
        """Return matrix * block: (r, k) * (k, E) is (r, E).  `block` is contiguous."""
        ...

    def restore(
        self,
        ready: Any,  # noqa: ANN401
        block: Bytes,
        lost: Sequence[int],
        symbols: Sequence[Bytes],
    ) -> None:
        """Set the rows `lost` of `block` to matrix * block, `symbols` standing in for them.

        What the rows `lost` hold before does not count.  `symbols` are contiguous, E bytes each.
        """
        ...


class Row:
    """Coefficients of a sum over symbols, made ready for `combine`."""

    __slots__ = ("bits",)

    def __init__(self, coefficients: Bytes) -> None:
        self.bits = [np.flatnonzero(coefficients >> bit & 1) for bit in range(8)]
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


class Numpy:
    """The codec that needs nothing else."""

    def prepare(self, matrix: Bytes) -> list[Row]:
        return [Row(coefficients) for coefficients in matrix]

    def product(self, ready: list[Row], block: Bytes) -> Bytes:
        out = np.empty((len(ready), block.shape[1]), np.uint8)
        for i, row in enumerate(ready):
            out[i] = combine(row, block)
        return out

    def restore(
        self, ready: list[Row], block: Bytes, lost: Sequence[int], symbols: Sequence[Bytes]
    ) -> None:
        for i, symbol in zip(lost, symbols, strict=True):
            block[i] = symbol
        block[list(lost)] = self.product(ready, block)
