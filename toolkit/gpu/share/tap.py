"""A Sink around the host's own that lets the agents know what it is given.  Pure."""

from __future__ import annotations

from typing import Protocol

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.ports import Landed, Sink


class Heard(Protocol):
    """What is told of what a sink is given."""

    def opened(self, envelope: bytes, landed: list[Landed]) -> None: ...

    def digests(self, file: int, digests: bytes) -> None: ...

    def right(self, file: int, block: int) -> None: ...

    def supplied(self, file: int, block: int, data: memoryview) -> None: ...

    def placed(self) -> None: ...


class ShareSink:
    """A Sink around the host's own.

    `write` may be called in another thread, for blocks that the host's own desk has.  Where that
    desk stores them by another way than this sink, agents are told when it is done.
    """

    def __init__(self, share: Heard, inner: Sink) -> None:
        self._share, self._inner = share, inner

    def recall(self) -> bytes | None:
        return self._inner.recall()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        landed = self._inner.open(envelope, opened)
        self._share.opened(envelope, landed)
        return landed

    def put_digests(self, file: int, digests: bytes) -> None:
        self._inner.put_digests(file, digests)
        self._share.digests(file, digests)

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        self._share.right(file, block)
        self._inner.write(file, block, offset, data)
        self._share.supplied(file, block, data)

    def read(self, file: int, offset: int, length: int) -> bytes:
        return self._inner.read(file, offset, length)

    def place(self) -> None:
        self._inner.place()
        self._share.placed()

    def close(self) -> None:
        self._inner.close()
