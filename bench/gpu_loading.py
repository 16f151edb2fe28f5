"""(iii) The same files, in the page cache, to the device: by us, safetensors and fastsafetensors.

All end with every tensor on the device and the device idle, begin with an empty cache of torch's
allocator, and open the files anew.  Ours hashes every byte on the device beside, but for
`unchecked`.  To a CPU `load_file` only maps the file: there the peer copies its tensors too.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu_weights import alternate, middle, ratio

from toolkit.delivery.manifest import seal
from toolkit.delivery.model import Coding, symbol_size
from toolkit.delivery.source import open_source
from toolkit.gpu.door import Device
from toolkit.gpu.reading import load_folder

SAFETENSORS = "safetensors.torch.load_file(path, device=...) for each file"
FAST = "fastsafetensors.SafeTensorsFileLoader(None, device, nogds=True), copy_files_to_device()"


def keep(folder: Path, into: Path, payload: int, key: Any) -> None:
    """Manifest and digests, as a receiver keeps them."""
    source = open_source(folder, Coding(symbol=symbol_size(payload)))
    into.mkdir()
    for number, listed in enumerate(source.digests):
        (into / str(number)).write_bytes(listed)
    (into / "manifest.json").write_bytes(seal(source.manifest, key))


def _timed(device: Device, size: int, load: Callable[[], Any]) -> Callable[[], float]:
    def run() -> float:
        gc.collect()
        if not device.is_cpu:
            device.torch.cuda.empty_cache()
            device.torch.cuda.synchronize(device.handle)
        begin = time.perf_counter()
        held = load()
        if not device.is_cpu:
            device.torch.cuda.synchronize(device.handle)
        seconds = time.perf_counter() - begin
        for part in held if isinstance(held, tuple) else ():
            if hasattr(part, "close"):
                part.close()
        del held
        return size / seconds / 1e9

    return run


def by_safetensors(paths: list[Path], device: Device) -> Callable[[], Any]:
    from safetensors.torch import load_file

    def load() -> Any:
        found = {}
        for path in paths:
            tensors = load_file(path, device=device.name)
            found.update({n: t.clone() for n, t in tensors.items()} if device.is_cpu else tensors)
        return found

    return load


def by_fastsafetensors(paths: list[Path], device: Device) -> Callable[[], Any]:
    from fastsafetensors import SafeTensorsFileLoader

    def load() -> Any:
        loader = SafeTensorsFileLoader(None, device.name, nogds=True)
        loader.add_filenames({0: [str(path) for path in paths]})
        buffers = loader.copy_files_to_device()
        return {name: buffers.get_tensor(name) for name in loader.get_keys()}, buffers, loader

    return load


def _same(ours: Any, theirs: dict[str, Any], device: Device) -> bool:
    torch = device.torch
    return set(ours) == set(theirs) and all(
        torch.equal(ours[name].view(torch.uint8), theirs[name].view(torch.uint8)) for name in theirs
    )


def measure(folders: dict[str, tuple[Path, list[Path]]], device: Device, payload: int, runs: int,
            key: Any, windows: list[int]) -> dict[str, Any]:  # fmt: skip
    document: dict[str, Any] = {"safetensors": SAFETENSORS, "fastsafetensors": FAST}
    for kind, (folder, paths) in folders.items():
        size = sum(path.stat().st_size for path in paths)
        kept = folder.with_name(folder.name + ".kept")
        keep(folder, kept, payload, key)  # Reads every file: all of them are in the page cache now.
        ways: dict[str, Callable[[], Any]] = {
            "unchecked": lambda folder=folder: load_folder(folder, device),
            "safetensors": by_safetensors(paths, device),
        }
        for window in windows:
            ways[f"checked_{window >> 20}M"] = lambda folder=folder, kept=kept, window=window: (
                load_folder(folder, device, digests=kept, window=window)
            )
        refused = ""
        try:
            ways["fastsafetensors"] = by_fastsafetensors(paths, device)
            ways["fastsafetensors"]()
        except Exception as error:  # noqa: BLE001 - whatever it says of this machine
            ways.pop("fastsafetensors", None)
            refused = f"{type(error).__name__}: {error}"
        right = _same(ways[f"checked_{windows[0] >> 20}M"]().state_dict(), ways["safetensors"](),
                      device)  # fmt: skip
        assert right, "the tensors are others than those that safetensors loads"
        found = alternate(runs, {n: _timed(device, size, way) for n, way in ways.items()})
        mine = found[
            max((n for n in found if n.startswith("checked")), key=lambda n: middle(found[n]))
        ]
        there = found.get("fastsafetensors")
        document[kind] = {
            "bytes": size,
            "files": len(paths),
            "gbytes": {name: round(middle(values), 2) for name, values in found.items()},
            "ratio_to_safetensors": ratio(mine, found["safetensors"]),
            "ratio_to_safetensors_unchecked": ratio(found["unchecked"], found["safetensors"]),
            "ratio_to_fastsafetensors": None if there is None else ratio(mine, there),
            "ratio_to_fastsafetensors_unchecked":
                None if there is None else ratio(found["unchecked"], there),
            **({"fastsafetensors_refused": refused} if refused else {}),
        }  # fmt: skip
    return document
