"""Deliveries into device memory: a Sink around a Sink.

Blocks of safetensors files go to a device as they are verified, in whatever order they come once
the file's header is here (`Receiver(headers_first=True)`); all other files, and those too where
`weights` is `both`, go to the sink inside.  A block that is on the device is hashed there once
more and compared with the manifest's list, and only then counted: what landed is proven, not only
what was received.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Literal

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.ports import Landed, Sink
from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import DeliveryError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor, Ticket
from toolkit.gpu.files import is_weights
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.slices import WHOLE, Shard

BATCH = 32
"""Blocks of an earlier run that are loaded before they are checked."""


@dataclass(slots=True)
class Flight:
    """A block on its way to the device."""

    file: int
    block: int
    offset: int
    size: int
    data: memoryview | None
    """Its bytes in the window; None: the window has taken them back."""
    ticket: Ticket
    staged: Tensor = None
    """The block on the device, where it was taken apart there."""


class DeviceSink:
    """A Sink that fills `device`.

    `inner` keeps the files beside the weights, and the weights too where `weights` is `both`.
    `check`: hash every block on the device.
    """

    def __init__(
        self,
        inner: Sink,
        device: Device,
        *,
        shard: Shard = WHOLE,
        weights: Literal["both", "gpu"] = "both",
        check: bool = True,
    ) -> None:
        self.inner = inner
        self.device = device
        self.model = DeviceModel(device, shard)
        self.checked = 0
        """Bytes that were hashed on the device and are right."""
        self._keeps = weights == "both"
        self._digests = DeviceDigests(device) if check else None
        self._lock = RLock()
        self._placed = False
        self._early: dict[int, list[Flight]] = {}
        """Blocks of headers that are not whole yet, by file."""

    @property
    def digest_kind(self) -> str:
        """How blocks are hashed on the device; empty: they are not."""
        return "" if self._digests is None else self._digests.kind

    def tensor(self, path: str, entry: TensorEntry) -> Tensor:
        """Return a tensor that is ready; see `DeviceModel.tensor`."""
        return self.model.tensor(entry.name, path)

    # ----- Sink

    def recall(self) -> bytes | None:
        return self.inner.recall()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        with self._lock:
            manifest = opened.manifest
            landed = self.inner.open(envelope, opened)
            self.model.open(opened)
            self._placed = False
            self._early.clear()
            for number in self.model.files:
                landed[number] = self._left(number, landed[number])
            self._keep_names(landed, [f.size for f in manifest.files])
            return landed

    def put_digests(self, file: int, digests: bytes) -> None:
        held = self.model.files.get(file)
        if held is not None:
            held.digests = digests
        self.inner.put_digests(file, digests)

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        flight = self.begin(file, block, offset, data)
        if flight is not None:
            flight.ticket.wait()
            self.land([flight])

    def read(self, file: int, offset: int, length: int) -> bytes:
        held = self.model.files.get(file)
        if held is not None and held.covers(offset, length):
            return held.read(offset, length)
        if held is None or self._keeps:
            return self.inner.read(file, offset, length)
        with self._lock:
            return held.read(offset, length)

    def place(self) -> None:
        self._refuse_failed()
        self.inner.place()
        self._placed = True

    def close(self) -> None:
        """Release what is open; the tensors stay when everything was placed, else they go."""
        with self._lock:
            self.inner.close()
            if not self._placed:
                self.model.clear()

    # ----- blocks on their way

    def begin(self, file: int, block: int, offset: int, data: memoryview) -> Flight | None:
        """Store a block, and begin to bring it to the device; None: it is not for there.

        `data` stays as it is until the flight has landed.
        """
        held = self.model.files.get(file)
        if held is None or self._keeps:
            self.inner.write(file, block, offset, data)
        if held is None:
            self.model.keep(file, offset, data)
            return None
        with self._lock:
            if self._there(file, block):
                return None
            staged = held.put(offset, data)
            return Flight(file, block, offset, len(data), data, self.device.ticket(data), staged)

    def land(self, flights: Sequence[Flight]) -> None:
        """These are on the device: prove it, and count them.

        One that is wrong is copied again.  Raises DeliveryError where that does not help.
        """
        with self._lock:
            ripe = [late for flight in flights for late in self._ripe(flight)]
            for wrong in self._wrong(ripe):
                held = self.model.files[wrong.file]
                if wrong.data is not None:
                    wrong.staged = held.put(wrong.offset, wrong.data)
                if wrong.data is None or self._wrong([wrong]):
                    raise DeliveryError(
                        f"{self.device.name}: block {wrong.block} of {held.path} is another in the "
                        "device's memory than was received: the memory, or the way to it, is "
                        "broken (test it, or use another device; what is on disk is kept)"
                    )
            for flight in ripe:
                self.model.count(flight.file, flight.offset, flight.size)

    def _ripe(self, flight: Flight) -> list[Flight]:
        """The flights that can be looked at now that this one has landed."""
        held = self.model.files[flight.file]
        if held.failure:
            self._early.pop(flight.file, None)
            return []
        if held.layout is None:
            flight.data = None
            self._early.setdefault(flight.file, []).append(flight)
            return []
        return [*self._early.pop(flight.file, ()), flight]

    def _wrong(self, flights: Sequence[Flight]) -> list[Flight]:
        """Those of which the device holds other bytes than the manifest says."""
        if self._digests is None:
            return []
        looked, ranges = [], []
        with self.device.working():
            for flight in flights:
                held = self.model.files[flight.file]
                # What is another rank's is not here: then the whole block that was brought counts.
                there = held.landed(flight.offset, flight.size)
                there = flight.staged if there is None else there
                if there is not None and held.digests:
                    looked.append(flight)
                    ranges.append(there)
            found = self._digests.blake3(ranges) if ranges else []
        wrong = []
        for flight, digest in zip(looked, found, strict=True):
            if digest == self.model.files[flight.file].digest(flight.block):
                self.checked += flight.size
            else:
                wrong.append(flight)
        return wrong

    def _there(self, file: int, block: int) -> bool:
        """Whether the device holds a block already; it is counted then."""
        del file, block
        return False

    # ----- what an earlier run left on disk

    def _left(self, file: int, there: Landed) -> Landed:
        """What of a file an earlier run left on disk is brought to the device."""
        if not self._keeps:
            return Landed(None, bytes(len(there.blocks)))
        if there.digests is None:
            return there
        self.model.files[file].digests = there.digests
        return Landed(there.digests, self._load(file, there.blocks))

    def _load(self, file: int, there: bytes) -> bytes:
        """Bring stored blocks to the device; return which of them are there."""
        held, flights, blocks = self.model.files[file], [], bytearray(len(there))
        for block, stored in enumerate(there):
            if not stored:
                if held.layout is None and not held.failure:
                    break  # The header is not whole: what is behind it comes again.
                continue
            blocks[block] = 1
            if self._there(file, block):
                continue
            start, size = held.cut.offset(block), held.cut.size(block)
            data = memoryview(bytearray(self.inner.read(file, start, size)))
            staged = held.put(start, data)
            ticket = self.device.ticket(data)
            flights.append(Flight(file, block, start, size, data, ticket, staged))
            if len(flights) >= BATCH:
                self._land_all(flights)
        self._land_all(flights)
        return bytes(blocks)

    def _land_all(self, flights: list[Flight]) -> None:
        for flight in flights:
            flight.ticket.wait()
        self.land(flights)
        flights.clear()

    def _keep_names(self, landed: list[Landed], sizes: list[int]) -> None:
        """Index files of which an earlier run has stored blocks are read again."""
        manifest = self.model.manifest
        for number, (there, size) in enumerate(zip(landed, sizes, strict=True)):
            if number in self.model.kept and 1 in there.blocks and manifest is not None:
                part = manifest.cut(size)
                for block, stored in enumerate(there.blocks):
                    if stored:
                        start = part.offset(block)
                        data = self.inner.read(number, start, part.size(block))
                        self.model.keep(number, start, memoryview(data))

    def _refuse_failed(self) -> None:
        """Weights that only go to the device must have gone there."""
        failed = [f"{h.path}: {h.failure}" for h in self.model.files.values() if h.failure]
        if failed and not self._keeps:
            raise DeliveryError(
                "not safetensors files, and kept nowhere else; nothing was placed "
                f"(--weights both keeps them on disk): {'; '.join(failed)}"
            )


__all__ = ["DeviceSink", "Flight", "is_weights"]
