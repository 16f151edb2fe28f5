"""Models of chance for the GPU benchmarks: shaped like a transformer's, written where asked.

Also what all of them do: medians of alternating runs, sizes as people write them.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

MIB = 2**20
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
FIRST = "model.layers.0.input_layernorm.weight"
"""A small tensor that a run may ask for first."""


def parse_size(text: str) -> int:
    matched = re.fullmatch(r"(\d+)([KMG]?)", text)
    if matched is None:
        raise SystemExit(f"--size {text}: 64M, 4G")
    return int(matched[1]) * _UNITS[matched[2]]


def shapes(size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Tensors of bfloat16 of about `size` bytes in all: embeddings, layers, head."""
    hidden = 4096 if size >= 2**31 else 1024 if size >= 2**26 else 512
    inner = hidden * 11 // 4
    layer: list[tuple[str, tuple[int, ...]]] = [
        ("input_layernorm.weight", (hidden,)),
        *((f"self_attn.{n}_proj.weight", (hidden, hidden)) for n in "qkvo"),
        ("post_attention_layernorm.weight", (hidden,)),
        ("mlp.gate_proj.weight", (inner, hidden)),
        ("mlp.up_proj.weight", (inner, hidden)),
        ("mlp.down_proj.weight", (hidden, inner)),
    ]
    each = sum(2 * int(np.prod(shape)) for _, shape in layer)
    layers = max((size - each // 4) // each, 1)
    rows = max((size - layers * each) // (2 * hidden) - 1, 1)
    yield "model.embed_tokens.weight", (rows, hidden)
    for number in range(layers):
        for name, shape in layer:
            yield f"model.layers.{number}.{name}", shape
    yield "model.norm.weight", (hidden,)


def make(folder: Path, size: int, shards: int, seed: int = 0) -> list[Path]:
    """Write a model of `shards` safetensors files, and an index where there are several."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"made": "of chance"}')
    tensors = list(shapes(size))
    total = sum(2 * int(np.prod(shape)) for _, shape in tensors)
    parts: list[list[tuple[str, tuple[int, ...]]]] = [[]]
    filled = 0
    for name, shape in tensors:
        if len(parts) < shards and filled >= total * len(parts) // shards:
            parts.append([])
        parts[-1].append((name, shape))
        filled += 2 * int(np.prod(shape))
    rng = np.random.Generator(np.random.SFC64(seed))
    paths, index = [], {}
    for number, part in enumerate(parts, 1):
        one = "model.safetensors"
        name = one if len(parts) == 1 else f"model-{number:05}-of-{len(parts):05}.safetensors"
        header, at = {}, 0
        for tensor, shape in part:
            end = at + 2 * int(np.prod(shape))
            header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            index[tensor] = name
            at = end
        head = json.dumps(header).encode()
        head += b" " * (-len(head) % 8)
        with (folder / name).open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            while at > 0:
                some = rng.integers(0, 2**64, min(at, 64 * MIB) // 8 + 1, np.uint64)
                file.write(some.view(np.uint8)[: min(at, 64 * MIB)].data)
                at -= 64 * MIB
        paths.append(folder / name)
    if len(parts) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return paths


def alternate(
    runs: int, ways: dict[str, Callable[[], float]], *, warm: bool = True
) -> dict[str, list[float]]:
    """Run all in turn, `runs` times, with `warm` once more at first, which does not count; what
    each returned."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + warm):
        for name, way in ways.items():
            value = way()
            if turn >= warm:
                found[name].append(value)
    return found


def middle(values: list[float]) -> float:
    return statistics.median(values)


def ratio(mine: list[float], theirs: list[float]) -> float:
    """The median of what pairs of neighbouring runs say."""
    return round(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), 3)
