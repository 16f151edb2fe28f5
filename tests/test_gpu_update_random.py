"""Whatever two versions of a model are: after a commit it is the second, after a rollback the
first, at the same addresses; and a real encoder answers accordingly, for the bytes that changed."""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from gpu_updates import addresses, assert_is, changed_bytes, deliver, loaded, save
    from net import Weather

    from toolkit.delivery.model import Coding
    from toolkit.gpu.door import open_device
    from toolkit.gpu.slices import Shard

DTYPES = ["float32", "float16", "int64", "uint8"]
NAMES = ["a.q_proj.weight", "a.o_proj.weight", "b.norm", "b.bias", "c.ids", "d.none"]


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[dict[str, bytes]], Shard]:
    """Three versions of a model in one or two files, and a rank's part of it."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    shapes = {n: (4 * draw(st.integers(1, 12)), 4 * draw(st.integers(1, 12))) for n in names}
    shapes |= {n: (0, 4) for n in names if n.endswith("none")}
    dtypes = {n: draw(st.sampled_from(DTYPES)) for n in names}
    second = draw(st.sets(st.sampled_from(names)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    tensors = {n: _noise(shapes[n], dtypes[n], chance) for n in names}
    made = []
    for _ in range(3):
        note = draw(st.sampled_from(["", "x", "y", "long " * 30]))
        files = {}
        for path, inside in (("m-1.safetensors", set(names) - second), ("m-2.safetensors", second)):
            part = {n: tensors[n] for n in names if n in inside}
            if part:
                files[path] = save(part, {"note": note} if note else None)
        if draw(st.booleans()):
            files = dict(reversed(files.items()))
        made.append({**files, "config.json": draw(st.binary(max_size=600))})
        tensors = {
            n: _edited(t, chance) if draw(st.sampled_from([0, 0, 1])) and t.size else t
            for n, t in tensors.items()
        }
    world = draw(st.sampled_from([1, 1, 2, 4]))
    return made, Shard(draw(st.integers(0, world - 1)), world)


def _noise(shape: tuple[int, ...], dtype: str, chance: random.Random) -> Any:
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    # Small numbers of any type: bytes below 60 are no NaN, which is not equal to itself.
    return np.array(chance.choices(range(60), k=count), np.uint8).view(dtype).reshape(shape)


def _edited(tensor: Any, chance: random.Random) -> Any:
    made = tensor.copy()
    flat = made.reshape(-1).view(np.uint8)
    for _ in range(chance.choice([1, 1, 5])):
        flat[chance.randrange(len(flat))] ^= 1
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(versions(), st.integers(0, 99), st.sampled_from([0.0, 0.0, 0.1]), st.booleans())
def test_any_three_versions(
    made: tuple[list[dict[str, bytes]], Shard], seed: int, loss: float, back: bool
) -> None:
    (first, second, third), shard = made
    torch.set_num_threads(1)
    live = loaded(first, open_device("cpu"), shard)
    places = addresses(live)
    sink, net = deliver(live, second, before=first, seed=seed, weather=Weather(loss=loss))
    update = sink.update
    assert_is(live, first)
    assert update.bytes == sum(len(t.shadow) for t in update.shadow.tensors.values())
    assert all(not torch.equal(t.live, t.shadow) for t in update.shadow.tensors.values())
    if not loss:
        sent = sum(n for toi, n in net.payload.items() if toi > 2 and toi % 2)
        assert sent <= changed_bytes(first, second)
    update.commit()
    assert_is(live, second)
    if back:
        update.rollback()
        assert_is(live, first)
    below = first if back else second
    again, _ = deliver(live, third, before=below, seed=seed)
    assert_is(live, below)
    again.update.commit()
    assert_is(live, third)
    update.release()
    again.update.rollback()
    assert_is(live, below)
    again.update.commit()
    again.update.release()
    assert_is(live, third)
    assert addresses(live) == places


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_an_encoder_answers_as_its_version_does_for_the_bytes_that_changed(loss: float) -> None:
    """All-MiniLM's layers, two of them: 28 MB, of which one block in a hundred changes (G17)."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=9000, hidden_size=384, num_hidden_layers=2, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=128,
    )  # fmt: skip
    module = transformers.BertModel(config, add_pooling_layer=False).eval()
    tokens = torch.arange(24).reshape(2, 12)

    def answer(of: Any) -> Any:
        with torch.inference_mode():
            return of(tokens).last_hidden_state.clone()

    from safetensors.torch import save as save_torch

    def file() -> dict[str, bytes]:
        return {
            "m.safetensors": save_torch({n: t.contiguous() for n, t in module.state_dict().items()})
        }

    coding = Coding(symbol=1400, block=200, parity=20)
    first, before = file(), answer(module)
    changed = "encoder.layer.1.output.dense.weight"
    with torch.no_grad():
        module.get_parameter(changed)[100] += 5
    second, after = file(), answer(module)
    assert not torch.equal(before, after)

    live = loaded(first, open_device("cpu"), coding=coding)
    served = transformers.BertModel(config, add_pooling_layer=False).eval()
    live.load_into(served)
    places = {n: p.data_ptr() for n, p in served.named_parameters()}
    assert torch.equal(answer(served), before)
    sink, net = deliver(live, second, coding=coding, rate=10**9, weather=Weather(loss=loss))
    missing = changed_bytes(first, second, coding)
    assert missing <= 0.011 * len(second["m.safetensors"])
    assert net.receivers["fra"].counters.bytes <= 1.05 * missing
    assert sink.update.changed == (changed,)
    assert sink.update.bytes == served.get_parameter(changed).nbytes
    assert torch.equal(answer(served), before)
    sink.update.commit()
    assert torch.equal(answer(served), after)
    assert live.verify() == []
    sink.update.rollback()
    assert torch.equal(answer(served), before)
    assert live.verify() == []
    assert {n: p.data_ptr() for n, p in served.named_parameters()} == places
