"""BLAKE3 of bytes on a device."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from toolkit.gpu.door import Device, Tensor


class DeviceDigests:
    """Hashes 1-D contiguous uint8 tensors that are on `device`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.kind = "blake3 wheel"

    def blake3(self, ranges: Sequence[Tensor]) -> list[bytes]:
        """Return 32 bytes for each."""
        return [bytes(blake3(r.cpu().numpy().data).digest()) for r in ranges]
