"""An agent as its host sees it: what it has been told, and what it has said."""

from __future__ import annotations

import select
from collections.abc import Sequence

from toolkit.gpu.share import wire
from toolkit.gpu.share.link import Link
from toolkit.gpu.share.window import Window


class Guest:
    """One connection.  `number` is 0 until it has said who it is."""

    def __init__(self, link: Link, now: float) -> None:
        self.link = link
        self.name = ""
        self.pid, self.user = link.credentials()
        self.number = 0
        self.heard = now
        self.blocks = self.bytes = 0
        """As it has said."""
        self.waited = 0.0
        """Seconds that all others waited for it alone."""
        self.warned = False
        """It was said that it is slow."""
        self.placed = False
        self.failure = ""
        """Why it went before it had everything; empty: it is here, or had everything."""
        self.asks = select.EPOLLIN
        """What its host waits for."""
        self._slabs = 0
        """Slabs that it was given."""

    def __str__(self) -> str:
        return f"{self.name or 'somebody'} (process {self.pid})"

    def give_slabs(self, window: Window) -> None:
        """Give it what has been added to the window."""
        while self._slabs < len(window.sizes):
            size = window.sizes[self._slabs]
            self.link.send(wire.Slab(self._slabs, size), window.descriptor(self._slabs))
            self._slabs += 1

    def give_manifest(self, envelope: bytes) -> None:
        for part in wire.manifest_parts(envelope):
            self.link.send(part)

    def give_digests(self, file: int, digests: bytes) -> None:
        for part in wire.digests_parts(file, digests):
            self.link.send(part)

    def give_stored(self, file: int, there: bytes | bytearray) -> None:
        for stored in wire.stored_runs(file, there):
            self.link.send(stored)

    def give_blocks(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.link.send_raw(message)

    def give_file(self, file: int, descriptor: int) -> None:
        self.link.send(wire.File(file), descriptor, close=True)
