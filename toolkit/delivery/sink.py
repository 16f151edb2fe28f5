"""Verified blocks onto disk: into a staging folder beside the target, then all files at once.

    parent/
      target/                 appears, or its files are replaced, when everything is verified
      .target.llmsync/        staging; on the same file system, so that a rename is enough
                              (target/.llmsync where the target is a mount point)
        lock                  held by the receiver that writes here
        manifest.json         the signed envelope
        files/<path>          the files, as far as they are there
        digests/<number>      the list of block digests of file <number>
        blocks/<number>       one byte per block; 1 once the block has been written

`toolkit.delivery.staging` makes, locks and removes the staging folder.

A block's byte is set after its data, and on the next start every block with a set byte is read
and digested again: a power cut may lose work, never let a wrong byte appear.  After a failure (a
full disk, say) the staging folder stays, so that the next run fetches only what is missing; the
target is as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from toolkit.delivery.basis import keep_digests
from toolkit.delivery.manifest import DIGEST_SIZE, Manifest, OpenedManifest, digest, open_manifest
from toolkit.delivery.ports import Landed
from toolkit.delivery.proving import Prove
from toolkit.delivery.sealing import Cut
from toolkit.delivery.staging import Staging
from toolkit.errors import DeliveryError, EnvironmentProblem, UsageError, WireError

Write = Callable[[int, memoryview, int], int]
"""os.pwrite: descriptor, data, offset -> bytes written."""

SYNC_EVERY = 256 * 2**20
"""Bytes after which the disk is waited for, so that the wait before files appear is a short one."""
MAX_OPEN = 16
"""Files kept open at a time; blocks of few files arrive at once."""

_FULL = {errno.ENOSPC: "no space is left on the disk", errno.EDQUOT: "the disk quota is used up"}


class FolderSink:
    """A `Sink` of `toolkit.delivery.ports` that fills the folder `target`.

    `durable`: fsync before files appear; a laboratory may do without.  `write`: for tests.
    `check`: is given the folder of all files, verified and not yet placed; raises DeliveryError
    where they must not be.
    `keep`: folder in which manifest and digests stay, for `toolkit.delivery.basis`.
    """

    def __init__(
        self,
        target: Path,
        *,
        durable: bool = True,
        write: Write = os.pwrite,
        check: Callable[[Path], None] | None = None,
        keep: Path | None = None,
    ) -> None:
        self._keep = keep
        self.target = target.resolve()
        self._staging = Staging(self.target)
        self.staging = self._staging.path
        self._durable = durable
        self._write = write
        self._check = check
        self._manifest: Manifest | None = None
        self._parts: list[Cut] = []
        self._opened: dict[int, tuple[int, int]] = {}
        """File number -> descriptors of its data and of its journal."""
        self._unsynced = 0
        self._lock = Lock()
        self._placed: set[int] = set()
        """Files that a run which died while placing had already placed."""

    @property
    def kept(self) -> bool:
        """Whether the next run would begin with something that is verified."""
        return self._staging.kept

    def path_of(self, number: int) -> Path:
        """Return where the verified blocks of a file are now."""
        staged = self._where(number)
        return staged if staged.exists() else self.target / self._need_manifest().files[number].path

    def prepare(self) -> None:
        """Find out at once, before anybody is told, that files could not be placed here.

        Raises UsageError or EnvironmentProblem where that is so; DeliveryError where another
        receiver is at work.
        """
        try:
            if self.target.exists() and not self.target.is_dir():
                raise UsageError(f"{self.target}: is not a folder (name one to place files in)")
            if self.target.is_dir() and not os.access(self.target, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._staging.take()
        except OSError as error:
            raise EnvironmentProblem(
                f"{self.target}: cannot be written: {error.strerror or error} "
                "(choose another folder)"
            ) from None

    def recall(self) -> bytes | None:
        """Return the envelope that an earlier, unfinished run stored."""
        with self._explained():
            self._staging.take()
            stored = self.staging / "manifest.json"
            return stored.read_bytes() if stored.exists() else None

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        """Make the staging folder ready; check again what an earlier run left there."""
        return self.open_proving(envelope, opened, self.prove)

    def open_proving(self, envelope: bytes, opened: OpenedManifest, prove: Prove) -> list[Landed]:
        """As `open`, but somebody else checks it: `prove`, once per file that claims blocks."""
        manifest = opened.manifest
        with self._explained():
            self._staging.take()
            self._check_target(manifest)
            self._close_files()
            self._placed.clear()
            linked = any(path.is_symlink() for path in self.staging.rglob("*"))
            if linked or self._stored_digest() != opened.digest:
                for name in ("manifest.json", "files", "digests", "blocks"):
                    _remove(self.staging / name)
            for name in ("files", "digests", "blocks"):
                (self.staging / name).mkdir(exist_ok=True)
            _write_whole(self.staging / "manifest.json", envelope)
            self._manifest = manifest
            self._parts = [manifest.cut(f.size) for f in manifest.files]
            landed = [self._land(number, prove) for number in range(len(manifest.files))]
            self._check_space(manifest, landed)
        return landed

    def put_digests(self, file: int, digests: bytes) -> None:
        with self._explained():
            _write_whole(self.staging / "digests" / str(file), digests)

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        # A writer's thread and the receiver's own may both be here.
        with self._explained(), self._lock:
            file_descriptor, journal = self._opened.get(file) or self._open_file(file)
            self._write_all(file_descriptor, data, offset)
            self._write_all(journal, memoryview(b"\1"), block)
            self._unsynced += len(data)
            if self._durable and self._unsynced >= SYNC_EVERY:
                os.fdatasync(file_descriptor)
                self._unsynced = 0

    def read(self, file: int, offset: int, length: int) -> bytes:
        with self._explained():
            path = self._where(file)
            with path.open("rb", buffering=0) as stream:
                return os.pread(stream.fileno(), length, offset)

    def place(self) -> None:
        """Let all files appear: the whole folder by one rename, else file by file."""
        manifest = self._need_manifest()
        with self._explained():
            if self._durable:
                for number in range(len(manifest.files)):
                    _sync(self._where(number))
                for folder, _, _ in os.walk(self.staging / "files"):
                    _sync(Path(folder))
            self._close_files()
            if self._check is not None:
                self._check_whole(manifest, self._check)
            if self._keep is not None:
                keep_digests(self.staging, self._keep)
            if not self._placed and _absent_or_empty(self.target):
                (self.staging / "files").rename(self.target)
            else:
                self._place_each(manifest)
            if self._durable:
                _sync(self.target.parent)
            self._staging.remove()
        self.close()

    def close(self) -> None:
        self._close_files()
        self._staging.release()

    def _check_whole(self, manifest: Manifest, check: Callable[[Path], None]) -> None:
        """Have the whole looked at; files that a run before had placed are lent to it."""
        lent = [(self._staged(n), self.target / manifest.files[n].path) for n in self._placed]
        for staged, placed in lent:
            staged.parent.mkdir(parents=True, exist_ok=True)
            os.link(placed, staged)
        try:
            check(self.staging / "files")
        finally:
            for staged, _ in lent:
                staged.unlink()

    # ----- what is already there

    def _stored_digest(self) -> bytes | None:
        stored = self.staging / "manifest.json"
        try:
            return open_manifest(stored.read_bytes(), None).digest if stored.exists() else None
        except WireError:
            return None

    def _land(self, number: int, prove: Prove) -> Landed:
        entry, part = self._need_manifest().files[number], self._parts[number]
        staged = self._staged(number)
        digests = _read_if_there(self.staging / "digests" / str(number))
        if digests is None or digest(digests) != entry.root:
            digests = None
        blocks = bytes(part.blocks)
        if digests is not None and not staged.exists():
            # The run before may have died while it placed its files.
            there = self.target / entry.path
            whole = b"\1" * part.blocks
            if self._proven(number, there, digests, whole, prove) == whole:
                self._placed.add(number)
                return Landed(digests, whole)
        if digests is not None and staged.exists():
            journal = _read_if_there(self.staging / "blocks" / str(number)) or b""
            blocks = self._proven(number, staged, digests, journal, prove)
        staged.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("ab"):
            os.truncate(staged, entry.size)
        return Landed(digests, blocks)

    def _proven(
        self, number: int, file: Path, digests: bytes, journal: bytes, prove: Prove
    ) -> bytes:
        """Which of the blocks that `journal` claims does `file` really hold?  1 or 0 each."""
        part = self._parts[number]
        claims = bytes(claim == 1 for claim in journal[: part.blocks].ljust(part.blocks, b"\0"))
        whole = file.is_file() and file.stat().st_size == part.length
        return prove(number, file, digests, claims) if whole else bytes(part.blocks)

    def prove(self, number: int, file: Path, digests: bytes, claims: bytes) -> bytes:
        """Read and digest the blocks of a file that are claimed to be there; which ones are?"""
        part = self._parts[number]
        found = bytearray(part.blocks)
        with file.open("rb", buffering=0) as stream:
            for block in range(part.blocks):
                if claims[block]:
                    data = os.pread(stream.fileno(), part.size(block), part.offset(block))
                    wanted = digests[block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]
                    found[block] = digest(data) == wanted
        return bytes(found)

    def _check_space(self, manifest: Manifest, landed: list[Landed]) -> None:
        missing = sum(
            part.size(block)
            for part, there in zip(self._parts, landed, strict=True)
            for block, present in enumerate(there.blocks)
            if not present
        )
        free = shutil.disk_usage(self.staging).free
        if missing > free:
            raise DeliveryError(
                f"{self.target}: {manifest.name} needs {missing} more bytes and the disk has "
                f"{free}; nothing was placed (free {missing - free} bytes, or choose another "
                "disk, and start the receiver again)"
            )

    # ----- placing

    def _check_target(self, manifest: Manifest) -> None:
        """Find out before anything is received that it could not be placed."""
        if self.target.exists() and not self.target.is_dir():
            raise DeliveryError(f"{self.target}: is not a folder (name one to place files in)")
        root = self.target.resolve()
        for entry in manifest.files:
            path = self.target / entry.path
            if not path.parent.resolve().is_relative_to(root):
                raise DeliveryError(
                    f"{path}: leads out of {self.target} through a symbolic link "
                    "(remove the link); nothing was placed"
                )
            if path.is_dir() or any(p.is_file() for p in path.parents):
                raise DeliveryError(
                    f"{path}: a folder and a file are in each other's way "
                    "(move it away, or choose another folder); nothing was placed"
                )

    def _place_each(self, manifest: Manifest) -> None:
        self._check_target(manifest)
        folders = {self.target}
        # Small files were delivered first and are placed last: a loader that finds the
        # configuration of a model finds its weights too.
        for number in reversed(range(len(manifest.files))):
            if number in self._placed:
                continue
            path = self.target / manifest.files[number].path
            path.parent.mkdir(parents=True, exist_ok=True)
            self._staged(number).replace(path)
            folders.add(path.parent)
        if self._durable:
            for folder in folders:
                _sync(folder)

    # ----- files

    def _need_manifest(self) -> Manifest:
        if self._manifest is None:
            raise ValueError("the sink is not open")
        return self._manifest

    def _staged(self, number: int) -> Path:
        return self.staging / "files" / self._need_manifest().files[number].path

    def _where(self, number: int) -> Path:
        if number in self._placed:
            return self.target / self._need_manifest().files[number].path
        return self._staged(number)

    def _write_all(self, descriptor: int, data: memoryview, offset: int) -> None:
        while data:
            written = self._write(descriptor, data, offset)
            data, offset = data[written:], offset + written

    def _open_file(self, number: int) -> tuple[int, int]:
        if len(self._opened) >= MAX_OPEN:
            for descriptor in self._opened.pop(next(iter(self._opened))):
                os.close(descriptor)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        data = os.open(self._staged(number), flags, 0o644)
        journal = os.open(self.staging / "blocks" / str(number), flags, 0o644)
        self._opened[number] = data, journal
        return data, journal

    def _close_files(self) -> None:
        while self._opened:
            for descriptor in self._opened.popitem()[1]:
                os.close(descriptor)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a failing disk means for the delivery, and what to do."""
        try:
            yield
        except OSError as error:
            why = _FULL.get(error.errno or 0, error.strerror or str(error))
            remedy = "make room" if error.errno in _FULL else "make it writable"
            kept = f", and what was received is kept in {self.staging}" if self._keeps() else ""
            raise DeliveryError(
                f"{self.target}: {why}; nothing was placed{kept} "
                f"({remedy}, or choose another disk, and start the receiver again)"
            ) from error

    def _keeps(self) -> bool:
        try:
            return self.kept
        except OSError:
            return False


def _absent_or_empty(folder: Path) -> bool:
    return not folder.exists() or (
        folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    )


def _read_if_there(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write_whole(path: Path, data: bytes) -> None:
    """Replace a small file so that it is always whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    fresh.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
