"""(ii) From the wire into the device, beside the same from the wire into nothing.

    python bench/gpu_wire.py GPU FOLDER SINK WINDOW RATE PORT [--timed] [--first NAME]

is one run: `llmsync send` in a process of its own sends FOLDER by unicast over loopback to a
receiver in this one, put together as `llmsync receive` does it.  SINK: `device`, or `null`: blocks
are hashed by a thread as they always are, and forgotten.  The last line is JSON; `measure` runs
several and compares.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpu_weights import FIRST, MIB, alternate, middle, ratio

from toolkit.delivery import events
from toolkit.delivery.memory import Slabs, anonymous
from toolkit.delivery.ports import Landed
from toolkit.delivery.receiver import Receiver
from toolkit.gpu.desk import CopyDesk
from toolkit.gpu.door import Device, open_device
from toolkit.gpu.files import MemoryFiles
from toolkit.gpu.sink import DeviceSink
from toolkit.transport import address, udp
from toolkit.transport.writing import WriterThread

ROOT = Path(__file__).resolve().parent.parent
PEER = "the same receiver with a Sink that forgets what it is given (WriterThread hashes)"
HEADER = 4 * MIB
"""What the null sink keeps of a file: its header is asked for."""


# ruff: noqa: ARG002 - the protocol names more than a sink needs that keeps nothing
class Null:
    """A Sink that keeps nothing but headers."""

    def __init__(self) -> None:
        self.heads: dict[int, bytearray] = {}

    def recall(self) -> None:
        return None

    def open(self, envelope: bytes, opened: Any) -> list[Landed]:
        manifest = opened.manifest
        self.heads = {n: bytearray(min(f.size, HEADER)) for n, f in enumerate(manifest.files)}
        return [Landed(None, bytes(manifest.cut(f.size).blocks)) for f in manifest.files]

    def put_digests(self, file: int, digests: bytes) -> None: ...

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        head = self.heads[file]
        if offset < len(head):
            end = min(len(head), offset + len(data))
            head[offset:end] = data[: end - offset]

    def read(self, file: int, offset: int, length: int) -> bytes:
        return bytes(self.heads[file][offset : offset + length])

    def place(self) -> None: ...

    def close(self) -> None: ...


class Copies:
    """When the device copies blocks: between events on its stream, or on the CPU by the clock."""

    def __init__(self, sink: DeviceSink) -> None:
        self._device, self._begin, self._land = sink.device, sink.begin, sink.land
        self._spans: list[tuple[Any, Any]] = []
        self._zero = time.perf_counter()
        self._base: Any = None
        if not self._device.is_cpu:
            self._base = self._mark()
            self._base.synchronize()
            self._zero = time.perf_counter()
        sink.begin = self.begin  # type: ignore[method-assign]
        sink.land = self.land  # type: ignore[method-assign]

    def _mark(self) -> Any:
        if self._device.is_cpu:
            return time.perf_counter()
        event = self._device.torch.cuda.Event(enable_timing=True)
        with self._device.working():
            event.record()
        return event

    def begin(self, *given: Any, **named: Any) -> Any:
        begin = self._mark()
        flight = self._begin(*given, **named)
        self._spans.append((begin, self._mark()))
        return flight

    def land(self, flights: Any) -> Any:
        if not self._device.is_cpu:
            return self._land(flights)  # Hashing is not copying.
        begin = self._mark()
        refuted = self._land(flights)
        self._spans.append((begin, self._mark()))
        return refuted

    def hidden(self, last: float) -> tuple[float, float]:
        """Seconds of copying, and the share of them before `last` (perf_counter)."""
        busy = before = 0.0
        for begin, end in self._spans:
            if not self._device.is_cpu:
                begin = self._zero + self._base.elapsed_time(begin) / 1e3
                end = self._zero + self._base.elapsed_time(end) / 1e3
            busy += end - begin
            before += max(min(end, last) - begin, 0.0)
        return busy, before / busy if busy else 1.0


class Watch:
    """Hears what the receiver answers, and when."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.receiver: Any = None
        self.first_byte = self.last_byte = self.first_tensor = self.last_tensor = 0.0
        self.verified = 0.0
        self.first_at = 0.0
        self.tensors = 0
        self.error = ""
        self._bytes = -1

    def __call__(self, outputs: list[Any]) -> None:
        now, counted = time.perf_counter(), self.receiver.counters.bytes
        if counted != self._bytes:
            self._bytes, self.last_byte = counted, now
        for output in outputs:
            match output:
                case events.FirstByte():
                    self.first_byte = now
                case events.TensorReady():
                    self.tensors += 1
                    if self.tensors == 1:
                        self.first_tensor, self.first_at = now, counted / self.size
                    self.last_tensor = now
                case events.FileVerified():
                    self.verified = now
                case events.Failed(reason=reason):
                    self.error = reason


