"""A network namespace without a name: interfaces of our own that nobody else sees.

Linux network_namespaces(7), setns(2).  It is gone when the last socket in it is closed.  X: changes
the network namespace of the calling thread, for a while.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from toolkit.errors import EnvironmentProblem

_NETWORK: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_HERE: Final = "/proc/thread-self/ns/net"


class Namespace:
    """`entered()` as often as you like, then `close()`.  EnvironmentProblem without privileges."""

    def __init__(self) -> None:
        before = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("unshare", _NETWORK)
            self._inside = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
            _call("setns", before, _NETWORK)
        finally:
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside meanwhile: sockets and devices made now belong there."""
        with entered(self._inside):
            yield

    def close(self) -> None:
        os.close(self._inside)


@contextmanager
def entered(descriptor: int) -> Iterator[None]:
    """Be in the network namespace of an open file meanwhile."""
    before = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", descriptor, _NETWORK)
        try:
            yield
        finally:
            _call("setns", before, _NETWORK)
    finally:
        os.close(before)


def _call(name: str, *arguments: int) -> None:
    if getattr(_LIBC, name)(*arguments):
        said = os.strerror(ctypes.get_errno())
        raise EnvironmentProblem(f"network namespaces need root, or CAP_SYS_ADMIN: {said}")
