"""From the wire, a window and the disk into device memory, each figure beside its peer.

    python bench/gpu_receive.py --gpu cpu|0 [--size 256M] [--quick] [--runs N] [--only window,...]

window   (i)   a full window to the device, beside torch's copy of pinned memory
wire     (ii)  UDP over loopback to the device, beside the same to a sink that forgets; overlap of
               copies with the reception, first and last tensor, memory of the host
loading  (iii) files in the page cache to the device, beside safetensors and fastsafetensors
digest   (iv)  BLAKE3 over device memory (bench/gpu_digest.py)

Weights are made here, of chance, in memory (--scratch, default /dev/shm).  Each figure is the
median of runs that alternate with the peer's; a ratio is the median of those of neighbouring runs.
Nothing else should run on the machine: its load before and after is in the result.  Goals are
judged on a CUDA device alone.  The last line is JSON.

On a machine with a GPU and without a network, wheels carried with the working tree: see "Into GPU
memory" in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gpu_weights import MIB, make, parse_size

from toolkit.errors import ToolkitError
from toolkit.gpu.door import open_device

HERE = Path(__file__).resolve().parent
GOALS: dict[str, tuple[str, float]] = {
    "ratio_to_pinned_copy": (">=", 0.8),
    "ratio_to_null_sink": (">=", 0.95),
    "overlap": (">=", 0.9),
    "last_byte_to_last_tensor_ms": ("<=", 200.0),
    "first_tensor_at": ("<=", 0.1),
    "ratio_to_safetensors": (">=", 1.5),
    "ratio_to_fastsafetensors": (">=", 1.0),
    "digest_gbytes": (">=", 100.0),
}
PAYLOAD = 8800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gpu", default="cpu", help="cpu, or the number of a GPU")
    parser.add_argument("--size", default="", help="of the model (default: 384M, on a GPU 10G)")
    parser.add_argument("--quick", action="store_true", help="fewer runs; on a GPU 2G by default")
    parser.add_argument("--runs", type=int, default=0, help="counted ones (default: 3)")
    parser.add_argument("--only", default="window,wire,loading,digest")
    parser.add_argument("--rates", default="", help="of the wire: 4G,8G; the fastest is used")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"))
    args = parser.parse_args()
    try:
        device = open_device(args.gpu)
    except ToolkitError as error:
        raise SystemExit(str(error)) from None
    device.torch.set_num_threads(1)
    cpu = device.is_cpu
    size = parse_size(args.size or ("384M" if cpu else "2G" if args.quick else "10G"))
    runs = args.runs or (1 if cpu and args.quick else 3)
    rates = (args.rates or ("8G" if cpu else "10G,20G,40G")).split(",")
    key = Ed25519PrivateKey.generate()
    result: dict[str, Any] = {
        "bench": "gpu_receive", "device": device.title, "torch": device.torch.__version__,
        "python": platform.python_version(), "cores": len(os.sched_getaffinity(0)),
        "size": size, "runs": runs, "load_before": os.getloadavg()[0],
    }  # fmt: skip
    root = Path(tempfile.mkdtemp(prefix="gpu_receive.", dir=args.scratch))
    parts: dict[str, Callable[[], Any]] = {
        "window": lambda: _window(
            root, args.gpu, min(size, 64 * MIB if cpu else 1024 * MIB), 2 * runs + 1, key
        ),
        "wire": lambda: _wire(root, args.gpu, size, rates, runs),
        "loading": lambda: _loading(root, args.gpu, size // 4 if cpu else size, runs, key),
        "digest": lambda: _digest(args.gpu, quick=args.quick),
    }
    try:
        for name in args.only.split(","):
            begin = time.perf_counter()
            try:
                result[name] = parts[name]()
            except (ToolkitError, RuntimeError, AssertionError, OSError, SystemExit) as error:
                result[name] = {"failed": f"{type(error).__name__}: {error}"}
            took = time.perf_counter() - begin
            print(f"{name} ({took:.0f} s): {json.dumps(result[name], indent=1)}", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    result["load_after"] = os.getloadavg()[0]
    result["figures"] = figures(result)
    judged = {} if cpu else judge(result["figures"])
    result["goals"] = judged or "not judged: no CUDA device"
    print(json.dumps(result))
    if any("failed" in result[name] for name in args.only.split(",")):
        raise SystemExit(1)


def _window(root: Path, gpu: str, size: int, runs: int, key: Any) -> Any:
    import gpu_copies

    make(root / "window", size, 1)
    device = open_device(gpu)
    try:
        return gpu_copies.measure(root / "window", device, PAYLOAD, runs, key)
    finally:
        device.release()
        shutil.rmtree(root / "window")


def _wire(root: Path, gpu: str, size: int, rates: list[str], runs: int) -> Any:
    import gpu_wire

    folders = {"large": root / "large", "small": root / "small"}
    make(folders["large"], size, 1)
    make(folders["small"], size // 5, 1)
    try:
        return gpu_wire.measure(gpu, folders, size // 10, rates, runs)
    finally:
        for folder in folders.values():
            shutil.rmtree(folder)


def _loading(root: Path, gpu: str, size: int, runs: int, key: Any) -> Any:
    import gpu_loading

    device = open_device(gpu)
    windows = [16] if device.is_cpu else [32, 64, 128, 256]
    folders = {}
    for kind, shards in (("one_file", 1), ("sharded", 4)):
        folders[kind] = root / kind, make(root / kind, size, shards)
    return gpu_loading.measure(folders, device, PAYLOAD, runs, key, [w * MIB for w in windows])


def _digest(gpu: str, *, quick: bool) -> Any:
    command = [sys.executable, str(HERE / "gpu_digest.py"), "--gpu", gpu]
    command += ["--seconds", "0.1"] * quick
    command += ["--bytes", str(16 * MIB)] * (gpu == "cpu")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures that there are goals for."""
    found: dict[str, float] = {}
    for part in ("window", "wire"):
        found |= {k: v for k, v in result.get(part, {}).items() if k in GOALS}
    for kind in ("one_file", "sharded"):
        there = result.get("loading", {}).get(kind, {})
        for name in ("ratio_to_safetensors", "ratio_to_fastsafetensors"):
            if there.get(name) is not None:  # The worse of both kinds counts.
                found[name] = min(there[name], found.get(name, there[name]))
    if "worst_bytes_per_s" in result.get("digest", {}):
        found["digest_gbytes"] = round(result["digest"]["best_bytes_per_s"] / 1e9, 2)
        found["digest_gbytes_worst"] = round(result["digest"]["worst_bytes_per_s"] / 1e9, 2)
    return found


def judge(found: dict[str, float]) -> dict[str, str]:
    said = {}
    for name, (sign, goal) in GOALS.items():
        value = found.get(name)
        met = value is not None and (value >= goal if sign == ">=" else value <= goal)
        verdict = "not measured" if value is None else "met" if met else "missed"
        said[name] = f"{verdict}: {value} ({sign} {goal})"
    return said


if __name__ == "__main__":
    main()
