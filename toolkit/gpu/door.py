"""A device that tensors live on: the one door to torch (extra `gpu`).

`open_device` imports torch and looks for the device.  Copies go on a stream of their own, so that
neither the network nor the model waits for them; with `cpu` the same calls copy at once.  What
torch says when memory runs out or a device is lost is told in our words.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.delivery.memory import anonymous
from toolkit.errors import DeliveryError, EnvironmentProblem
from toolkit.gpu.slices import ALIGNMENT
from toolkit.gpu.ticket import BEGUN, Ticket

_REGISTER_READ_ONLY = 8
"""cudaHostRegisterReadOnly."""

Tensor = Any
"""A torch.Tensor: torch has no types here."""


class Device:
    """Host memory (`cpu`) or a CUDA device."""

    def __init__(self, torch: Any, handle: Any) -> None:  # noqa: ANN401
        self.torch = torch
        self.handle = handle
        self.name = str(handle)
        self.is_cpu = handle.type == "cpu"
        self.pinned = False
        """Memory that was asked for with `window` is read by the device itself."""
        self._stream = None if self.is_cpu else torch.cuda.Stream(handle)
        self._checks = None if self.is_cpu else torch.cuda.Stream(handle)
        self._batch: tuple[int, Ticket] | None = None
        """The thread that copies several blocks together, and their ticket."""
        self._registered: list[int] = []
        self._windows: list[Any] = []

    @property
    def title(self) -> str:
        """Its name, and what it is: `cuda:0 NVIDIA H200`."""
        if self.is_cpu:
            return self.name
        return f"{self.name} {self.torch.cuda.get_device_name(self.handle)}"

    # ----- memory

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and bytes there are."""
        if not self.is_cpu:
            with self.explained("asked how much memory is free"):
                free, total = self.torch.cuda.mem_get_info(self.handle)
            kept = self.torch.cuda.memory_reserved(self.handle)
            return free + kept - self.torch.cuda.memory_allocated(self.handle), total
        return _host_memory()

    def empty(self, size: int, what: str) -> Tensor:
        """Return a tensor of `size` bytes (uint8) at a multiple of 256; its content is anything.

        Raises DeliveryError where memory runs out; `what` is told.
        """
        torch = self.torch
        free, total = self.memory()
        if size > free:
            raise _too_large(what, size, self.name, free, total)
        with self.explained(f"{what}: {size} bytes were asked for"):
            if self.is_cpu:
                raw = torch.empty(size + ALIGNMENT, dtype=torch.uint8)
                start = -raw.data_ptr() % ALIGNMENT
                return raw[start : start + size]
            # Of the caller's stream, where it will be let go of; never of the copies' own.
            home = torch.cuda.current_stream(self.handle)
            if home == self._stream:
                home = torch.cuda.default_stream(self.handle)
            with torch.cuda.device(self.handle), torch.cuda.stream(home):
                found = torch.empty(size, dtype=torch.uint8, device=self.handle)
                self.follow()
            return found

    def window(self, size: int) -> npt.NDArray[np.uint8]:
        """Return host memory that the device copies from without help of the CPU: for `Slabs`."""
        self._windows.append(array := anonymous(size))
        self.pin(array.ctypes.data, size)
        return array

    def pin(self, address: int, size: int, *, read_only: bool = False) -> bool:
        """Let the device read host memory by itself; False: it cannot, and copies cost more.

        `read_only`: it is mapped so that this process cannot write it.
        """
        if self.is_cpu:
            return False
        with self.explained("host memory was pinned"), self.torch.cuda.device(self.handle):
            flags = _REGISTER_READ_ONLY if read_only else 0
            refused = int(self.torch.cuda.cudart().cudaHostRegister(address, size, flags))
            if refused:
                # The next kernel takes this thread's last error for its own: one nobody needs.
                with suppress(RuntimeError):
                    self.torch.zeros(1, dtype=self.torch.uint8, device=self.handle)
        self.pinned = refused == 0
        if self.pinned:
            self._registered.append(address)
        return self.pinned

    def unpin(self, window: npt.NDArray[np.uint8]) -> None:
        """Let go of one window, which no copy reads any more."""
        address = window.ctypes.data
        if address in self._registered:
            self._registered.remove(address)
            with suppress(RuntimeError), self.torch.cuda.device(self.handle):
                self.torch.cuda.cudart().cudaHostUnregister(address)
        self._windows = [w for w in self._windows if w is not window]

    def release(self) -> None:
        """Nothing is copied any more: let go of the windows."""
        if self._registered:
            # A device that was lost says so again here, and has let go of everything already.
            with suppress(RuntimeError), self.torch.cuda.device(self.handle):
                self.settle()
                for address in self._registered:
                    self.torch.cuda.cudart().cudaHostUnregister(address)
        self._registered.clear()
        self._windows.clear()

    def settle(self) -> None:
        """Return when nothing is being copied."""
        if self._stream is not None:
            with suppress(RuntimeError):
                self._stream.synchronize()

    # ----- copies

    def stage(self, data: memoryview) -> Tensor:
        """Bring a block to the device, to be taken apart there: on the CPU it is there already."""
        source = self.over(data)
        if self.is_cpu:
            return source
        with self.explained("a block was staged"), self._copying():
            staged = self.torch.empty(len(data), dtype=self.torch.uint8, device=self.handle)
            staged.copy_(source, non_blocking=True)
            return staged

    @contextmanager
    def together(self) -> Iterator[None]:
        """Copies that this thread begins in this context have one ticket: changing streams and
        making an event costs as much as a copy.  Of `copy_in` and `shared_ticket` alone.  A ticket
        of it raises DeliveryError when it is asked before the context has ended as it should."""
        if self._stream is None or self._batch is not None:
            yield
            return
        ticket = Ticket(self, BEGUN, None)
        with self.explained("blocks were copied"), self._copying():
            self._batch = threading.get_ident(), ticket
            try:
                yield
            finally:
                self._batch = None
                ticket.record(self._stream.record_event())

    def _batched(self) -> Ticket | None:
        """The ticket of what this thread copies together; None: it does not."""
        batch = self._batch
        return batch[1] if batch is not None and batch[0] == threading.get_ident() else None

    def shared_ticket(self, source: object = None) -> Ticket:
        """As `ticket`; in the context of `together` it is everybody's."""
        return self._batched() or self.ticket(source)

    def copy_in(self, target: Tensor, data: memoryview) -> None:
        """Begin to copy host memory to the device; `ticket` tells when it is there."""
        if self.is_cpu:
            # Tensor.copy_ would hand a megabyte to all cores, and wait for those the network uses.
            memoryview(target.numpy())[:] = data
            return
        if self._batched() is not None:
            target.copy_(self.over(data), non_blocking=True)
            return
        with self.explained("a block was copied"), self._copying():
            target.copy_(self.over(data), non_blocking=True)

    def copy(self, target: Tensor, source: Tensor) -> None:
        """Copy on the device, after all copies that were begun before."""
        with self.explained("a block was put into place"), self._copying():
            target.copy_(source, non_blocking=True)

    def ticket(self, source: object = None) -> Ticket:
        """Return a ticket for all that was begun; `source` is kept alive until it is done."""
        if self._stream is None:
            return Ticket(self, None, None)
        with self.explained("copies were waited for"), self._copying():
            return Ticket(self, self._stream.record_event(), source)

    def ready(self) -> None:
        """Let the stream that the caller uses now wait for all copies so far."""
        if self._stream is not None:
            with self.explained("copies were waited for"):
                self.torch.cuda.current_stream(self.handle).wait_stream(self._stream)

    def follow(self) -> None:
        """Let copies wait for what the caller's stream does now with the memory they change."""
        if self._stream is not None:
            self._stream.wait_stream(self.torch.cuda.current_stream(self.handle))

    def before(self, what: str, *, wait: bool) -> None:
        """What the caller's stream is given from now on comes behind all copies; `wait`: and
        behind all that was begun on any stream."""
        if self.is_cpu:
            return
        with self.explained(what), self.torch.cuda.device(self.handle):
            if self.torch.cuda.is_current_stream_capturing():
                raise DeliveryError(
                    f"{self.name}: {what}: not while a CUDA graph is captured (do it between steps)"
                )
            if wait:
                self.torch.cuda.synchronize(self.handle)
            self.ready()

    def used(self, tensors: Iterable[Tensor]) -> None:
        """The caller's stream works with these: their memory is nobody else's before it is done."""
        if not self.is_cpu:
            stream = self.torch.cuda.current_stream(self.handle)
            for tensor in tensors:
                tensor.record_stream(stream)

    def behind(self, what: str, *, wait: bool) -> None:
        """Copies that begin from now on wait for what the caller's stream was given; `wait`:
        return when it is done."""
        if self.is_cpu:
            return
        with self.explained(what), self.torch.cuda.device(self.handle):
            self.follow()
            if wait:
                self.torch.cuda.synchronize(self.handle)

    @contextmanager
    def working(self) -> Iterator[None]:
        """What torch does in this context comes after the copies, on their stream."""
        with self.explained("the device worked"), self._copying():
            yield

    @contextmanager
    def checking(self) -> Iterator[None]:
        """What torch does in this context goes beside the copies, on a stream of its own: it looks
        at what has landed, and copies go on meanwhile."""
        with self.explained("the device checked what landed"):
            if self._checks is None:
                yield
            else:
                with self.torch.cuda.device(self.handle), self.torch.cuda.stream(self._checks):
                    yield

    def over(self, data: memoryview) -> Tensor:
        """Return a tensor over host memory, without a copy; the memory must outlive it."""
        if not len(data):
            return self.torch.empty(0, dtype=self.torch.uint8)
        if not data.readonly:
            return self.torch.frombuffer(data, dtype=self.torch.uint8)
        address = np.frombuffer(data, np.uint8).ctypes.data
        memory = (ctypes.c_ubyte * len(data)).from_address(address)
        return self.torch.frombuffer(memory, dtype=self.torch.uint8)

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Say what an error of torch means for a delivery, and what to do."""
        try:
            yield
        except RuntimeError as error:
            raise _explained(error, what, self.name) from error

    @contextmanager
    def _copying(self) -> Iterator[None]:
        if self._stream is None:
            yield
        else:
            with self.torch.cuda.device(self.handle), self.torch.cuda.stream(self._stream):
                yield


def open_device(name: str) -> Device:
    """Return the device `cpu`, or CUDA device `0` (or `cuda:0`).

    Raises EnvironmentProblem where torch, its driver or the device is not there.
    """
    wanted = name.removeprefix("cuda:")
    if name != "cpu" and not (wanted.isascii() and wanted.isdigit()):
        raise EnvironmentProblem(f"--gpu {name}: it is `none`, `cpu` or the number of a GPU")
    torch = _import_torch()
    if name == "cpu":
        return Device(torch, torch.device("cpu"))
    number = int(wanted)
    _look_for(torch, number)
    try:
        device = Device(torch, torch.device("cuda", number))
        device.memory()
    except RuntimeError as error:
        raise EnvironmentProblem(
            f"--gpu {number}: the GPU is there and cannot be used: {_first_line(error)} "
            "(nvidia-smi shows who uses it and how it is; another GPU, or --gpu cpu, works on)"
        ) from None
    except DeliveryError as error:
        raise EnvironmentProblem(f"--gpu {number}: {error}") from None
    return device


def _look_for(torch: Any, number: int) -> None:  # noqa: ANN401
    """Raise EnvironmentProblem where CUDA device `number` is not there, and say what is missing."""
    remedy = "--gpu cpu runs without one"
    if torch.version.cuda is None:
        raise EnvironmentProblem(
            f"--gpu {number}: torch {torch.__version__} finds no CUDA device: it was built "
            f"without CUDA (install a CUDA build of torch; {remedy})"
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count > number:
        return
    if not count and not Path("/proc/driver/nvidia/version").exists() and not _driver_device():
        raise EnvironmentProblem(
            f"--gpu {number}: torch finds no CUDA device: no NVIDIA driver is loaded on this host "
            f"(install it, or give the container the GPU; {remedy})"
        )
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if seen is None else f"; CUDA_VISIBLE_DEVICES is {seen!r}"
    raise EnvironmentProblem(
        f"--gpu {number}: torch finds {count or 'no'} CUDA device{'s' if count != 1 else ''} here"
        f"{hidden} (GPUs are numbered from 0; {remedy})"
    )


def _driver_device() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/usr/local/nvidia").exists()


def _import_torch() -> Any:  # noqa: ANN401
    try:
        import torch
    except ImportError as error:
        if error.name != "torch" and error.name is not None:
            raise EnvironmentProblem(f"--gpu: torch cannot be loaded: {error}") from None
        raise EnvironmentProblem(
            "--gpu needs torch, which is not installed (pip install 'llmsync[gpu]')"
        ) from None
    return torch


def _explained(error: RuntimeError, what: str, device: str) -> DeliveryError:
    """An error of torch in our words."""
    said = _first_line(error)
    if type(error).__name__ == "OutOfMemoryError" or "allocate memory" in said:
        return DeliveryError(
            f"{device}: out of memory: {what}; the window and what was on the device are "
            f"released (free memory there, or hold a part of the model: --rank and --world): {said}"
        )
    lost = type(error).__name__ == "AcceleratorError" or "CUDA" in said or "NVML" in said
    if lost and device != "cpu":
        return DeliveryError(
            f"{device}: the device was lost: {what}; the window is released, and what is on disk "
            f"is kept (nvidia-smi and the kernel's log say why; start the receiver again): {said}"
        )
    return DeliveryError(f"{device}: {what}: {said}")


def _too_large(what: str, size: int, device: str, free: int, total: int) -> DeliveryError:
    remedy = (
        "free some, or hold a part of the model: --rank and --world"
        if size <= total
        else "hold a part of the model, --rank and --world, or place it on disk, --weights disk"
    )
    return DeliveryError(
        f"{device}: out of memory: {what} needs {size} bytes, {free} of {total} are free; the "
        f"window and what was on the device are released ({remedy})"
    )


def _host_memory() -> tuple[int, int]:
    values = {}
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            for line in lines:
                key, _, rest = line.partition(":")
                values[key] = int(rest.split()[0]) * 1024
        return values["MemAvailable"], values["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return there, there


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
