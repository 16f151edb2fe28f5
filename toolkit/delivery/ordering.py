"""The order in which a model is sent: what its user names, then layer by layer as it runs.

Pure.  From the headers of safetensors files: small files, all headers, then embeddings, layer 0,
1, 2, ... (whichever file they are in), the final norm and the head; a model with an encoder has its
layers ahead of the decoder's.  Names tell which is which, as the usual models have them:

    model.layers.12.mlp.up_proj.weight     Llama, Qwen, Mistral, DeepSeek, Mixtral and most others
    h.3.attn.c_attn.weight                 GPT-2, Falcon, Bloom
    encoder.layer.4.output.dense.weight    BERT and its kin
    decoder.block.0.layer.1.layer_norm     T5

Tensors whose names tell nothing keep the order of their files.  A block with parts of several
tensors goes with the earliest.  Folders are models of their own: where no name in a folder has a
layer, its files are sent from the first byte to the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import pairwise
from typing import NamedTuple

from toolkit.delivery.model import Stretch
from toolkit.delivery.safetensors import TensorEntry
from toolkit.delivery.sealing import Cut
from toolkit.delivery.stretches import MAX_STRETCHES, sequence

LEAST = 2 * 2**20
"""Bytes of a stretch, on average: everybody is asked about each, which costs time and packets."""
FEW = 256
"""Stretches that are no bother however short they are."""
_LISTS = frozenset({"layers", "layer", "h", "block", "blocks"})
_EMBEDDINGS = frozenset({"wte", "wpe", "shared"})
_FINAL = frozenset({
    "classifier", "cls", "embed_out", "final_layer_norm", "final_layernorm", "final_norm", "head",
    "layer_norm", "lm_head", "ln_f", "ln_post", "norm", "norm_f", "output", "output_layer",
    "pooler", "post_layernorm", "proj_out", "qa_outputs", "score",
})  # fmt: skip
_ENCODERS = "encoder", "vision", "visual", "audio", "image_encoder"
_BEFORE, _ENCODER, _OTHER, _DECODER, _AFTER = range(5)
_BEGIN, _LAYERS, _END = range(3)
_NAMED, _SMALL, _HEADERS, _TENSORS = range(4)


class Place(NamedTuple):
    """When a tensor is needed; smaller is earlier."""

    stack: int
    part: int
    numbers: tuple[int, ...] = ()
    """Of its layer, and of a layer within that."""


_ANYWHERE = Place(_OTHER, _BEGIN)
Key = tuple[int, int, Place]


@dataclass(frozen=True, slots=True)
class Contents:
    """A file of the manifest, as far as it tells an order."""

    path: str
    cut: Cut
    weights: bool
    """False: small, and sent ahead of all that is."""
    tensors: tuple[TensorEntry, ...] | None = None
    """By offset; None: not a safetensors file."""

    @property
    def header(self) -> int:
        """Where its header ends, in bytes."""
        return self.tensors[0].start if self.tensors else self.cut.length


def place(name: str) -> Place:
    """When a tensor of this name is needed."""
    words = name.split(".")
    numbers, last = [], len(words)
    for i, (word, number) in enumerate(pairwise(words)):
        if word in _LISTS and number.isascii() and number.isdecimal() and len(number) < 10:
            numbers.append(int(number))
            last = min(last, i)
    before = words[:last]
    if "decoder" in before:
        stack = _DECODER
    elif any(word.startswith(_ENCODERS) for word in before):
        stack = _ENCODER
    else:
        stack = _OTHER
    if numbers:
        return Place(_DECODER if stack == _OTHER else stack, _LAYERS, tuple(numbers))
    if any(("embed" in w and w != "embed_out") or w in _EMBEDDINGS for w in words):
        return Place(_BEFORE if stack == _OTHER else stack, _BEGIN)
    if not _FINAL.isdisjoint(words):
        return Place(_AFTER if stack == _OTHER else stack, _END)
    return Place(stack, _BEGIN)


def unmatched(files: Sequence[Contents], patterns: Sequence[str]) -> list[str]:
    """Those of the patterns that no tensor's name and no path matches."""
    left = {pattern: re.compile(translate(pattern)) for pattern in patterns}
    for file in files:
        for name in (file.path, *(t.name for t in file.tensors or ())):
            for pattern in [p for p, found in left.items() if found.match(name)]:
                del left[pattern]
        if not left:
            break
    return list(left)


