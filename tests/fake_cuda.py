"""torch with a CUDA device that is not there: what is given to a stream is done as late as it may.

Memory of the device is host memory.  Work is queued by stream and done only when somebody waits for
it, so an order that nothing enforces is never kept by chance: a wait that is missing shows as wrong
bytes.  Memory that is let go of is given to the next who asks on the same stream, as torch's
allocator does.  Copies read pinned host memory when they are done, other memory when they are
begun.  It knows the few calls that `toolkit.gpu` makes; any other is an error.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from blake3 import blake3

from toolkit.gpu import digests
from toolkit.gpu.door import Device

HANDLE = torch.device("cuda", 0)
POISON = 0xA5
NOT_SUPPORTED = 801
_VIEWS = {
    "__getitem__", "__len__", "view", "reshape", "as_strided", "storage_offset", "data_ptr",
    "numel", "dim", "is_contiguous", "size", "stride", "element_size", "__get__", "detach",
    "requires_grad_", "__repr__",
}  # fmt: skip
Step = Callable[[], object]


class AcceleratorError(RuntimeError):
    """As torch names it."""


class Stream:
    """Work that was given to it; `done` of it is done."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        self.steps: list[Step] = []
        self.done = 0

    def add(self, step: Step) -> None:
        self.cuda.call()
        self.steps.append(step)

    def run(self, to: int) -> None:
        with self.cuda.lock:
            while self.done < to:
                step = self.steps[self.done]
                self.done += 1
                step()
                self.steps[self.done - 1] = _nothing

    def wait_stream(self, other: Stream) -> None:
        with self.cuda.lock:
            to = len(other.steps)
            self.add(lambda: other.run(to))

    def record_event(self) -> Event:
        with self.cuda.lock:
            self.cuda.call()
            return Event(self)

    def synchronize(self) -> None:
        with self.cuda.lock:
            self.cuda.call()
            self.run(len(self.steps))


