"""Engines on one window of their host: the files first, then every rank its tensors."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from safetensors.numpy import save
from test_agent_engines import WEIGHTS, Delivery, needs_torch, two_files

from toolkit.agent.engines.options import read_options


def host(delivery: Delivery, socket: Path, output: Path, agents: int) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "toolkit.cli", "receive", "--name", "fra", "--output", str(output),
        "--listen", f"127.0.0.1:{delivery.port}", "--sender", f"127.0.0.1:{delivery.control}",
        "--share", str(socket), "--agents", str(agents), "--timeout", "60",
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended_well(process: subprocess.Popen[str]) -> None:
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said


@needs_torch
def test_every_rank_is_fed_from_the_window(tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, two_files())
    socket = tmp_path / "window"
    hosting = host(delivery, socket, tmp_path / "placed", agents=2)
    while not socket.exists():
        assert hosting.poll() is None, hosting.communicate()[0]
    taken: list[dict[str, np.ndarray]] = [{}, {}]

    def rank(number: int) -> None:
        extra = {"name": "fra-{rank}", "window_of": str(socket), "device": "cpu"}
        options = read_options(extra, {}, rank=number, device="cpu")
        for name, tensor in feed(options):
            taken[number][name] = tensor.numpy().copy()

    threads = [Thread(target=rank, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    sender = delivery.send()
    for thread in threads:
        thread.join()
    assert sender.wait(timeout=60) == 0
    ended_well(hosting)
    for number in range(2):
        assert set(taken[number]) == set(WEIGHTS)
        assert all(np.array_equal(taken[number][n], WEIGHTS[n]) for n in WEIGHTS)


@needs_torch
def test_files_first_and_then_the_engine(tmp_path: Path) -> None:
    """The command finds all files but the weights, which its receiver did not wait for."""
    files = {
        "config.json": b'{"model_type": "x"}', "tokenizer/vocab.txt": b"a\nb\n" * 1000,
        "model.safetensors": save({"w": np.zeros(30_000_000, np.uint8)}),
    }  # fmt: skip
    delivery = Delivery(tmp_path, files)
    folder, socket = tmp_path / "engine", tmp_path / "window"
    hosting = host(delivery, socket, tmp_path / "placed", agents=1)
    while not socket.exists():
        assert hosting.poll() is None, hosting.communicate()[0]
    look = (
        "import pathlib, sys; f = pathlib.Path(sys.argv[1]);"
        "print(sorted(str(p.relative_to(f)) for p in f.rglob('*') if p.is_file()))"
    )
    options = json.dumps({"name": "first", "window_of": str(socket)})
    command = [
        sys.executable, "-m", "toolkit.agent.engines.first", str(folder), options,
        sys.executable, "-c", look, str(folder),
    ]  # fmt: skip
    starting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sender = delivery.send()
    said, errors = starting.communicate(timeout=60)
    assert starting.returncode == 0, errors
    assert said.strip() == str(["config.json", "tokenizer/vocab.txt"])
    assert (folder / "config.json").read_bytes() == files["config.json"]
    assert sender.wait(timeout=60) == 0
    ended_well(hosting)


@needs_torch
def test_who_attaches_late_still_gets_everything(tmp_path: Path) -> None:
    """As an engine does that starts after `first`: from the host's files, and from the window."""
    from toolkit.agent.engines.feed import feed
    from toolkit.agent.engines.first import take_files

    delivery = Delivery(tmp_path, two_files())
    socket = tmp_path / "window"
    hosting = host(delivery, socket, tmp_path / "placed", agents=1)
    while not socket.exists():
        assert hosting.poll() is None, hosting.communicate()[0]
    sender = delivery.send("--rate", "2M")
    options = read_options({"name": "first", "window_of": str(socket)}, {}, rank=0, device="cpu")
    assert asyncio.run(take_files(options.settings, tmp_path / "engine")) == ["config.json"]
    options = read_options({"name": "r{rank}", "window_of": str(socket)}, {}, rank=0, device="cpu")
    taken = {name: tensor.numpy().copy() for name, tensor in feed(options)}
    assert all(np.array_equal(taken[n], WEIGHTS[n]) for n in WEIGHTS)
    assert sender.wait(timeout=60) == 0
    ended_well(hosting)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: python -m toolkit.agent.engines.first MODEL_FOLDER OPTIONS COMMAND"),
        (["m", "{", "true"], "LLMSYNC_RECEIVE: is not JSON"),
        (["m", '{"name": "a", "window_of": "/nowhere/window"}', "true"], "/nowhere/window"),
    ],
)
def test_what_is_wrong_with_first_is_a_sentence(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    if "window_of" in str(arguments) and needs_torch.args[0]:
        pytest.skip("torch is not installed (extra `gpu`)")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.agent.engines.first", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, env=os.environ, check=False,
    )  # fmt: skip
    assert done.returncode not in (0, 1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
