"""What an agent has and lacks: from what its host tells to jobs for its own desk, and a receipt.

Pure, apart from the Sink that it is given.  Nothing of the host is believed that can be proven: the
manifest by its signature, lists of digests by the manifest, every block by its digest.  A file's
header comes first, whether it is in the window or has to be read from a file of the host's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.headers import Headers
from toolkit.delivery.manifest import DIGEST_SIZE, OpenedManifest, digest, open_manifest
from toolkit.delivery.model import Receipt
from toolkit.delivery.ports import Sink
from toolkit.delivery.sealing import Cut
from toolkit.delivery.storing import Job
from toolkit.delivery.trust import Admit, admit_all
from toolkit.errors import DeliveryError, WireError
from toolkit.gpu.share import wire

_LACKS, _UNDER_WAY, _HERE = 0, 1, 2
AHEAD = 4
"""Blocks that are read from the host's files and not stored yet, at most."""

View = Callable[[int, int, int], memoryview]
"""Slab, offset, size -> bytes of the window.  Raises WireError."""


class Reading(NamedTuple):
    """Read this from the host's file, and `give` it."""

    file: int
    block: int
    offset: int
    size: int


class _File:
    """One file of the manifest."""

    __slots__ = ("collected", "cut", "digests", "left", "state", "stored")

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.state = bytearray(cut.blocks)
        self.stored = bytearray(cut.blocks)
        """1 per block that the host has in a file."""
        self.digests: bytes | None = None
        self.collected = bytearray()
        self.left = cut.blocks


