"""One safetensors file on a device: its header on the host, its tensors in an arena.

Bytes go in and come out by their place in the file, wherever they are on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.delivery.manifest import DIGEST_SIZE
from toolkit.delivery.safetensors import LENGTH_SIZE, TensorEntry, header_size
from toolkit.delivery.sealing import Cut
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor
from toolkit.gpu.layout import FileLayout, plan_file
from toolkit.gpu.slices import Piece, Placement, Shard

DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16",
    "U32": "uint32", "I32": "int32", "U64": "uint64", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""safetensors dtype -> torch dtype.  Tensors of any other are handed out as their bytes."""

TOGETHER = 256
"""Blocks that are hashed together: a GPU wants many."""


def torch_dtype(torch: Any, name: str) -> Any | None:  # noqa: ANN401
    """The dtype of torch that a safetensors dtype is; None: this torch has none."""
    return getattr(torch, DTYPES.get(name, ""), None)


class HeldFile:
    """A file of `size` bytes, cut into blocks as `cut` says."""

    def __init__(self, path: str, size: int, cut: Cut, shard: Shard, device: Device) -> None:
        self.path, self.size, self.cut = path, size, cut
        self.digests = b""
        """Of its blocks, as the manifest's root proves them; empty: not known yet."""
        self.layout: FileLayout | None = None
        self.arena: Tensor = None
        self.failure = ""
        """Why it is no safetensors file; it is not held then."""
        self._shard, self._device = shard, device
        self._head = bytearray()
        """The header, and before the layout is known all of its blocks."""
        self._early: list[tuple[int, int]] = []
        """Ranges of the file that are in `_head`."""

    @property
    def head(self) -> bytes:
        """The header's bytes."""
        return bytes(self._head)

    def digest(self, block: int) -> bytes:
        """What a block must hash to."""
        return self.digests[block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]

    def covers(self, offset: int, length: int) -> bool:
        """Whether these bytes are the header's, and here."""
        return offset + length <= len(self._head)

    # ----- bytes in

    def put(self, offset: int, data: memoryview) -> Tensor | None:
        """Begin to bring a block to its place; return the block on the device where it was taken
        apart there.

        Before the layout is known: only blocks that hold bytes of the header.
        """
        if self.failure:
            return None
        if self.layout is None:
            self._put_early(offset, data)
            return None
        pieces = self.layout.pieces(max(offset, self.layout.header), offset + len(data))
        if not pieces:
            return None
        if len(pieces) == 1 and pieces[0].size == len(data):
            self._device.copy_in(self._run(pieces[0]), data)
            return None
        staged = self._device.stage(data)
        for piece in pieces:
            self._device.copy(*self._views(piece, staged, offset))
        return staged

    def _put_early(self, offset: int, data: memoryview) -> None:
        end = offset + len(data)
        if len(self._head) < end:
            self._head.extend(bytes(end - len(self._head)))
        self._head[offset:end] = data
        self._early.append((offset, end))
        try:
            needed = header_size(bytes(self._head[:LENGTH_SIZE]))
            there, at = sorted(self._early), 0
            for start, stop in there:
                if start > at:
                    break
                at = max(at, stop)
            if offset >= needed:
                raise RuntimeError(f"{self.path}: a block came before the header")
            if at < min(needed, self.size):
                return
            layout = plan_file(self.path, bytes(self._head), self.size, self._shard)
        except ValueError as error:
            self.failure = str(error)
            self._head.clear()
            self._early.clear()
            return
        self._settle(layout)
        self.layout = layout
        early, self._early = self._early, []
        block = memoryview(bytes(self._head))
        for start, stop in early:
            self.put(start, block[start:stop])
        self._device.ticket().wait()
        del self._head[layout.header :]

    def _settle(self, layout: FileLayout) -> None:
        """The layout is known: have memory for it."""
        self.arena = self._device.empty(layout.size, self.path)

    # ----- bytes on the device

    def home(self, offset: int) -> tuple[Tensor, int]:
        """Memory that offset `offset` of the layout is in, and where in it."""
        return self.arena, offset

    def landed(self, offset: int, length: int) -> Tensor | None:
        """The bytes [offset, offset + length) of the file as they are in their final place, in
        one contiguous tensor on the device; None where others hold a part of them.

        Call it in `Device.working`.
        """
        layout = self.layout
        if layout is None or not layout.holds(offset, offset + length):
            return None
        pieces = layout.pieces(max(offset, layout.header), offset + length)
        head = self._head[offset : min(layout.header, offset + length)]
        if not head and len(pieces) == 1 and pieces[0].count == 1:
            return self._run(pieces[0])
        torch = self._device.torch
        whole = torch.empty(length, dtype=torch.uint8, device=self._device.handle)
        if head:
            whole[: len(head)].copy_(torch.frombuffer(head, dtype=torch.uint8))
        for piece in pieces:
            target, source = self._views(piece, whole, offset)
            source.copy_(target)
        return whole

    def _run(self, piece: Piece) -> Tensor:
        """A piece of one run."""
        memory, start = self.home(piece.target)
        return memory[start : start + piece.width]

    def _views(self, piece: Piece, block: Tensor, offset: int) -> tuple[Tensor, Tensor]:
        """A piece on the device, and in a block that begins at `offset` of the file."""
        at = piece.source - offset
        if piece.count == 1:
            return self._run(piece), block[at : at + piece.width]
        shape = (piece.count, piece.width)
        memory, start = self.home(piece.target)
        target = memory.as_strided(shape, (piece.target_stride, 1), memory.storage_offset() + start)
        source = block.as_strided(shape, (piece.source_stride, 1), block.storage_offset() + at)
        return target, source

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file, from the device where they are not the header's; all must be here."""
        if self.covers(offset, length):
            return bytes(self._head[offset : offset + length])
        with self._device.working():
            there = self.landed(offset, length)
            if there is None:
                raise ValueError(f"{self.path}: bytes {offset} .. {offset + length} are not here")
            return bytes(there.cpu().numpy().data)

    def wrong(self, blocks: Sequence[int], digests: DeviceDigests) -> list[int]:
        """Those of the blocks that are here as a whole, and not what the manifest says."""
        wrong = []
        for first in range(0, len(blocks), TOGETHER):
            looked, ranges = [], []
            with self._device.working():
                for block in blocks[first : first + TOGETHER]:
                    there = self.landed(self.cut.offset(block), self.cut.size(block))
                    if there is not None:
                        looked.append(block)
                        ranges.append(there)
                found = digests.blake3(ranges)
            wrong += [
                block
                for block, digest in zip(looked, found, strict=True)
                if digest != self.digest(block)
            ]
        return wrong

    def raw(self, placement: Placement) -> Tensor:
        """The bytes of a tensor's part."""
        memory, start = self.home(placement.offset)
        return memory[start : start + placement.size]

    def tensor(self, placement: Placement) -> Tensor:
        """A part of a tensor, as a view of the arena; of a dtype that torch has not, its bytes."""
        return shaped(self._device.torch, self.raw(placement), placement)


def shaped(torch: Any, raw: Tensor, placement: Placement) -> Tensor:  # noqa: ANN401
    """A tensor's bytes as a tensor of its dtype and shape, where torch has that."""
    dtype = torch_dtype(torch, placement.entry.dtype)
    return raw if dtype is None else raw.view(dtype).reshape(placement.shape)


def entries(held: HeldFile) -> tuple[TensorEntry, ...]:
    """The tensors of a file, by their place in it."""
    return () if held.layout is None else tuple(p.entry for p in held.layout.placements)
