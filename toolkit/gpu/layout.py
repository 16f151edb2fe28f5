"""Where the tensors of a safetensors file go on a device: one arena per file, every tensor aligned.

Pure.  A file's header says what is in it, a Shard which part of it this rank holds; tensors keep
the file's order, and each begins at a multiple of `ALIGNMENT`, whatever the file's own alignment.
"""

from __future__ import annotations

from bisect import bisect_right

from toolkit.delivery.safetensors import TensorEntry, header_size, parse_header
from toolkit.errors import Place, Problem, ProblemsError
from toolkit.gpu.slices import ALIGNMENT, Piece, Placement, Shard, place

REMEMBERED = 256
"""Blocks whose pieces are not worked out again."""


class FileLayout:
    """The parts of one file's tensors that a rank holds."""

    def __init__(self, path: str, header: int, placements: tuple[Placement, ...]) -> None:
        self.path = path
        self.header = header
        """Bytes before the tensors' own."""
        self.placements = placements
        """In the file's order."""
        last = placements[-1] if placements else None
        self.size = 0 if last is None else _aligned(last.offset + last.size)
        """Bytes of the arena."""
        self.by_name = {p.entry.name: p for p in placements}
        self._starts = [p.entry.start for p in placements]
        self._asked: dict[tuple[int, int], list[Piece]] = {}

    def over(self, start: int, end: int) -> list[Placement]:
        """The placements of tensors that have bytes in [start, end) of the file."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        found = []
        while at < len(self.placements) and self.placements[at].entry.start < end:
            if self.placements[at].entry.end > start:
                found.append(self.placements[at])
            at += 1
        return found

    def pieces(self, start: int, end: int) -> list[Piece]:
        """Where the bytes [start, end) of the file go; bytes of other ranks go nowhere."""
        found = self._asked.get((start, end))
        if found is None:
            # A block is asked after when it comes, and again when it has landed.
            if len(self._asked) >= REMEMBERED:
                self._asked.clear()
            found = [piece for p in self.over(start, end) for piece in p.pieces(start, end)]
            self._asked[start, end] = found
        return found

    def holds(self, start: int, end: int) -> bool:
        """Whether all bytes of tensors in [start, end) are this rank's."""
        start = max(start, self.header)
        return sum(piece.size for piece in self.pieces(start, end)) == max(end - start, 0)


def plan_file(path: str, head: bytes, size: int, shard: Shard) -> FileLayout:
    """Return the layout of a file of `size` bytes whose first bytes are `head` (its header).

    Raises ValueError where it is not a safetensors file, ProblemsError with every tensor that the
    shard's rules cannot cut.
    """
    placements, offset, problems = [], 0, []
    for entry in parse_header(head, size):
        try:
            cut = shard.cut(entry)
        except ValueError as error:
            problems.append(
                Problem(
                    Place(file=path), str(error), f"--shard '{entry.name}=whole' keeps it whole"
                )
            )
            continue
        placed = place(entry, cut, offset)
        placements.append(placed)
        offset = _aligned(offset + placed.size)
    if problems:
        raise ProblemsError(problems)
    return FileLayout(path, header_size(head), tuple(placements))


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


__all__ = ["ALIGNMENT", "FileLayout", "TensorEntry", "plan_file"]