class Event:
    """A place in a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.at = stream, len(stream.steps)

    def query(self) -> bool:
        """Nobody waits here: nothing goes on by that."""
        self.stream.cuda.call()
        return self.stream.done >= self.at

    def synchronize(self) -> None:
        with self.stream.cuda.lock:
            self.stream.cuda.call()
            self.stream.run(self.at)


class _Array(np.ndarray):  # type: ignore[type-arg]
    """One of which weak references may be had."""


class CudaTensor(torch.Tensor):
    """A tensor of the device."""

    def record_stream(self, stream: Any) -> None:
        THE.record(self, stream)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__
        if func == torch.Tensor.device.__get__:
            return HANDLE
        if name == "copy_":
            return THE.copy(*args, **(kwargs or {}))
        if name == "cpu":
            return THE.fetched(args[0])
        if name == "clone":
            return THE.clone(args[0])
        if name not in _VIEWS:
            raise NotImplementedError(f"fake CUDA: {name}")
        return super().__torch_function__(func, types, args, kwargs or {})


class Cuda:
    """torch.cuda, as far as it is used."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.default = Stream(self)
        self._here = threading.local()
        self.streams = [self.default]
        self._masters: dict[int, torch.Tensor] = {}
        self._owner: dict[int, Stream] = {}
        self._users: dict[int, list[Stream]] = {}
        self._free: list[tuple[torch.Tensor, Stream, list[tuple[Stream, int]]]] = []
        self.registered: dict[int, int] = {}
        self.reading: list[tuple[int, int, Stream, int]] = []
        """Host memory that a copy reads: its start and end, and the copy's place."""
        self.faults: list[str] = []
        self.refuse = False
        """Host memory cannot be registered."""
        self.last_error = ""
        """What the next look at errors finds."""
        self.calls = 0
        self.fail_at = -1
        """The call from which on the device is lost."""

    # ----- torch.cuda

    def Stream(self, handle: Any) -> Stream:  # noqa: N802 - as torch names it
        assert handle == HANDLE
        self.streams.append(Stream(self))
        return self.streams[-1]

    def default_stream(self, handle: Any = None) -> Stream:
        return self.default

    def current_stream(self, handle: Any = None) -> Stream:
        found: Stream = getattr(self._here, "stream", self.default)
        return found

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before = self.current_stream()
        self._here.stream = stream
        try:
            yield
        finally:
            self._here.stream = before

    @contextmanager
    def device(self, handle: Any) -> Iterator[None]:
        self.call()
        yield

    def synchronize(self, handle: Any = None) -> None:
        for stream in self.streams:
            stream.synchronize()

    def is_current_stream_capturing(self) -> bool:
        return False

    def mem_get_info(self, handle: Any) -> tuple[int, int]:
        self.call()
        return 2**32, 2**33

    def memory_reserved(self, handle: Any) -> int:
        return 0

    def memory_allocated(self, handle: Any) -> int:
        return 0

    def get_device_name(self, handle: Any) -> str:
        return "Fake"

    def cudart(self) -> Any:
        return SimpleNamespace(cudaHostRegister=self._register, cudaHostUnregister=self._unregister)

    def _register(self, address: int, size: int, flags: int) -> int:
        if self.refuse:
            self.last_error = "CUDA error: operation not supported"
            return NOT_SUPPORTED
        self.registered[address] = size
        return 0

    def _unregister(self, address: int) -> int:
        size = self.registered.pop(address, 0)
        if not size:
            self.faults.append("memory was let go of that was not registered")
        for start, end, stream, at in self.reading:
            if start < address + size and address < end and stream.done <= at:
                self.faults.append("memory was let go of while a copy was to read it")
        return 0

    # ----- what tensors do

    def call(self) -> None:
        """A call of the driver."""
        self.calls += 1
        if 0 <= self.fail_at < self.calls:
            raise AcceleratorError("CUDA error: unspecified launch failure")

    def launch(self, step: Step) -> None:
        """A kernel: it begins with a look at whether anything went wrong before."""
        if self.last_error:
            error, self.last_error = self.last_error, ""
            raise AcceleratorError(error)
        with self.lock:
            self.current_stream().add(step)

    def empty(self, size: int) -> torch.Tensor:
        with self.lock:
            self.call()
            stream, master = self.current_stream(), None
            for number, (memory, owner, users) in enumerate(self._free):
                if owner is stream and len(memory) == size and all(s.done >= at for s, at in users):
                    del self._free[number]
                    master = memory
                    break
            if master is None:
                master = torch.full((size,), POISON, dtype=torch.uint8)
            if not size:
                return master.as_subclass(CudaTensor)
            place = master.data_ptr()
            self._masters[place], self._owner[place], self._users[place] = master, stream, []
            handed = master.numpy().view(_Array)
            weakref.finalize(handed, self._freed, place)
            return torch.frombuffer(handed, dtype=torch.uint8).as_subclass(CudaTensor)

    def _freed(self, place: int) -> None:
        with self.lock:
            # As torch does: what counts is what its streams were given before it is let go of.
            behind = [(stream, len(stream.steps)) for stream in self._users.pop(place)]
            self._free.append((self._masters[place], self._owner[place], behind))

    def real(self, tensor: torch.Tensor) -> torch.Tensor:
        """The memory of a tensor, for work that is done: it keeps nothing alive."""
        with torch._C.DisableTorchFunctionSubclass():
            master = self._masters.get(tensor.untyped_storage().data_ptr())
            if master is None:
                return torch.empty(0, dtype=tensor.dtype).reshape(tensor.shape)
            if tensor.dtype != torch.uint8:
                size = tensor.element_size()
                master = master[: len(master) // size * size].view(tensor.dtype)
            return master.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

    def copy(self, target: Any, source: torch.Tensor, non_blocking: bool = False) -> Any:
        assert isinstance(target, CudaTensor), "nothing is copied to the host like this"
        with self.lock:
            stream, to = self.current_stream(), self.real(target)
            if isinstance(source, CudaTensor):
                origin = self.real(source)
            else:
                start, size = source.data_ptr(), source.numel()
                pinned = any(
                    at <= start and start + size <= at + length
                    for at, length in self.registered.items()
                )
                origin = source if pinned else source.clone()
                if pinned and non_blocking:
                    self.reading.append((start, start + size, stream, len(stream.steps)))
            assert to.shape == origin.shape
            stream.add(lambda: to.copy_(origin))
            if not non_blocking:
                stream.synchronize()
        return target

    def clone(self, source: torch.Tensor) -> torch.Tensor:
        made = self.empty(source.numel() * source.element_size())
        copy = made.view(source.dtype).reshape(source.shape)
        self.copy(copy, source, non_blocking=True)
        return copy

    def fetched(self, tensor: torch.Tensor) -> torch.Tensor:
        self.current_stream().synchronize()
        return self.real(tensor).clone()

    def record(self, tensor: torch.Tensor, stream: Stream) -> None:
        with self.lock, torch._C.DisableTorchFunctionSubclass():
            place = tensor.untyped_storage().data_ptr()
            if place in self._users:
                self._users[place].append(stream)

    def equal(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        self.launch(_nothing)
        self.current_stream().synchronize()
        return torch.equal(self.real(one), self.real(other))

    def digest(self, ranges: Any) -> list[bytes]:
        """The kernels of `toolkit.gpu.digests`."""
        self.launch(_nothing)
        self.current_stream().synchronize()
        return [bytes(blake3(self.real(part).numpy().data).digest()) for part in ranges]


class FakeTorch:
    """torch, with this CUDA."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, size: int, *, dtype: Any, device: Any = None) -> torch.Tensor:
        assert dtype == torch.uint8
        return self.cuda.empty(size) if device == HANDLE else torch.empty(size, dtype=dtype)

    def zeros(self, size: int, *, dtype: Any, device: Any) -> torch.Tensor:
        made = self.empty(size, dtype=dtype, device=device)
        real = self.cuda.real(made)
        self.cuda.launch(real.zero_)
        return made

    def equal(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        return self.cuda.equal(one, other)


THE = Cuda()
"""The device; `install` makes a new one."""


def install(patch: Any) -> tuple[Device, Cuda]:
    """Return a device that is new; `patch`: pytest's monkeypatch."""
    global THE
    THE = Cuda()
    patch.setitem(digests._WAYS, digests.TRITON, lambda device: THE.digest)
    return Device(FakeTorch(THE), HANDLE), THE


def _nothing() -> None:
    return None
