"""Digests of a repository's files, kept so that a restart does not read a terabyte again.

Reads files, and writes below one folder of its own.  What is kept of a file counts for as long as
its size, time of change and inode stay what they were.  That is no proof: every block is read and
digested once more when it is sent (`toolkit.delivery.source`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from toolkit.delivery.manifest import DIGEST_SIZE, digest
from toolkit.delivery.sealing import Cut
from toolkit.errors import DeliveryError, EnvironmentProblem

_SUFFIX = ".digests"


@dataclass(frozen=True, slots=True)
class FileDigests:
    """One file's digests."""

    whole: bytes
    """BLAKE3 of the file."""
    blocks: bytes
    """Those of its source blocks, 32 bytes each."""


class DigestCache:
    """Digests of files by path, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.hashed = 0
        """Bytes that had to be read."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentProblem(
                f"{folder}: cannot be made: {error.strerror} (name another state folder)"
            ) from None

    def digests(self, path: Path, part: Cut) -> FileDigests:
        """Return the digests of a file.

        Raises OSError where it cannot be read, DeliveryError where it changes meanwhile.
        """
        mark = _mark(path.stat(), part)
        entry = self._entry(path)
        kept = _read(entry, mark, part)
        if kept is not None:
            return kept
        found = self._digest(path, part)
        if _mark(path.stat(), part) != mark or mark["size"] != part.length:
            raise DeliveryError(f"{path}: changed while it was read (it is read again later)")
        head = {"path": str(path), "mark": mark, "whole": found.whole.hex()}
        fresh = entry.with_name(entry.name + ".new")
        try:
            fresh.write_bytes(json.dumps(head).encode() + b"\n" + found.blocks)
            fresh.replace(entry)
        except OSError as error:
            raise EnvironmentProblem(
                f"{entry}: cannot be written: {error.strerror} (make room)"
            ) from None
        return found

    def blocks(self, path: Path, part: Cut) -> bytes:
        """For `open_source`."""
        return self.digests(path, part).blocks

    def keep_only(self, paths: Collection[Path]) -> None:
        """Forget all files but these."""
        names = {self._entry(path).name for path in paths}
        for entry in self._folder.iterdir():
            if entry.suffix == _SUFFIX and entry.name not in names:
                entry.unlink(missing_ok=True)

    def _entry(self, path: Path) -> Path:
        return self._folder / (blake3(os.fsencode(path)).hexdigest()[:40] + _SUFFIX)

    def _digest(self, path: Path, part: Cut) -> FileDigests:
        whole, blocks = blake3(), []
        with path.open("rb", buffering=0) as stream:
            for block in range(part.blocks):
                data = stream.read(part.size(block))
                whole.update(data)
                blocks.append(digest(data))
                self.hashed += len(data)
        return FileDigests(whole.digest(), b"".join(blocks))


def _mark(status: os.stat_result, part: Cut) -> dict[str, int]:
    return {
        "size": status.st_size, "mtime": status.st_mtime_ns, "inode": status.st_ino,
        "symbol": part.wire.symbol, "block": part.wire.block, "tag": part.tag,
    }  # fmt: skip


def _read(entry: Path, mark: dict[str, int], part: Cut) -> FileDigests | None:
    try:
        head, _, blocks = entry.read_bytes().partition(b"\n")
        document: Any = json.loads(head)
        if document["mark"] != mark:
            return None
        if len(blocks) != part.blocks * DIGEST_SIZE:
            return None
        return FileDigests(bytes.fromhex(document["whole"]), blocks)
    except (OSError, ValueError, KeyError, TypeError):
        return None
