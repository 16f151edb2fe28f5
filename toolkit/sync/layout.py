"""What lies in a repository's folder: models, their versions, and which are not whole.

Reads names and sizes, never contents.  Two layouts, side by side if need be:

    ROOT/MODEL/VERSION/...                          MODEL is NAME or, one level deeper, ORG/NAME
    ROOT/models--ORG--NAME/{blobs,refs,snapshots}   the cache of huggingface_hub

In the first, `latest` is what the link ROOT/MODEL/latest names, else the version whose name is the
greatest (v10 after v9).  In the second a version is a commit, and every ref (`main`, a tag) names
one; `latest` is `main`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.sync.model import LATEST, is_version

PARTIAL = (".incomplete", ".lock", ".part", ".partial", ".tmp", ".crdownload", ".aria2")
"""Ends of the names of files that are not whole, or that somebody has not finished."""

Mark = tuple[str, int, int, int]
"""Path in the version, size, time of change in ns, inode."""


@dataclass(frozen=True, slots=True)
class Found:
    """A version as it is now."""

    model: str
    version: str
    path: Path
    marks: tuple[Mark, ...]
    hindrance: str = ""
    """Why it is not whole, as far as names can tell."""


@dataclass(slots=True)
class Scan:
    """A look at a repository."""

    versions: dict[tuple[str, str], Found] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    """(model, name) -> the version that this name stands for; `latest` where that is decided."""
    problems: dict[str, str] = field(default_factory=dict)
    """Model -> why nothing is known of it."""


def scan(root: Path, models: Collection[str]) -> Scan:
    """Look for these models."""
    result = Scan()
    for model in sorted(models):
        try:
            cache = root / f"models--{model.replace('/', '--')}"
            if cache.is_dir():
                _scan_cache(result, model, cache)
            elif (root / model).is_dir():
                _scan_plain(result, model, root / model)
            else:
                result.problems[model] = f"{root / model}: no such folder, and no {cache.name}"
        except OSError as error:
            result.problems[model] = f"{error.filename or root}: {error.strerror or error}"
    return result


def natural(version: str) -> list[tuple[int, int, str]]:
    """Sort key by which v10 comes after v9."""
    parts = re.split(r"(\d+)", version)
    return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts if p]


def _scan_plain(result: Scan, model: str, folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.name == LATEST:
            named = entry.readlink().name if entry.is_symlink() else ""
            if is_version(named):
                result.aliases[model, LATEST] = named
        elif entry.is_dir() and not entry.is_symlink() and is_version(entry.name):
            result.versions[model, entry.name] = _found(model, entry.name, entry, ())


def _scan_cache(result: Scan, model: str, cache: Path) -> None:
    blobs, refs, snapshots = cache / "blobs", cache / "refs", cache / "snapshots"
    open_blobs: list[Path] = []
    if blobs.is_dir():
        open_blobs = sorted(p for p in blobs.iterdir() if p.name.endswith(PARTIAL))
    if refs.is_dir():
        for ref in sorted(p for p in refs.rglob("*") if p.is_file()):
            commit = ref.read_text(errors="replace").strip()
            if is_version(commit):
                name = ref.relative_to(refs).as_posix()
                result.aliases[model, LATEST if name == "main" else name] = commit
                result.aliases[model, name] = commit
    if snapshots.is_dir():
        for entry in sorted(snapshots.iterdir()):
            if entry.is_dir() and is_version(entry.name):
                found = _found(model, entry.name, entry, open_blobs)
                result.versions[model, entry.name] = found


def _found(model: str, version: str, folder: Path, open_files: Collection[Path]) -> Found:
    marks: list[Mark] = []
    hindrances = [f"{path}: a download has not finished" for path in open_files]
    for relative, path in _files(folder, ""):
        try:
            status = path.stat()
        except FileNotFoundError:
            hindrances.append(f"{path}: leads nowhere yet")
            continue
        marks.append((relative, status.st_size, status.st_mtime_ns, status.st_ino))
        if path.name.endswith(PARTIAL):
            hindrances.append(f"{path}: is not finished")
    if not marks and not hindrances:
        hindrances.append(f"{folder}: holds no file")
    return Found(model, version, folder, tuple(sorted(marks)), hindrances[0] if hindrances else "")


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", Path(entry.path)
