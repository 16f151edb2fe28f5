"""Tensors into a device's memory while the file is still being received.

The one door to torch (extra `gpu`), which is imported when a TensorSink is made.  A TensorSink is a
Sink around a Sink: files are placed as ever, and the blocks of safetensors files are copied into
one buffer per file on the device as well, each as soon as it is verified, in whatever order they
come.  On a GPU they go through pinned memory on a stream of their own, so that neither the network
nor the model waits for the other.  With `cpu` the same code runs without a GPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.ports import Landed, Sink
from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import DeliveryError, EnvironmentProblem

DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16",
    "U32": "uint32", "I32": "int32", "U64": "uint64", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""safetensors dtype -> torch dtype.  Tensors of any other are handed out as their bytes."""

PINNED_BUFFERS = 4


class TensorSink:
    """A Sink that also fills buffers on `device`: `cpu`, or the number of a CUDA device."""

    def __init__(self, inner: Sink, device: str) -> None:
        self._inner = inner
        self._torch = _import_torch()
        self._device = _device(self._torch, device)
        self._copy: Callable[[Any, memoryview], None] = _copy_bytes
        if self._device.type != "cpu":
            self._copy = _PinnedCopies(self._torch, self._device)
        self._files: dict[str, int] = {}
        self._buffers: dict[int, Any] = {}

    @property
    def device(self) -> str:
        return str(self._device)

    def tensor(self, path: str, entry: TensorEntry) -> Any:  # noqa: ANN401 - torch has no types here
        """Return a tensor that TensorReady announced; it shares the file's buffer."""
        torch = self._torch
        if isinstance(self._copy, _PinnedCopies):
            # Whoever uses the tensor on the current stream does so after its bytes are there.
            torch.cuda.current_stream(self._device).wait_stream(self._copy.stream)
        raw = self._buffers[self._files[path]][entry.start : entry.end]
        dtype = getattr(torch, DTYPES.get(entry.dtype, ""), None)
        if dtype is None:
            return raw
        if entry.start % dtype.itemsize:
            raw = raw.clone()
        return raw.view(dtype).reshape(entry.shape)

    def holds(self, tensor: Any, data: bytearray) -> bool:  # noqa: ANN401
        """Say whether the bytes of `tensor` on the device are `data`."""
        torch = self._torch
        held = tensor.contiguous().reshape(-1).view(torch.uint8).cpu()
        return bool(torch.equal(held, torch.frombuffer(data, dtype=torch.uint8)))

    # ----- Sink

    def recall(self) -> bytes | None:
        return self._inner.recall()

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        landed = self._inner.open(envelope, opened)
        manifest = opened.manifest
        self._files = {f.path: i for i, f in enumerate(manifest.files)}
        self._buffers.clear()
        for number, entry in enumerate(manifest.files):
            if entry.path.endswith(".safetensors"):
                self._buffers[number] = self._allocate(entry.path, entry.size)
                part = manifest.cut(entry.size)
                for block, there in enumerate(landed[number].blocks):
                    if there:
                        start, size = part.offset(block), part.size(block)
                        data = bytearray(self._inner.read(number, start, size))
                        self._load(number, start, memoryview(data))
        return landed

    def put_digests(self, file: int, digests: bytes) -> None:
        self._inner.put_digests(file, digests)

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        self._inner.write(file, block, offset, data)
        if file in self._buffers:
            self._load(file, offset, data)

    def read(self, file: int, offset: int, length: int) -> bytes:
        return self._inner.read(file, offset, length)

    def place(self) -> None:
        self._inner.place()

    def close(self) -> None:
        self._inner.close()

    # ----- copies

    def _allocate(self, path: str, size: int) -> Any:  # noqa: ANN401
        try:
            buffer = self._torch.empty(size, dtype=self._torch.uint8, device=self._device)
            if isinstance(self._copy, _PinnedCopies):
                # The memory may have been somebody's on the current stream until just now.
                self._copy.stream.wait_stream(self._torch.cuda.current_stream(self._device))
            return buffer
        except RuntimeError as error:
            raise DeliveryError(
                f"{path}: {size} bytes do not fit the memory of {self._device}; nothing was "
                f"placed (free some, or receive without --gpu): {str(error).splitlines()[0]}"
            ) from None

    def _load(self, file: int, offset: int, data: memoryview) -> None:
        self._copy(self._buffers[file][offset : offset + len(data)], data)


class _PinnedCopies:
    """Host to device through a ring of pinned buffers, on a stream of its own."""

    def __init__(self, torch: Any, device: Any) -> None:  # noqa: ANN401
        self._torch = torch
        self.stream = torch.cuda.Stream(device)
        self._ring: deque[tuple[Any, Any]] = deque()
        """Pinned buffer, and the event after which it may be filled again; oldest first."""

    def __call__(self, target: Any, data: memoryview) -> None:  # noqa: ANN401
        torch, size = self._torch, len(data)
        pinned = None
        if len(self._ring) >= PINNED_BUFFERS:
            pinned, free = self._ring.popleft()
            free.synchronize()
        if pinned is None or pinned.numel() < size:
            pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        _copy_bytes(pinned[:size], data)
        with torch.cuda.stream(self.stream):
            target.copy_(pinned[:size], non_blocking=True)
            self._ring.append((pinned, self.stream.record_event()))


def _copy_bytes(target: Any, data: memoryview) -> None:  # noqa: ANN401
    """Copy into a tensor in host memory.

    Tensor.copy_ would hand a megabyte to all cores, and wait for those that the network uses.
    """
    memoryview(target.numpy())[:] = data


def _import_torch() -> Any:  # noqa: ANN401
    try:
        import torch
    except ImportError:
        raise EnvironmentProblem(
            "--gpu needs torch, which is not installed (pip install 'llmsync[gpu]')"
        ) from None
    return torch


def _device(torch: Any, name: str) -> Any:  # noqa: ANN401
    if name == "cpu":
        return torch.device("cpu")
    if not name.isdigit():
        raise EnvironmentProblem(f"--gpu {name}: it is `cpu` or the number of a GPU")
    if not torch.cuda.is_available():
        raise EnvironmentProblem(
            f"--gpu {name}: torch finds no CUDA device here (--gpu cpu runs without one)"
        )
    if int(name) >= torch.cuda.device_count():
        raise EnvironmentProblem(f"--gpu {name}: there are {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", int(name))
