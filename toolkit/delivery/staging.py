"""The folder beside a target in which a delivery waits until all of it is verified.

It is made and locked before anything is asked for, and it is given back as it was found: one in
which no block was ever verified goes again, together with the folders above it that were made for
it.  One with verified blocks stays, and the next run begins with them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from toolkit.errors import DeliveryError

_TRIES = 8
"""Times that another receiver may remove the folder while this one is locking it."""


class Staging:
    """The staging folder of one target."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.llmsync"
        if os.path.ismount(target):
            # Beside it would be another file system.
            self.path = target / ".llmsync"
        self._lock: int | None = None
        self._made: list[Path] = []
        """Folders above it that were not there before, the outermost first."""

    @property
    def kept(self) -> bool:
        """Whether it is ours and holds a verified block, of this run or of an earlier one."""
        if self._lock is None:
            return False
        try:
            return any(b"\1" in p.read_bytes() for p in (self.path / "blocks").iterdir())
        except FileNotFoundError:
            return False

    def take(self) -> None:
        """Make it and lock it.  OSError: it cannot be made.  DeliveryError: another has it."""
        try:
            for _ in range(_TRIES):
                if self._lock is not None:
                    return
                self._make(self.path.parent)
                self.path.mkdir(exist_ok=True)
                self._try_lock()
        except OSError:
            with suppress(OSError):
                self.path.rmdir()  # Only if it is empty.
            self._unmake()
            raise
        if self._lock is None:
            raise self._taken()

    def release(self) -> None:
        """Let others have it; without a verified block it goes."""
        if self._lock is None:
            return
        with suppress(OSError):  # What cannot be looked at may be worth keeping.
            if not self.kept:
                self.remove()
        os.close(self._lock)
        self._lock = None

    def remove(self) -> None:
        """Take it away, with the folders above it that were made for it and hold nothing else."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._unmake()

    def _try_lock(self) -> None:
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            return  # Another has just removed the folder.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise self._taken() from None
        try:
            ours = os.path.samestat(os.fstat(lock), (self.path / "lock").stat())
        except FileNotFoundError:
            ours = False
        if ours:
            self._lock = lock
        else:
            os.close(lock)

    def _taken(self) -> DeliveryError:
        return DeliveryError(
            f"{self.target}: another receiver is writing there (stop it, or choose another folder)"
        )

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        try:
            folder.mkdir()
        except FileNotFoundError:
            if folder.parent.is_dir():
                raise
            self._make(folder.parent)
            folder.mkdir()
        except FileExistsError:
            if folder.is_dir():
                return  # Another receiver has just made it.
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        self._made.append(folder)

    def _unmake(self) -> None:
        while self._made:
            try:
                self._made.pop().rmdir()
            except OSError:
                self._made.clear()
