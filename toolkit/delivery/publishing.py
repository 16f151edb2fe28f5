"""A folder that any HTTP server can serve to receivers which packets do not reach.

    folder/manifest          the signed manifest
    folder/digests/<path>    the digests of a file's blocks
    folder/files/<path>      a symbolic link to the file

The names are those of the service's API (docs/reference/delivery.md).  Writes files.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.delivery.manifest import seal
from toolkit.delivery.model import Session
from toolkit.delivery.source import FileSource
from toolkit.errors import EnvironmentProblem, UsageError


def publish(folder: Path, source: FileSource, session: Session, model: Path) -> None:
    """Make the folder, or bring it up to date.  `model`: the file or folder that is sent."""
    place, root = folder.resolve(), model.resolve()
    if place.is_relative_to(root) or root.is_relative_to(place):
        raise UsageError(f"--publish {folder}: {model} may not be in it, nor it in {model}")
    if session.seal_key is not None:
        raise UsageError("--publish: a sealed session has nothing in the clear to publish")
    manifest = source.manifest
    try:
        for entry, digests, path in zip(manifest.files, source.digests, source.paths, strict=True):
            _replace(place / "digests" / entry.path, digests)
            _link(place / "files" / entry.path, path.resolve())
        _replace(place / "manifest", seal(manifest, session.key, session.serial, session.order))
    except OSError as error:
        raise EnvironmentProblem(
            f"--publish {folder}: {error.strerror or error} (choose another folder)"
        ) from None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
