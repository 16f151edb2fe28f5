"""A thread that checks and stores blocks while its receiver receives.

BLAKE3 and pwrite both let other threads run, so on a machine with cores to spare a slow disk costs
the reception nothing.  Jobs are handed over, not copied.  After an error of the disk nothing more
is tried: what waits fails in the same way.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Self

from toolkit.delivery.ports import Sink
from toolkit.delivery.storing import Job
from toolkit.errors import DeliveryError

CORES = 3
"""From so many on there is one to spare."""


def worth_it(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether blocks for `folder` should be written by a thread: a disk may take its time.

    Memory does not: there a thread is worth its price only where a core is spare for it.  On two
    busy cores it cost 8 % more CPU; what it did to the throughput was within the noise of three
    runs each.  LLMSYNC_WRITER=thread or inline decides otherwise.
    """
    said = os.environ.get("LLMSYNC_WRITER", "")
    if said in ("thread", "inline"):
        return said == "thread"
    return len(os.sched_getaffinity(0)) >= CORES or not _in_memory(folder, mounts)


def _in_memory(folder: Path, mounts: Path) -> bool:
    """Whether a folder, or where it will be made, is in a file system without a disk."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        device = folder.stat().st_dev
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {
        line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2] == number
    }
    return bool(kinds) and kinds <= {"tmpfs", "ramfs"}


class DeskThread(ABC):
    """What a desk with a thread of its own has: jobs go in, and come back when they are done.

    `fileno` is readable when some are.  A subclass says what the thread does (`_work`), and hands
    jobs back by `_end`.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | Event | None] = SimpleQueue()
        """What is to be done; an event to set when all before it is; None: nothing comes."""
        self._done: deque[Job] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._error: DeliveryError | None = None
        """After it nothing more is tried."""
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """All that was put is done before the thread ends."""
        self._jobs.put(None)
        self._thread.join()
        os.close(self._bell)

    def fileno(self) -> int:
        return self._bell

    def put(self, job: Job) -> None:
        self._jobs.put(job)

    def finished(self) -> list[Job]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        return [self._done.popleft() for _ in range(len(self._done))]

    def drain(self) -> None:
        if self._thread.is_alive():
            reached = Event()
            self._jobs.put(reached)
            reached.wait()

    # ----- in the thread

    @abstractmethod
    def _work(self) -> None: ...

    def _end(self, jobs: Sequence[Job]) -> None:
        """These are done."""
        if jobs:
            self._done.extend(jobs)
            os.eventfd_write(self._bell, len(jobs))


class WriterThread(DeskThread):
    """A Desk of `toolkit.delivery.storing` that writes."""

    def __init__(self, sink: Sink) -> None:
        super().__init__("writer")
        self._sink = sink

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, Event):
                job.set()
                continue
            if self._error is None:
                job.run(self._sink)
                self._error = job.error
            else:
                job.error = self._error
            self._end([job])
