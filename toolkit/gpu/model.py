"""The tensors of a delivery on a device: which are ready, by name, as views; and into a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from toolkit.delivery.manifest import Manifest, OpenedManifest
from toolkit.delivery.safetensors import TensorEntry, is_weights
from toolkit.delivery.sealing import Cut
from toolkit.delivery.tensors import TensorTracker
from toolkit.errors import DeliveryError, Place, Problem, ProblemsError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device, Tensor
from toolkit.gpu.held import HeldFile, entries, torch_dtype
from toolkit.gpu.index import is_index, names, parse_index
from toolkit.gpu.loading import load
from toolkit.gpu.slices import Placement, Shard

MAX_INDEX = 64 * 2**20
"""Bytes of an index file at most."""
_VERSION = (
    "manifest", "digest", "files", "kept", "ready", "_trackers", "_numbers", "_names", "_missing",
)  # fmt: skip
"""What of a model is another for another version."""


@dataclass(frozen=True, slots=True)
class ReadyTensor:
    """A tensor whose bytes are on the device and right."""

    name: str
    path: str
    """File of the tensor."""
    placement: Placement
    value: Any
    """torch.Tensor on the device: this rank's part."""

    def __dlpack__(self, **how: Any) -> Any:  # noqa: ANN401 - as the protocol has it
        return self.value.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:  # noqa: ANN401
        return self.value.__dlpack_device__()


