"""What is on disk goes to a device: read by several threads, copied as it comes, proven there.

For a receiver that goes on where an earlier run ended (`load_file`), and for a process that serves
a model which was placed before (`load_folder`).  Every byte is read once, and hashed once: on the
device, where that is done.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from toolkit.delivery.manifest import OpenedManifest, digest, open_manifest
from toolkit.delivery.safetensors import is_weights
from toolkit.delivery.sealing import Cut, cut
from toolkit.errors import DeliveryError, Place, Problem, ProblemsError, WireError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Device
from toolkit.gpu.held import HeldFile
from toolkit.gpu.index import is_index
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.proving import Flight, Prover
from toolkit.gpu.reader import WINDOW, WINDOW_CPU, Loaded, Reader, Span, Window
from toolkit.gpu.slices import WHOLE, Shard

AGAIN = "fetch the model again"
_SYMBOL, _BLOCK = 32768, 128
"""How files without a manifest are cut: 4 MiB."""


def load_folder(
    folder: Path, device: Device, *, shard: Shard = WHOLE, digests: Path | None = None,
    trusted: bytes | None = None, check: bool = True, window: int = 0,
) -> DeviceModel:  # fmt: skip
    """Return the tensors of the safetensors files in `folder`, on `device`.

    `digests`: the folder with the manifest and the lists of digests that `FolderSink(keep=...)`
    has kept; what is loaded is proven by them, on the device where `check` is.  None: the files
    are taken as they are, and `DeviceModel.unproven` names them.  `trusted`: who must have signed
    the manifest.  `window`: bytes of host memory to read through; 0: what suits the device.

    Raises ProblemsError with all that is wrong.
    """
    model = DeviceModel(device, shard)
    opened = None if digests is None else _kept(digests, trusted)
    if opened is None:
        found = list(_files(folder))
        model.open_unproven(found, lambda size: cut(size, _SYMBOL, _BLOCK, sealed=False))
        paths = [path for path, _ in found]
    else:
        model.open(opened)
        paths = [f.path for f in opened.manifest.files]
    lists = _lists(digests, opened)
    try:
        with window_for(model, window) as memory:
            _load_all(model, folder, paths, lists, check=check, window=memory)
    except BaseException:
        model.clear()
        raise
    return model


def window_for(model: DeviceModel, size: int = 0) -> Window:
    """Memory to read the files of a model through: no more than they have, and no less than a
    block takes."""
    size = size or (WINDOW_CPU if model.device.is_cpu else WINDOW)
    blocks = [held.cut.size(0) for held in model.files.values() if held.cut.blocks]
    return Window(
        model.device, min(size, sum(h.size for h in model.files.values())), max(blocks, default=1)
    )


def load_file(
    prover: Prover, model: DeviceModel, number: int, path: Path, claims: bytes, window: Window
) -> bytes | None:
    """Bring the blocks of a file that are claimed to be there (1 each) to the device.

    Returns which of them are there and right; None: it is no safetensors file.  Of a file whose
    header is not whole nothing more is loaded.  Raises DeliveryError where the file cannot be read.
    """
    held = model.files[number]
    found = bytearray(len(claims))
    first = _load_header(prover, held, number, path, claims, found)
    if held.failure:
        return None
    if held.layout is None:
        return bytes(found)
    runs = {_start(held, run): run for run in _runs(held.cut, claims, first, window.span)}
    spans = [Span(start, _bytes(held, run)) for start, run in runs.items()]
    under_way: deque[tuple[Loaded, list[Flight]]] = deque()
    with Reader(path, spans, window) as reader:
        while reader.left or under_way:
            # Half of the window is the readers'.
            full = len(under_way) >= reader.slots // 2
            if under_way and (full or not reader.left or under_way[0][1][-1].ticket.done()):
                _land(prover, reader, under_way, found)
            if reader.left and len(under_way) < reader.slots // 2:
                loaded = reader.take()
                run = runs[loaded.span.offset]
                under_way.append((loaded, _begin(held, number, run, loaded, model.device)))
        if reader.changed and not held.digests:
            raise DeliveryError(f"{path}: was changed while it was being read ({AGAIN})")
    return bytes(found)


def _begin(held: HeldFile, number: int, run: range, loaded: Loaded, device: Device) -> list[Flight]:
    """Blocks that were read together go together."""
    start = loaded.span.offset
    with device.together():
        staged = held.put(start, loaded.data)
        ticket = device.shared_ticket()
    flights = []
    for block in run:
        offset, size = held.cut.offset(block), held.cut.size(block)
        mine = slice(offset - start, offset - start + size)
        part = None if staged is None else staged[mine]
        flights.append(
            Flight(number, block, offset, size, loaded.data[mine], ticket, part,
                   known=not held.digests)
        )  # fmt: skip
    return flights


def _land(
    prover: Prover, reader: Reader, under_way: deque[tuple[Loaded, list[Flight]]], found: bytearray
) -> None:
    """Wait for the oldest, and take all that are there with it."""
    ripe = [under_way.popleft()]
    ripe[0][1][-1].ticket.wait()
    while under_way and under_way[0][1][-1].ticket.done():
        ripe.append(under_way.popleft())
    flights = [flight for _, some in ripe for flight in some]
    refuted = {flight.block for flight in prover.land(flights)}
    for flight in flights:
        found[flight.block] = flight.block not in refuted
        flight.data = flight.staged = None
    for loaded, _ in ripe:
        reader.free(loaded)


def _load_header(
    prover: Prover, held: HeldFile, number: int, path: Path, claims: bytes, found: bytearray
) -> int:
    """Bring the blocks of the header, which is believed before it has landed; how many?"""
    block = 0
    while held.layout is None and not held.failure and block < len(claims) and claims[block]:
        start, size = held.cut.offset(block), held.cut.size(block)
        data = _read(path, start, size)
        if held.digests and digest(data) != held.digest(block):
            break
        staged = held.put(start, data)
        ticket = prover.device.ticket(data)
        ticket.wait()
        prover.land([Flight(number, block, start, size, data, ticket, staged)])
        found[block] = 1
        block += 1
    return block


def _read(path: Path, offset: int, size: int) -> memoryview:
    try:
        with path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise DeliveryError(f"{path}: {error.strerror or error} ({AGAIN})") from error
    if len(data) < size:
        raise DeliveryError(f"{path}: ends at byte {offset + len(data)} ({AGAIN})")
    return memoryview(bytearray(data))


def _runs(part: Cut, claims: bytes, first: int, most: int) -> list[range]:
    """The claimed blocks from `first` on, as runs of no more than `most` bytes."""
    runs: list[range] = []
    for block in range(first, len(claims)):
        if not claims[block]:
            continue
        last = runs[-1] if runs else range(0)
        if last and last.stop == block and (
            part.offset(block) + part.size(block) - part.offset(last.start) <= most
        ):  # fmt: skip
            runs[-1] = range(last.start, block + 1)
        else:
            runs.append(range(block, block + 1))
    return runs


def _start(held: HeldFile, run: range) -> int:
    return held.cut.offset(run.start)


def _bytes(held: HeldFile, run: range) -> int:
    last = run.stop - 1
    return held.cut.offset(last) + held.cut.size(last) - held.cut.offset(run.start)


# ----- a whole folder


def _kept(digests: Path, trusted: bytes | None) -> OpenedManifest | None:
    """The manifest that was kept; None: there is none.  Raises WireError for one that is wrong."""
    path = digests / "manifest.json"
    try:
        return open_manifest(path.read_bytes(), trusted)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeliveryError(f"{path}: cannot be read: {error.strerror or error}") from error
    except WireError as error:
        raise WireError(f"{path}: {error}") from error


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Weights and their index files in a folder, by path."""
    if not folder.is_dir():
        raise DeliveryError(f"{folder}: is not a folder (name the one that the files are in)")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not hidden and path.is_file() and (is_weights(name) or is_index(name)):
            yield name, path.stat().st_size


