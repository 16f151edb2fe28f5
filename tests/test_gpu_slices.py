"""Cuts of tensors into ranks, and bytes of files into arenas: against numpy."""

from __future__ import annotations

import json
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import ProblemsError
from toolkit.gpu.layout import ALIGNMENT, plan_file
from toolkit.gpu.slices import COLUMN_AND_ROW, Rule, Shard, place


def header(tensors: dict[str, tuple[str, list[int], int]]) -> tuple[bytes, int]:
    """A safetensors header, and the size of the file."""
    document, at = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        document[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(document).encode()
    head = len(text).to_bytes(8, "little") + text
    return head, len(head) + at


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 50),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.data(),
)
def test_pieces_of_any_blocks_make_the_part(
    shape: list[int], world: int, itemsize: int, start: int, cuts: list[int], data: st.DataObject
) -> None:
    dim = data.draw(st.integers(0, len(shape) - 1))
    rank = data.draw(st.integers(0, world - 1))
    shape[dim] *= world
    size = prod(shape) * itemsize
    content = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    entry = TensorEntry("t", "U8", tuple(shape), start, start + size)
    shard = Shard(rank, world, (Rule("t", dim),))
    placed = place(entry, shard.cut(entry), 64)
    arena = np.zeros(64 + placed.size + 8, np.uint8)
    file = np.concatenate([np.zeros(start, np.uint8), content, np.zeros(9, np.uint8)])
    bounds = sorted({0, len(file), *(c % len(file) for c in cuts)})
    moved = 0
    for low, high in pairwise(bounds):
        for piece in placed.pieces(low, high):
            moved += piece.size
            for i in range(piece.count):
                at = piece.source + i * piece.source_stride
                to = piece.target + i * piece.target_stride
                assert low <= at
                assert at + piece.width <= high
                arena[to : to + piece.width] = file[at : at + piece.width]
    whole = content.reshape(*shape, itemsize)
    wanted = np.split(whole, world, dim)[rank]
    assert moved == placed.size == wanted.size
    assert bytes(arena[64 : 64 + placed.size]) == wanted.tobytes()
    assert placed.shape == wanted.shape[:-1]
    assert not arena[64 + placed.size :].any()


def test_dtypes_of_less_than_a_byte_are_cut_at_bytes() -> None:
    entry = TensorEntry("t", "F4", (4, 8), 10, 26)
    assert place(entry, Shard(1, 2, (Rule("t", 1),)).cut(entry), 0).size == 8
    assert [
        p.source for p in place(entry, Shard(1, 2, (Rule("t", 1),)).cut(entry), 0).pieces(0, 99)
    ]
    with pytest.raises(ValueError, match="inside a byte of F4"):
        Shard(1, 8, (Rule("t", 1),)).cut(entry)


def test_every_tensor_is_aligned_and_none_overlaps() -> None:
    head, size = header({"a": ("U8", [3], 3), "b": ("F32", [2], 8), "c": ("U8", [0], 0)})
    layout = plan_file("m", head, size, Shard())
    ends = 0
    for placement in layout.placements:
        assert placement.offset % ALIGNMENT == 0
        assert placement.offset >= ends
        ends = placement.offset + placement.size
    assert layout.size >= ends
    assert layout.holds(0, size)
    assert [p.entry.name for p in layout.over(len(head) + 2, len(head) + 4)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "dim"),
    [
        ("model.layers.3.self_attn.q_proj.weight", 0),
        ("model.layers.3.self_attn.q_proj.bias", 0),
        ("model.layers.3.self_attn.o_proj.weight", 1),
        ("model.layers.3.self_attn.o_proj.bias", None),
        ("model.layers.3.mlp.down_proj.weight", 1),
        ("model.layers.3.mlp.experts.7.up_proj.weight", 0),
        ("model.embed_tokens.weight", 0),
        ("lm_head.weight", 0),
        ("model.norm.weight", None),
        ("model.layers.3.input_layernorm.weight", None),
    ],
)
def test_the_usual_cuts(name: str, dim: int | None) -> None:
    shape = (8, 12) if name.endswith("weight") and "norm" not in name else (8,)
    cut = Shard(0, 4, COLUMN_AND_ROW).cut(TensorEntry(name, "U8", shape, 0, prod(shape)))
    assert (None if cut is None else cut.dim) == dim


def test_what_cannot_be_cut_is_told_for_all_tensors() -> None:
    head, size = header({"a": ("U8", [3], 3), "b": ("U8", [], 1), "c": ("U8", [4], 4)})
    with pytest.raises(ProblemsError) as caught:
        plan_file("m", head, size, Shard(0, 4, (Rule("?", 0),)))
    assert str(caught.value) == (
        "m: a: 3 of dimension 0 cannot be cut into 4 equal parts, its shape is [3] "
        "(--shard 'a=whole' keeps it whole)\n"
        "m: b: has no dimension 0, its shape is [] (--shard 'b=whole' keeps it whole)"
    )
    with pytest.raises(ValueError, match=r"ranks are 0 \.\. 3"):
        Shard(4, 4)
