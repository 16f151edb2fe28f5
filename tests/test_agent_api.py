"""The Python API over loopback, with a real sender: tensors as they come, and every way to end."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_site import Sending, free_ports

from toolkit.agent import keeping, receive
from toolkit.agent.api import Outcome, Receiving
from toolkit.agent.timeline import Step
from toolkit.errors import (
    DeliveryError,
    EnvironmentProblem,
    ProblemsError,
    UnreachableError,
    UsageError,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from safetensors.torch import save_file

    from toolkit.gpu.held import DTYPES

LAYERS = 12


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Twelve layers in two files with an index, and a configuration."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(b'{"layers": 12}')
    chance = torch.Generator().manual_seed(1)
    for number in range(2):
        save_file(
            {
                f"layer{i}.weight": torch.randn(64, 512, generator=chance)
                for i in range(number * LAYERS // 2, (number + 1) * LAYERS // 2)
            },
            folder / f"model-{number}.safetensors",
        )
    return folder


def source(model: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {k: v for f in sorted(model.glob("*.safetensors")) for k, v in load_file(f).items()}


def same(one: Any, other: Any) -> bool:
    """Equal to the bit, type and shape."""
    raw = [t.contiguous().reshape(-1).view(torch.uint8) for t in (one, other)]
    return one.dtype == other.dtype and one.shape == other.shape and bool(torch.equal(*raw))


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(limited())


def receiving(sending: Sending, name: str = "fra", **more: Any) -> Receiving:
    return receive(**{**sending.settings(name), **more})


def test_tensors_of_every_dtype_are_those_of_the_source(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    raw = torch.arange(48, dtype=torch.uint8)
    tensors = {
        name: raw.view(getattr(torch, dtype)).reshape(3, -1).clone()
        for name, dtype in DTYPES.items()
        if hasattr(torch, dtype) and name != "BOOL"
    }
    tensors |= {
        "BOOL": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4, dtype=torch.bfloat16),
    }
    save_file(tensors, folder / "m.safetensors")
    found: dict[str, Any] = {}

    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            async for tensor in receiver.tensors():
                assert tensor.path == "m.safetensors"
                assert tensor.__dlpack_device__()[0] == 1
                assert tensor.value.data_ptr() % 256 == 0 or not tensor.value.numel()
                found[tensor.name] = tensor.value

    with Sending(folder, "fra") as sending:
        run(main)
    assert set(found) == set(tensors)
    assert [name for name in tensors if not same(found[name], tensors[name])] == []
    shared = torch.from_dlpack(found["F32"])
    assert shared.data_ptr() == found["F32"].data_ptr()


@pytest.mark.parametrize("order", ["arrival", "manifest"])
def test_the_first_tensor_is_there_while_the_rest_has_not_been_sent(
    model: Path, order: Any
) -> None:
    found: dict[str, Any] = {}
    outcome: list[Outcome] = []

    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            assert (await receiver.file("config.json")) == b'{"layers": 12}'
            async for tensor in receiver.tensors(order=order):
                if not found:
                    assert not sending.wire.go.is_set(), "the sender still has half of it"
                    sending.go()
                found[tensor.name] = tensor.value
            outcome.append(await receiver.finished())

    with Sending(model, "fra", held=1_000_000) as sending:
        run(main)
    wanted = source(model)
    assert set(found) == set(wanted)
    assert all(same(found[name], wanted[name]) for name in wanted)
    if order == "manifest":
        assert list(found) == sorted(wanted, key=lambda n: (int(n[5:].split(".")[0]) // 6, n))
    first, last = (outcome[0].timeline.at(s) for s in (Step.FIRST_TENSOR, Step.LAST_BYTE))
    assert first is not None
    assert last is not None
    assert first < last
    heard = sending.results[0].receipt
    assert heard is not None
    assert heard.manifest == outcome[0].receipt.manifest
    assert outcome[0].document["device"] == "cpu"


def test_who_is_slow_loses_nothing_and_holds_nobody_up(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            tensors = receiver.tensors()
            taken = [(await anext(tensors)).name]
            await receiver.finished()  # The network is done, and one was taken.
            taken += [tensor.name async for tensor in tensors]
            again = [tensor.name async for tensor in receiver.tensors()]
            assert sorted(taken) == sorted(source(model))
            assert again == taken

    with Sending(model, "fra") as sending:
        run(main)


class Small(torch.nn.Module if importlib.util.find_spec("torch") else object):  # type: ignore[misc]
    def __init__(self, wide: int = 512) -> None:
        super().__init__()
        for number in range(LAYERS):
            layer = torch.nn.Linear(wide, 64, bias=False)
            setattr(self, f"layer{number}", layer)


def test_a_module_on_the_meta_device_gets_the_tensors_themselves(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            with torch.device("meta"):
                module = Small()
            assert await receiver.load_into(module) == []
            assert receiver.model is not None
            wanted = source(model)
            for name, parameter in module.named_parameters():
                assert same(parameter.data, wanted[name])
                assert parameter.data_ptr() == receiver.model.tensor(name).data_ptr()
            timeline = (await receiver.finished()).timeline
            ready, verified = timeline.at(Step.MODEL_READY), timeline.at(Step.VERIFIED)
            assert ready is not None
            assert verified is not None
            assert ready > verified

    with Sending(model, "fra") as sending:
        run(main)


def test_a_module_that_does_not_fit_is_told_everything_at_once(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            module = Small()
            module.layer0 = torch.nn.Linear(7, 64, bias=False)
            module.layer1.to(torch.float16)
            del module.layer2
            module.extra = torch.nn.Linear(2, 2, bias=False)
            with pytest.raises(ProblemsError) as caught:
                await receiver.load_into(module)
            told = {p.place.path: p.what for p in caught.value.problems}
            assert set(told) == {
                "layer0.weight", "layer1.weight", "layer2.weight", "extra.weight"
            }  # fmt: skip
            assert "[64, 512]" in told["layer0.weight"]
            assert "float16" in told["layer1.weight"]
            await receiver.finished()  # It is the module that is wrong, not the delivery.

    with Sending(model, "fra") as sending:
        run(main)


def test_two_receivers_in_one_process(model: Path, tmp_path: Path) -> None:
    async def one(name: str) -> None:
        async with receiving(sending, name, output=tmp_path / name) as receiver:
            names = {tensor.name async for tensor in receiver.tensors(device="cpu")}
            assert names == set(source(model))
            outcome = await receiver.finished()
            assert outcome.receipt.receiver == name

    async def main() -> None:
        await asyncio.gather(one("fra"), one("lon"))

    with Sending(model, "fra", "lon") as sending:
        run(main)
    for name in ("fra", "lon"):
        placed = {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
        assert placed == {p.name: p.read_bytes() for p in model.iterdir()}
    assert [r.complete for r in sending.results] == [True, True]


def test_without_a_folder_files_are_in_memory_and_weights_on_the_device(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            outcome = await receiver.finished()
            assert dict(receiver.files) == {"config.json": b'{"layers": 12}'}
            assert outcome.document["placed"] == "memory"
            assert outcome.document["device_checked"] == sum(
                p.stat().st_size for p in model.glob("*.safetensors")
            )
            with pytest.raises(DeliveryError, match=r"no\.json: is not in this delivery"):
                await receiver.file("no.json")

    with Sending(model, "fra") as sending:
        run(main)


def test_too_much_beside_the_weights_needs_a_folder(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MEMORY_FILES", 10)

    async def main() -> None:
        async with receiving(sending, device="cpu") as receiver:
            with pytest.raises(DeliveryError, match=r"config\.json.*--output"):
                await receiver.finished()

    with Sending(model, "fra") as sending:
        run(main)
    assert "config.json" in sending.results[0].reason


# ----- ends


def bound_again(sending: Sending) -> bool:
    """Whether the receiver has closed its socket."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", sending.ports["fra"]))
    return True


