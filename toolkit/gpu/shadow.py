"""Memory beside a loaded model for what a new version changes, and the new version's view of it.

Tensors that change are cloned on the device and then overwritten block by block; all others are the
live model's own.  While the new version is not live its changed tensors are in the shadow, and once
it is they are where the old ones were, and the shadow has those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.delivery.manifest import Manifest
from toolkit.delivery.safetensors import is_weights
from toolkit.delivery.sealing import Cut
from toolkit.errors import DeliveryError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor
from toolkit.gpu.held import HeldFile
from toolkit.gpu.layout import FileLayout
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.slices import Placement

BUFFER = 32 * 2**20
"""Bytes that the two versions are exchanged through."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A tensor of which two versions are on the device."""

    path: str
    name: str
    live: Tensor
    """Its bytes where the model has them; the address never changes."""
    shadow: Tensor
    """Its bytes in the other version."""


class Shadow:
    """The changed tensors of one update.  `limit`: bytes to exchange them through."""

    def __init__(self, device: Device, limit: int = BUFFER) -> None:
        self.tensors: dict[tuple[str, str], Changed] = {}
        self.ahead = True
        """It has the version that is not live yet."""
        self.buffer: Tensor = None
        """To exchange through; None: it has not been asked for."""
        self._device, self._limit = device, limit

    @property
    def size(self) -> int:
        """Bytes of the changed tensors."""
        return sum(len(t.shadow) for t in self.tensors.values())

    def add(self, path: str, wanted: Sequence[tuple[str, Tensor]]) -> None:
        """Clone tensors of a file, by their names.  Raises DeliveryError where they do not fit."""
        device, size = self._device, sum(len(live) for _, live in wanted)
        known = [len(t.live) for t in self.tensors.values()]
        buffer = min(self._limit, max((len(live) for _, live in wanted), default=0))
        buffer = max(buffer, min(self._limit, max(known, default=0)))
        free, total = device.memory()
        if size + buffer > free:
            raise DeliveryError(
                f"{device.name}: no room beside the model that is loaded: {len(wanted)} tensors of "
                f"{path} have blocks that change, which takes {size} bytes and {buffer} more to "
                f"exchange them, {free} of {total} are free; the model is as it was (free some, "
                "caches first, let go of an earlier update with release(), or load it anew)"
            )
        for name, live in wanted:
            copy = device.empty(len(live), f"{path}: {name}")
            device.copy(copy, live)
            self.tensors[path, name] = Changed(path, name, live, copy)

    def settle(self) -> None:
        """All is here: let go of what turned out to be no other, and be ready to exchange."""
        device = self._device
        with device.working():
            same = [key for key, t in self.tensors.items() if device.torch.equal(t.live, t.shadow)]
        for key in same:
            del self.tensors[key]
        largest = max((len(t.live) for t in self.tensors.values()), default=0)
        self.buffer = device.empty(min(self._limit, largest), "a buffer to exchange versions")

    def release(self) -> None:
        """Let go of the memory."""
        self._device.settle()
        self.tensors.clear()
        self.buffer = None


