"""A seeded bad network on a clock that jumps: one sender, its receivers, and what lies between.

Every packet and message may be dropped, delayed, overtaken, doubled or corrupted, as the network's
own random numbers say; the same seed gives the same run.  Time is a number that jumps to the next
thing that happens, so a delivery of a simulated minute takes milliseconds.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.breaker import Limits
from toolkit.delivery.events import Feedback
from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.manifest import Manifest, OpenedManifest, digest
from toolkit.delivery.model import Coding, FileEntry, Session, Stretch
from toolkit.delivery.ports import Basis, Landed
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sealing import cut
from toolkit.delivery.sender import Sender
from toolkit.delivery.trust import Admit, admit_all
from toolkit.errors import DeliveryError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = KEY.public_key().public_bytes_raw()


class MemorySource:
    """A Source of bytes in memory; `changed` holds blocks that no longer are what was scanned."""

    def __init__(
        self, files: dict[str, bytes], coding: Coding, name: str = "model", *, sealed: bool = False
    ) -> None:
        self.files = files
        self.changed: set[tuple[int, int]] = set()
        self.digests = tuple(_digests(content, coding, sealed) for content in files.values())
        entries = tuple(
            FileEntry(path=path, size=len(content), root=digest(listed))
            for (path, content), listed in zip(files.items(), self.digests, strict=True)
        )
        self.manifest = Manifest(name=name, coding=coding, files=entries, sealed=sealed)

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        if (file, block) in self.changed:
            raise DeliveryError("model: changed while it was being sent")
        part = self.manifest.cut(self.manifest.files[file].size)
        content = self.files[self.manifest.files[file].path]
        buffer[:] = content[part.offset(block) :][: part.size(block)]

    def read_block(self, file: int, block: int) -> bytes:
        """A block on its own, for tests of sinks."""
        buffer = bytearray(self.manifest.cut(self.manifest.files[file].size).size(block))
        self.read_into(file, block, memoryview(buffer))
        return bytes(buffer)


def _digests(content: bytes, coding: Coding, sealed: bool) -> bytes:
    part = cut(len(content), coding.symbol, coding.block, sealed=sealed)
    return b"".join(digest(content[part.offset(b) :][: part.size(b)]) for b in range(part.blocks))


class MemorySink:
    """A Sink in memory that outlives its receiver, as a disk does, and checks what it is given."""

    def __init__(self, truth: dict[str, bytes]) -> None:
        self.truth = truth
        self.envelope: bytes | None = None
        self.manifest: Manifest | None = None
        self.lists: dict[int, bytes] = {}
        self.staged: dict[int, bytearray] = {}
        self.journal: dict[int, bytearray] = {}
        self.placed: dict[str, bytes] | None = None
        self.writes: dict[tuple[int, int], int] = {}
        self.full_after: int | None = None

    def recall(self) -> bytes | None:
        return self.envelope

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        manifest = opened.manifest
        if envelope != self.envelope:
            self.envelope, self.manifest, self.lists = envelope, manifest, {}
            parts = [manifest.cut(f.size) for f in manifest.files]
            self.staged = {i: bytearray(f.size) for i, f in enumerate(manifest.files)}
            self.journal = {i: bytearray(p.blocks) for i, p in enumerate(parts)}
        return [Landed(self.lists.get(i), bytes(j)) for i, j in self.journal.items()]

    def put_digests(self, file: int, digests: bytes) -> None:
        self.lists[file] = digests

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        assert self.manifest is not None
        if self.full_after is not None and len(self.writes) >= self.full_after:
            raise DeliveryError("disk: no space is left")
        truth = self.truth[self.manifest.files[file].path]
        assert truth[offset : offset + len(data)] == data, "a wrong block was written"
        self.writes[file, block] = self.writes.get((file, block), 0) + 1
        self.staged[file][offset : offset + len(data)] = data
        self.journal[file][block] = 1

    def read(self, file: int, offset: int, length: int) -> bytes:
        return bytes(self.staged[file][offset : offset + length])

    def place(self) -> None:
        assert self.manifest is not None
        assert all(all(j) for j in self.journal.values()), "placed before all was verified"
        self.placed = {
            entry.path: bytes(self.staged[i]) for i, entry in enumerate(self.manifest.files)
        }
        self.envelope = None

    def close(self) -> None:
        pass


@dataclass
class Weather:
    """What the network does to packets; probabilities, and seconds."""

    loss: float = 0.0
    delay: float = 0.005
    jitter: float = 0.0
    """Added to the delay, up to this much: packets overtake each other."""
    double: float = 0.0
    corrupt: float = 0.0
    """Of packets to receivers: a byte behind the header is changed."""


@dataclass
class Net:
    """Run with `run`; do things at a time with `at`."""

    files: dict[str, bytes]
    names: Sequence[str]
    seed: int = 0
    weather: Weather = field(default_factory=Weather)
    coding: Coding = field(default_factory=lambda: Coding(symbol=64, block=8, parity=32))
    targeted: bool = True
    rate: int = 10_000_000
    gather: float = 0.5
    timeout: float = 20.0
    window: int = 64 * 2**20
    interleave: int = 2
    order: tuple[Stretch, ...] = ()
    limits: Limits = field(default_factory=Limits)
    """Of the circuit breaker."""
    basis: Callable[[str], Basis | None] = lambda name: None
    """Where each receiver looks for blocks that it has already."""
    absent: Sequence[str] = ()
    """Receivers that are not started by `run`."""
    seal_key: bytes | None = None
    admit: Admit = admit_all

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.now = 0.0
        self.source = MemorySource(self.files, self.coding, sealed=self.seal_key is not None)
        session = Session(
            name="model", tsi=7, key=KEY, rate=self.rate, gather=self.gather,
            timeout=self.timeout, targeted=self.targeted, window=self.window, breaker=self.limits,
            interleave=self.interleave, order=self.order,
            seal_key=self.seal_key,
        )  # fmt: skip
        self.sender = Sender(session, self.source, self.names)
        self.sinks = {name: MemorySink(self.files) for name in self.names}
        self.receivers: dict[str, Receiver] = {}
        self.outputs: dict[str, list[Output]] = {name: [] for name in self.names}
        self.delivered = dict.fromkeys(self.names, 0)
        """Packets with a payload that reached each receiver."""
        self.sent = dict.fromkeys(self.names, 0)
        self.payload: dict[int, int] = {}
        """Bytes of payload that were sent, by TOI."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._starts = 0

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, action))

    def start(self, name: str) -> None:
        """Start a receiver, or start it again with what its disk holds."""
        self._starts += 1
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout, seal_key=self.seal_key,
            admit=self.admit,
            basis=self.basis(name),
        )  # fmt: skip

    def kill(self, name: str) -> None:
        self.receivers.pop(name, None)

    def kill_and_restart(self, name: str, when: float, pause: float) -> None:
        """Kill a receiver that has not finished, and start it again after `pause` seconds."""

        def kill() -> None:
            if name in self.receivers and self.sinks[name].placed is None:
                self.kill(name)
                self.at(self.now + pause, lambda: self.start(name))

        self.at(when, kill)

    def run(self, limit: float = 600.0) -> None:
        """Until everybody has ended; AssertionError when that takes longer than `limit`."""
        for name in self.names:
            if name not in self.absent:
                self.start(name)
        steps = 0
        while True:
            steps += 1
            assert steps < 200_000, "the engines ask for attention without end"
            sender_due = self.sender.deadline
            dues = [r.deadline for r in self.receivers.values() if r.deadline is not None]
            if sender_due is not None:
                dues.append(sender_due)
            if self._events:
                dues.append(self._events[0][0])
            over = self.sender.finished and all(r.finished for r in self.receivers.values())
            if over and not self._events:
                return
            if not dues:
                return
            self.now = max(self.now, min(dues))
            assert self.now < limit, "a delivery did not end"
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            for name, receiver in list(self.receivers.items()):
                due = receiver.deadline
                if due is not None and due <= self.now:
                    self._handle(name, receiver.expire(self.now))
            if sender_due is not None and sender_due <= self.now:
                self._send()

    def _send(self) -> None:
        for packet in self.sender.poll(self.now, 64):
            datagram = packet.header + packet.payload
            if packet.payload:
                self.payload[packet.toi] = self.payload.get(packet.toi, 0) + len(packet.payload)
            for bit, name in enumerate(self.names):
                if packet.mask >> bit & 1:
                    self.sent[name] += bool(packet.payload)
                    self._carry(lambda d, n=name: self._arrive(n, d), datagram, noisy=True)

    def _arrive(self, name: str, datagram: bytes) -> None:
        receiver = self.receivers.get(name)
        if receiver is not None:
            self.delivered[name] += len(datagram) > 40
            self._handle(name, receiver.receive(datagram, self.now))

    def _handle(self, name: str, outputs: list[Output]) -> None:
        for output in outputs:
            self.outputs[name].append(output)
            if isinstance(output, Feedback):
                self._carry(
                    lambda m, n=name: self.sender.receive(n, m, self.now), output.message,
                    noisy=False,
                )  # fmt: skip

    def _carry(self, land: Callable[[bytes], object], data: bytes, noisy: bool) -> None:
        weather, chance = self.weather, self.random.random
        copies = 2 if chance() < weather.double else 1
        for _ in range(copies):
            if chance() < weather.loss:
                continue
            datagram = data
            if noisy and len(data) > 40 and chance() < weather.corrupt:
                spoiled = bytearray(data)
                spoiled[self.random.randrange(24, len(data))] ^= self.random.randrange(1, 256)
                datagram = bytes(spoiled)
            delay = weather.delay + weather.jitter * chance()
            self.at(self.now + delay, lambda d=datagram: land(d))
