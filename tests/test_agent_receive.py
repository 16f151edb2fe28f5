"""`llmsync receive` with a device: options, what is printed, what the receipt says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from agent_site import Sending
from safetensors.numpy import save_file

from toolkit.agent.settings import Settings, problems
from toolkit.cli.main import main
from toolkit.errors import ExitCode

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
SCHEMA = Path(__file__).parent.parent / "docs" / "reference" / "receipt.schema.json"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    save_file(
        {
            f"layers.{i}.q_proj.weight": np.full((64, 64), i, np.float32) for i in range(8)
        },
        folder / "m.safetensors",
    )  # fmt: skip
    return folder


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@needs_torch
def test_to_disk_and_device(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, receipt = tmp_path / "out", tmp_path / "r.json"
    with Sending(model, "fra") as sending:
        code = main([*sending.options("fra"), "--output", str(out), "--gpu", "cpu",
                     "--receipt", str(receipt), "-o", "json"])  # fmt: skip
    assert code == ExitCode.OK
    told = document(capsys)
    size = (model / "m.safetensors").stat().st_size
    assert (told["device"], told["tensors"], told["device_bytes"]) == ("cpu", 8, 8 * 64 * 64 * 4)
    assert told["device_checked"] == size
    steps = told["timeline"]
    assert list(steps)[:3] == ["announce", "join", "first_byte"]
    assert list(steps)[-1] == "model_ready"
    assert sum(s["share"] for s in steps.values()) == pytest.approx(1, abs=0.001)
    assert {p.name for p in out.iterdir()} == {"config.json", "m.safetensors"}
    kept = json.loads(receipt.read_text())
    jsonschema.validate(kept, json.loads(SCHEMA.read_text()))
    (own,) = kept["receipt"]
    assert (own["device"], own["device-bytes"], own["device-checked"]) == ("cpu", 131072, size)
    assert own["announced"] < own["joined"] < own["first-tensor"] <= own["last-tensor"]
    assert own["last-tensor"] <= own["model-ready"]


@needs_torch
def test_weights_to_the_device_alone(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for more, placed in (([], "memory"), (["--output", str(out)], str(out))):
        with Sending(model, "fra") as sending:
            code = main([*sending.options("fra"), "--gpu", "cpu", "--weights", "gpu", *more,
                         "-o", "json"])  # fmt: skip
        assert code == ExitCode.OK
        assert document(capsys)["placed"] == placed
    assert [p.name for p in out.iterdir()] == ["config.json"]


@needs_torch
def test_a_rank_holds_its_part(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rules, held in (([], 8 * 32 * 64 * 4), (["--shard", "*.q_proj.weight=whole"], 131072)):
        with Sending(model, "fra") as sending:
            code = main([*sending.options("fra"), "--gpu", "cpu", "--weights", "gpu", "-o", "json",
                         "--rank", "1", "--world", "2", *rules])  # fmt: skip
        assert code == ExitCode.OK
        assert document(capsys)["device_bytes"] == held


@needs_torch
def test_a_run_without_the_second_check_says_so(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sending(model, "fra") as sending:
        main([*sending.options("fra"), "--gpu", "cpu", "--weights", "gpu", "--no-device-check",
              "--window", "16M"])  # fmt: skip
    out, err = capsys.readouterr()
    assert "--window 16M: where packets get lost, what does not fit is sent again" in err
    rows = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) == 2)
    assert (rows["device"], rows["device_checked"], rows["tensors"]) == ("cpu", "0", "8")
    assert "model ready" in out


def test_weights_that_were_kept_are_not_placed_by_a_run_without_them(tmp_path: Path) -> None:
    """What a run with the weights on disk has left is not of the one that has them elsewhere."""
    from net import KEY, MemorySource

    from toolkit.agent.keeping import Beside
    from toolkit.delivery.manifest import open_manifest, seal
    from toolkit.delivery.model import Coding
    from toolkit.delivery.sink import FolderSink

    files = {"a.safetensors": b"w" * 3000, "b.json": b"{}" * 50, "c.json": b"[]" * 50}
    source = MemorySource(files, Coding(symbol=64, block=4, parity=4))
    envelope = seal(source.manifest, KEY)
    opened = open_manifest(envelope, None)
    first = FolderSink(tmp_path / "out", durable=False)
    first.open(envelope, opened)
    first.put_digests(0, source.digests[0])
    first.write(0, 0, 0, memoryview(source.read_block(0, 0)))
    first.close()
    sink = Beside(FolderSink(tmp_path / "out", durable=False))
    assert sink.recall() == envelope
    landed = sink.open(envelope, opened)
    assert [any(there.blocks) for there in landed] == [False, False, False]
    for number in range(3):
        sink.put_digests(number, source.digests[number])
        part = source.manifest.cut(source.manifest.files[number].size)
        for block in range(part.blocks):
            data = memoryview(source.read_block(number, block))
            sink.write(number, block, part.offset(block), data)
    assert sink.read(2, 0, 4) == b"[][]"
    sink.place()
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        "b.json": files["b.json"], "c.json": files["c.json"]
    }  # fmt: skip


def test_all_that_is_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "receive --name fra --weights gpu --shard a --loss 300 --timeout 0 --window x --metrics y"
    )
    assert main(line.split()) == ExitCode.INVALID
    told = [text.removeprefix("llmsync: ") for text in capsys.readouterr().err.splitlines()]
    assert [text.split(":")[0] for text in told] == [
        "--listen and --sender missing (or --join URL, where a service is)", "--timeout 0",
        "--metrics y", "--weights gpu", "--output missing", "--loss 300", "--window x", "--shard a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"device": "cpu", "weights": "disk"}, "then --gpu cpu has nothing to do"),
        ({"device": "cpu", "output": None}, "only --weights gpu goes without"),
        ({"device": "cpu", "world": 2, "rank": 2}, "--rank 2 --world 2: ranks are 0 to W-1"),
        ({"device": "cpu", "shard": (("a", 0),)}, "--shard: says how tensors are cut"),
        ({"device": "cpu", "world": 2, "shard": (("a", -1),)}, "--shard a=-1: a dimension is 0"),
        ({"world": 2}, "slices are for a device"),
        ({"check_device": False}, "there is no device to check"),
        ({"window": 10}, "--window 10: too little"),
        ({"metrics": "x"}, "--metrics x: not [HOST:]PORT"),
        ({"device": "cpu", "weights": "gpu", "model_key": Path("k")}, "--weights both"),
        ({"require_model_signature": True}, "--model-key is missing"),
        ({"feedback": "websocket"}, "--feedback and --session go with --join"),
        ({"join": "https://x", "group": "g"}, "--sender, --group: --join learns that"),
        ({"name": "-"}, "--name -: "),
    ],
)
def test_settings_that_contradict_themselves(told: dict[str, Any], sentence: str) -> None:
    usual = {"name": "fra", "listen": "a:1", "sender": "b:1", "output": Path("out")}
    (found,) = problems(Settings(**{**usual, **told}).filled())
    assert sentence in found
    assert problems(Settings(**usual)) == []  # type: ignore[arg-type]