class PendingFile(HeldFile):
    """A file of a new version beside the one that is live."""

    def __init__(
        self, path: str, size: int, cut: Cut, live: HeldFile, model: DeviceModel, shadow: Shadow
    ) -> None:
        super().__init__(path, size, cut, model.shard, model.device)
        self.same = False
        """Its tensors are where the live file has them; known with the layout."""
        self._live, self._shadow = live, shadow
        self._alike = live.size == size and live.cut == cut
        self._names: list[str] = []
        self._offsets: list[int] = []
        self._homes: list[Tensor] = []
        """Bytes of each tensor in the live model."""

    # ----- what the live file has

    def matches(self, block: int) -> bool:
        """Whether the live file has the same bytes at the same place."""
        if not self._alike or not self.digests:
            return False
        return self.digest(block) == self._live.digest(block)

    def has(self, block: int) -> bool:
        """Whether a block need not come: what it holds of tensors is here."""
        return self.layout is not None and self.same and self.matches(block)

    def lacks_header(self, offset: int) -> bool:
        """Whether bytes from `offset` on may be the header's, which is not whole."""
        return self.layout is None and offset < len(self._live.head)

    @property
    def alike(self) -> bool:
        """Whether blocks are cut as those of the live file are."""
        return self._alike

    def put(self, offset: int, data: memoryview) -> Tensor | None:
        """As a HeldFile, but never into the live model."""
        if self.layout is not None and self.has(self.block(offset)):
            return None
        staged = super().put(offset, data)
        if self.failure:
            raise no_update([f"{self.path}: {self.failure}"])
        return staged

    def block(self, offset: int) -> int:
        """The block that begins at an offset of the file."""
        return bisect_right(range(self.cut.blocks), offset, key=self.cut.offset) - 1

    def live_bytes(self, offset: int, size: int) -> bytes | None:
        """Bytes of the live file; None where others hold a part of them."""
        live = self._live
        if live.layout is None or not live.layout.holds(offset, offset + size):
            return None
        return live.read(offset, size)

    def adopt(self) -> None:
        """The digests are known: where the header is the live one, so is the layout."""
        head, layout = self._live.head, self._live.layout
        if self.layout is not None or layout is None:
            return
        block = 0
        while block < self.cut.blocks and self.cut.offset(block) < len(head):
            if not self.matches(block):
                return
            block += 1
        self._settle(layout)
        self._head, self.layout = bytearray(head), layout

    # ----- where it is

    def home(self, offset: int) -> tuple[Tensor, int]:
        at = bisect_right(self._offsets, offset) - 1
        changed = None
        if self._shadow.ahead:
            changed = self._shadow.tensors.get((self.path, self._names[at]))
        memory = self._homes[at] if changed is None else changed.shadow
        return memory, offset - self._offsets[at]

    def touched(self) -> list[Placement]:
        """The tensors of which this rank's part may be another."""
        assert self.layout is not None
        if not self.same:
            return [p for p in self.layout.placements if p.size]
        found = {}
        for block in range(self.cut.blocks):
            if not self.matches(block):
                start = self.cut.offset(block)
                for placement in self.layout.over(start, start + self.cut.size(block)):
                    if next(placement.pieces(start, start + self.cut.size(block)), None):
                        found[placement.entry.name] = placement
        return list(found.values())

    def _settle(self, layout: FileLayout) -> None:
        there = self._live.layout
        assert there is not None
        _refuse(self.path, there, layout)
        self._offsets = [p.offset for p in layout.placements]
        self._names = [p.entry.name for p in layout.placements]
        self._homes = [self._live.raw(there.by_name[name]) for name in self._names]
        self.same = self._alike and [p.entry for p in there.placements] == [
            p.entry for p in layout.placements
        ]
        self.layout = layout
        places = dict(zip(self._names, self._homes, strict=True))
        wanted = [(p.entry.name, places[p.entry.name]) for p in self.touched()]
        self._shadow.add(self.path, wanted)

    def unproven(self, digests: DeviceDigests) -> list[int]:
        """Blocks of changed tensors that are not what the manifest says: there was something else
        in the live model's memory than what was loaded."""
        assert self.layout is not None
        blocks = []
        for block in range(self.cut.blocks):
            start = self.cut.offset(block)
            over = self.layout.over(start, start + self.cut.size(block))
            if any((self.path, p.entry.name) in self._shadow.tensors for p in over):
                blocks.append(block)
        return self.wrong(blocks, digests)


class PendingModel(DeviceModel):
    """A new version of `live`, while it comes and while it waits."""

    def __init__(self, live: DeviceModel, shadow: Shadow) -> None:
        super().__init__(live.device, live.shard)
        self.shadow = shadow
        self._live = live
        self._there = {held.path: held for held in live.files.values()}

    def refuse_other_files(self, manifest: Manifest) -> None:
        """Raise DeliveryError where the weights are in other files than those of the live model."""
        coming = {f.path for f in manifest.files if is_weights(f.path)}
        there = set(self._there)
        problems = [f"{path}: is not in the new version" for path in sorted(there - coming)]
        problems += [f"{path}: is not in the live model" for path in sorted(coming - there)]
        if problems:
            raise no_update(problems)

    def listed(self, number: int) -> bytes | None:
        """The digests of a file's blocks, where it is the live one's; None: they are to come."""
        if self.manifest is None or self._live.manifest is None:
            return None
        entry, held = self.manifest.files[number], self.files[number]
        same = any(f == entry for f in self._live.manifest.files)
        assert isinstance(held, PendingFile)
        return self._there[entry.path].digests if same and held.alike else None

    def _hold(self, path: str, size: int, cut: Cut) -> HeldFile:
        return PendingFile(path, size, cut, self._there[path], self, self.shadow)

    def _check_room(self, size: int) -> None:
        """Only what changes needs room: see `Shadow.add`."""


def no_update(problems: Sequence[str]) -> DeliveryError:
    """The error for what cannot be in place."""
    return DeliveryError(
        "this version cannot take the live model's place, which is as it was "
        "(load it anew, into memory of its own):\n" + "\n".join(problems)
    )


def _refuse(path: str, there: FileLayout, coming: FileLayout) -> None:
    """Raise DeliveryError with every tensor that is another one."""
    problems = []
    for name, old in there.by_name.items():
        new = coming.by_name.get(name)
        if new is None:
            problems.append(f"{path}: {name}: is not in the new version")
            continue
        if new.entry.dtype != old.entry.dtype:
            problems.append(f"{path}: {name}: was {old.entry.dtype}, is {new.entry.dtype}")
        if new.entry.shape != old.entry.shape:
            problems.append(
                f"{path}: {name}: had shape {list(old.entry.shape)}, has {list(new.entry.shape)}"
            )
    problems += [
        f"{path}: {name}: is not in the live model"
        for name in coming.by_name
        if name not in there.by_name
    ]
    if problems:
        raise no_update(problems)
