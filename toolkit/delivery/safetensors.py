"""The header of a safetensors file: which tensor is where.

    8 bytes: N, little endian | N bytes of JSON | the tensors' bytes, without gaps

Pure.  `parse_header` raises ValueError with a sentence about the file.  The format:
https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

LENGTH_SIZE = 8
MAX_HEADER = 100_000_000
"""Bytes of JSON at most; the reference implementation's own bound."""

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: its bytes are [start, end) of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def is_weights(path: str) -> bool:
    """Whether a file of this name holds tensors, which may go to a device."""
    return path.endswith(".safetensors")


def header_size(first: bytes) -> int:
    """Return where the tensors' bytes begin, from the file's first 8 bytes."""
    if len(first) < LENGTH_SIZE:
        raise ValueError(f"{len(first)} bytes are too few for the header's length")
    length = int.from_bytes(first[:LENGTH_SIZE], "little")
    if length < 2:
        raise ValueError("its header is empty; it is not a safetensors file")
    if length > MAX_HEADER:
        raise ValueError(f"its header claims {length} bytes; it is not a safetensors file")
    return LENGTH_SIZE + length


def parse_header(head: bytes, size: int) -> tuple[TensorEntry, ...]:
    """Return the tensors by offset.

    `head`: the file's first bytes, at least the whole header; `size`: bytes of the file.
    """
    begin = header_size(head)
    if begin > size:
        raise ValueError(f"it ends inside its header: {size} bytes, the header takes {begin}")
    try:
        document: Any = json.loads(head[LENGTH_SIZE:begin])
    except (ValueError, RecursionError):
        raise ValueError("its header is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("its header is not a JSON object")
    tensors = sorted(
        (_tensor(name, body, begin) for name, body in document.items() if name != "__metadata__"),
        key=lambda t: (t.start, t.end),
    )
    at = begin
    for tensor in tensors:
        if tensor.start != at:
            raise ValueError(f"tensor {tensor.name!r} begins at byte {tensor.start}, {at} expected")
        at = tensor.end
    if at != size:
        raise ValueError(
            f"it is truncated: {at} bytes needed, {size} there"
            if at > size
            else f"{size - at} bytes behind the last tensor belong to none"
        )
    return tuple(tensors)


def _tensor(name: str, body: Any, begin: int) -> TensorEntry:  # noqa: ANN401 - JSON
    try:
        dtype, shape, (start, end) = body["dtype"], tuple(body["shape"]), body["data_offsets"]
        count = 1
        for dimension in (*shape, 0, start, end)[: len(shape)]:
            if not isinstance(dimension, int) or dimension < 0:
                raise TypeError
            count *= dimension
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end:
            raise TypeError
        if not isinstance(dtype, str):
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(f"tensor {name!r} is not described as the format asks") from None
    except KeyError as missing:
        raise ValueError(f"tensor {name!r}: {missing.args[0]!r} is missing") from None
    # A dtype that is younger than this program is taken at its word.
    bits = count * DTYPE_BITS[dtype] if dtype in DTYPE_BITS else (end - start) * 8
    if bits != (end - start) * 8:
        raise ValueError(
            f"tensor {name!r} of {dtype} {list(shape)} takes {bits // 8} bytes, "
            f"its offsets span {end - start}"
        )
    return TensorEntry(name, dtype, shape, begin + start, begin + end)
