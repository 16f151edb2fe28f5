"""A wire that loses packets, to try what happens: around any other, never inside it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from toolkit.delivery.burst import Burst
from toolkit.delivery.landing import Landing
from toolkit.transport.udp import Wire


class LossyWire:
    """Loses a share `loss` of what is sent and of what is received; the same for the same seed."""

    def __init__(self, inner: Wire, loss: float, seed: int) -> None:
        self._inner = inner
        self._loss = loss
        self._chance = random.Random(seed).random

    def fileno(self) -> int:
        return self._inner.fileno()

    def send(self, parts: Sequence[bytes | memoryview], to: tuple[str, int]) -> None:
        if self._chance() >= self._loss:
            self._inner.send(parts, to)

    def send_burst(self, burst: Burst, to: tuple[str, int]) -> None:
        for packet in burst.packets():
            self.send((packet.header, packet.payload), to)

    def receive_batch(self, landing: Landing) -> None:  # noqa: ARG002 - one by one, to lose some
        return None

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        while True:
            arrived = self._inner.receive()
            if arrived is None or self._chance() >= self._loss:
                return arrived
