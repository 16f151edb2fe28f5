"""Who finds out what an earlier run has left: a sink itself, or somebody who reads it anyway.

A protocol and a type; files are named here, not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.ports import Landed, Sink

Prove = Callable[[int, Path, bytes, bytes], bytes]
"""Number of a file, where it is, the list of its block digests, one byte per block (1: an earlier
run claims that it is there) -> one byte per block: 1 where it was read and its digest is right."""


@runtime_checkable
class ProvingSink(Sink, Protocol):
    """A Sink whose files on disk may be looked at by somebody who reads them anyway."""

    def open_proving(self, envelope: bytes, opened: OpenedManifest, prove: Prove) -> list[Landed]:
        """As `open`; `prove` finds out which claimed blocks are right, and only they count."""
        ...

    def prove(self, number: int, file: Path, digests: bytes, claims: bytes) -> bytes:
        """The `Prove` of `open`."""
        ...
