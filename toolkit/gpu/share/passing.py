"""A Sink of a host that keeps nothing for itself: all that it receives is its agents'.

Pure.  Of safetensors files it keeps the headers as long as they are read; blocks come in the order
of `headers_first`.
"""

from __future__ import annotations

from toolkit.delivery.manifest import Manifest, OpenedManifest
from toolkit.delivery.ports import Landed
from toolkit.delivery.safetensors import LENGTH_SIZE, header_size, is_weights


class PassingSink:
    """A `Sink` of `toolkit.delivery.ports`."""

    def __init__(self) -> None:
        self._manifest: Manifest | None = None
        self._heads: dict[int, bytearray] = {}

    def recall(self) -> bytes | None:
        return None

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        del envelope
        self._manifest = manifest = opened.manifest
        self._heads.clear()
        return [Landed(None, bytes(manifest.cut(f.size).blocks)) for f in manifest.files]

    def put_digests(self, file: int, digests: bytes) -> None:
        pass

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        if block == 0:
            self._heads[file] = bytearray(self._needed(file, data))
        head = self._heads.get(file, b"")
        end = min(offset + len(data), len(head))
        if isinstance(head, bytearray) and offset < end:
            head[offset:end] = data[: end - offset]

    def read(self, file: int, offset: int, length: int) -> bytes:
        head = self._heads.get(file, b"")
        found = bytes(head[offset : offset + length])
        if offset + length >= len(head) and length > LENGTH_SIZE:
            self._heads.pop(file, None)  # The header was read, once.
        return found

    def place(self) -> None:
        pass

    def close(self) -> None:
        self._heads.clear()

    def _needed(self, file: int, first: memoryview) -> int:
        """Bytes of a file that will be read again."""
        if self._manifest is None or not is_weights(self._manifest.files[file].path):
            return 0
        try:
            return min(header_size(bytes(first[:LENGTH_SIZE])), self._manifest.files[file].size)
        except ValueError:
            return min(LENGTH_SIZE, len(first))
