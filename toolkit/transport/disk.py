"""How fast does a folder take bytes?  A real test of bounded size: written past the page cache
where the file system can (O_DIRECT), waited for (fdatasync), and gone afterwards."""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from pathlib import Path

CHUNK = 2 * 2**20
LIMIT = 256 * 2**20
"""Bytes that are written at most, and never more than a tenth of what is free."""


def measure(folder: Path, *, seconds: float = 1.0, limit: int = LIMIT) -> float | None:
    """Return bit/s that `folder` takes; None where there is no room to try.  Raises OSError."""
    filesystem = os.statvfs(folder)
    limit = min(limit, filesystem.f_bavail * filesystem.f_frsize // 10)
    if limit < CHUNK:
        return None
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".llmsync-doctor-") as file:
        descriptor = _direct(file.name)
        try:
            return _write(descriptor, seconds, limit)
        finally:
            os.close(descriptor)


def _direct(name: str) -> int:
    try:
        return os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError:  # The file system has none: fdatasync waits for the disk as well.
        return os.open(name, os.O_WRONLY | os.O_CLOEXEC)


def _write(descriptor: int, seconds: float, limit: int) -> float:
    with mmap.mmap(-1, CHUNK) as page_aligned:
        # Of random bytes: a disk that compresses must not look faster than it is.
        page_aligned.write(os.urandom(CHUNK))
        begin, offset = time.monotonic(), 0
        while offset < limit and time.monotonic() < begin + seconds:
            offset += os.pwrite(descriptor, page_aligned, offset)
        os.fdatasync(descriptor)
        return offset * 8 / max(time.monotonic() - begin, 1e-9)
