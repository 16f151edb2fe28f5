"""safetensors headers and which tensors are whole; the reference library writes the examples."""

from __future__ import annotations

import contextlib
import json
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from toolkit.delivery.safetensors import TensorEntry, header_size, parse_header
from toolkit.delivery.tensors import TensorTracker

TENSORS = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.zeros(0, np.int8),
    "c.bias": np.arange(5, dtype=np.int64),
    "d": np.array(7, np.uint8),
}
FILE = save(TENSORS)


def with_header(document: object, data: bytes = b"") -> bytes:
    head = json.dumps(document).encode()
    return len(head).to_bytes(8, "little") + head + data


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_the_header_of_the_reference_library_is_read() -> None:
    found = {t.name: t for t in parse_header(FILE, len(FILE))}
    assert set(found) == set(TENSORS)
    for name, array in TENSORS.items():
        tensor = found[name]
        assert tensor.shape == array.shape
        assert FILE[tensor.start : tensor.end] == array.tobytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1234", "4 bytes are too few"),
        ((1).to_bytes(8, "little") + b"{", "its header is empty"),
        (b"\xff" * 8, "not a safetensors file"),
        ((100).to_bytes(8, "little") + b"{}", "ends inside its header: 10 bytes"),
        ((2).to_bytes(8, "little") + b"{{", "its header is not JSON"),
        ((2).to_bytes(8, "little") + b"[]", "not a JSON object"),
        (FILE[:-1], "it is truncated"),
        (FILE + b"x", "1 bytes behind the last tensor"),
        (with_header({"t": entry("U8", [3], 0, 2)}, b"12"), "takes 3 bytes, its offsets span 2"),
        (with_header({"t": entry("U8", [2], 1, 3)}, b"123"), "begins at byte"),
        (with_header({"t": {"dtype": "U8"}}), "'shape' is missing"),
        (with_header({"t": entry("U8", [-2], 0, 2)}, b"12"), "not described as"),
        (with_header({"t": {**entry("U8", [2], 0, 2), "shape": "no"}}, b"12"), "not described as"),
        (with_header({"t": 5}), "not described as"),
    ],
)
def test_a_file_that_is_not_whole_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_header(data[: header_size(data)], len(data))


def test_a_dtype_that_is_younger_than_this_program_is_taken_at_its_word() -> None:
    data = with_header({"t": entry("X9", [2], 0, 2)}, b"12")
    (found,) = parse_header(data[: header_size(data)], len(data))
    assert (found.dtype, found.end - found.start) == ("X9", 2)


@given(st.binary(max_size=100))
def test_any_header_is_read_or_refused(junk: bytes) -> None:
    data = len(junk).to_bytes(8, "little") + junk
    with contextlib.suppress(ValueError):
        parse_header(data, len(data))


@given(st.integers(1, 90), st.randoms(use_true_random=False))
def test_every_tensor_is_told_once_when_its_last_byte_is_there(
    size: int, chance: random.Random
) -> None:
    pieces = [(at, min(at + size, len(FILE))) for at in range(0, len(FILE), size)]
    chance.shuffle(pieces)
    there = bytearray(len(FILE))

    def read(offset: int, length: int) -> bytes:
        assert all(there[offset : offset + length]), "asked for bytes that are not there"
        return FILE[offset : offset + length]

    tracker = TensorTracker(len(FILE), read)
    told: list[TensorEntry] = []
    head = header_size(FILE)
    for start, end in pieces:
        there[start:end] = b"\1" * (end - start)
        new = tracker.add(start, end)
        told += new
        if all(there[:head]):
            whole = {t.name for t in tracker.tensors if all(there[t.start : t.end])}
            assert {t.name for t in told} == whole
    assert sorted(t.name for t in told) == sorted(TENSORS)


def test_a_file_that_only_looks_like_one_ends_with_a_reason_and_no_tensor() -> None:
    junk = b"\xff" * 64
    tracker = TensorTracker(len(junk), lambda o, n: junk[o : o + n])
    assert tracker.add(0, 64) == []
    assert "not a safetensors file" in tracker.failure
    short = TensorTracker(4, lambda o, n: b"1234"[o : o + n])
    assert short.add(0, 4) == []
    assert "too few" in short.failure
