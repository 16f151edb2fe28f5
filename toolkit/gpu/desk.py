"""A thread that checks blocks and brings them to a device while its receiver receives.

A job's memory is the window's, and goes back when the device has copied it and the copy has been
proven.  Several copies are under way at a time; blocks that have landed are hashed on the device
together.  Whatever goes wrong in the thread is a job's error: one that ended it would let the
receiver wait for ever.
"""

from __future__ import annotations

import contextlib
from collections import deque
from queue import Empty
from threading import Event
from typing import TYPE_CHECKING

from toolkit.delivery.manifest import digest
from toolkit.delivery.storing import Job
from toolkit.errors import DeliveryError, ToolkitError
from toolkit.transport.writing import DeskThread

if TYPE_CHECKING:
    from toolkit.gpu.proving import Flight
    from toolkit.gpu.sink import DeviceSink

MOST = 64
"""Copies under way at a time."""
TOGETHER = 16
"""Copies that are begun at a time; they are done at a time, too."""
_NOTHING = object()


class CopyDesk(DeskThread):
    """A Desk of `toolkit.delivery.storing` for a device."""

    def __init__(self, sink: DeviceSink) -> None:
        super().__init__("copier")
        self._sink = sink
        self._flights: deque[tuple[Job, Flight]] = deque()

    # ----- in the thread

    def _work(self) -> None:
        while True:
            item: object = self._next()
            while isinstance(item, Job):
                item = self._begin_with(item)
            if item is _NOTHING:
                continue
            while self._flights:
                self._land()
            if item is None:
                return
            assert isinstance(item, Event)
            item.set()

    def _next(self) -> Job | Event | None:
        """The next thing to do; meanwhile copies land."""
        while self._flights:
            if len(self._flights) < MOST:
                with contextlib.suppress(Empty):
                    return self._jobs.get_nowait()
            self._land()
        return self._jobs.get()

    def _begin_with(self, item: Job) -> object:
        """Begin a job, and with it those that wait behind it; return what is to be done next."""
        if not self._sink.settled(item.file):
            self._begin(item)
            return _NOTHING
        found: Job | Event | None = item
        waits: list[Job] = [item]
        after: object = _NOTHING
        try:
            with self._sink.device.together():
                for left in range(TOGETHER, 0, -1):
                    if not isinstance(found, Job) or not self._sink.settled(found.file):
                        after = found
                        break
                    waits.clear()
                    self._begin(found)
                    if left == 1 or len(self._flights) >= MOST:
                        break
                    found = self._jobs.get_nowait()
        except Empty:
            pass
        except Exception as error:  # noqa: BLE001 - it becomes the job's
            # Those that were begun find that out for themselves; the first may not have been.
            self._fail(waits, error)
        return after

    def _begin(self, job: Job) -> None:
        if self._error is not None:
            job.error = self._error
            self._end([job])
            return
        try:
            # What is hashed on the device anyway is hashed here only where it is wrong there.
            known = not self._sink.proves(job.file, job.offset)
            if known and digest(job.data) != job.wanted:
                self._end([job])
                return
            flight = self._sink.begin(job.file, job.sbn, job.offset, job.data, known=known)
        except Exception as error:  # noqa: BLE001 - it becomes the job's
            self._fail([job], error)
            return
        if flight is None:
            job.right = True
            self._end([job])
        else:
            self._flights.append((job, flight))

    def _land(self) -> None:
        """Wait for the oldest copy, and take all that are done with it."""
        landed = [self._flights.popleft()]
        try:
            landed[0][1].ticket.wait()
            while self._flights and self._flights[0][1].ticket.done():
                landed.append(self._flights.popleft())
            refuted = self._sink.land([flight for _, flight in landed])
        except Exception as error:  # noqa: BLE001 - it becomes the job's
            self._fail([job for job, _ in landed], error)
            return
        for job, flight in landed:
            job.right = not any(flight is wrong for wrong in refuted)
        self._end([job for job, _ in landed])

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        if isinstance(error, RuntimeError):
            try:
                with self._sink.device.explained("a block was brought there"):
                    raise error
            except DeliveryError as said:
                error = said
        elif not isinstance(error, ToolkitError):
            name = self._sink.device.name
            error = DeliveryError(f"{name}: a block could not be brought there: {error}")
        if self._error is None:  # What comes behind the first says less.
            self._error = error if isinstance(error, DeliveryError) else DeliveryError(str(error))
        for job in jobs:
            job.error = self._error
        self._end(jobs)
