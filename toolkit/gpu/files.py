"""Files that come beside the weights, kept in memory by a receiver that has no folder for them."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.delivery.manifest import Manifest, OpenedManifest, digest
from toolkit.delivery.ports import Landed
from toolkit.delivery.safetensors import is_weights
from toolkit.errors import DeliveryError

LIMIT = 256 * 2**20
"""Bytes of all of them."""


class MemoryFiles:
    """A Sink of `toolkit.delivery.ports` without a disk; it does not hold weights."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._paths: tuple[str, ...] = ()
        self._held: dict[int, bytearray] = {}
        self.placed: dict[str, bytes] = {}
        """Path -> content; empty until everything is verified."""

    def recall(self) -> bytes | None:
        return None

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        del envelope
        manifest = opened.manifest
        size = sum(f.size for f in manifest.files if not is_weights(f.path))
        if size > self._limit:
            large = max((f for f in manifest.files if not is_weights(f.path)), key=lambda f: f.size)
            raise DeliveryError(
                f"{manifest.name}: its files beside the weights have {size} bytes ({large.path} "
                f"alone {large.size}), {self._limit} fit here; nothing was placed (name a folder "
                "for them: --output)"
            )
        self._paths = tuple(f.path for f in manifest.files)
        self._held = {
            number: bytearray(f.size)
            for number, f in enumerate(manifest.files)
            if not is_weights(f.path)
        }
        return [Landed(None, bytes(manifest.cut(f.size).blocks)) for f in manifest.files]

    def put_digests(self, file: int, digests: bytes) -> None:
        del file, digests

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        del block
        self._held[file][offset : offset + len(data)] = data

    def read(self, file: int, offset: int, length: int) -> bytes:
        return bytes(self._held[file][offset : offset + length])

    def place(self) -> None:
        self.placed = {self._paths[n]: bytes(content) for n, content in self._held.items()}

    def close(self) -> None:
        self._held.clear()


class PlacedFiles:
    """A Basis of files in memory, as `MemoryFiles.placed` has them: of the version before, say."""

    def __init__(self, placed: Mapping[str, bytes]) -> None:
        self._placed = placed
        self._paths: tuple[str, ...] = ()

    def open(self, manifest: Manifest) -> None:
        self._paths = tuple(f.path for f in manifest.files)

    def may_hold(self, file: int) -> bool:
        return self._paths[file] in self._placed

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | None:
        data = self._placed.get(self._paths[file], b"")[offset : offset + size]
        return data if len(data) == size and digest(data) == wanted else None
