"""When a file was complete at its receiver, seen from outside: inotify, the same for every tool.

A tool has finished a file when it closes it after writing, or moves it, or the whole folder, into
its place.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from pathlib import Path
from struct import Struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLOSE_WRITE, _MOVED_TO = 0x08, 0x80
_EVENT = Struct("=iIII")


class Arrivals:
    """Watches folders, each the only one in its parent, for a file of `name` with `size` bytes."""

    def __init__(self, folders: list[Path], name: str, size: int) -> None:
        self._name, self._size = name, size
        self._at: dict[Path, int] = {}
        self._inotify = _LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self._watched: dict[int, Path] = {}
        for folder in folders:
            for watched in (folder, folder.parent):
                mask = _CLOSE_WRITE | _MOVED_TO
                number = _LIBC.inotify_add_watch(self._inotify, bytes(watched), mask)
                self._watched[number] = folder
        if min(self._inotify, *self._watched) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def at(self, folder: Path) -> int | None:
        """Return when the file was complete, in nanoseconds of CLOCK_MONOTONIC."""
        return self._at.get(folder)

    @property
    def all(self) -> bool:
        return set(self._at) == set(self._watched.values())

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._inotify)

    def _watch(self) -> None:
        # Before every tool, and only for as long as a few events take.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while not self._over.is_set():
            if not select.select([self._inotify], [], [], 0.2)[0]:
                continue
            now = time.monotonic_ns()
            data, at = os.read(self._inotify, 65536), 0
            while at < len(data):
                number, _, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                name = data[at - length : at].rstrip(b"\0").decode()
                folder = self._watched[number]
                if name in (self._name, folder.name):
                    self._look(folder, now)

    def _look(self, folder: Path, now: int) -> None:
        try:
            complete = (folder / self._name).stat().st_size == self._size
        except OSError:
            return
        if complete:
            self._at[folder] = now
