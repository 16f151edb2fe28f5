"""Updates over loopback UDP with a real sender, through the Python API and the example."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from agent_site import Sending, free_ports

from toolkit.agent import receive, update
from toolkit.agent.updating import Updating
from toolkit.errors import DeliveryError, UsageError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from safetensors.torch import save_file

    from toolkit.gpu.update import State

SIZES = [64, 256, 256, 8]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network() -> Any:
    with torch.device("meta"):
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(SIZES)]
    return torch.nn.Sequential(*layers).eval()


def version(folder: Path, *, bias: float = 0.0, sizes: list[int] = SIZES) -> Path:
    """A version of the network; versions differ in the bias of the last layer."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"sizes": sizes}))
    (folder / "vocab.txt").write_bytes(bytes(range(256)) * 500)
    chance = torch.Generator().manual_seed(1)
    tensors = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        tensors[f"{i}.weight"] = torch.randn(b, a, generator=chance)
        tensors[f"{i}.bias"] = torch.full((b,), bias if i == len(sizes) - 2 else 0.0)
    save_file(tensors, folder / "model.safetensors")
    return folder


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(limited())


def test_a_module_becomes_the_new_version_and_the_old_one_again(tmp_path: Path) -> None:
    first, second = version(tmp_path / "v1"), version(tmp_path / "v2", bias=1.0)
    module = network()
    inputs = torch.ones(1, SIZES[0])

    def answer() -> float:
        with torch.no_grad():
            return float(module(inputs).sum())

    async def main() -> None:
        with Sending(first, "fra") as sending:
            async with receive(**sending.settings("fra"), device="cpu", weights="gpu") as receiver:
                await receiver.load_into(module)
                live, files = receiver.model, dict(receiver.files)
        assert live is not None
        before, places = answer(), [p.data_ptr() for p in module.parameters()]
        with Sending(second, "fra") as sending:
            async with update(live, files=files, **sending.settings("fra")) as coming:
                ready = await coming.ready()
                assert ready.changed == ("2.bias",)
                assert ready.bytes == 8 * 4
                assert answer() == before
                outcome = await coming.finished()
                assert await coming.file("config.json") == files["config.json"]
        block = 16 * 1400
        document = outcome.document
        missing = document["bytes"] - document["found"]
        assert missing <= 2 * block, "more than the block of one bias and its header came"
        coming.commit()
        assert answer() == pytest.approx(before + 8.0, abs=1e-3)
        assert live.verify() == []
        assert live.digest == ready.after == ready.version
        coming.rollback()
        assert answer() == before
        coming.commit()
        coming.release()
        assert answer() == pytest.approx(before + 8.0, abs=1e-3)
        assert [p.data_ptr() for p in module.parameters()] == places
        assert live.verify() == []

    run(main)


async def left_early(coming: Updating) -> None:
    """Enter it, and leave by an error while blocks come."""
    async with coming:
        while coming.timeline is None:
            await asyncio.sleep(0.01)
        with pytest.raises(DeliveryError, match="not everything is verified yet"):
            coming.commit()
        raise ZeroDivisionError


def test_leaving_early_leaves_the_model_alone(tmp_path: Path) -> None:
    first, second = version(tmp_path / "v1"), version(tmp_path / "v2", bias=1.0)

    async def main() -> None:
        with Sending(first, "fra") as sending:
            async with receive(**sending.settings("fra"), device="cpu", weights="gpu") as receiver:
                await receiver.finished()
                live = receiver.model
        assert live is not None
        old = live.digest
        with Sending(second, "fra", held=30_000) as sending:
            coming = update(live, **sending.settings("fra"))
            with pytest.raises(UsageError, match="has not begun"):
                coming.commit()
            with pytest.raises(ZeroDivisionError):
                await left_early(coming)
            sending.stop()
        assert coming.update.state is State.FAILED
        with pytest.raises(DeliveryError, match="the live model is as it was"):
            coming.commit()
        assert live.digest == old
        assert live.verify() == []

    run(main)


def test_settings_that_contradict_the_model_are_told_at_once(tmp_path: Path) -> None:
    first = version(tmp_path / "v1")

    async def main() -> None:
        with Sending(first, "fra") as sending:
            async with receive(**sending.settings("fra"), device="cpu", weights="gpu") as receiver:
                await receiver.finished()
                live = receiver.model
        assert live is not None
        with pytest.raises(UsageError) as caught:
            update(live, name="fra", device="3", world=2, weights="disk", share=tmp_path / "s")
        assert str(caught.value).count("\n") == 3

    run(main)


def test_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    try:
        import update as example
    finally:
        sys.path.pop(0)
    folders = [
        version(tmp_path / "v1"),
        version(tmp_path / "v2", bias=1.0),
        version(tmp_path / "v3", bias=float("nan")),
        version(tmp_path / "v4", bias=2.0, sizes=[64, 8]),
        version(tmp_path / "v5", bias=3.0),
    ]
    control, port = free_ports(2)
    codes: list[int] = []
    arguments = [
        "--name", "fra", "--listen", f"127.0.0.1:{port}", "--sender", f"127.0.0.1:{control}",
        "--updates", "4",
    ]  # fmt: skip
    thread = threading.Thread(target=lambda: codes.append(example.main(arguments)))
    thread.start()
    for folder in folders:
        with Sending(folder, "fra", listen=[port], control=control):
            pass
    thread.join(60)
    assert codes == [0]
    lines = capsys.readouterr().out.splitlines()
    answers = [
        float(line.split("answers ")[1].split(";")[0]) for line in lines if ": answers" in line
    ]
    assert answers[1] == pytest.approx(answers[0] + 8.0, abs=1e-3)
    assert "1 tensors of 32 bytes changed" in lines[1]
    assert "rolled back, it answers nan" in lines[2]
    assert lines[3].startswith("no update: this version cannot take the live model's place")
    assert answers[2] == pytest.approx(answers[0] + 24.0, abs=1e-3)
