"""Blocks that have landed on a device: hashed there, compared with the manifest, and counted.

A block whose bytes nobody has hashed on the host is proven by this alone: what the device holds is
what was read, or received, and both are what the manifest says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock

from toolkit.delivery.manifest import digest
from toolkit.errors import DeliveryError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.ticket import Ticket


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
    known: bool = True
    """Its bytes were hashed on the host, and are right."""


class Prover:
    """Proves what lands in `model`.  `digests` None: nothing is hashed on the device."""

    def __init__(self, device: Device, model: DeviceModel, digests: DeviceDigests | None) -> None:
        self.digests = digests
        self.checked = 0
        """Bytes that were hashed on the device and are right."""
        self.lock = RLock()
        self.device = device
        self.model = model
        self._early: dict[int, list[Flight]] = {}
        """Blocks of headers that are not whole yet, by file."""

    def clear(self) -> None:
        """Forget what has not been counted."""
        self._early.clear()

    def forget(self, file: int) -> None:
        """Forget it of one file."""
        self._early.pop(file, None)

    def proves(self, file: int, offset: int) -> bool:
        """Whether a block that is brought now is hashed on the device: on the host it need not be.

        Of a header it must: what it says is believed before it has landed.
        """
        held = self.model.files.get(file)
        if held is None or self.digests is None or held.layout is None:
            return False
        return bool(held.digests) and offset >= held.layout.header

    def land(self, flights: Sequence[Flight]) -> list[Flight]:
        """These are on the device: prove and count them.

        One that is wrong there and right here is copied again: DeliveryError where that does not
        help.  Returns those that are wrong here too: nobody knew them, and they are not counted.
        """
        with self.lock:
            ripe = [late for flight in flights for late in self._ripe(flight)]
            refuted: dict[tuple[int, int], Flight] = {}
            for wrong in self._wrong(ripe):
                held = self.model.files[wrong.file]
                if not self._known(wrong):
                    refuted[wrong.file, wrong.block] = wrong
                    continue
                if wrong.data is not None:
                    wrong.staged = held.put(wrong.offset, wrong.data)
                    self.device.ticket().wait()
                if wrong.data is None or self._wrong([wrong]):
                    raise DeliveryError(
                        f"{self.device.name}: block {wrong.block} of {held.path} is another in "
                        "the device's memory than was received: the memory, or the way to it, is "
                        "broken (test it, or use another device; what is on disk is kept)"
                    )
            for flight in ripe:
                if (flight.file, flight.block) not in refuted:
                    self.model.count(flight.file, flight.offset, flight.size)
            return [*refuted.values()]

    def _ripe(self, flight: Flight) -> list[Flight]:
        """The flights that can be looked at now that this one has landed."""
        held = self.model.files[flight.file]
        if held.failure:
            self._early.pop(flight.file, None)
            return []
        if not held.placed:
            flight.data = None
            self._early.setdefault(flight.file, []).append(flight)
            return []
        return [*self._early.pop(flight.file, ()), flight]

    def _wrong(self, flights: Sequence[Flight]) -> list[Flight]:
        """Those of which the device holds other bytes than the manifest says."""
        looked, ranges, wrong = [], [], []
        with self.device.checking():
            for flight in flights:
                held = self.model.files[flight.file]
                there = None
                if self.digests is not None and held.digests:
                    # What is another rank's is not here: the whole block that was brought counts.
                    there = held.landed(flight.offset, flight.size)
                    there = flight.staged if there is None else there
                if there is not None:
                    looked.append(flight)
                    ranges.append(there)
                elif not self._known(flight):
                    wrong.append(flight)
            found = [] if self.digests is None else self.digests.blake3(ranges)
        for flight, value in zip(looked, found, strict=True):
            if value == self.model.files[flight.file].digest(flight.block):
                self.checked += flight.size
                flight.known = True
            else:
                wrong.append(flight)
        return wrong

    def _known(self, flight: Flight) -> bool:
        """Whether a flight's bytes here are right."""
        if not flight.known and flight.data is not None:
            wanted = self.model.files[flight.file].digest(flight.block)
            flight.known = digest(flight.data) == wanted
        return flight.known
