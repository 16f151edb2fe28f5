"""Which bytes of a tensor a rank of a tensor-parallel group holds, and where they go.

A tensor is cut along one dimension into `world` equal parts; rank r holds the r-th, as row-major
as the whole was.  What is cut and along which dimension is said by rules: patterns (fnmatch) on
tensor names, the first that fits decides, and a tensor that none fits is held whole by every rank.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from toolkit.delivery.safetensors import TensorEntry

ALIGNMENT = 256
"""Bytes at a multiple of which tensors begin: what allocators of devices give, and more than any
kernel asks for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Tensors whose names fit `pattern` are cut along `dim`; None: they are held whole."""

    pattern: str
    dim: int | None


COLUMN_AND_ROW: tuple[Rule, ...] = (
    *(
        Rule(f"*{name}.{part}", 0)
        for name in (
            "q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj",
            "query_key_value", "query", "key", "value", "fc1", "c_fc", "dense_h_to_4h",
        )
        for part in ("weight", "bias")
    ),
    *(
        Rule(f"*{name}.weight", 1)
        for name in ("o_proj", "down_proj", "out_proj", "fc2", "dense_4h_to_h")
    ),
    Rule("*embed_tokens.weight", 0),
    Rule("*word_embeddings.weight", 0),
    Rule("lm_head.weight", 0),
)  # fmt: skip
"""The usual cuts of transformers: what widens is cut by rows of its weight (output features), what
narrows by columns (input features), embeddings and head by vocabulary."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Indices start .. stop - 1 along dimension `dim`."""

    dim: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a model that one rank holds."""

    rank: int = 0
    world: int = 1
    rules: tuple[Rule, ...] = COLUMN_AND_ROW

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank {self.rank} of {self.world}: ranks are 0 .. {self.world - 1}")

    def cut(self, entry: TensorEntry) -> Cut | None:
        """Return this rank's part of a tensor; None: all of it.

        Raises ValueError with a sentence about the tensor where it cannot be cut so.
        """
        if self.world == 1:
            return None
        rule = next((r for r in self.rules if fnmatchcase(entry.name, r.pattern)), None)
        if rule is None or rule.dim is None:
            return None
        if not 0 <= rule.dim < len(entry.shape):
            raise ValueError(
                f"{entry.name}: has no dimension {rule.dim}, its shape is {_shown(entry)}"
            )
        length = entry.shape[rule.dim]
        if length % self.world:
            raise ValueError(
                f"{entry.name}: {length} of dimension {rule.dim} cannot be cut into "
                f"{self.world} equal parts, its shape is {_shown(entry)}"
            )
        part = length // self.world
        if (entry.end - entry.start) % max(prod(entry.shape[: rule.dim]) * self.world, 1):
            raise ValueError(f"{entry.name}: a cut would fall inside a byte of {entry.dtype}")
        return Cut(rule.dim, self.rank * part, (self.rank + 1) * part)


WHOLE = Shard()
"""A rank that holds everything."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`count` runs of `width` bytes: from `source` in the file to `target` in an arena, the next
    run `source_stride` and `target_stride` bytes further."""

    source: int
    target: int
    width: int
    count: int = 1
    source_stride: int = 0
    target_stride: int = 0

    @property
    def size(self) -> int:
        return self.width * self.count


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a rank's part of a tensor is in an arena."""

    entry: TensorEntry
    cut: Cut | None
    offset: int
    """In the arena."""
    shape: tuple[int, ...]
    """Of the part."""
    size: int
    """Bytes of the part."""

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Where the bytes [start, end) of the file go, as far as they are of this part."""
        entry = self.entry
        first, last = max(start, entry.start) - entry.start, min(end, entry.end) - entry.start
        if first >= last or not self.size:
            return
        row, low, high = self._row()
        width = high - low
        top, bottom = first // row, (last - 1) // row
        for r in sorted({top, bottom}):
            a, b = max(first - r * row, low), min(last - r * row, high)
            if r == bottom and top + 1 < bottom:
                yield Piece(
                    entry.start + (top + 1) * row + low, self.offset + (top + 1) * width, width,
                    bottom - top - 1, row, width,
                )  # fmt: skip
            if a < b:
                yield Piece(entry.start + r * row + a, self.offset + r * width + a - low, b - a)

    def _row(self) -> tuple[int, int, int]:
        """Bytes of a row of the whole tensor, and which of them this part has."""
        size = self.entry.end - self.entry.start
        if self.cut is None:
            return size, 0, size
        shape, dim = self.entry.shape, self.cut.dim
        row = size // prod(shape[:dim])
        inner = row // shape[dim]
        if inner * shape[dim] == row:
            return row, self.cut.start * inner, self.cut.stop * inner
        # Of dtypes of less than a byte: an index is not a whole number of bytes, a part is.
        return row, row * self.cut.start // shape[dim], row * self.cut.stop // shape[dim]


def place(entry: TensorEntry, cut: Cut | None, offset: int) -> Placement:
    """Return the placement of a tensor's part at `offset` of an arena."""
    size, shape = entry.end - entry.start, entry.shape
    if cut is not None:
        size = size * (cut.stop - cut.start) // shape[cut.dim] if shape[cut.dim] else 0
        shape = (*shape[: cut.dim], cut.stop - cut.start, *shape[cut.dim + 1 :])
    return Placement(entry, cut, offset, shape, size)


def _shown(entry: TensorEntry) -> str:
    return str(list(entry.shape))


__all__ = ["COLUMN_AND_ROW", "WHOLE", "Cut", "Piece", "Placement", "Rule", "Shard", "place"]
