"""The tensors of a model in several files, by name; into a torch module, and what does not fit."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from safetensors.numpy import save
from test_gpu_sink import Delivery

from toolkit.errors import DeliveryError, ProblemsError
from toolkit.gpu.index import names, parse_index

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch

    from toolkit.gpu.door import open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.sink import DeviceSink

CHANCE = np.random.default_rng(4)
EMBED = CHANCE.standard_normal((6, 4)).astype(np.float32)
WEIGHT = CHANCE.standard_normal((4, 4)).astype(np.float32)
BIAS = CHANCE.standard_normal(4).astype(np.float32)


SHARDED = {
    "model.safetensors.index.json": json.dumps(
        {"weight_map": {"embed.weight": "a.safetensors", "inner.weight": "b.safetensors",
                        "inner.bias": "b.safetensors"}}
    ).encode(),
    "a.safetensors": save({"embed.weight": EMBED}),
    "b.safetensors": save({"inner.weight": WEIGHT, "inner.bias": BIAS}),
    "consolidated.safetensors": save({"embed.weight": EMBED + 1}),
}  # fmt: skip


def received(files: dict[str, bytes]) -> DeviceSink:
    sink = DeviceSink(MemoryFiles(), open_device("cpu"), weights="gpu")
    Delivery(files).feed(sink)
    sink.place()
    return sink


def module(device: str = "meta") -> torch.nn.Module:
    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(6, 4, device=device)
            self.inner = torch.nn.Linear(4, 4, device=device)
            self.head = torch.nn.Linear(4, 6, bias=False, device=device)
            self.head.weight = self.embed.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.inner(self.embed(ids)))

    return Small()


@needs_torch
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_sharded_model_becomes_a_module_without_a_copy(device: str) -> None:
    sink = received(SHARDED)
    assert sink.model.names()["embed.weight"] == "a.safetensors"
    made = module(device)
    assert sink.model.load_into(made) == []
    assert made.embed.weight.data_ptr() == sink.model.tensor("embed.weight").data_ptr()
    assert made.head.weight is made.embed.weight
    got = made(torch.tensor([1, 5])).detach().numpy()
    wanted = (EMBED[[1, 5]] @ WEIGHT.T + BIAS) @ EMBED.T
    assert np.allclose(got, wanted, atol=1e-5)


@needs_torch
def test_what_does_not_fit_a_module_is_told_all_at_once() -> None:
    files = {
        "m.safetensors": save(
            {"embed.weight": EMBED[:5], "inner.weight": WEIGHT.astype(np.float16), "more": BIAS}
        )
    }
    sink = received(files)
    made = module("cpu")
    before = made.inner.bias
    with pytest.raises(ProblemsError) as caught:
        sink.model.load_into(made)
    assert str(caught.value) == (
        "embed.weight: has shape [5, 4], the module [6, 4] (is it the module of this model?)\n"
        "inner.weight: is float16, the module's is float32 (is it the module of this model?)\n"
        "inner.bias: the delivery has no such tensor (is it the module of this model?)\n"
        "more: the module has no place for it (is it the module of this model?)"
    )
    assert made.inner.bias is before
    fitting = received(
        {"m.safetensors": save({"x.embed.weight": EMBED, "y": BIAS, "x.more": BIAS})}
    )
    assert fitting.model.load_into(module("cpu"), strict=False, prefix="x.") == ["more"]


@needs_torch
def test_a_buffer_that_no_file_holds_is_named() -> None:
    class Turned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.empty(4, device="meta"))
            self.register_buffer("angles", torch.empty(4, device="meta"), persistent=False)

    sink = received({"m.safetensors": save({"w": BIAS})})
    with pytest.raises(ProblemsError, match="angles: is a buffer that no file holds"):
        sink.model.load_into(Turned())


@needs_torch
def test_a_name_in_two_files_needs_the_file() -> None:
    sink = received({"a.safetensors": save({"w": BIAS}), "b.safetensors": save({"w": BIAS + 1})})
    with pytest.raises(
        DeliveryError, match=r"is in a\.safetensors and b\.safetensors: name the file"
    ):
        sink.model.tensor("w")
    assert np.array_equal(sink.model.tensor("w", "b.safetensors").numpy(), BIAS + 1)
    assert sink.model.state_dict() == {}


@needs_torch
def test_names_are_known_while_files_still_come() -> None:
    delivery = Delivery(SHARDED)
    sink = DeviceSink(MemoryFiles(), open_device("cpu"), weights="gpu")
    sink.open(delivery.envelope, delivery.opened)
    assert sink.model.names() == {}
    for file in range(2):
        sink.put_digests(file, delivery.source.digests[file])
        for number, offset, data in delivery.blocks(file):
            assert sink.model.names().get("inner.weight") in (None, "b.safetensors")
            sink.write(file, number, offset, memoryview(data))
    assert sink.model.names()["inner.weight"] == "b.safetensors"
    assert np.array_equal(sink.model.tensor("embed.weight").numpy(), EMBED)
    with pytest.raises(
        DeliveryError, match=r"inner\.weight: not all of its bytes are verified yet"
    ):
        sink.model.tensor("inner.weight")


def test_index_files_that_do_not_fit_what_came() -> None:
    found, problems = names(
        {"m.json": {"a": "x", "b": "x", "c": "gone", "d": "gone"}}, {"x": ["a", "z"], "y": ["q"]}
    )
    assert found == {"a": "x", "q": "y"}
    assert sorted(map(str, problems)) == [
        "m.json: b is not in x (fetch the model again)",
        "m.json: gone, with 2 tensors, is not part of the delivery (send the whole folder)",
    ]
    with pytest.raises(ValueError, match=r"m\.json: is not JSON"):
        parse_index("m.json", b"{")
    with pytest.raises(ValueError, match=r"m\.json: has no weight_map"):
        parse_index("m.json", b"{}")
    assert parse_index("sub/m.json", b'{"weight_map": {"w": "../x"}}') == {"w": "x"}
    clash, _ = names({"m": {"a": "x"}, "n": {"a": "y"}}, {"x": ["a"], "y": ["a"]})
    assert clash == {}


@needs_torch
def test_files_are_let_go_of_while_others_come() -> None:
    delivery = Delivery(SHARDED)
    device = open_device("cpu")
    sink = DeviceSink(MemoryFiles(), device, weights="gpu", passing=True)
    sink.open(delivery.envelope, delivery.opened)
    held = {f.path: f for f in sink.model.files.values()}
    for file, path in enumerate(SHARDED):
        sink.put_digests(file, delivery.source.digests[file])
        blocks = delivery.blocks(file)
        for number, offset, data in blocks:
            if path in held and offset >= 8 + int.from_bytes(SHARDED[path][:8], "little"):
                assert held[path].layout is not None
            if number == len(blocks) - 1 and path in held:
                with pytest.raises(ValueError, match=r"safetensors: not all of it is here"):
                    sink.model.release(path)
            sink.write(file, number, offset, memoryview(data))
    taken = {t.path: t for t in sink.model.tensors()}
    assert sum(f.taken for f in held.values()) == sink.model.size
    sink.model.release("a.safetensors")
    assert held["a.safetensors"].taken == 0
    with pytest.raises(DeliveryError, match=r"embed\.weight: not all of its bytes"):
        sink.model.tensor("embed.weight", "a.safetensors")
    assert np.array_equal(taken["a.safetensors"].value.numpy(), EMBED)
    assert np.array_equal(sink.model.tensor("inner.bias").numpy(), BIAS)
    assert sink.model.verify() == []


@needs_torch
def test_a_header_takes_no_memory_on_the_device_before_the_rest_comes() -> None:
    files = {"m.safetensors": save({"w": CHANCE.standard_normal(500).astype(np.float32)})}
    for passing in (False, True):
        delivery = Delivery(files)
        sink = DeviceSink(MemoryFiles(), open_device("cpu"), weights="gpu", passing=passing)
        sink.open(delivery.envelope, delivery.opened)
        sink.put_digests(0, delivery.source.digests[0])
        (first, *rest) = delivery.blocks(0)
        sink.write(0, first[0], first[1], memoryview(first[2]))
        (held,) = sink.model.files.values()
        assert held.layout is not None
        assert (held.taken == 0) == passing
        for number, offset, data in rest:
            sink.write(0, number, offset, memoryview(data))
        assert sink.model.complete
        assert sink.model.verify() == []
        assert sink.checked == len(files["m.safetensors"])


@needs_torch
def test_only_the_largest_file_need_fit_where_files_are_let_go_of() -> None:
    device = open_device("cpu")
    delivery = Delivery(SHARDED)
    largest = max(len(c) for p, c in SHARDED.items() if p.endswith(".safetensors"))
    device.memory = lambda: (largest, largest)
    with pytest.raises(DeliveryError, match="larger than the memory"):
        DeviceSink(MemoryFiles(), device, weights="gpu").open(delivery.envelope, delivery.opened)
    passing = DeviceSink(MemoryFiles(), device, weights="gpu", passing=True)
    assert passing.open(delivery.envelope, delivery.opened)