def delivery_order(
    files: Sequence[Contents], first: Sequence[str] = (), *, layers: bool
) -> tuple[Stretch, ...]:
    """What is sent ahead of the rest, in its order; empty: nothing, files are sent as they are.

    `first`: what matches these patterns, by the names of tensors or of files, goes ahead of all
    else, in their order.  `layers`: the rest goes layer by layer, where any name tells a layer.
    """
    keys = _Keys(files, first, layers=layers)
    if not first and not keys.layered:
        return ()
    blocks = [file.cut.blocks for file in files]
    step, longest = 1, max(blocks, default=0)
    size = sum(file.cut.length for file in files)
    limit = min(max(size // LEAST, FEW), MAX_STRETCHES)
    while True:
        runs = sorted(
            (key, number, start, stop)
            for number in range(len(files))
            for key, start, stop in _runs(files[number], keys.of(number), step)
        )
        order: list[Stretch] = []
        for _, number, start, stop in runs:
            _append(order, Stretch(number, start, stop - start))
        if len(order) <= limit:
            break
        if step >= longest:
            return ()  # There are that many files.
        step *= 2
    whole: list[Stretch] = []
    for stretch in sequence(order, blocks):
        _append(whole, stretch)
    plain = all(stretch.blocks == blocks[stretch.file] for stretch in whole)
    same = plain and [s.file for s in whole if s.blocks] == [i for i, n in enumerate(blocks) if n]
    return () if same else tuple(order)


class _Keys:
    """Which bytes of which file come when."""

    def __init__(self, files: Sequence[Contents], first: Sequence[str], *, layers: bool) -> None:
        self._files = files
        self._first = [re.compile(translate(pattern)) for pattern in first]
        self._layers = layers
        self._layered: set[str] = set()
        """Folders with a tensor whose name tells a layer."""
        for file in files if layers else ():
            if any(place(tensor.name).numbers for tensor in file.tensors or ()):
                self._layered.add(_folder(file.path))

    @property
    def layered(self) -> bool:
        return bool(self._layered)

    def of(self, number: int) -> list[tuple[int, int, Key | None]]:
        """Pieces of a file, in their order: from which byte to which, and when; None: it waits."""
        file = self._files[number]
        if not file.cut.length:
            return []
        by_path = self._named(file.path)
        if file.tensors is None:
            waits = None if file.weights or not self.layered else (_SMALL, 0, _ANYWHERE)
            return [(0, file.cut.length, by_path or waits)]
        found: list[tuple[int, int, Key | None]] = []
        told = _folder(file.path) in self._layered
        named = by_path is not None
        for tensor in file.tensors:
            keys = [key for key in (by_path, self._named(tensor.name)) if key is not None]
            named = named or bool(keys)
            if self.layered:
                keys.append((_TENSORS, 0, place(tensor.name) if told else _ANYWHERE))
            if tensor.end > tensor.start:
                found.append((tensor.start, tensor.end, min(keys, default=None)))
        header: Key | None = (_HEADERS, 0, _ANYWHERE) if self.layered else None
        return [(0, file.header, (_NAMED, 0, _ANYWHERE) if named else header), *found]

    def _named(self, name: str) -> Key | None:
        for number, pattern in enumerate(self._first, 1):
            if pattern.match(name):
                return _NAMED, number, _ANYWHERE
        return None


def _runs(
    file: Contents, pieces: Sequence[tuple[int, int, Key | None]], step: int
) -> Iterator[tuple[Key, int, int]]:
    """Blocks of a file that are alike, `step` of them at a time: when, from which one to which."""
    runs: list[tuple[Key | None, int, int]] = []
    for start, end, key in pieces:
        begin, stop = file.cut.block_at(start) // step, file.cut.block_at(end - 1) // step + 1
        if runs and runs[-1][2] > begin:
            # Its first block has parts of others, too.
            before, at, _ = runs[-1]
            if _earlier(key, before):
                runs.pop()
                if at < begin:
                    runs.append((before, at, begin))
            else:
                begin += 1
        if begin < stop:
            if runs and runs[-1][0] == key:
                _, begin, _ = runs.pop()
            runs.append((key, begin, stop))
    for key, begin, stop in runs:
        if key is not None:
            yield key, begin * step, min(stop * step, file.cut.blocks)


def _earlier(one: Key | None, other: Key | None) -> bool:
    return one is not None and (other is None or one < other)


def _append(order: list[Stretch], stretch: Stretch) -> None:
    """Add a stretch; neighbours become one."""
    if order:
        last = order[-1]
        if last.file == stretch.file and last.first + last.blocks == stretch.first:
            order[-1] = Stretch(last.file, last.first, last.blocks + stretch.blocks)
            return
    order.append(stretch)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
