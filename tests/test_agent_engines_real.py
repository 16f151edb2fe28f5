"""The loaders inside vLLM and SGLang themselves, on the CPU, where those are installed.

Each rank is a process with the engine's own configuration, plugins, model class and weight loaders;
its parameters must be the parts of the source's tensors that numpy cuts and joins for that rank.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(400)
HIDDEN, HEADS, KV, INNER, VOCABULARY, LAYERS = 64, 4, 2, 96, 128, 2


def needs(package: str) -> pytest.MarkDecorator:
    there = importlib.util.find_spec(package) is not None
    reason = f"{package} is not installed (docs/how-to/{package}.md says how it was tried)"
    return pytest.mark.skipif(not there, reason=reason)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers in two files with an index, seeded."""
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(20261130)
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,),
              "lm_head.weight": (VOCABULARY, HIDDEN)}  # fmt: skip
    kv = HIDDEN // HEADS * KV
    for layer in range(LAYERS):
        head = f"model.layers.{layer}"
        shapes |= {
            f"{head}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{head}.self_attn.k_proj.weight": (kv, HIDDEN),
            f"{head}.self_attn.v_proj.weight": (kv, HIDDEN),
            f"{head}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{head}.mlp.gate_proj.weight": (INNER, HIDDEN),
            f"{head}.mlp.up_proj.weight": (INNER, HIDDEN),
            f"{head}.mlp.down_proj.weight": (HIDDEN, INNER),
            f"{head}.input_layernorm.weight": (HIDDEN,),
            f"{head}.post_attention_layernorm.weight": (HIDDEN,),
        }
    weights = {k: random.standard_normal(s).astype(np.float32) for k, s in shapes.items()}
    names = sorted(weights)
    parts = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, inside in parts.items():
        save_file({n: weights[n] for n in inside}, folder / file)
    index = {"metadata": {}, "weight_map": {n: f for f, inside in parts.items() for n in inside}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV, "vocab_size": VOCABULARY, "max_position_embeddings": 64,
        "tie_word_embeddings": False, "torch_dtype": "float32", "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def expected(model: Path, rank: int, world: int) -> dict[str, str]:
    """Digest of each parameter of `rank`, cut and fused as Llama's layers are in both engines."""
    import numpy as np
    from safetensors.numpy import load_file

    weights = {}
    for file in sorted(model.glob("*.safetensors")):
        weights |= load_file(file)

    def part(name: str, dim: int) -> np.ndarray:
        return np.split(weights[name], world, dim)[rank]

    found = {
        "model.embed_tokens.weight": part("model.embed_tokens.weight", 0),
        "lm_head.weight": part("lm_head.weight", 0),
        "model.norm.weight": weights["model.norm.weight"],
    }
    for layer in range(LAYERS):
        head = f"model.layers.{layer}"
        attention, mlp = f"{head}.self_attn", f"{head}.mlp"
        qkv = [part(f"{attention}.{x}_proj.weight", 0) for x in "qkv"]
        gate_up = [part(f"{mlp}.{x}_proj.weight", 0) for x in ("gate", "up")]
        found |= {
            f"{attention}.qkv_proj.weight": np.concatenate(qkv),
            f"{attention}.o_proj.weight": part(f"{attention}.o_proj.weight", 1),
            f"{mlp}.gate_up_proj.weight": np.concatenate(gate_up),
            f"{mlp}.down_proj.weight": part(f"{mlp}.down_proj.weight", 1),
        }
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{head}.{norm}.weight"] = weights[f"{head}.{norm}.weight"]
    return {
        k: hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest() for k, v in found.items()
    }


class Try:
    """A sender, and one process of the engine for each rank."""

    def __init__(self, script: str, model: Path, folder: Path, world: int) -> None:
        self.script, self.model, self.folder, self.world = script, model, folder, world
        self.control, self.store, *self.ports = free_ports(2 + world)
        self.window: Path | None = None
        self.config = folder / "config"
        self.config.mkdir()
        shutil.copy(model / "config.json", self.config)

    def send(self) -> subprocess.Popen[str]:
        to = [f"--to=fra{i}=127.0.0.1:{port}" for i, port in enumerate(self.ports)]
        command = [
            sys.executable, "-m", "toolkit.cli", "send", str(self.model),
            "--control", f"127.0.0.1:{self.control}", "--key", str(self.folder / "key"), *to,
        ]  # fmt: skip
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def host(self) -> subprocess.Popen[str]:
        """A receiver whose window all ranks share."""
        self.window = self.folder / "window"
        command = [
            sys.executable, "-m", "toolkit.cli", "receive", "--name", "fra0",
            "--listen", f"127.0.0.1:{self.ports[0]}", "--sender", f"127.0.0.1:{self.control}",
            "--output", str(self.folder / "placed"), "--share", str(self.window),
            "--agents", str(self.world), "--agent-wait", "200", "--timeout", "120",
        ]  # fmt: skip
        del self.ports[1:]
        return subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def rank(self, rank: int, *more: str) -> subprocess.Popen[str]:
        options: dict[str, object] = {"name": "fra{rank}", "timeout": 120}
        if self.window is not None:
            options["window_of"] = str(self.window)
        else:
            options["listen"] = f"127.0.0.1:{self.ports[rank]}"
            options["sender"] = f"127.0.0.1:{self.control}"
        command = [
            sys.executable, str(HERE / self.script), str(self.config), str(rank),
            str(self.world), str(self.store), json.dumps(options), *more,
        ]  # fmt: skip
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


def result(process: subprocess.Popen[str]) -> dict[str, dict[str, str]]:
    said = process.communicate(timeout=300)[0]
    lines = [line for line in said.splitlines() if line.startswith("RESULT ")]
    assert lines, said[-3000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


def ended_well(sender: subprocess.Popen[str]) -> None:
    said = sender.communicate(timeout=200)[1]
    assert sender.returncode == 0, said


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("engine_vllm.py", marks=needs("vllm")),
        pytest.param("engine_sglang.py", marks=needs("sglang")),
    ],
)
def test_every_rank_gets_its_part(script: str, world: int, model: Path, tmp_path: Path) -> None:
    attempt = Try(script, model, tmp_path, world)
    ranks = [attempt.rank(i) for i in range(world)]
    sender = attempt.send()
    for number, process in enumerate(ranks):
        assert result(process)["first"] == expected(model, number, world)
    ended_well(sender)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("engine_vllm.py", marks=needs("vllm")),
        pytest.param("engine_sglang.py", marks=needs("sglang")),
    ],
)
def test_ranks_share_the_window_of_their_host(script: str, model: Path, tmp_path: Path) -> None:
    """One copy of the stream; each rank sees whole tensors and keeps its part."""
    attempt = Try(script, model, tmp_path, 2)
    hosting, sender = attempt.host(), attempt.send()
    assert attempt.window is not None
    while not attempt.window.exists():
        assert hosting.poll() is None, hosting.communicate()[1]
    ranks = [attempt.rank(i) for i in range(2)]
    for number, process in enumerate(ranks):
        assert result(process)["first"] == expected(model, number, 2)
    ended_well(sender)
    ended_well(hosting)


@needs("vllm")
def test_vllm_reloads_in_place(model: Path, tmp_path: Path) -> None:
    """`reload_weights` receives again, into the same memory."""
    attempt = Try("engine_vllm.py", model, tmp_path, 1)
    process = attempt.rank(0, "again")
    for _ in range(2):
        sender = attempt.send()
        ended_well(sender)
    found = result(process)
    assert found["first"] == found["again"] == expected(model, 0, 1)
    assert found["in_place"] is True
