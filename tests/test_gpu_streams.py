"""Order on a CUDA device, seen without one: `fake_cuda` does what streams are given as late as it
may, so a wait that is missing leaves wrong bytes, and memory that is used too early is overwritten.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu_updates import PATH, Q, feed, loaded, weights

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from fake_cuda import Cuda, install
    from net import KEY, MemorySink, MemorySource
    from safetensors.numpy import load, save

    from toolkit.delivery.manifest import DIGEST_SIZE, open_manifest, seal
    from toolkit.delivery.model import Coding
    from toolkit.delivery.storing import Job
    from toolkit.errors import DeliveryError, ToolkitError
    from toolkit.gpu.desk import CopyDesk
    from toolkit.gpu.door import Device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.model import DeviceModel
    from toolkit.gpu.reading import load_folder
    from toolkit.gpu.sink import DeviceSink
    from toolkit.gpu.slices import Shard
    from toolkit.gpu.ticket import Ticket
    from toolkit.gpu.update import UpdateSink

    SMALL = Coding(symbol=64, block=8, parity=32)
    LARGE = Coding(symbol=4096, block=32, parity=32)
    Fake = tuple[Device, Cuda]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return install(monkeypatch)


def large(seed: int) -> dict[str, Any]:
    """Tensors that take blocks of their own, which are copied straight to their place."""
    chance = np.random.default_rng(seed)
    return {f"w{n}": chance.standard_normal((600, 200), np.float32) for n in range(3)}


MODELS = {"small": (weights, 64 * 8), "large": (large, 4096 * 32)}


def coding(size: str) -> Coding:
    return SMALL if size == "small" else LARGE


def through_a_desk(
    sink: DeviceSink, files: dict[str, bytes], how: Coding, device: Device, buffers: int = 5
) -> list[Job]:
    """Give a desk all blocks out of a few buffers; one that comes back is overwritten at once."""
    source = MemorySource(files, how)
    envelope = seal(source.manifest, KEY)
    sink.open(envelope, open_manifest(envelope, None))
    longest = max(source.manifest.cut(len(content)).size(0) for content in files.values())
    window = device.window(longest * buffers)
    free = deque(window[n * longest :][:longest] for n in range(buffers))
    held: dict[int, Any] = {}
    ended = []

    def back(jobs: list[Job]) -> None:
        for job in jobs:
            buffer = held.pop(id(job))
            buffer[:] = 0xEE
            free.append(buffer)
            ended.append(job)

    with CopyDesk(sink) as desk:
        for file, path in enumerate(files):
            sink.put_digests(file, source.digests[file])
            part = source.manifest.cut(len(files[path]))
            for block in range(part.blocks):
                if not free:
                    desk.drain()
                    back(desk.finished())
                buffer, data = free.popleft(), source.read_block(file, block)
                buffer[: len(data)] = np.frombuffer(data, np.uint8)
                wanted = source.digests[file][block * DIGEST_SIZE :][:DIGEST_SIZE]
                view = buffer[: len(data)].data
                job = Job(file, block, part.offset(block), view, wanted)
                held[id(job)] = buffer
                desk.put(job)
        desk.drain()
        back(desk.finished())
    return ended


def seen(cuda: Cuda, model: DeviceModel) -> dict[str, Any]:
    """What a stream of the caller's finds in the tensors that are ready."""
    with cuda.stream(cuda.Stream(torch.device("cuda", 0))):
        copies = {t.name: t.value.clone() for t in model.tensors()}
        return {name: copy.cpu().numpy() for name, copy in copies.items()}


def assert_seen(cuda: Cuda, model: DeviceModel, content: bytes) -> None:
    found = seen(cuda, model)
    wanted = load(content)
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert np.array_equal(found[name], array), name


@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("keeps", ["both", "gpu"])
def test_blocks_through_a_desk_are_right_on_any_stream(fake: Fake, size: str, keeps: Any) -> None:
    device, cuda = fake
    files = {"config.json": b"{}", PATH: save(MODELS[size][0](1))}
    inner = MemorySink(files) if keeps == "both" else MemoryFiles()
    sink = DeviceSink(inner, device, weights=keeps)
    jobs = through_a_desk(sink, files, coding(size), device)
    assert all(job.right and job.error is None for job in jobs)
    assert sink.checked == len(files[PATH])
    assert_seen(cuda, sink.model, files[PATH])
    sink.place()
    sink.close()
    device.release()
    assert not cuda.faults
    assert not cuda.registered
    assert inner.placed == (files if keeps == "both" else {"config.json": b"{}"})


def test_a_ranks_part_is_right_on_any_stream(fake: Fake) -> None:
    device, cuda = fake
    files = {PATH: save(weights(1))}
    for rank in range(2):
        sink = DeviceSink(MemoryFiles(), device, shard=Shard(rank, 2), weights="gpu")
        assert all(job.right for job in through_a_desk(sink, files, SMALL, device))
        found = seen(cuda, sink.model)[Q]
        assert np.array_equal(found, np.split(weights(1)[Q], 2, 0)[rank])
    assert not cuda.faults


