"""A receiver with a device is killed in the middle, by SIGKILL, and started again."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from agent_site import Sending, wait_until
from safetensors.numpy import load_file, save_file

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
ARRAYS = {
    f"model.layers.{i}.w": np.random.default_rng(i).standard_normal((128, 512), np.float32)
    for i in range(8)
}


def command(sending: Sending, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "toolkit.cli", *sending.options("fra"), "--gpu", "cpu", "-o", "json",
        *options,
    ]  # fmt: skip


@pytest.mark.parametrize("weights", ["both", "gpu"])
def test_a_receiver_that_is_killed_goes_on_from_what_is_on_disk(
    tmp_path: Path, weights: str
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    (model / "config.json").write_bytes(b"{}")
    save_file(ARRAYS, model / "m.safetensors")
    size = (model / "m.safetensors").stat().st_size
    with Sending(model, "fra", held=size * 2 // 3) as sending:
        options = ["--output", str(out), "--weights", weights]
        first = subprocess.Popen(command(sending, *options), stderr=subprocess.DEVNULL)

        def stored() -> int:
            journals = (tmp_path / ".out.llmsync" / "blocks").glob("*")
            return sum(path.read_bytes().count(1) for path in journals)

        try:
            # Two thirds are on their way: of 96 blocks, and one of the small file.
            wait_until(lambda: stored() >= (50 if weights == "both" else 1))
        finally:
            first.kill()
        assert first.wait() == -signal.SIGKILL
        there = stored()
        assert not out.exists()
        with subprocess.Popen(
            command(sending, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as second:
            sending.go()
            told, said = second.communicate(timeout=60)
        assert second.returncode == 0, said
    outcome = json.loads(told)
    assert (outcome["tensors"], outcome["device_bytes"]) == (8, 8 * 128 * 512 * 4)
    assert outcome["device_checked"] == size
    whole = size // 1376
    if weights == "both":
        assert outcome["packets"] < whole - (there - 4) * 16 + 200, "blocks on disk came again"
        placed = load_file(out / "m.safetensors")
        assert all(np.array_equal(placed[name], array) for name, array in ARRAYS.items())
    else:
        assert outcome["packets"] >= whole
        assert [path.name for path in out.iterdir()] == ["config.json"]
