"""A file or folder to send: found, checked and digested before anything leaves.

Reads files.  Nothing is skipped: what cannot be sent is a Problem, and all problems are raised at
once.  Every block is read again when it is sent, and its digest compared with the scan's, so a
file that changes in between is noticed before a wrong byte leaves.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.delivery.manifest import DIGEST_SIZE, Manifest, digest, path_problems
from toolkit.delivery.model import Coding, FileEntry
from toolkit.delivery.ordering import Contents
from toolkit.delivery.safetensors import (
    LENGTH_SIZE,
    TensorEntry,
    header_size,
    is_weights,
    parse_header,
)
from toolkit.delivery.sealing import Cut, cut
from toolkit.errors import DeliveryError, Place, Problem, ProblemsError

WEIGHTS_FROM = 16 * 2**20
"""A file of at least this many bytes counts as weights and follows the small ones."""


DigestBlocks = Callable[[Path, Cut], bytes]
"""A file and how it is cut -> the digests of its blocks, concatenated."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files on disk.  A `Source` of `toolkit.delivery.ports`."""

    manifest: Manifest
    digests: tuple[bytes, ...]
    paths: tuple[Path, ...]
    """Where each file of the manifest is."""
    contents: tuple[Contents, ...] = ()
    """What each of them tells about the order of delivery."""

    def read_block(self, file: int, block: int) -> bytes:
        """Return a source block; see `read_into`."""
        buffer = bytearray(self.manifest.cut(self.manifest.files[file].size).size(block))
        self.read_into(file, block, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        part = self.manifest.cut(self.manifest.files[file].size)
        wanted = self.digests[file][block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]
        try:
            length = _read_into(self.paths[file], part.offset(block), buffer)
        except OSError as error:
            raise _changed(self.paths[file], error.strerror or str(error)) from None
        if length != len(buffer):
            raise _changed(self.paths[file], "it is shorter now")
        if digest(buffer) != wanted:
            raise _changed(self.paths[file], f"block {block} differs from what was scanned")


def open_source(
    path: Path,
    coding: Coding,
    name: str = "",
    *,
    sealed: bool = False,
    digest_blocks: DigestBlocks | None = None,
) -> FileSource:
    """Scan a file, or a folder with everything below it.

    Raises ProblemsError naming every file that cannot be sent.  `name` (default: the path's last
    part) is the delivery's name in the manifest.  `sealed`: for a session with a seal key.
    `digest_blocks`: from somebody who has them already; they are compared with the blocks when
    those are sent.
    """
    problems: list[Problem] = []
    found = dict(_find(path, problems))
    problems += [Problem(Place(file=str(path)), text, "rename it") for text in path_problems(found)]
    sizes = {}
    tensors: dict[str, tuple[TensorEntry, ...] | None] = {}
    for relative, file in found.items():
        try:
            sizes[relative] = file.stat().st_size
            tensors[relative] = _check(file, sizes[relative], problems)
        except OSError as error:
            problems.append(_unreadable(file, error))
    if not found and not problems:
        problems.append(Problem(Place(file=str(path)), "the folder has no file in it"))
    if problems:
        raise ProblemsError(sorted(problems))
    order = sorted(found, key=lambda r: (_is_weights(r, sizes[r]), r))
    entries, digests, contents = [], [], []
    for relative in order:
        part = cut(sizes[relative], coding.symbol, coding.block, sealed=sealed)
        blocks = (digest_blocks or _digest_blocks)(found[relative], part)
        digests.append(blocks)
        weights = _is_weights(relative, sizes[relative])
        contents.append(Contents(relative, part, weights, tensors[relative]))
        entries.append(FileEntry(path=relative, size=sizes[relative], root=digest(blocks)))
    manifest = Manifest(
        name=name or path.resolve().name, coding=coding, files=tuple(entries), sealed=sealed
    )
    paths = tuple(found[r] for r in order)
    return FileSource(manifest, tuple(digests), paths, tuple(contents))


def _is_weights(relative: str, size: int) -> bool:
    return is_weights(relative) or size >= WEIGHTS_FROM


def _find(path: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Every file to send, by its path in the manifest."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        problems.append(_unreadable(path, error))
        return
    if stat.S_ISREG(mode):
        yield path.name, path
    elif stat.S_ISDIR(mode):
        yield from _walk(path, path, problems)
    else:
        problems.append(_special(path))


def _walk(root: Path, folder: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return
    for entry in entries:
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            problems.append(_unreadable(entry, error))
            continue
        if stat.S_ISREG(mode):
            yield entry.relative_to(root).as_posix(), entry
        elif not stat.S_ISDIR(mode):
            problems.append(_special(entry))
        elif entry.is_symlink():
            # Following it could lead around in a circle, or out of the model.
            problems.append(
                Problem(
                    Place(file=str(entry)),
                    "is a symbolic link to a folder",
                    "copy the folder, or remove the link",
                )
            )
        else:
            yield from _walk(root, entry, problems)


def _check(file: Path, size: int, problems: list[Problem]) -> tuple[TensorEntry, ...] | None:
    """A safetensors file must be whole: half a model is not worth anybody's bandwidth.

    Returns its tensors; None: it is another file.
    """
    if file.suffix != ".safetensors":
        if size:
            _read(file, 0, 1)
        return None
    try:
        needed = header_size(_read(file, 0, LENGTH_SIZE))
        return parse_header(_read(file, 0, min(needed, size)), size)
    except ValueError as error:
        problems.append(
            Problem(
                Place(file=str(file)), f"not a whole safetensors file: {error}", "fetch it again"
            )
        )
        return None


def _digest_blocks(file: Path, part: Cut) -> bytes:
    digests = []
    with file.open("rb", buffering=0) as stream:
        for block in range(part.blocks):
            data = stream.read(part.size(block))
            if len(data) != part.size(block):
                raise _changed(file, "it became shorter while it was scanned")
            digests.append(digest(data))
    return b"".join(digests)


def _read(file: Path, offset: int, length: int) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def _read_into(file: Path, offset: int, buffer: memoryview) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.preadv(descriptor, [buffer], offset)
    finally:
        os.close(descriptor)


def _changed(file: Path, how: str) -> DeliveryError:
    return DeliveryError(
        f"{file}: changed while it was being sent: {how}; nothing wrong left this host "
        "(send again once nothing writes to it)"
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    what = f"cannot be read: {error.strerror or error}"
    return Problem(Place(file=str(path)), what, "check the path and its permissions")


def _special(path: Path) -> Problem:
    what = "is neither a file nor a folder"
    return Problem(Place(file=str(path)), what, "remove it from the folder that is sent")