def _lists(digests: Path | None, opened: OpenedManifest | None) -> dict[int, bytes]:
    """The lists of digests that were kept and that the manifest proves, by file."""
    found: dict[int, bytes] = {}
    if digests is None or opened is None:
        return found
    for number, entry in enumerate(opened.manifest.files):
        path = digests / str(number)
        if path.is_file() and digest(listed := path.read_bytes()) == entry.root:
            found[number] = listed
    return found


def _load_all(
    model: DeviceModel, folder: Path, paths: list[str], lists: dict[int, bytes],
    *, check: bool, window: Window,
) -> None:  # fmt: skip
    prover = Prover(model.device, model, DeviceDigests(model.device) if check and lists else None)
    problems: list[Problem] = []
    unproven = []
    for number, name in enumerate(paths):
        if number not in model.files and number not in model.kept:
            continue
        path = folder / name
        held = model.files.get(number)
        size = len(model.kept[number]) if held is None else held.size
        if number not in lists:
            unproven.append(name)
        try:
            there = path.stat().st_size
            if there != size:
                what = f"has {there} bytes, {size} by its manifest"
                problems.append(Problem(Place(file=str(path)), what, AGAIN))
            elif held is None:
                problems += _keep(model, number, path, lists.get(number))
            else:
                held.digests = lists.get(number, b"")
                problems += _bring(prover, model, number, path, window)
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
            problems.append(Problem(Place(file=str(path)), what, AGAIN))
        except ProblemsError as error:
            problems += error.problems
    model.unproven = tuple(unproven)
    if problems:
        raise ProblemsError(problems)


def _bring(
    prover: Prover, model: DeviceModel, number: int, path: Path, window: Window
) -> Iterator[Problem]:
    held = model.files[number]
    found = load_file(prover, model, number, path, b"\1" * held.cut.blocks, window)
    if found is None:
        yield Problem(Place(file=str(path)), held.failure, AGAIN)
        return
    block = 0
    while (block := found.find(0, block)) >= 0:
        after = found.find(1, block)
        last = (len(found) if after < 0 else after) - 1
        what = f"block {block}" if last == block else f"blocks {block} .. {last}"
        start, end = held.cut.offset(block), held.cut.offset(last) + held.cut.size(last)
        if held.layout is None:
            yield Problem(Place(file=str(path)), "its header is not what its manifest says", AGAIN)
            return
        yield Problem(
            Place(file=str(path)), f"{what} (bytes {start} .. {end}) not what its manifest says",
            AGAIN,
        )  # fmt: skip
        block = last + 1


def _keep(model: DeviceModel, number: int, path: Path, listed: bytes | None) -> Iterator[Problem]:
    """Index files are small, and stay on the host."""
    data = path.read_bytes()
    if listed is not None and model.manifest is not None:
        part = model.manifest.cut(len(data))
        blocks = (data[part.offset(b) :][: part.size(b)] for b in range(part.blocks))
        if b"".join(map(digest, blocks)) != listed:
            yield Problem(Place(file=str(path)), "is not what its manifest says", AGAIN)
            return
    model.keep(number, 0, memoryview(data))