class DeviceModel:
    """What a device holds of a delivery; nothing of it is shown before its digest holds."""

    def __init__(self, device: Device, shard: Shard, *, passing: bool = False) -> None:
        """`passing`: tensors are taken and their files let go of (`release`) while others come, so
        that not all of them need fit at a time."""
        self.device = device
        self.shard = shard
        self.passing = passing
        self.manifest: Manifest | None = None
        self.digest = b""
        """Of the manifest; empty before there is one."""
        self.unproven: tuple[str, ...] = ()
        """Files of which no digests were at hand: that their bytes are right nobody knows."""
        self.files: dict[int, HeldFile] = {}
        """The safetensors files, by their number in the manifest."""
        self.kept: dict[int, bytearray] = {}
        """Index files, by their number."""
        self.ready: dict[tuple[str, str], Placement] = {}
        """(Path, name) of the tensors that are whole, in the order in which they became so."""
        self._trackers: dict[int, TensorTracker] = {}
        self._numbers: dict[str, int] = {}
        self._names: dict[str, str] | None = None
        self._missing: dict[int, int] = {}
        """Bytes of index files that have not come."""
        self.lock = RLock()
        """Held while versions take turns, and while another one is received on top of this."""
        self.turns = 0
        """How often another version took this one's place (`toolkit.gpu.update`)."""

    def open(self, opened: OpenedManifest) -> None:
        """This is what comes.  Raises DeliveryError where it cannot fit."""
        manifest = opened.manifest
        self.clear()
        self.manifest, self.digest = manifest, opened.digest
        for number, entry in enumerate(manifest.files):
            self._expect(number, entry.path, entry.size, manifest.cut(entry.size))
        sizes = [held.size for held in self.files.values()]
        self._check_room(max(sizes, default=0) if self.passing else sum(sizes))

    def open_unproven(self, files: Sequence[tuple[str, int]], cut: Callable[[int], Cut]) -> None:
        """These files come, of which nobody knows digests: paths and sizes, and how a file of a
        size is cut.  Raises DeliveryError where they cannot fit."""
        self.clear()
        for number, (path, size) in enumerate(files):
            self._expect(number, path, size, cut(size))
        self._check_room(sum(held.size for held in self.files.values()))

    def restart(self, file: int) -> None:
        """Nothing of a file is here."""
        held = self.files[file]
        for path, name in [*self.ready]:
            if path == held.path:
                del self.ready[path, name]
        self._names = None
        self._expect(file, held.path, held.size, held.cut)

    def _expect(self, number: int, path: str, size: int, part: Cut) -> None:
        self._numbers[path] = number
        if is_weights(path):
            held = self._hold(path, size, part)
            self.files[number] = held
            self._trackers[number] = TensorTracker(size, held.read)
        elif is_index(path) and size <= MAX_INDEX:
            self.kept[number] = bytearray(size)
            self._missing[number] = size

    def exchange(self, other: DeviceModel) -> None:
        """Be what `other` is, and let it be what this one is; the bytes are the caller's."""
        for name in _VERSION:
            mine, others = getattr(self, name), getattr(other, name)
            setattr(self, name, others)
            setattr(other, name, mine)
        self.turns += 1

    @property
    def complete(self) -> bool:
        """Whether every tensor of every file is ready."""
        files = list(self.files.values())
        if self.manifest is None or any(h.layout is None for h in files):
            return False
        return len(self.ready) == sum(len(entries(h)) for h in files)

    def clear(self) -> None:
        """Let go of all memory on the device; tensors that were handed out keep theirs."""
        if self.files:
            self.device.settle()
        for known in (self.files, self.kept, self.ready, self._trackers, self._numbers):
            known.clear()
        self._names, self.manifest, self.digest, self.unproven = None, None, b"", ()

    def release(self, path: str) -> None:
        """Let go of a file's memory: all of its tensors have been taken, and copied, or the
        caller's current stream has been told to.

        Those that were handed out keep it as long as they live.  Raises ValueError while any of
        the file is still to come.
        """
        held = self.files[self._numbers[path]]
        if held.layout is None or any((path, e.name) not in self.ready for e in entries(held)):
            raise ValueError(f"{path}: not all of it is here")
        for entry in entries(held):
            del self.ready[path, entry.name]
        self._names = None
        held.release()

    def keep(self, file: int, offset: int, data: memoryview) -> None:
        """A verified block of a file that goes to no device."""
        if file in self.kept:
            self._missing[file] -= len(data)
            self.kept[file][offset : offset + len(data)] = data
            self._names = None

    def count(self, file: int, offset: int, size: int) -> None:
        """A block is on the device, and right."""
        held = self.files[file]
        for entry in self._trackers[file].add(offset, offset + size):
            if held.layout is not None:
                self.ready[held.path, entry.name] = held.layout.by_name[entry.name]
                self._names = None

    @property
    def size(self) -> int:
        """Bytes of its arenas on the device."""
        return sum(0 if h.layout is None else h.layout.size for h in list(self.files.values()))

    # ----- what is there

    def tensor(self, name: str, path: str = "") -> Tensor:
        """Return a tensor's part that this rank holds, as a view of device memory.

        `path`: its file; empty: the one that the index names, or the only one that has it.
        Raises DeliveryError where it is not ready, or the name means several.
        """
        path = path or self._path(name)
        placement = self.ready.get((path, name))
        if placement is None:
            raise DeliveryError(f"{path}: tensor {name}: not all of its bytes are verified yet")
        self.device.ready()
        found = self.files[self._numbers[path]].tensor(placement)
        # Let go of, its memory is nobody else's before the caller's stream is done with it.
        self.device.used([found])
        return found

    def tensors(self) -> Iterator[ReadyTensor]:
        """All that are ready, in the order in which they became so."""
        for (path, name), placement in list(self.ready.items()):
            yield ReadyTensor(name, path, placement, self.tensor(name, path))

    def entries(self, path: str) -> tuple[TensorEntry, ...]:
        """The tensors of a file by their place in it, ready or not; empty before its header."""
        number = self._numbers.get(path)
        return () if number is None or number not in self.files else entries(self.files[number])

    def names(self) -> dict[str, str]:
        """Tensor name -> file, of those that are ready or come.

        Raises ProblemsError where the index files do not fit what was delivered.
        """
        if self._names is None:
            found, problems = self._resolve()
            if problems:
                raise ProblemsError(problems)
            self._names = found
        return self._names

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix`, which is taken off."""
        return {
            name.removeprefix(prefix): self.tensor(name, path)
            for name, path in self.names().items()
            if name.startswith(prefix)
        }

    def load_into(self, module: Any, *, strict: bool = True, prefix: str = "") -> list[str]:  # noqa: ANN401
        """Make the tensors the parameters and buffers of a torch module, without a copy.

        Returns what the module did not ask for.  Raises ProblemsError with everything that does
        not fit (`strict` False: only what cannot be).
        """
        return load(module, self.state_dict(prefix), strict=strict)

    def as_bytes(self) -> list[str]:
        """Ready tensors of a dtype that this torch has not: they are handed out as their bytes."""
        torch = self.device.torch
        return [
            f"{path}: {name}: {placement.entry.dtype}"
            for (path, name), placement in self.ready.items()
            if torch_dtype(torch, placement.entry.dtype) is None
        ]

    # ----- proof

    def verify(self) -> list[str]:
        """Hash all blocks of which this rank holds every byte, as they are on the device now.

        Returns a sentence for each that is not what the manifest says.
        """
        digests = DeviceDigests(self.device)
        return [
            f"{held.path}: block {block} (bytes {held.cut.offset(block)} .. "
            f"{held.cut.offset(block) + held.cut.size(block)})"
            for held in list(self.files.values())
            for block in held.wrong(range(held.cut.blocks if held.digests else 0), digests)
        ]

    # -----

    def _hold(self, path: str, size: int, cut: Cut) -> HeldFile:
        """Make the place of a file."""
        return HeldFile(path, size, cut, self.shard, self.device, lazy=self.passing)

    def _path(self, name: str) -> str:
        path = self.names().get(name)
        if path is None:
            files = [p for p, n in self.ready if n == name]
            if files:
                raise DeliveryError(f"tensor {name} is in {' and '.join(files)}: name the file")
            raise DeliveryError(f"tensor {name}: is not there, or not all of it is verified yet")
        return path

    def _resolve(self) -> tuple[dict[str, str], list[Problem]]:
        indexes: dict[str, dict[str, str]] = {}
        problems: list[Problem] = []
        paths = {number: path for path, number in self._numbers.items()}
        for number, content in self.kept.items():
            if self._missing[number]:
                continue
            path = paths[number]
            try:
                indexes[path] = parse_index(path, bytes(content))
            except ValueError as error:
                problems.append(Problem(Place(file=path), str(error), "fetch the model again"))
        held = self.files.values()
        tensors = {h.path: [e.name for e in entries(h)] for h in held if h.layout is not None}
        coming = [h.path for h in held if h.layout is None and not h.failure]
        found, wrong = names(indexes, tensors, coming)
        return found, problems + wrong

    def _check_room(self, size: int) -> None:
        free, total = self.device.memory()
        least = size // self.shard.world
        if least > free:
            part = "" if self.shard.world == 1 else f" (1/{self.shard.world} of it)"
            raise DeliveryError(
                f"{self.device.name}: the model is larger than the memory: {least} bytes{part} of "
                f"tensors, {free} of {total} bytes are free; nothing was placed (free some, hold a "
                "part of it with --rank and --world, or place it on disk with --weights disk)"
            )
