"""Blocks that this host has already, in folders of other versions of a model.

Reads files.  A `Basis` of `toolkit.delivery.ports`.  A block that is wanted is looked for

1. by its digest, in the lists of digests that are kept beside a version (`keep_digests`): this
   finds blocks of files that were renamed or moved, where both versions are cut alike;
2. in the file of the same path, as far from its beginning, and as far from its end: this finds
   all but the surroundings of one place at which a file became longer or shorter.

What was inserted or taken out at several places of one file, so that what is between them lies
neither as far from the beginning nor from the end, is not found and travels again.  Whatever is
found is read and digested before it is handed out: files may have changed since.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from toolkit.delivery.manifest import DIGEST_SIZE, Manifest, digest, open_manifest
from toolkit.delivery.sealing import Cut, cut
from toolkit.errors import WireError

MAX_OPEN = 32
"""Files kept open at a time."""
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Version:
    """A folder of files, and where the lists of their digests are kept (None: nowhere)."""

    files: Path
    digests: Path | None = None


class FolderBasis:
    """A Basis of versions on disk; those that come first are looked at first."""

    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = tuple(versions)
        self._manifest: Manifest | None = None
        self._index = _Index()
        self._sizes: dict[int, list[tuple[Path, int]]] = {}
        """File -> files of the same path elsewhere, and their sizes."""
        self._opened: dict[Path, int] = {}

    def open(self, manifest: Manifest) -> None:
        self.close()
        self._manifest = manifest
        self._index = _Index()
        self._sizes = {}
        for version in self._versions:
            if version.digests is not None:
                self._index.add(manifest, version.files, version.digests)
            for number, entry in enumerate(manifest.files):
                there = version.files / entry.path
                with suppress(OSError):
                    if there.is_file():
                        self._sizes.setdefault(number, []).append((there, there.stat().st_size))
        self._index.sort()

    def may_hold(self, file: int) -> bool:
        return bool(self._sizes.get(file)) or self._index.size > 0

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | None:
        if self._manifest is None:
            raise ValueError("the basis is not open")
        tried = set()
        for place in self._places(file, offset, size, wanted):
            if place in tried:
                continue
            tried.add(place)
            data = self._read(*place, size)
            if data is not None and digest(data) == wanted:
                return data
        return None

    def close(self) -> None:
        """Close what is open."""
        while self._opened:
            os.close(self._opened.popitem()[1])

    def _places(
        self, file: int, offset: int, size: int, wanted: bytes
    ) -> Iterator[tuple[Path, int]]:
        yield from self._index.places(wanted, size)
        assert self._manifest is not None
        length = self._manifest.files[file].size
        for path, there in self._sizes.get(file, ()):
            yield path, offset
            yield path, offset + there - length

    def _read(self, path: Path, offset: int, size: int) -> bytes | None:
        """Return `size` bytes of a file; None where it does not have them."""
        if offset < 0:
            return None
        try:
            descriptor = self._opened.get(path)
            if descriptor is None:
                if len(self._opened) >= MAX_OPEN:
                    os.close(self._opened.pop(next(iter(self._opened))))
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._opened[path] = descriptor
            data = os.pread(descriptor, size, offset)
        except OSError:
            return None
        return data if len(data) == size else None


class _Index:
    """Digest -> where a block of that digest is; 16 bytes of memory for each."""

    def __init__(self) -> None:
        self._files: list[tuple[Path, Cut]] = []
        self._starts: list[int] = []
        """Number of the first block of each file, counted through."""
        self._keys: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
        self._sorted = np.zeros(0, np.uint64)
        self._order = np.zeros(0, np.int64)
        self.size = 0

    def add(self, manifest: Manifest, files: Path, digests: Path) -> None:
        """Take the lists kept in `digests`; those of files that are cut otherwise are no use."""
        try:
            kept = open_manifest((digests / _MANIFEST).read_bytes(), None).manifest
        except (OSError, WireError):
            return
        same = replace(kept.coding, parity=0) == replace(manifest.coding, parity=0)
        same = same and kept.sealed == manifest.sealed
        for number, entry in enumerate(kept.files if same else ()):
            with suppress(OSError):
                listed = (digests / str(number)).read_bytes()
                part = cut(entry.size, kept.coding.symbol, kept.coding.block, sealed=kept.sealed)
                if len(listed) == part.blocks * DIGEST_SIZE and part.blocks:
                    self._files.append((files / entry.path, part))
                    self._starts.append(self.size)
                    self._keys.append(np.frombuffer(listed, "<u8")[::4].astype(np.uint64))
                    self.size += part.blocks

    def sort(self) -> None:
        """Make what was added ready for `places`."""
        if self._keys:
            keys = np.concatenate(self._keys)
            self._order = np.argsort(keys, kind="stable")
            self._sorted = keys[self._order]
        self._keys.clear()

    def places(self, wanted: bytes, size: int) -> Iterator[tuple[Path, int]]:
        """Where blocks of `size` bytes are whose digests begin as `wanted` does; 4 at most."""
        if not self.size:
            return
        key = np.frombuffer(wanted[:8], "<u8")[0]
        first = int(np.searchsorted(self._sorted, key, "left"))
        last = int(np.searchsorted(self._sorted, key, "right"))
        for at in range(first, min(last, first + 4)):
            number = int(self._order[at])
            file = int(np.searchsorted(self._starts, number, "right")) - 1
            path, part = self._files[file]
            block = number - self._starts[file]
            if part.size(block) == size:
                yield path, part.offset(block)


def keep_digests(staging: Path, into: Path) -> None:
    """Keep the manifest and the lists of digests that a sink has in `staging`, in folder `into`.

    The manifest comes last: with it, the folder is whole.  Nothing is copied where a link will do.
    """
    into.mkdir(parents=True, exist_ok=True)
    for path in sorted((staging / "digests").iterdir()):
        _link(path, into / path.name)
    _link(staging / _MANIFEST, into / _MANIFEST)


def _link(path: Path, to: Path) -> None:
    fresh = to.with_name(to.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        fresh.hardlink_to(path)
    except OSError:
        fresh.write_bytes(path.read_bytes())
    fresh.replace(to)