def test_leaving_early_keeps_what_is_on_disk_and_a_later_run_goes_on(
    model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    async def first() -> None:
        async with receiving(sending, device="cpu", output=out) as receiver:
            async for _ in receiver.tensors():
                break
        assert bound_again(sending)
        session = receiver._session
        assert session is not None
        assert session.engine is None, "the window has gone"
        assert receiver.model is not None
        assert receiver.model.size == 0, "device memory has gone"
        with pytest.raises(DeliveryError, match="was left before everything was there"):
            await receiver.finished()

    with Sending(model, "fra", held=1_000_000) as sending:
        run(first)
        sending.stop()
    assert not out.exists()
    assert (tmp_path / ".out.llmsync").is_dir()

    async def second() -> None:
        async with receiving(sending, device="cpu", output=out) as receiver:
            names = {tensor.name async for tensor in receiver.tensors()}
            assert names == set(source(model))
            document = (await receiver.finished()).document
            assert document["packets"] * 1376 < sum(p.stat().st_size for p in model.iterdir())

    with Sending(model, "fra") as sending:
        run(second)
    assert {p.name for p in out.iterdir()} == {p.name for p in model.iterdir()}


def test_a_task_that_is_cancelled_leaves_nothing_open(model: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def take() -> None:
            async with receiving(sending, device="cpu") as receiver:
                seen.append(receiver)
                async for _ in receiver.tensors():
                    started.set()

        seen: list[Receiving] = []
        task = asyncio.create_task(take())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bound_again(sending)
        assert seen[0]._thread is not None
        assert not seen[0]._thread.is_alive()

    with Sending(model, "fra", held=1_000_000) as sending:
        run(main)
        sending.stop()


def test_a_sender_that_is_missing_is_told_once() -> None:
    control, port = free_ports(2)
    told = {"name": "fra", "listen": f"127.0.0.1:{port}", "sender": f"127.0.0.1:{control}"}

    async def main() -> None:
        async with receive(**told, device="cpu", timeout=0.2) as receiver:
            with pytest.raises(UnreachableError):
                await anext(receiver.tensors())
        # It was raised where it was met, and not again where the context was left.
        with pytest.raises(UnreachableError):
            await never_asked()

    async def never_asked() -> None:
        async with receive(**told, device="cpu", timeout=0.2) as receiver:
            assert receiver._thread is not None
            await asyncio.to_thread(receiver._thread.join)
            await asyncio.sleep(0)

    run(main)


def test_what_cannot_be_asked_for(model: Path) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="colour"):
            receive(name="fra", colour="red")
        with pytest.raises(UsageError, match="not entered yet"):
            await receiving(sending).finished()
        async with receiving(sending) as receiver:
            with pytest.raises(UsageError, match="without a device"):
                await anext(receiver.tensors())
            with pytest.raises(UsageError) as several:
                await receiving_wrong(receiver)
        assert "--timeout -1" in str(several.value)
        assert "--world 2" in str(several.value)
        async with receiving(sending, device="cpu") as receiver:
            with pytest.raises(UsageError, match="already runs with 'cpu'"):
                await anext(receiver.tensors(device="cuda:0"))
            await receiver.finished()

    async def receiving_wrong(_: Receiving) -> None:
        async with receiving(sending, device="cpu", timeout=-1, world=2, rank=2) as wrong:
            await wrong.finished()

    with Sending(model, "fra") as sending:
        run(main)


def test_a_device_that_is_not_there_is_told(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="97") as receiver:
            with pytest.raises(EnvironmentProblem, match="--gpu 97"):
                await receiver.finished()

    with Sending(model, "fra") as sending:
        run(main)
        sending.stop()


def test_a_signer_that_is_not_trusted(model: Path) -> None:
    async def main() -> None:
        async with receiving(sending, device="cpu", trust=bytes(32)) as receiver:
            with pytest.raises(DeliveryError, match="not signed by the trusted key"):
                await receiver.finished()
            assert receiver.model is not None
            assert dict(receiver.files) == {}

    with Sending(model, "fra") as sending:
        run(main)
    assert not sending.results[0].complete


def test_who_waits_for_a_service_can_leave() -> None:
    [port] = free_ports(1)
    told = asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with receive(
            name="fra", join=f"http://127.0.0.1:{port}", device="cpu", timeout=600,
            tell=lambda _: loop.call_soon_threadsafe(told.set),
        ) as receiver:  # fmt: skip
            await told.wait()
        assert receiver._thread is not None
        assert not receiver._thread.is_alive()

    run(main)
