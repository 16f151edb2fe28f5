"""ISA-L, Intel's library for Reed-Solomon arithmetic: every delivery's codec where it is there.

It is looked for in two places: the system's libisal2, and the copy that the wheel of pyeclib
brings.  Each must first compute what our own tables say (`examine`): one that does not is not used.
Of those that pass, the first that uses the GFNI instructions is taken, else the first.  Where there
is none, numpy does the same work at a tenth of the speed or less: `backend` says which it is, and
why not another.  The variable LLMSYNC_FEC (isal, numpy) decides otherwise, for tests and trouble.

Nothing is ever copied: the library is given the addresses of the symbols where they lie.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from toolkit.delivery.gf256 import EXP, LOG, Bytes, Codec, Numpy
from toolkit.errors import EnvironmentProblem

VARIABLE = "LLMSYNC_FEC"
SYSTEM = "libisal.2.dylib" if sys.platform == "darwin" else "libisal.so.2"

_AT_ONCE = 6
"""Rows that the library computes in one pass over the block."""
_COLUMN = 4096
"""Bytes of each symbol in one call: with more, what a pass reads is gone before the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What does the arithmetic, and why."""

    name: str
    """isal, numpy."""
    codec: Codec
    version: str = ""
    path: str = ""
    gfni: bool = False
    refused: tuple[str, ...] = ()
    """Why the others are not used."""

    def __str__(self) -> str:
        named = f"ISA-L ({self.version}{', GFNI' if self.gfni else ''})"
        chosen = named if self.name == "isal" else "numpy (slow)"
        return "; ".join((chosen, *self.refused))


class Library:
    """One copy of ISA-L.  OSError when it cannot be loaded, AttributeError when it is another."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self._encode, init = library.ec_encode_data, library.ec_init_tables
        self._encode.restype = init.restype = None
        self._encode.argtypes = [ctypes.c_int] * 3 + [ctypes.c_void_p] * 3
        init.argtypes = [ctypes.c_int] * 2 + [ctypes.c_void_p] * 2
        self._tables = np.empty((256, 32), np.uint8)
        coefficients = np.arange(256, dtype=np.uint8)
        init(1, 256, _address(coefficients), _address(self._tables))
        # A table of products begins with 0 * 2; GFNI's are bit matrices, and that of 2 does not.
        self.gfni = bool(self._tables[2, 0])

    def prepare(self, matrix: Bytes) -> Tables:
        """Return the library's table of every coefficient; shape (r, k, 32).

        The same as ec_init_tables makes, a good deal faster (`examine` would notice a difference).
        """
        return self._tables.take(matrix, axis=0)

    def product(self, ready: Tables, block: Bytes) -> Bytes:
        out = np.empty((len(ready), block.shape[1]), np.uint8)
        self._multiply(ready, _rows(block), _rows(out), block.shape[1])
        return out

    def restore(
        self, ready: Tables, block: Bytes, lost: Sequence[int],
        symbols: Sequence[Bytes],
    ) -> None:  # fmt: skip
        size = block.shape[1]
        for array in (block, *symbols):
            if not array.flags.c_contiguous or array.nbytes % size or array.dtype != np.uint8:
                raise ValueError(f"a symbol of {array.nbytes} bytes among those of {size}")
        if not block.flags.writeable:
            raise ValueError("a block is restored in place, and this one is read-only")
        sources = _rows(block)
        places = list(lost)
        targets = sources[places]
        sources[places] = [_address(symbol) for symbol in symbols]
        self._multiply(ready, sources, targets, size)

    def _multiply(self, ready: Tables, sources: Addresses, targets: Addresses, size: int) -> None:
        rows, k, _ = ready.shape
        if (rows, k) != (len(targets), len(sources)):
            raise ValueError(f"a matrix of {rows} x {k} for {len(sources)} symbols")
        column = size if self.gfni and rows <= _AT_ONCE else _COLUMN
        table, source, target = _address(ready), _address(sources), _address(targets)
        self._encode(min(column, size), k, rows, table, source, target)
        for at in range(column, size, column):
            sources += _STEP
            targets += _STEP
            self._encode(min(column, size - at), k, rows, table, source, target)


