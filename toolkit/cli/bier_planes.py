"""The data planes that the conformance vectors run on, by name; each is imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.bier.conformance.plane import Plane

PLANES: Final = {
    "reference": ("toolkit.bier.conformance.reference", "ReferencePlane"),
    "socket": ("toolkit.bier.conformance.socket_plane", "SocketPlane"),
    "ebpf": ("toolkit.bier.kernel.proving", "EbpfPlane"),
}
"""Name -> module and class, a `toolkit.bier.conformance.plane.Plane` made without arguments."""


@contextmanager
def opened(name: str) -> Iterator[Plane]:
    """Yield a plane; what it holds in the system is given back in the end.

    EnvironmentProblem where it cannot be had here, UsageError where this version has none.
    """
    module, made = PLANES[name]
    try:
        kind = getattr(importlib.import_module(module), made)
    except ModuleNotFoundError as error:
        raise UsageError(f"plane {name}: {error.name} is not installed") from None
    plane = kind()
    try:
        yield cast("Plane", plane)
    finally:
        close = getattr(plane, "close", None)
        if close is not None:
            close()
