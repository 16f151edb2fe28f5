"""In which order tensors become whole when nothing is lost: what `order="manifest"` is.

Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from toolkit.delivery.manifest import Manifest
from toolkit.delivery.model import Stretch
from toolkit.delivery.safetensors import TensorEntry
from toolkit.delivery.stretches import sequence


def sent_order(
    manifest: Manifest, order: Sequence[Stretch], tensors: Mapping[int, Sequence[TensorEntry]]
) -> list[tuple[int, TensorEntry]]:
    """Return file and tensor of all `tensors` (file -> its own), by when their last block is sent.

    `order`: as the manifest's envelope has it.
    """
    begins: dict[int, list[tuple[int, int]]] = {}
    """File -> first block of each stretch, and the place of that block among all that are sent."""
    at = 0
    for file, first, blocks in sequence(order, manifest.blocks):
        begins.setdefault(file, []).append((first, at))
        at += blocks
    for stretches in begins.values():
        stretches.sort()
    found = []
    for file, entries in tensors.items():
        cut = manifest.cut(manifest.files[file].size)
        for entry in entries:
            first = cut.block_at(min(entry.start, cut.length - 1))
            last = cut.block_at(max(entry.end - 1, entry.start) if entry.end else 0)
            place = _last_place(begins[file], first, max(min(last, cut.blocks - 1), first))
            found.append((place, file, entry.start, entry.end, entry))
    found.sort(key=lambda item: item[:4])
    return [(file, entry) for _, file, _, _, entry in found]


def _last_place(begins: Sequence[tuple[int, int]], first: int, last: int) -> int:
    """Place of that of the blocks first .. last that is sent last."""
    starts = [start for start, _ in begins]
    low, high = bisect_right(starts, first) - 1, bisect_right(starts, last)
    ends = [*starts[low + 1 : high], last + 1]
    return max(
        at + min(end, last + 1) - 1 - start
        for (start, at), end in zip(begins[low:high], ends, strict=True)
    )