def resident() -> int:
    """Bytes of this process's memory at its largest."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sending(
    folder: Path, port: int, rate: str, first: str, scratch: Path
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "toolkit.cli", "send", str(folder), "--to",
        f"here=127.0.0.1:{port}", "--control", f"127.0.0.1:{port + 1}", "--rate", rate,
        "--payload", "8800", "--no-probe", "--key", str(scratch / "key"), "--gather", "0",
        "--timeout", "20", "-o", "json", *(["--first", first] if first else []),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def receive(
    gpu: str, folder: Path, kind: str, window: int, rate: str, port: int, *, timed: bool, first: str
) -> dict[str, Any]:
    size = sum(p.stat().st_size for p in folder.iterdir())
    device: Device = open_device(gpu)
    device.torch.set_num_threads(1)
    taken = [0]

    def allocate(count: int) -> Any:
        taken[0] += count
        return anonymous(count) if kind == "null" else device.window(count)

    watch = Watch(size)
    sink: Any = Null() if kind == "null" else DeviceSink(MemoryFiles(), device, weights="gpu")
    desk: Any = WriterThread(sink) if kind == "null" else CopyDesk(sink)
    copies = Copies(sink) if timed and kind == "device" else None
    started = resident()
    with (
        tempfile.TemporaryDirectory() as scratch,
        address.bind(address.resolve(f"127.0.0.1:{port}")) as sock,
        desk,
    ):
        receiver = watch.receiver = Receiver(
            "here", sink, trusted=None, incarnation=1, chance=random.random, timeout=20,
            memory=window, desk=desk, slabs=Slabs(allocate), headers_first=kind == "device",
            socket_room=address.socket_room(sock),
        )  # fmt: skip
        wire = udp.SocketWire(sock, bunched=True)
        sender = sending(folder, port, rate, first, Path(scratch))
        cpu = time.process_time()
        try:
            udp.run_receiver(
                receiver, [wire], address.resolve(f"127.0.0.1:{port + 1}"), watch, None, desk
            )
            said, complaint = sender.communicate(timeout=60)
        finally:
            sender.kill()
        cpu = time.process_time() - cpu
    if watch.error or sender.returncode:
        raise SystemExit(f"{watch.error}\n{complaint.decode()[-2000:]}")
    ended = watch.verified if kind == "null" else watch.last_tensor
    counters, pace = receiver.counters, json.loads(said)["pace"]
    found = {
        "sink": kind, "bytes": size, "window": window,
        "seconds": ended - watch.first_byte, "gbytes": size / (ended - watch.first_byte) / 1e9,
        "last_byte_to_last_tensor_ms": max(watch.last_tensor - watch.last_byte, 0.0) * 1e3,
        "first_tensor_at": watch.first_at, "tensors": watch.tensors, "cpu": cpu,
        "window_peak": taken[0], "rss": resident() - started, "sender_busy": pace["busy"],
        "duplicates": counters.duplicates, "evicted": counters.evicted,
        "repaired": counters.repaired,
    }  # fmt: skip
    if kind == "device":
        model = sink.model
        found["device_bytes"] = model.size
        found["checked"] = sink.checked
        wrong = model.verify()
        assert not wrong, wrong
        if device.is_cpu:
            found["rss"] -= model.size
        if copies is not None:
            if not device.is_cpu:
                device.torch.cuda.synchronize(device.handle)
            found["copy_seconds"], found["overlap"] = copies.hidden(watch.last_byte)
    sink.close()
    device.release()
    return found


def once(*given: object, timed: bool = False, first: str = "") -> dict[str, Any]:
    """One run, in a process of its own."""
    command = [sys.executable, __file__, *map(str, given)]
    command += ["--timed"] * timed + (["--first", first] if first else [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(gpu: str, folders: dict[str, Path], window: int, rates: list[str], runs: int) -> Any:
    """`folders`: `large`, ten windows; `small`, two of them."""
    ports = iter(range(21000 + os.getpid() % 2000 * 4, 65000, 2))
    large = folders["large"]

    def rate_of(rate: str) -> float:
        small = folders["small"]
        return float(once(gpu, small, "null", window, rate, next(ports))["gbytes"])

    tried = {rate: rate_of(rate) for rate in rates} if len(rates) > 1 else {}
    rate = max(tried, key=lambda r: tried[r]) if tried else rates[0]
    all_runs: dict[str, list[dict[str, Any]]] = {"null": [], "device": []}

    def way(kind: str) -> Any:
        def run() -> float:
            found = once(gpu, large, kind, window, rate, next(ports))
            all_runs[kind].append(found)
            return float(found["gbytes"])

        return run

    # Each run is a process of its own: there is nothing to warm up.
    found = alternate(runs, {kind: way(kind) for kind in all_runs}, warm=False)
    timed = once(gpu, large, "device", window, rate, next(ports), timed=True)
    first = once(gpu, large, "device", window, rate, next(ports), first=FIRST)
    small = once(gpu, folders["small"], "device", window, rate, next(ports))
    device = all_runs["device"]

    def figure(name: str, of: list[dict[str, Any]] = device) -> float:
        return middle([float(run[name]) for run in of])

    return {
        "bytes": device[0]["bytes"], "window": window, "rate": rate,
        "null_by_rate_gbytes": {r: round(v, 3) for r, v in tried.items()},
        "null_gbytes": round(middle(found["null"]), 3),
        "device_gbytes": round(middle(found["device"]), 3),
        "ratio_to_null_sink": ratio(found["device"], found["null"]),
        "cpu_null": round(figure("cpu", all_runs["null"]), 3),
        "cpu_device": round(figure("cpu"), 3),
        "sender_busy": round(figure("sender_busy"), 3),
        "overlap": round(timed["overlap"], 4), "copy_seconds": round(timed["copy_seconds"], 4),
        "last_byte_to_last_tensor_ms": round(figure("last_byte_to_last_tensor_ms"), 1),
        "first_tensor_at": round(first["first_tensor_at"], 5), "first": FIRST,
        "host_memory": {
            f"{name}_windows": {
                "bytes": run["bytes"], "window_peak": run["window_peak"],
                "rss_beyond_start_and_device": run["rss"],
            }
            for name, run in (("2", small), ("10", max(device, key=lambda r: r["rss"])))
        },
        "evicted": int(figure("evicted")), "duplicates": int(figure("duplicates")),
        "peer": PEER,
    }  # fmt: skip


def main() -> None:
    given = [a for a in sys.argv[1:] if a != "--timed"]
    first = given.pop() if "--first" in given else ""
    given = [a for a in given if a != "--first"]
    gpu, folder, kind, window, rate, port = given
    found = receive(
        gpu, Path(folder), kind, int(window), rate, int(port), timed="--timed" in sys.argv,
        first=first,
    )  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