Tables = npt.NDArray[np.uint8]
Addresses = np.ndarray[tuple[int], np.dtype[np.uint64]]
_STEP = np.uint64(_COLUMN)


def _address(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


@lru_cache(maxsize=64)
def _offsets(rows: int, size: int) -> Addresses:
    return np.arange(rows, dtype=np.uint64) * np.uint64(size)


def _rows(block: Bytes) -> Addresses:
    """Return the address of every row."""
    if not block.flags.c_contiguous:
        raise ValueError("a block's symbols lie without gaps")
    return _offsets(*block.shape) + np.uint64(_address(block))


def examine(codec: Codec) -> str:
    """Return what a codec computes wrong, "" when it passes: all products, sums, odd lengths."""
    everything = np.arange(256, dtype=np.uint8).reshape(1, 256)
    shapes = [(9, 13, 77), (3, 1, 1), (4, 7, 15), (5, 2, 33), (2, 5, 63), (17, 3, 64), (3, 8, 9001)]
    cases = [(everything[:, 1:].T.copy(), everything)]
    for k, rows, size in shapes:
        counting = np.arange(k * max(rows, size), dtype=np.uint64) * np.uint64(2654435761)
        noise = (counting >> np.uint64(13)).astype(np.uint8)
        cases.append((noise[: rows * k].reshape(rows, k), noise[: k * size].reshape(k, size)))
    for matrix, block in cases:
        found = codec.product(codec.prepare(matrix), block)
        if not np.array_equal(found, _by_tables(matrix, block)):
            return f"a product of {matrix.shape} and {block.shape} is wrong"
    return ""


def _by_tables(matrix: Bytes, block: Bytes) -> Bytes:
    exp, log = np.array(EXP, np.uint8), np.array(LOG)
    out = np.zeros((len(matrix), block.shape[1]), np.uint8)
    for column, symbol in zip(matrix.T, block, strict=True):
        terms = exp[log[column][:, None] + log[symbol][None, :]]
        out ^= np.where((column[:, None] != 0) & (symbol[None, :] != 0), terms, np.uint8(0))
    return out


def candidates() -> Iterator[tuple[str, str]]:
    """Yield path and version of the copies of ISA-L that may be there."""
    yield SYSTEM, "the system's"
    found = importlib.util.find_spec("pyeclib")
    for folder in (found and found.submodule_search_locations) or ():
        version = f"the copy of pyeclib {importlib.metadata.version('pyeclib')}"
        for path in sorted(Path(folder).with_name("pyeclib.libs").glob("libisal*")):
            yield str(path), version


def choose(wanted: str, copies: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Backend:
    """Return the backend; `wanted`: isal, numpy, or "" for the best."""
    if wanted not in ("", "isal", "numpy"):
        raise EnvironmentProblem(f"{VARIABLE} is {wanted!r} (isal, numpy, or leave it unset)")
    if wanted == "numpy":
        return Backend(name="numpy", codec=Numpy(), refused=(f"{VARIABLE} says numpy",))
    refused, passed = [], []
    for path, version in copies:
        try:
            library = Library(path)
        except (OSError, AttributeError) as error:
            refused.append(str(error))
            continue
        if wrong := examine(library):
            refused.append(f"{path}: {wrong}")
        else:
            passed.append(
                Backend(name="isal", codec=library, version=version, path=path, gfni=library.gfni)
            )
    if passed:
        best = next((b for b in passed if b.gfni), passed[0])
        refused += [f"{b.path}: no GFNI" for b in passed if best.gfni and not b.gfni]
        return Backend(
            name=best.name, codec=best.codec, version=best.version, path=best.path,
            gfni=best.gfni, refused=tuple(refused),
        )  # fmt: skip
    if wanted == "isal":
        raise EnvironmentProblem(
            f"{VARIABLE} says isal, and there is none that works: {'; '.join(refused)} "
            "(apt-get install libisal2, or pip install pyeclib)"
        )
    return Backend(name="numpy", codec=Numpy(), refused=tuple(refused))


@lru_cache(maxsize=1)
def backend() -> Backend:
    """Return what does the arithmetic in this process; looked for once."""
    return choose(os.environ.get(VARIABLE, ""), candidates())