class Attached:
    """One agent.

    `trusted`: public key (32 bytes) that must have signed the manifest; None: any.  `admit`: a
    last word on it.
    """

    def __init__(
        self, name: str, sink: Sink, *, trusted: bytes | None, now: float, admit: Admit = admit_all
    ) -> None:
        self.name = name
        self.opened: OpenedManifest | None = None
        self.blocks = self.bytes = 0
        """That are here."""
        self.ended = False
        self.release: list[int] = []
        """Tickets to give back; whoever sends them clears it."""
        self.jobs: list[Job] = []
        """For the desk; whoever puts them clears it."""
        self._sink, self._trusted, self._admit = sink, trusted, admit
        self._envelope = bytearray()
        self._files: list[_File] = []
        self._headers: Headers | None = None
        self._parked: dict[int, list[tuple[wire.Block, memoryview]]] = {}
        """File -> blocks in the window that wait for its header."""
        self._tickets: dict[Job, int] = {}
        """Of jobs that are under way; 0: its bytes are our own."""
        self._reading: deque[int] = deque()
        """Files of which something is to be read at the host's."""
        self._told_all = False
        self._started = now
        self._first: float | None = None
        self._last = now

    @property
    def starved(self) -> bool:
        """The host has told of everything, and something lacks that never comes."""
        if not self._told_all or self.ended or self._tickets or self.jobs:
            return False
        return self.next_reading() is None

    @property
    def complete(self) -> bool:
        return self.opened is not None and self.blocks == sum(f.cut.blocks for f in self._files)

    # ----- what the host says

    def take(self, message: wire.Message, view: View, now: float) -> list[Output]:
        """Take a message.  Raises WireError where it is not true, DeliveryError from the sink."""
        match message:
            case wire.ManifestPart():
                return self._manifest(message, now)
            case wire.DigestsPart():
                return self._digests(message, now)
            case wire.Blocks(blocks=blocks):
                out = self._begin(now) if blocks else []
                for block in blocks:
                    self._block(block, view(block.slab, block.at, block.size))
                return out
            case wire.Stored(file=file, runs=runs):
                return self._stored(file, runs)
            case wire.Done():
                self._told_all = True
                return []
            case _:
                raise WireError(f"a {type(message).__name__}, which is not a host's to say now")

    def _manifest(self, part: wire.ManifestPart, now: float) -> list[Output]:
        if self.opened is not None or part.offset != len(self._envelope):
            raise WireError("the manifest comes in another order than it should")
        self._envelope += part.data
        if len(self._envelope) < part.total:
            return []
        envelope = bytes(self._envelope)
        opened = open_manifest(envelope, self._trusted)
        self._admit(opened)
        landed = self._sink.open(envelope, opened)
        self.opened, manifest = opened, opened.manifest
        self._headers = Headers(manifest, self._sink.read, first=True)
        out: list[Output] = [events.ManifestVerified(opened)]
        for number, (entry, there) in enumerate(zip(manifest.files, landed, strict=True)):
            file = _File(manifest.cut(entry.size))
            self._files.append(file)
            file.digests = there.digests if file.cut.blocks else b""
            for block, present in enumerate(there.blocks):
                if present:
                    out += self._count(number, block)
            if not file.cut.blocks:
                out.append(events.FileVerified(entry.path))
        return out + (self._finish(now) if self.complete else [])

    def _digests(self, part: wire.DigestsPart, now: float) -> list[Output]:
        file = self._file(part.file)
        if file.digests is not None:
            return []
        wanted = file.cut.blocks * DIGEST_SIZE
        if part.offset != len(file.collected) or part.offset + len(part.data) > wanted:
            raise WireError("a list of digests comes in another order than it should")
        file.collected += part.data
        if len(file.collected) < wanted:
            return self._begin(now)
        digests = bytes(file.collected)
        path, root = self._entry(part.file)
        if digest(digests) != root:
            raise WireError(f"{path}: the digests of the host are not those of the manifest")
        file.collected = bytearray()
        self._sink.put_digests(part.file, digests)
        file.digests = digests
        return self._begin(now)

    def _block(self, told: wire.Block, data: memoryview) -> None:
        file = self._file(told.file)
        if told.block >= file.cut.blocks or told.size != file.cut.size(told.block):
            raise WireError(f"block {told.block} of file {told.file} is none of the manifest's")
        if file.digests is None:
            raise WireError(f"a block of file {told.file} before the list of its digests")
        if file.state[told.block] != _LACKS:
            self.release.append(told.ticket)
            return
        file.state[told.block] = _UNDER_WAY
        if self._admitted(told.file, told.block):
            self._hand(told.file, told.block, data, told.ticket)
        else:
            self._parked.setdefault(told.file, []).append((told, data))

    def _stored(self, number: int, runs: Sequence[tuple[int, int]]) -> list[Output]:
        file = self._file(number)
        for first, count in runs:
            if first + count > file.cut.blocks:
                raise WireError(f"file {number} has no block {first + count - 1}")
            file.stored[first : first + count] = b"\1" * count
        if number not in self._reading:
            self._reading.append(number)
        return []

    # ----- what the host has in files

    def next_reading(self) -> Reading | None:
        """What is to be read from a file of the host's now; None: nothing, or not now."""
        if not self._reading or list(self._tickets.values()).count(0) >= AHEAD:
            return None
        for _ in range(len(self._reading)):
            number = self._reading[0]
            block = self._next_stored(number)
            if block is not None:
                part = self._files[number].cut
                return Reading(number, block, part.offset(block), part.size(block))
            if self._unread(number):
                self._reading.rotate(-1)  # Its header is under way.
            else:
                self._reading.popleft()
        return None

    def give(self, reading: Reading, data: memoryview) -> None:
        """This was read."""
        self._files[reading.file].state[reading.block] = _UNDER_WAY
        self._hand(reading.file, reading.block, data, 0)

    def _next_stored(self, number: int) -> int | None:
        file = self._files[number]
        at = file.stored.find(1)
        while at >= 0:
            if file.state[at] != _LACKS:
                file.stored[at] = 0
            elif not self._admitted(number, at) or file.digests is None:
                return None
            else:
                return at
            at = file.stored.find(1, at + 1)
        return None

    def _unread(self, number: int) -> bool:
        return 1 in self._files[number].stored

    # ----- jobs

    def _hand(self, number: int, block: int, data: memoryview, ticket: int) -> None:
        file = self._files[number]
        wanted = (file.digests or b"")[block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]
        job = Job(number, block, file.cut.offset(block), data, wanted)
        self._tickets[job] = ticket
        self.jobs.append(job)

    def done(self, jobs: Sequence[Job], now: float) -> list[Output]:
        """The desk is done with these, and the host held still meanwhile."""
        out: list[Output] = []
        for job in jobs:
            ticket = self._tickets.pop(job)
            if ticket:
                self.release.append(ticket)
            if job.error is not None:
                raise job.error
            if not job.right:
                path, _ = self._entry(job.file)
                where = "in the window of the host" if ticket else "in a file of the host's"
                raise DeliveryError(
                    f"{path}: block {job.sbn} {where} is not what the manifest says; nothing was "
                    "placed (its memory or its disk is broken, or somebody changes them: start "
                    "host and agent again)"
                )
            self._last = now
            out += self._count(job.file, job.sbn)
        return out + (self._finish(now) if self.complete and not self.ended else [])

    def _count(self, number: int, block: int) -> list[Output]:
        """A block is here."""
        file, headers = self._files[number], self._headers
        path, _ = self._entry(number)
        start, size = file.cut.offset(block), file.cut.size(block)
        file.state[block] = _HERE
        file.left -= 1
        self.blocks += 1
        self.bytes += size
        if headers is None:
            return []
        ready, more = headers.add(number, start, start + size)
        if more:
            for told, data in self._parked.pop(number, []):
                if self._admitted(number, told.block):
                    self._hand(number, told.block, data, told.ticket)
                else:
                    self._parked.setdefault(number, []).append((told, data))
        return [*ready, *([] if file.left else [events.FileVerified(path)])]

    def _admitted(self, number: int, block: int) -> bool:
        headers = self._headers
        return headers is not None and headers.admits(number, self._files[number].cut.offset(block))

    def _begin(self, now: float) -> list[Output]:
        if self._first is not None:
            return []
        self._first = now
        return [events.FirstByte()]

    def _finish(self, now: float) -> list[Output]:
        opened = self.opened
        if opened is None:
            return []
        self._sink.place()
        self.ended = True
        first = self._started if self._first is None else self._first
        receipt = Receipt(
            receiver=self.name, manifest=opened.digest, files=len(opened.manifest.files),
            bytes=opened.manifest.size, repaired=0, duplicates=0, polluted=0,
            first_byte=first - self._started, last_byte=max(self._last, first) - self._started,
            verified=now - self._started,
        )  # fmt: skip
        return [events.Completed(receipt)]

    # ----- look-ups

    def _file(self, number: int) -> _File:
        if number >= len(self._files):
            raise WireError(f"file {number}, of {len(self._files)} in the manifest")
        return self._files[number]

    def _entry(self, number: int) -> tuple[str, bytes]:
        if self.opened is None:
            raise WireError("there is no manifest yet")
        entry = self.opened.manifest.files[number]
        return entry.path, entry.root
