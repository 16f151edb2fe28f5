"""Cutting an object into blocks, and Reed-Solomon parity for a block.  RFC 5052 9.1, RFC 5510 8.

Pure.  The code is the systematic one that RFC 5510 section 8.2 makes from a Vandermonde matrix,
GM = V_{k,k}^-1 * V_{k,n}.  Said as polynomials: a block is the polynomial of degree < k that takes
the source symbols at points x_0 .. x_(k-1), and encoding symbol j is its value at x_j.  So a parity
coefficient is a Lagrange basis polynomial at a point, a lost symbol is one as well, over the points
of the symbols that are there, and no matrix is ever inverted.  A row does not depend on n: parity
is computed when it is asked for.  The sums over whole symbols are the codec's (ISA-L's, or numpy's:
`toolkit.delivery.isal`); all give the same bytes.

The points are 0, alpha^0, alpha^1, ...: those of Rizzo's codec, with which the RFC says it is
compatible, and those of its implementations (OpenFEC, flute-alc).  The RFC's printed formula,
V[i,j] = alpha^(i*j), begins at alpha^0 and would be another code, which nobody is known to speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.delivery.gf256 import EXP, LOG, Bytes, Codec
from toolkit.delivery.isal import backend

MAX_ENCODING_SYMBOLS = 255
"""n at most in GF(2^8) (RFC 5510 section 8.1)."""

POINTS = (0, *EXP[:254])
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


@lru_cache(maxsize=128)
def parity_matrix(k: int) -> Bytes:
    """Return the coefficients of all parity symbols, shape (255 - k, k): row j is ESI k + j."""
    if not 1 <= k <= MAX_ENCODING_SYMBOLS:
        raise ValueError(f"a block of {k} symbols: 1 to {MAX_ENCODING_SYMBOLS} are possible")
    return _interpolation(np.arange(k), np.arange(k, MAX_ENCODING_SYMBOLS), _weights(k)[:k])


Numbers = npt.NDArray[np.int64]

_ALPHA = np.array(EXP[:255] * 3, np.uint8)
"""alpha^i for i < 765: for a sum and differences of logs, without a division each."""
_POINTS = np.array(POINTS)
_DISTANCE: Numbers = np.array(LOG)[_POINTS[:, None] ^ _POINTS[None, :]]
"""log of x_i - x_j; 0 where i = j, so that a sum leaves that one out."""


@lru_cache(maxsize=128)
def _weights(k: int) -> Numbers:
    """log of prod over i < k of (x_p - x_i), for all points p."""
    total: Numbers = _DISTANCE[:, :k].sum(axis=1)
    return total


def _interpolation(known: Numbers, wanted: Numbers, weights: Numbers) -> Bytes:
    """Return the coefficients that make the encoding symbols `wanted` from the symbols `known`.

    The polynomial through the k points p has at x the value
    sum over p of y_p * prod (x - q) / prod (p - q), both over the points q other than p.
    `weights` are the logs of the second product.  Rows of the result are x, columns p.
    """
    away = _DISTANCE[wanted].take(known, axis=1)
    numerators = away.sum(axis=1) % 255
    matrix: Bytes = _ALPHA.take((numerators[:, None] + 510 - weights % 255) - away)
    return matrix


@lru_cache(maxsize=64)
def _encoding(codec: Codec, k: int, rows: Sequence[int]) -> Any:  # noqa: ANN401 - the codec's own
    if not all(0 <= j < MAX_ENCODING_SYMBOLS - k for j in rows):
        raise ValueError(f"parity symbols {rows} of a block of {k}: only {255 - k} exist")
    return codec.prepare(parity_matrix(k)[list(rows)])


def encode(block: Bytes, rows: Sequence[int], codec: Codec | None = None) -> Bytes:
    """Return the parity symbols `rows` of a block: uint8 of shape (len(rows), E), contiguous.

    `block`: uint8 of shape (k, E), contiguous, the last symbol padded with zeros.
    """
    codec = codec or backend().codec
    rows = rows if isinstance(rows, range) else tuple(rows)
    if len(rows) == 0:
        return np.empty((0, block.shape[1]), np.uint8)
    return codec.product(_encoding(codec, block.shape[0], rows), block)


def decode(
    block: Bytes, lost: Sequence[int], parity: Mapping[int, Bytes], codec: Codec | None = None
) -> None:
    """Fill in the `lost` symbols of `block` in place; what it holds there before does not count.

    `block`: uint8 of shape (k, E), contiguous; `parity`: parity number -> its symbol (E bytes,
    contiguous), at least as many as are lost.  Any of them do, in any combination (the code is
    MDS).
    """
    if len(parity) < len(lost):
        raise ValueError(f"{len(lost)} symbols are lost and {len(parity)} parity symbols present")
    if len(lost) == 0:
        return
    codec = codec or backend().codec
    chosen = tuple(islice(parity, len(lost)))
    prepared = _seldom_lost if len(lost) <= 2 else _decoding
    ready = prepared(codec, block.shape[0], tuple(lost), chosen)
    codec.restore(ready, block, lost, [parity[j] for j in chosen])


def _decoding(codec: Codec, k: int, lost: tuple[int, ...], chosen: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Return the matrix that makes the lost symbols of the others and of parity in their places.

    It is the polynomial through what is there, read where something is lost.  The inverse of the
    lost x lost part of the parity matrix would give the same, with more work.
    """
    if not all(0 <= j < MAX_ENCODING_SYMBOLS - k for j in chosen):
        raise ValueError(f"parity symbols {chosen} of a block of {k}: only {255 - k} exist")
    gone, come = np.array(lost), np.array(chosen) + k
    known = np.arange(k)
    known[gone] = come
    weights = _weights(k) - _DISTANCE[gone].sum(axis=0) + _DISTANCE[come].sum(axis=0)
    return codec.prepare(_interpolation(known, gone, weights[known]))


_seldom_lost = lru_cache(maxsize=512)(_decoding)
"""Of one or two losses there are few patterns, which come again."""
