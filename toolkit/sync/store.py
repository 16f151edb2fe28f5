"""A cloud's store of versions, and the switch from one to the next.

    STORE/MODEL/                    MODEL with `--` for `/`
      current -> versions/v2        what is in use; a link that is replaced by one rename
      versions/v1/, versions/v2/    whole and verified: a version's folder appears by one rename
      records/v2/                   version.json, lease, manifest and digests (for the next delta)
      history                       JSON lines: what was in use, and since when
      pinned                        there while an operator has decided what is in use
      switching                     locked by whoever changes the above

At whichever step a process is killed, `current` leads to a whole, verified version (or is not there
yet), and the next start puts the rest right.  Who reads a version's files for longer holds its
lease (`Store.lease`, or `flock --shared STORE/MODEL/records/VERSION/lease COMMAND`): a version that
is leased, in use or the wanted one is never collected.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.delivery.basis import Version
from toolkit.errors import EnvironmentProblem, UsageError
from toolkit.sync.model import folder_of, is_model, is_version

Fault = Callable[[str], None]
"""Called with the name of each step that has just been made; for tests that kill there."""

_TRASH = ".trash-"


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that is whole and verified."""

    version: str
    content: str
    delivered: float
    """Unix time."""


class Store:
    """The store in `root`.  Raises EnvironmentProblem where it cannot be written."""

    def __init__(self, root: Path, fault: Fault = lambda _step: None) -> None:
        self.root = root
        self._fault = fault
        self._lock: int | None = None

    # ----- what is there

    def models(self) -> list[str]:
        """Models that have a folder here."""
        if not self.root.is_dir():
            return []
        names = (p.name.replace("--", "/") for p in self.root.iterdir() if p.is_dir())
        return sorted(name for name in names if is_model(name))

    def versions(self, model: str) -> list[Stored]:
        """Whole versions, oldest first."""
        folder = self._folder(model) / "versions"
        found = []
        for path in folder.iterdir() if folder.is_dir() else ():
            record = self._record(model, path.name)
            if path.is_dir() and record is not None:
                found.append(record)
        return sorted(found, key=lambda s: (s.delivered, s.version))

    def current(self, model: str) -> str | None:
        """The version in use."""
        try:
            named = (self._folder(model) / "current").readlink().name
        except OSError:
            return None
        return named if (self._folder(model) / "versions" / named).is_dir() else None

    def path(self, model: str, version: str) -> Path:
        """Where a version's files are, or will be."""
        return self._folder(model) / "versions" / version

    def records(self, model: str, version: str) -> Path:
        """Where what is known of a version is kept."""
        return self._folder(model) / "records" / version

    def basis(self, model: str) -> list[Version]:
        """All versions as places to look for blocks: the one in use first, then the newest."""
        current = self.current(model)
        names = [s.version for s in reversed(self.versions(model))]
        names.sort(key=lambda name: name != current)
        return [Version(self.path(model, n), self.records(model, n)) for n in names]

    def history(self, model: str) -> list[tuple[str, float]]:
        """What was in use and since when, oldest first."""
        found = []
        with suppress(OSError):
            for line in (self._folder(model) / "history").read_text().splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    document: Any = json.loads(line)
                    found.append((str(document["version"]), float(document["since"])))
        return found

    def previous(self, model: str) -> str | None:
        """The version that was in use before the current one and is still here."""
        here, current = {s.version for s in self.versions(model)}, self.current(model)
        for version, _ in reversed(self.history(model)):
            if version != current and version in here:
                return version
        return None

    # ----- changes

    def take(self) -> None:
        """Be the only one who changes this store; put right what a killed one left."""
        with self._explained():
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise UsageError(
                    f"{self.root}: another agent works in this store (stop it, or name another)"
                ) from None
            self._lock = lock
            for model in self.models():
                self._repair(model)

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def announce(self, model: str, version: str, content: str) -> None:
        """Write down what is about to be received; the version counts once its folder is there."""
        document = {"content": content, "delivered": time.time()}
        with self._explained():
            folder = self.records(model, version)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "lease").touch()
            _write_whole(folder / "version.json", json.dumps(document).encode())

    def name_for(self, model: str, version: str, content: str) -> str:
        """The folder's name for a version: its own, or with a part of its content where another
        content has that."""
        record = self._record(model, version)
        taken = record is not None and record.content != content
        return (
            f"{version}+{content[:8]}" if taken and self.path(model, version).exists() else version
        )

    def activate(self, model: str, version: str) -> bool:
        """Use a version, unless an operator has decided otherwise; returns whether it is in use."""
        with self._switching(model):
            if self.current(model) != version and not self.pinned(model):
                self._switch(model, version)
            return self.current(model) == version

    def _switch(self, model: str, version: str) -> None:
        """Let `current` lead to a version, in one step."""
        if version not in {s.version for s in self.versions(model)}:
            raise UsageError(f"{model}: there is no version {version} here")
        folder = self._folder(model)
        fresh = folder / ".current.new"
        fresh.unlink(missing_ok=True)
        self._fault("old link removed")
        fresh.symlink_to(Path("versions") / version)
        self._fault("link made")
        fresh.replace(folder / "current")
        self._fault("switched")
        _sync(folder)
        self._fault("synced")
        self._remember(model, version)
        self._fault("remembered")

    def rollback(self, model: str, version: str | None = None) -> str:
        """Use an earlier version (None: the previous one), and stay with it until `unpin`."""
        if not self._folder(model).is_dir():
            raise UsageError(f"{model}: nothing of it is in {self.root}")
        with self._switching(model):
            return self._roll_back(model, version)

    def _roll_back(self, model: str, version: str | None) -> str:
        chosen = version or self.previous(model)
        if chosen is None:
            raise UsageError(f"{model}: no earlier version is in {self.root}")
        if version is not None and version not in (
            here := [s.version for s in self.versions(model)]
        ):
            raise UsageError(
                f"{model}: there is no version {version} here "
                f"(there are: {', '.join(here) or 'none'})"
            )
        # Pinned first: should it end in between, nobody switches it forward again.
        _write_whole(self._folder(model) / "pinned", chosen.encode())
        self._fault("pinned")
        self._switch(model, chosen)
        return chosen

    def pinned(self, model: str) -> bool:
        """Whether an operator has decided what is in use."""
        return (self._folder(model) / "pinned").exists()

    def unpin(self, model: str) -> None:
        """Let the repository decide again."""
        with self._explained():
            (self._folder(model) / "pinned").unlink(missing_ok=True)

    # ----- leases and what is collected

    @contextmanager
    def lease(self, model: str, version: str) -> Iterator[Path]:
        """Keep a version from being collected meanwhile; yields its folder.

        Raises UsageError when it is not there.
        """
        try:
            lease = os.open(self.records(model, version) / "lease", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise UsageError(f"{model}: there is no version {version} here") from None
        try:
            fcntl.flock(lease, fcntl.LOCK_SH)
            if not self.path(model, version).is_dir():
                raise UsageError(f"{model}: there is no version {version} here")
            yield self.path(model, version)
        finally:
            os.close(lease)

    def collect(self, model: str, keep: int, wanted: Collection[str]) -> list[str]:
        """Remove versions beyond the `keep` newest; never the current one, the one before it
        (where `keep` is 2 or more), a wanted one or one that is leased.  Returns their names."""
        if not self._folder(model).is_dir():
            return []
        with self._switching(model):
            return self._collect(model, keep, wanted)

    def _collect(self, model: str, keep: int, wanted: Collection[str]) -> list[str]:
        stored = [s.version for s in self.versions(model)]
        safe = {self.current(model), *wanted}
        if keep > 1:
            safe.add(self.previous(model))
        safe.discard(None)
        newest = [v for v in reversed(stored) if v not in safe]
        room = max(0, keep - len(safe & set(stored)))
        return [v for v in reversed(newest[room:]) if self._remove(model, v)]

    def sweep(self, model: str, wanted: Collection[str]) -> None:
        """Remove what unfinished deliveries of versions left that nobody wants any more."""
        folder = self._folder(model) / "versions"
        with self._explained():
            for path in folder.iterdir() if folder.is_dir() else ():
                named = path.name.removeprefix(".").removesuffix(".llmsync")
                if path.name == f".{named}.llmsync" and named not in wanted:
                    shutil.rmtree(path, ignore_errors=True)
                    if not (folder / named).exists():
                        shutil.rmtree(self.records(model, named), ignore_errors=True)

    def _remove(self, model: str, version: str) -> bool:
        folder = self._folder(model)
        with self._explained():
            lease = os.open(
                self.records(model, version) / "lease", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                trash = folder / f"{_TRASH}{version}"
                shutil.rmtree(trash, ignore_errors=True)
                self.path(model, version).rename(trash)
                self._fault("gone")
                shutil.rmtree(self.records(model, version), ignore_errors=True)
                self._fault("forgotten")
                shutil.rmtree(trash, ignore_errors=True)
            except BlockingIOError:
                return False
            finally:
                os.close(lease)
        return True

    # ----- inside

    def _folder(self, model: str) -> Path:
        return self.root / folder_of(model)

    def _record(self, model: str, version: str) -> Stored | None:
        name, _, part = version.partition("+")
        if not is_version(name) or (part and not part.isalnum()):
            return None
        try:
            text = (self.records(model, version) / "version.json").read_text()
            document: Any = json.loads(text)
            return Stored(version, str(document["content"]), float(document["delivered"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _repair(self, model: str) -> None:
        folder = self._folder(model)
        (folder / ".current.new").unlink(missing_ok=True)
        for trash in folder.glob(f"{_TRASH}*"):
            shutil.rmtree(trash, ignore_errors=True)
        for records in (folder / "records").glob("*"):
            staged = folder / "versions" / f".{records.name}.llmsync"
            if not (folder / "versions" / records.name).exists() and not staged.exists():
                shutil.rmtree(records, ignore_errors=True)
        current, history = self.current(model), self.history(model)
        if current is not None and (not history or history[-1][0] != current):
            self._remember(model, current)

    def _remember(self, model: str, version: str) -> None:
        line = json.dumps({"version": version, "since": time.time()}) + "\n"
        path = self._folder(model) / "history"
        with path.open("a") as stream:
            if stream.tell() and not path.read_bytes().endswith(b"\n"):
                stream.write("\n")  # A crash cut the last line short.
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    @contextmanager
    def _switching(self, model: str) -> Iterator[None]:
        """Alone, also among processes."""
        with self._explained():
            lock = os.open(
                self._folder(model) / "switching", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EnvironmentProblem(
                f"{error.filename or self.root}: {error.strerror or error} (the store must be "
                "writable and have room)"
            ) from None


def _write_whole(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
