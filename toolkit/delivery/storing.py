"""Blocks that wait to be checked and stored, beside the reception.

Pure: a job says what is to be done, a desk does it.  Without a desk a receiver does it itself, at
once.  A job's memory belongs to the desk from `put` until the job is among the `finished`.
"""

from __future__ import annotations

from typing import Protocol

from toolkit.delivery.manifest import digest
from toolkit.delivery.ports import Sink
from toolkit.errors import DeliveryError


class Job:
    """Block `sbn` of a file: compare its digest with `wanted`, and write it."""

    __slots__ = ("data", "error", "file", "offset", "right", "sbn", "wanted")

    def __init__(self, file: int, sbn: int, offset: int, data: memoryview, wanted: bytes) -> None:
        self.file, self.sbn, self.offset = file, sbn, offset
        self.data, self.wanted = data, wanted
        self.right = False
        """Its digest was right, and it is written."""
        self.error: DeliveryError | None = None

    def run(self, sink: Sink) -> None:
        """Do it; touches nothing but the job and the sink."""
        if digest(self.data) != self.wanted:
            return
        try:
            sink.write(self.file, self.sbn, self.offset, self.data)
            self.right = True
        except DeliveryError as error:
            self.error = error


class Desk(Protocol):
    """Does jobs in their order, sooner or later."""

    def put(self, job: Job) -> None: ...

    def finished(self) -> list[Job]:
        """Return those that were done since this was asked last."""
        ...

    def drain(self) -> None:
        """Come back when all are done."""
        ...


class WaitableDesk(Desk, Protocol):
    """A desk that works beside the reception, and that a runtime can wait for."""

    def fileno(self) -> int:
        """Readable when jobs are done."""
        ...
