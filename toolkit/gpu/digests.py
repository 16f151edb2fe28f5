"""BLAKE3 over a device's memory: what landed there is proven, not only what was received.

Three ways, the first that works is taken and named in `kind`:

- `blake3 wheel`: the CPU, over the tensor's own memory
- `triton`: our kernels for CUDA (`blake3_triton.py`)
- `torch operations`: tensor operations (`blake3_torch.py`), where Triton is missing or refuses

The kernels are tried on published vectors first: a compiler that gets them wrong is as good as
none.  That also compiles them before the first block comes, which takes seconds once per machine
(Triton keeps the result in ~/.triton, or TRITON_CACHE_DIR).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from toolkit.errors import EnvironmentProblem
from toolkit.gpu.door import Device, Tensor

DIGEST_SIZE = 32

WHEEL, TRITON, OPERATIONS = "blake3 wheel", "triton", "torch operations"

KNOWN = {
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}
"""Length -> published digest of the bytes 0, 1, ... 250, 0, 1, ..."""


class Refused(Exception):  # noqa: N818 - nobody's mistake: the next way is tried
    """This way does not work here; the text says why."""


Digest = Callable[[Sequence[Tensor]], list[bytes]]


class DeviceDigests:
    """32-byte BLAKE3 digests of memory of `device`."""

    def __init__(self, device: Device, *, kinds: Sequence[str] = ()) -> None:
        """Take the first of `kinds` that works; without `kinds`, whatever suits the device."""
        self._device = device
        self.refused: dict[str, str] = {}
        """Ways that were tried before the one taken, and why they do not work here."""
        usual = (WHEEL, OPERATIONS) if device.is_cpu else (TRITON, OPERATIONS)
        for kind in kinds or usual:
            try:
                self._digest = _WAYS[kind](device)
            except Refused as refused:
                self.refused[kind] = str(refused)
            else:
                self.kind = kind
                return
        raise EnvironmentProblem(
            f"{device.name}: no digests: " + "; ".join(f"{k}: {w}" for k, w in self.refused.items())
        )

    def blake3(self, ranges: Sequence[Tensor]) -> list[bytes]:
        """The digest of each range: tensors of bytes in one piece, of any length and alignment.

        Reads what the caller's current stream has written so far, and waits for the result.
        """
        torch, handle = self._device.torch, self._device.handle
        for number, part in enumerate(ranges):
            if part.dtype != torch.uint8 or part.dim() != 1 or not part.is_contiguous():
                raise ValueError(f"range {number}: not one row of bytes in one piece")
            if part.device.type != handle.type or handle.index not in (None, part.device.index):
                raise ValueError(f"range {number}: on {part.device}, not on {handle}")
        return self._digest(ranges) if ranges else []


def _wheel(device: Device) -> Digest:
    if not device.is_cpu:
        raise Refused("it reads host memory only")
    try:
        from blake3 import blake3
    except ImportError:
        raise Refused("blake3 is not installed") from None
    return lambda ranges: [bytes(blake3(memoryview(part.numpy())).digest()) for part in ranges]


def _triton(device: Device) -> Digest:
    try:
        from toolkit.gpu import blake3_triton
    except ImportError as error:
        raise Refused(f"Triton is not installed ({error})") from None
    if device.is_cpu and not blake3_triton.interpreted():
        raise Refused("it needs a CUDA device (or TRITON_INTERPRET=1)")
    digest = _unpacked(device, blake3_triton.blake3)
    try:
        right = _right(device, digest)
    except Exception as error:  # noqa: BLE001 - whatever Triton, its compiler or the driver says
        text = str(error).strip().splitlines() or [""]
        raise Refused(f"{type(error).__name__}: {text[0]}") from None
    if not right:
        raise Refused("its digests of the published vectors are wrong here")
    return digest


def _operations(device: Device) -> Digest:
    from toolkit.gpu import blake3_torch

    return _unpacked(device, blake3_torch.blake3)


def _unpacked(device: Device, words: Callable[[Any, Sequence[Tensor]], Tensor]) -> Digest:
    """The digests as bytes out of a function that leaves them on the device as words."""
    torch = device.torch

    def digest(ranges: Sequence[Tensor]) -> list[bytes]:
        if device.is_cpu:
            found = words(torch, ranges)
        else:
            with torch.cuda.device(device.handle):
                found = words(torch, ranges).cpu()
        data = found.numpy().tobytes()
        return [data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE)]

    return digest


def _right(device: Device, digest: Digest) -> bool:
    """Say whether known digests come out, also at odd addresses."""
    torch = device.torch
    content = torch.arange(max(KNOWN), dtype=torch.int32).remainder(251).to(torch.uint8)
    parts = []
    for skew, length in zip((1, 3, 0), KNOWN, strict=True):
        place = torch.empty(length + skew, dtype=torch.uint8, device=device.handle)[skew:]
        place.copy_(content[:length])
        parts.append(place)
    return [d.hex() for d in digest(parts)] == list(KNOWN.values())


_WAYS: dict[str, Callable[[Device], Digest]] = {
    WHEEL: _wheel,
    TRITON: _triton,
    OPERATIONS: _operations,
}
