"""The index file of a model in several safetensors files: which tensor is in which of them.

    {"metadata": {...}, "weight_map": {"model.norm.weight": "model-00001-of-00004.safetensors"}}

Pure.  Paths in it are relative to the folder of the index file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from posixpath import dirname, normpath
from posixpath import join as joined

from toolkit.errors import Place, Problem

SUFFIX = ".safetensors.index.json"


def is_index(path: str) -> bool:
    """Whether a file is an index of safetensors files."""
    return path.endswith(SUFFIX)


def parse_index(path: str, content: bytes) -> dict[str, str]:
    """Return tensor name -> path of its file.  Raises ValueError with a sentence about the file."""
    try:
        document = json.loads(content)
        entries = dict(document["weight_map"])
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: is not JSON") from None
    except (KeyError, TypeError):
        raise ValueError(f"{path}: has no weight_map") from None
    if not all(isinstance(file, str) for file in entries.values()):
        raise ValueError(f"{path}: its weight_map names something that is no file")
    return {name: normpath(joined(dirname(path), file)) for name, file in entries.items()}


def names(
    indexes: Mapping[str, Mapping[str, str]],
    tensors: Mapping[str, Iterable[str]],
    coming: Iterable[str] = (),
) -> tuple[dict[str, str], list[Problem]]:
    """Return which file each tensor name means, and what is wrong with the index files.

    `indexes`: index file -> tensor -> file; `tensors`: file -> the tensors in it; `coming`: files
    of which that is not known yet: an index is believed.  Files that no index names keep their
    own tensors; a name that is in several of them means none of them, as it does when two index
    files disagree.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    twice: set[str] = set()
    there = {file: set(inside) for file, inside in tensors.items()}
    unseen = set(coming)
    indexed: set[str] = set()
    for index, entries in indexes.items():
        absent: dict[str, int] = {}
        for name, file in entries.items():
            indexed.add(file)
            if file in unseen:
                found.setdefault(name, file)
            elif file not in there:
                absent[file] = absent.get(file, 0) + 1
            elif name not in there[file]:
                problems.append(
                    Problem(Place(file=index), f"{name} is not in {file}", "fetch the model again")
                )
            elif found.setdefault(name, file) != file:
                twice.add(name)
        problems += [
            Problem(
                Place(file=index), f"{file}, with {count} tensors, is not part of the delivery",
                "send the whole folder",
            )
            for file, count in absent.items()
        ]  # fmt: skip
    for file, inside in there.items():
        if file in indexed:
            continue
        for name in inside:
            other = found.setdefault(name, file)
            if other != file and other not in indexed:
                twice.add(name)
    for name in twice:
        del found[name]
    return found, problems
