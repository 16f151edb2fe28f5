"""The window: memory that a host receives into and its agents read from.

The host's end (`Window`) makes slabs with memfd_create, of huge pages where the system keeps some,
and hands out descriptors that can only be read; a seal lets nobody else write or shrink them.  An
agent's end (`Mapping`) maps what it is given.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from bisect import bisect_right
from pathlib import Path

import numpy as np
import numpy.typing as npt

from toolkit.delivery.memory import Buffer, Slabs
from toolkit.errors import DeliveryError, EnvironmentProblem, WireError

HUGE = 2 * 2**20
SLABS = 32
"""Slabs that a window is cut into; each costs a descriptor at both ends."""
MAX_SLABS = 4096
_F_SEAL_FUTURE_WRITE = 0x10
"""Linux 5.1: mappings that are there may be written, none that comes later."""
_MADV_COLLAPSE = 25
"""Linux 6.1: pages that are there become huge ones now."""
_NO_ROOM = {errno.ENOSPC, errno.ENOMEM, errno.EFBIG}


class Window:
    """Shared memory for `Slabs(window.allocate)`.

    `memory`: bytes that it will have, about.
    """

    def __init__(self, memory: int = 0) -> None:
        self.sizes: list[int] = []
        """Of the slabs."""
        self.huge = 0
        """Bytes in huge pages of the system's pool."""
        self._slab = memory // SLABS
        self._descriptors: list[int] = []
        """What agents are given."""
        self._arrays: list[npt.NDArray[np.uint8]] = []
        self._starts: list[tuple[int, int]] = []
        """Address and number of each slab, sorted."""
        _probe()

    @property
    def size(self) -> int:
        """Bytes of all slabs."""
        return sum(self.sizes)

    def allocate(self, size: int) -> npt.NDArray[np.uint8]:
        """Return a slab of `size` bytes, or more."""
        return self.extend(max(size, self._slab))

    def extend(self, size: int) -> npt.NDArray[np.uint8]:
        """Return a slab of `size` bytes, in whole huge pages."""
        if len(self.sizes) >= MAX_SLABS:
            raise DeliveryError(f"the window has {MAX_SLABS} slabs; nothing was placed")
        size = -(-size // HUGE) * HUGE
        try:
            array, descriptor = self._make(size)
        except OSError as error:
            why = "no memory is left" if error.errno in _NO_ROOM else error.strerror
            raise DeliveryError(
                f"the window of {self.size} bytes cannot grow by {size}: {why}; nothing was placed "
                "(give a smaller --window, or the container more memory)"
            ) from None
        self._starts.append((array.ctypes.data, len(self.sizes)))
        self._starts.sort()
        self.sizes.append(size)
        self._descriptors.append(descriptor)
        self._arrays.append(array)
        return array

    def descriptor(self, slab: int) -> int:
        """Return what an agent maps; it stays ours."""
        return self._descriptors[slab]

    def find(self, data: memoryview) -> tuple[int, int] | None:
        """Return in which slab, and where in it, bytes are; None: they are somewhere else."""
        address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
        at = bisect_right(self._starts, (address, MAX_SLABS)) - 1
        if at < 0:
            return None
        start, slab = self._starts[at]
        inside = address - start
        return (slab, inside) if inside + len(data) <= self.sizes[slab] else None

    def close(self) -> None:
        """Let go of the descriptors; the memory goes with its last mapping."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _make(self, size: int) -> tuple[npt.NDArray[np.uint8], int]:
        if _pool_free() >= size:
            with contextlib.suppress(OSError):  # Somebody was faster, or a limit is below it.
                found = self._map(size, os.MFD_HUGETLB)
                self.huge += size
                return found
        return self._map(size, 0)

    def _map(self, size: int, flags: int) -> tuple[npt.NDArray[np.uint8], int]:
        own = os.memfd_create("llmsync-window", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
        try:
            os.ftruncate(own, size)
            # All of it is there from now on: a lack of memory is an error here, no signal later.
            os.posix_fallocate(own, 0, size)
            mapped = mmap.mmap(own, size, mmap.MAP_SHARED)
            for advice in () if flags else (mmap.MADV_HUGEPAGE, _MADV_COLLAPSE):
                with contextlib.suppress(OSError):  # A kernel without: small pages.
                    mapped.madvise(advice)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
            fcntl.fcntl(own, fcntl.F_ADD_SEALS, seals)
            with contextlib.suppress(OSError):  # Before Linux 5.1 permissions must do.
                fcntl.fcntl(own, fcntl.F_ADD_SEALS, _F_SEAL_FUTURE_WRITE)
            given = os.open(f"/proc/self/fd/{own}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(own)
        return np.frombuffer(mapped, np.uint8), given


class Annex:
    """Room in the window for bytes that came by another way, or were sealed: they are copied."""

    def __init__(self, window: Window) -> None:
        self._slabs = Slabs(window.extend)
        self.used = 0
        """Bytes."""

    def put(self, data: memoryview) -> Buffer:
        """Copy bytes into the window."""
        buffer = self._slabs.take(len(data))
        buffer.view[:] = data
        self.used += buffer.size
        return buffer

    def free(self, buffer: Buffer) -> None:
        self.used -= buffer.size
        self._slabs.free(buffer)


class Mapping:
    """The slabs of a window at an agent."""

    def __init__(self) -> None:
        self._views: list[memoryview] = []

    @property
    def size(self) -> int:
        return sum(map(len, self._views))

    def add(self, slab: int, size: int, descriptor: int) -> memoryview:
        """Map a slab, and return it; the descriptor is closed.

        Raises WireError where it is not what was said.
        """
        try:
            if slab != len(self._views) or slab >= MAX_SLABS:
                raise WireError(f"slab {slab}, {len(self._views)} expected")
            if os.fstat(descriptor).st_size != size:
                raise WireError(f"slab {slab} has another size than was said")
            mapped = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError as error:
            raise DeliveryError(
                f"slab {slab} of the window cannot be mapped: {error.strerror}; nothing was placed "
                "(raise the limit of memory of this process)"
            ) from None
        finally:
            os.close(descriptor)
        self._views.append(memoryview(mapped))
        return self._views[-1]

    def view(self, slab: int, at: int, size: int) -> memoryview:
        """Return bytes of the window.  Raises WireError where there are none."""
        if slab >= len(self._views) or at + size > len(self._views[slab]):
            raise WireError(f"{size} bytes at {at} of slab {slab}, which is not there")
        return self._views[slab][at : at + size]


def address(view: memoryview) -> int:
    """Where bytes are in this process, for a device to pin them."""
    found: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return found


def _probe() -> None:
    """Raise EnvironmentProblem where there is no shared memory of this kind."""
    try:
        os.close(os.memfd_create("llmsync-probe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except AttributeError:
        why = "it is Linux's (memfd_create)"
    except OSError as error:
        why = f"memfd_create: {error.strerror} (a seccomp profile may forbid it: allow it)"
    else:
        return
    raise EnvironmentProblem(
        f"--share: this system gives no shared memory without a file: {why}; start one receiver "
        "per GPU instead"
    )


def _pool_free(folder: Path = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")) -> int:
    """Bytes of the pool of huge pages that nobody uses."""
    try:
        free = int((folder / "free_hugepages").read_text())
        promised = int((folder / "resv_hugepages").read_text())
    except (OSError, ValueError):
        return 0
    return max(free - promised, 0) * HUGE
