"""Cutting an object into blocks, and Reed-Solomon parity for a block.  RFC 5052 9.1, RFC 5510 8.

Pure.  The code is the systematic one that RFC 5510 section 8.2 makes from a Vandermonde matrix,
GM = V_{k,k}^-1 * V_{k,n}.  Said as polynomials: a block is the polynomial of degree < k that takes
the source symbols at points x_0 .. x_(k-1), and encoding symbol j is its value at x_j.  So a parity
coefficient is a Lagrange basis polynomial at a point, and no matrix is ever inverted to encode.  A
row does not depend on n: parity is computed when it is asked for.

The points are 0, alpha^0, alpha^1, ...: those of Rizzo's codec, with which the RFC says it is
compatible, and those of its implementations (OpenFEC, flute-alc).  The RFC's printed formula,
V[i,j] = alpha^(i*j), begins at alpha^0 and would be another code, which nobody is known to speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.delivery.gf256 import EXP, LOG, Bytes, Row, combine, invert

MAX_ENCODING_SYMBOLS = 255
"""n at most in GF(2^8) (RFC 5510 section 8.1)."""

POINTS = (0, *EXP[:255])
"""Where a block's polynomial is evaluated: x_j for encoding symbol j."""


@dataclass(frozen=True, slots=True)
class Partition:
    """An object of `length` bytes as source blocks (RFC 5052 section 9.1)."""

    length: int
    symbol: int
    """Encoding symbol length E."""
    block: int
    """Maximum source block length B, in symbols."""

    def __post_init__(self) -> None:
        if self.length < 0 or self.symbol < 1 or self.block < 1:
            raise ValueError(f"impossible partition: {self}")

    @property
    def symbols(self) -> int:
        """T: source symbols of the object; the last one may be shorter than the others."""
        return -(-self.length // self.symbol)

    @property
    def blocks(self) -> int:
        """N: source blocks."""
        return -(-self.symbols // self.block)

    def _shape(self) -> tuple[int, int]:
        """A_small, and I: the number of first blocks that have one symbol more."""
        return divmod(self.symbols, self.blocks)

    def k(self, sbn: int) -> int:
        """Source symbols of block `sbn`."""
        small, larger = self._shape()
        return small + (sbn < larger)

    def offset(self, sbn: int) -> int:
        """Where block `sbn` begins in the object, in bytes."""
        small, larger = self._shape()
        return (sbn * small + min(sbn, larger)) * self.symbol

    def size(self, sbn: int) -> int:
        """Bytes of the object in block `sbn`."""
        return min(self.k(sbn) * self.symbol, self.length - self.offset(sbn))


@lru_cache(maxsize=64)
def _denominators(k: int) -> tuple[int, ...]:
    """log of prod over m != i of (x_i - x_m), for i < k."""
    return tuple(
        sum(LOG[POINTS[i] ^ POINTS[m]] for m in range(k) if m != i) % 255 for i in range(k)
    )


@lru_cache(maxsize=4096)
def parity_row(k: int, j: int) -> tuple[int, ...]:
    """Return the k coefficients of parity symbol j, i.e. of the encoding symbol with ESI k + j."""
    if not 0 <= j < MAX_ENCODING_SYMBOLS - k:
        raise ValueError(f"parity symbol {j} of a block of {k}: only {255 - k} exist")
    differences = [LOG[POINTS[k + j] ^ POINTS[m]] for m in range(k)]
    numerator = sum(differences)
    return tuple(
        EXP[(numerator - difference - denominator) % 255]
        for difference, denominator in zip(differences, _denominators(k), strict=True)
    )


@lru_cache(maxsize=1024)
def _ready_row(k: int, j: int) -> Row:
    return Row(parity_row(k, j))


def encode(block: Bytes, rows: Sequence[int]) -> list[bytes]:
    """Return the parity symbols `rows` of a block.

    `block`: uint8 of shape (k, E), the last symbol padded with zeros.
    """
    k = block.shape[0]
    return [combine(_ready_row(k, j), block).tobytes() for j in rows]


def decode(block: Bytes, lost: Sequence[int], parity: Mapping[int, Bytes]) -> None:
    """Fill in the `lost` symbols of `block` in place.

    `block`: uint8 of shape (k, E); `parity`: parity number -> its symbol (E bytes), at least as
    many as are lost.  Any of them do, in any combination (the code is MDS).
    """
    k = block.shape[0]
    chosen = list(parity)[: len(lost)]
    if len(chosen) < len(lost):
        raise ValueError(f"{len(lost)} symbols are lost and {len(parity)} parity symbols present")
    # Without its known terms, each parity symbol is a sum over the lost symbols alone.
    block[lost] = 0
    syndromes = np.stack([parity[j] ^ combine(_ready_row(k, j), block) for j in chosen])
    inverse = invert([[parity_row(k, j)[i] for i in lost] for j in chosen])
    for i, coefficients in zip(lost, inverse, strict=True):
        block[i] = combine(Row(coefficients), syndromes)
