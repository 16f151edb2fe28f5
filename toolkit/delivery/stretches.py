"""In which order the blocks of a delivery are sent: stretches of files, then the rest.

Pure.  An order lists stretches, runs of blocks of one file, none twice.  What it does not list
follows in the order of the files.  It changes nothing about what is delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from toolkit.delivery.model import Stretch

MAX_STRETCHES = 4096
"""Stretches of an order at most: the sender keeps book of each, and everybody is sent the list."""


def order_problem(order: Sequence[Stretch], blocks: Sequence[int]) -> str:
    """Why this is no order of files of so many blocks each; empty: it is one."""
    if len(order) > MAX_STRETCHES:
        return f"{len(order)} stretches, of {MAX_STRETCHES} at most"
    for file, first, count in order:
        if not 0 <= file < len(blocks):
            return f"a stretch of file {file}, and there are {len(blocks)} files"
        if first < 0 or count < 1 or first + count > blocks[file]:
            return f"blocks {first} to {first + count - 1} of file {file}, which has {blocks[file]}"
    for one, other in pairwise(sorted(order)):
        if one.file == other.file and one.first + one.blocks > other.first:
            return f"block {other.first} of file {one.file} is in two stretches"
    return ""


def sequence(order: Sequence[Stretch], blocks: Sequence[int]) -> list[Stretch]:
    """All blocks of all files as they are sent; a file without a block is an empty stretch."""
    listed: dict[int, list[Stretch]] = {}
    for stretch in sorted(order):
        listed.setdefault(stretch.file, []).append(stretch)
    found = list(order)
    for file, count in enumerate(blocks):
        at = 0
        for stretch in listed.get(file, ()):
            if stretch.first > at:
                found.append(Stretch(file, at, stretch.first - at))
            at = stretch.first + stretch.blocks
        if at < count or not count:
            found.append(Stretch(file, at, count - at))
    return found