def test_a_copy_that_nobody_waits_for_is_found_out(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that these tests can fail: without the wait the check sees what was there."""
    device, _ = fake
    monkeypatch.setattr(Ticket, "wait", lambda self: None)
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    jobs = through_a_desk(sink, {PATH: save(large(1))}, LARGE, device)
    assert not all(job.right for job in jobs)


@pytest.mark.parametrize("desk", [True, False])
def test_memory_of_a_file_is_used_again_only_behind_what_read_it(fake: Fake, *, desk: bool) -> None:
    """`passing`: the file goes while the caller's stream has not yet read its tensors."""
    device, cuda = fake
    files = {f"{n}.safetensors": save(large(n)) for n in range(3)}
    sink = DeviceSink(MemoryFiles(), device, weights="gpu", passing=True)
    mine = cuda.Stream(torch.device("cuda", 0))
    taken: dict[tuple[str, str], torch.Tensor] = {}
    real_count, model = sink.model.count, sink.model

    def count(file: int, offset: int, size: int) -> None:
        real_count(file, offset, size)
        path = f"{file}.safetensors"
        entries = model.entries(path)
        if entries and all((path, e.name) in model.ready for e in entries):
            with cuda.stream(mine):
                for entry in entries:
                    taken[path, entry.name] = model.tensor(entry.name, path).clone()
                model.release(path)

    model.count = count  # type: ignore[method-assign]
    if desk:
        assert all(job.right for job in through_a_desk(sink, files, LARGE, device))
    else:
        feed(sink, files, LARGE)
    with cuda.stream(mine):
        for n in range(3):
            for name, array in large(n).items():
                got = taken[f"{n}.safetensors", name].cpu().numpy()
                assert np.array_equal(got, array), (n, name)
    assert not cuda.faults


@pytest.mark.parametrize("wait", [True, False])
def test_an_update_comes_between_what_was_given_to_the_stream(fake: Fake, *, wait: bool) -> None:
    device, cuda = fake
    old, new = weights(1), {**weights(1), Q: weights(2)[Q]}
    live = loaded({PATH: save(old)}, device)
    sink = UpdateSink(live, MemoryFiles())
    sink_files = {PATH: save(new)}
    jobs = through_a_desk(sink, sink_files, SMALL, device)
    assert all(job.right for job in jobs)
    sink.place()
    mine = cuda.Stream(torch.device("cuda", 0))
    with cuda.stream(mine):
        tensor = live.tensor(Q)
        seen = [tensor.clone()]
        sink.update.commit(wait=wait)
        seen.append(tensor.clone())
        sink.update.rollback(wait=wait)
        seen.append(tensor.clone())
        sink.update.commit(wait=wait)
        sink.update.release()
        # What was let go of is somebody else's now, who is on another stream.
        seen.append(tensor.clone())
    for _ in range(3):
        device.copy(junk := device.empty(old[Q].nbytes, "junk"), device.empty(len(junk), "junk"))
    with cuda.stream(mine):
        got = [t.cpu().numpy() for t in seen]
    for found, wanted in zip(got, (old, new, old, new), strict=True):
        assert np.array_equal(found, wanted[Q])
    assert live.verify() == []
    assert not cuda.faults


def test_files_on_disk_are_right_on_any_stream(fake: Fake, tmp_path: Path) -> None:
    device, cuda = fake
    for size, (made, _) in MODELS.items():
        folder = tmp_path / size
        folder.mkdir()
        (folder / PATH).write_bytes(save(made(3)))
        model = load_folder(folder, device)
        assert_seen(cuda, model, save(made(3)))
    assert not cuda.faults
    assert not cuda.registered


def test_memory_that_cannot_be_pinned_costs_time_and_nothing_else(fake: Fake) -> None:
    """A refusal stays behind in CUDA as its last error, which the next kernel would take for its
    own."""
    device, cuda = fake
    cuda.refuse = True
    files = {PATH: save(weights(1))}
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    assert all(job.right for job in through_a_desk(sink, files, SMALL, device))
    assert not device.pinned
    assert_seen(cuda, sink.model, files[PATH])
    assert not cuda.last_error


def test_a_device_that_is_lost_at_any_call_is_told_and_lets_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From each call of the driver on, all fail: what comes out is ours, and the window is free."""
    files = {PATH: save(large(1))}
    device, cuda = install(monkeypatch)
    sink = DeviceSink(MemoryFiles(), device, weights="gpu")
    through_a_desk(sink, files, LARGE, device)
    sink.place()
    list(sink.model.tensors())
    sink.close()
    calls, told = cuda.calls, 0
    for number in range(3, calls):
        device, cuda = install(monkeypatch)
        cuda.fail_at = number
        sink = DeviceSink(MemoryFiles(), device, weights="gpu")
        jobs: list[Job] = []
        try:
            jobs = through_a_desk(sink, files, LARGE, device)
            error = next((job.error for job in jobs if job.error is not None), None)
            if error is not None:
                raise error
            sink.place()
            list(sink.model.tensors())
        except ToolkitError as failure:
            assert "the device was lost" in str(failure), failure  # noqa: PT017
            told += 1
        sink.close()
        device.release()
        assert device._windows == []
        assert device._registered == []
    assert told > calls // 2


def test_what_is_not_a_deliverys_error_is_none_of_ours(fake: Fake) -> None:
    device, cuda = fake
    cuda.fail_at = cuda.calls
    with pytest.raises(DeliveryError, match="the device was lost"):
        device.pin(4096, 4096)
    with pytest.raises(DeliveryError, match="the device was lost"):
        device.ready()
