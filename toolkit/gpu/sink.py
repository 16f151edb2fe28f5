"""Deliveries into device memory: a Sink around a Sink.

Blocks of safetensors files go to a device as they come, in whatever order once the file's header is
here (`Receiver(headers_first=True)`); all other files, and those too where `weights` is `both`, go
to the sink inside.  A block that is on the device is hashed there and
compared with the manifest's list, and only then counted: what landed is proven, not only what was
received.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.ports import Landed, Sink
from toolkit.delivery.proving import ProvingSink
from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import DeliveryError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.proving import Flight, Prover
from toolkit.gpu.reader import Window
from toolkit.gpu.reading import load_file, window_for
from toolkit.gpu.slices import WHOLE, Shard

BATCH = 32
"""Blocks of an earlier run that are loaded before they are checked."""


class DeviceSink:
    """A Sink that fills `device`.

    `inner` keeps the files beside the weights, and the weights too where `weights` is `both`.
    `check`: hash every block on the device.  `passing`: as `DeviceModel` has it.
    """

    def __init__(
        self,
        inner: Sink,
        device: Device,
        *,
        shard: Shard = WHOLE,
        weights: Literal["both", "gpu"] = "both",
        check: bool = True,
        passing: bool = False,
    ) -> None:
        self.inner = inner
        self.device = device
        self.model = DeviceModel(device, shard, passing=passing)
        self._keeps = weights == "both"
        digests = DeviceDigests(device) if check else None
        self._prover = Prover(device, self.model, digests)
        self._lock = self._prover.lock
        self._placed = False
        self._window: Window | None = None
        """While an earlier run's blocks are read."""
        self._loaded: dict[int, bytes] = {}
        """Which blocks of a file were on disk, and are on the device."""

    @property
    def checked(self) -> int:
        """Bytes that were hashed on the device and are right."""
        return self._prover.checked

    @property
    def digest_kind(self) -> str:
        """How blocks are hashed on the device; empty: they are not."""
        digests = self._prover.digests
        return "" if digests is None else digests.kind

    def digest_troubles(self) -> list[str]:
        """Faster ways to hash on the device that do not work here, and why not."""
        digests = self._prover.digests
        refused = {} if digests is None else digests.refused
        return [f"{kind}: {why}" for kind, why in refused.items()]

    def tensor(self, path: str, entry: TensorEntry) -> Tensor:
        """Return a tensor that is ready; see `DeviceModel.tensor`."""
        return self.model.tensor(entry.name, path)

    # ----- Sink

    def recall(self) -> bytes | None:
        return self.inner.recall()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        with self._lock:
            inner = self.inner
            self.model.open(opened)
            self._prover.clear()
            self._loaded.clear()
            self._placed = False
            if self._proves_disk and isinstance(inner, ProvingSink):
                with window_for(self.model) as self._window:
                    landed = inner.open_proving(envelope, opened, self._prove)
            else:
                landed = inner.open(envelope, opened)
            for number in list(self.model.files):
                landed[number] = self._left(number, landed[number])
            self._keep_names(landed, [f.size for f in opened.manifest.files])
            return landed

    def _prove(self, number: int, file: Path, digests: bytes, claims: bytes) -> bytes:
        """Bring the blocks that are on disk to the device; which are right is found out there."""
        held, inner = self.model.files.get(number), self.inner
        assert isinstance(inner, ProvingSink)
        if held is not None and self._window is not None:
            held.digests = digests
            found = load_file(self._prover, self.model, number, file, claims, self._window)
            if found is not None:
                self._loaded[number] = found
                return found
        return inner.prove(number, file, digests, claims)

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

    def settled(self, file: int) -> bool:
        """Whether it is known where a file's blocks go: then they may be begun together."""
        held = self.model.files.get(file)
        return held is not None and held.layout is not None

    def proves(self, file: int, offset: int) -> bool:
        """Whether a block may be brought of which nobody knows that it is right: see `begin`."""
        return self._prover.proves(file, offset)

    def begin(
        self, file: int, block: int, offset: int, data: memoryview, *, known: bool = True
    ) -> Flight | None:
        """Store a block, and begin to bring it to the device; None: it is not for there.

        `data` stays as it is until the flight has landed.  `known`: its digest is right; else it
        is stored after that was found out on the device.
        """
        held = self.model.files.get(file)
        if held is None or (self._keeps and known):
            self.inner.write(file, block, offset, data)
        if held is None:
            self.model.keep(file, offset, data)
            return None
        with self._lock:
            if self._there(file, block):
                return None
            staged = held.put(offset, data)
            ticket = self.device.shared_ticket(data)
            return Flight(file, block, offset, len(data), data, ticket, staged, known)

    def land(self, flights: Sequence[Flight]) -> list[Flight]:
        """These are on the device: prove it, and count them; see `Prover.land`.

        Returns those that were not `known`, and are wrong.
        """
        late = [] if not self._keeps else [flight for flight in flights if not flight.known]
        refuted = self._prover.land(flights)
        for flight in late:
            if flight.known and flight.data is not None:
                self.inner.write(flight.file, flight.block, flight.offset, flight.data)
        return refuted

    def _there(self, file: int, block: int) -> bool:
        """Whether the device holds a block already; it is counted then."""
        del file, block
        return False

    # ----- what an earlier run left on disk

    @property
    def _proves_disk(self) -> bool:
        """Whether what is on disk is read here, and nowhere else."""
        return self._keeps

    def _left(self, file: int, there: Landed) -> Landed:
        """What of a file an earlier run left on disk is brought to the device."""
        if not self._keeps:
            return Landed(None, bytes(len(there.blocks)))
        if there.digests is None:
            return there
        if self._proves_disk and isinstance(self.inner, ProvingSink):
            if self._loaded.get(file, there.blocks) != there.blocks:
                # The file is not where it was: all of it comes again.
                self._prover.forget(file)
                self.model.restart(file)
            self.model.files[file].digests = there.digests
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
