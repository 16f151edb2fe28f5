"""The two ends of a delivery: where blocks are read from, and where they are put.

Pure: protocols only.  The engines call them and never touch a file themselves.  An end that cannot
go on (changed source, full disk) raises DeliveryError; the engine turns that into an outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolkit.delivery.manifest import Manifest, OpenedManifest


class Source(Protocol):
    """Where the sender reads from.  `toolkit.delivery.source` has the one for files."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def digests(self) -> tuple[bytes, ...]:
        """Per file, the digests (32 bytes each) of its source blocks, concatenated."""
        ...

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        """Fill `buffer` with a source block, whose size it has, and check its digest.

        Raises DeliveryError when the file is not what it was when it was scanned.
        """
        ...


@dataclass(frozen=True, slots=True)
class Landed:
    """What an earlier run left of one file."""

    digests: bytes | None
    """The list of its block digests, None when that was never received."""
    blocks: bytes
    """One byte per block: 1 when it is there and its digest has been checked again."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """A block that the sink itself holds, in its place or where it is as good: nothing is written.

    Its bytes are not handed out: a rank of a tensor-parallel group has only a part of them.
    """

    keep: Callable[[], bool]
    """Count it as stored; False: it is not there after all."""


class Basis(Protocol):
    """Where a receiver looks for blocks before it asks for them: other versions of a model, say.
    For folders: `toolkit.delivery.basis`."""

    def open(self, manifest: Manifest) -> None:
        """Blocks of this manifest will be looked for."""
        ...

    def may_hold(self, file: int) -> bool:
        """Whether looking for blocks of this file is worth a question and an answer."""
        ...

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | InPlace | None:
        """Return the block of `size` bytes whose digest is `wanted`, which has just been checked;
        None: it is not here.  `offset`: where the block is in the file."""
        ...


class Sink(Protocol):
    """Where a receiver puts what it has verified.  For files: `toolkit.delivery.sink`."""

    def recall(self) -> bytes | None:
        """Return the manifest's envelope that an earlier, unfinished run stored; None without."""
        ...

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        """Make ready for this manifest; return per file what is already there.

        What an earlier run stored for another manifest is thrown away.
        """
        ...

    def put_digests(self, file: int, digests: bytes) -> None:
        """Remember the verified list of a file's block digests."""
        ...

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        """Store a verified block at `offset` of the file.  `data` is not kept."""
        ...

    def read(self, file: int, offset: int, length: int) -> bytes:
        """Return bytes of verified blocks."""
        ...

    def place(self) -> None:
        """Everything is verified: let all files appear."""
        ...

    def close(self) -> None:
        """Release what is open.  What is stored stays for the next run unless it was placed."""
        ...
