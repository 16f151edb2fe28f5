"""The program at the ingress hook of an interface.

TCX links (Linux 6.6) are a file descriptor: the kernel detaches when this process ends, however it
ends.  Older kernels get a tc filter under a handle and priority of our own: it stays behind a crash
(and forwards), the next start takes it over, a clean exit removes it.  X.
"""

from __future__ import annotations

import ctypes as c
import errno
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

from toolkit.bier.kernel.libbpf import Libbpf, Link
from toolkit.errors import EnvironmentProblem

HANDLE: Final = 0xB1E5
PRIORITY: Final = 0xB1E
_INGRESS, _BOTH, _REPLACE = 1, 3, 1


class Attachment(Protocol):
    """A program at work on an interface."""

    @property
    def ifindex(self) -> int:
        """Of the interface; another one of the same name is another interface."""

    def update(self, program: int) -> None:
        """Put another program in its place, between two packets."""

    def close(self) -> None:
        """Take it away."""


class _Hook(c.Structure):
    """struct bpf_tc_hook."""

    _fields_ = [
        ("sz", c.c_size_t), ("ifindex", c.c_int), ("point", c.c_int), ("parent", c.c_uint32),
    ]  # fmt: skip


class _Filter(c.Structure):
    """struct bpf_tc_opts."""

    _fields_ = [
        ("sz", c.c_size_t), ("program", c.c_int), ("flags", c.c_uint32), ("id", c.c_uint32),
        ("handle", c.c_uint32), ("priority", c.c_uint32),
    ]  # fmt: skip


class TcxAttachment:
    """A link."""

    def __init__(self, library: Libbpf, program: int, ifindex: int) -> None:
        self.ifindex = ifindex
        self._link = Link(library, program, ifindex)

    def update(self, program: int) -> None:
        self._link.update(program)

    def close(self) -> None:
        self._link.close()


class FilterAttachment:
    """A filter of clsact."""

    def __init__(self, library: Libbpf, program: int, ifindex: int) -> None:
        self.ifindex, self._library = ifindex, library
        self._hook = _Hook(sz=c.sizeof(_Hook), ifindex=ifindex, point=_INGRESS)
        self._made_hook = True
        try:
            library.call("bpf_tc_hook_create", c.byref(self._hook))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            self._made_hook = False
        try:
            self.update(program)
        except OSError:
            self.close()
            raise

    def update(self, program: int) -> None:
        wanted = _Filter(
            sz=c.sizeof(_Filter), program=program, flags=_REPLACE, handle=HANDLE, priority=PRIORITY
        )
        self._library.call("bpf_tc_attach", c.byref(self._hook), c.byref(wanted))

    def close(self) -> None:
        ours = _Filter(sz=c.sizeof(_Filter), handle=HANDLE, priority=PRIORITY)
        with suppress(OSError):  # the interface may be gone, and the filter with it
            self._library.call("bpf_tc_detach", c.byref(self._hook), c.byref(ours))
        if self._made_hook:
            with suppress(OSError):
                self._hook.point = _BOTH
                self._library.call("bpf_tc_hook_destroy", c.byref(self._hook))


def attach(library: Libbpf, program: int, ifindex: int, name: str) -> Attachment:
    """Put a program at an interface; EnvironmentProblem where the kernel does not let us."""
    try:
        try:
            return TcxAttachment(library, program, ifindex)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return FilterAttachment(library, program, ifindex)
    except OSError as error:
        raise EnvironmentProblem(
            f"{name}: the kernel does not take the BIER program: {error.strerror}"
        ) from error


def attach_all(
    library: Libbpf,
    program: int,
    interfaces: Mapping[str, int],
    attached: Mapping[str, Attachment],
    before: int,
) -> dict[str, Attachment]:
    """Put a program at interfaces (name -> index) in the place of `before`, and take it away from
    all others that are `attached`; return what is attached then.

    All or none: on EnvironmentProblem every interface is as it was.
    """
    kept = {n: a for n, a in attached.items() if interfaces.get(n) == a.ifindex}
    made: dict[str, Attachment] = {}
    updated: list[Attachment] = []
    try:
        for name in interfaces.keys() - kept.keys():
            made[name] = attach(library, program, interfaces[name], name)
        for name, there in kept.items():
            try:
                there.update(program)
            except OSError as error:  # for one, the interface has gone this very moment
                raise EnvironmentProblem(
                    f"{name}: the kernel does not replace the BIER program: {error.strerror}"
                ) from error
            updated.append(there)
    except BaseException:
        for new in made.values():
            new.close()
        for there in updated:
            with suppress(OSError):
                there.update(before)
        raise
    for name, there in attached.items():
        if name not in kept:
            there.close()
    return kept | made
