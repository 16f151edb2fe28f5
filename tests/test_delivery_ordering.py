"""In which order a model is sent: what names tell, which blocks that means, what comes of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from net import KEY, Net, Weather
from safetensors.numpy import save

from toolkit.delivery import events
from toolkit.delivery.manifest import digest, open_manifest, seal
from toolkit.delivery.model import Coding, Standing, Stretch
from toolkit.delivery.ordering import FEW, LEAST, Contents, delivery_order, place, unmatched
from toolkit.delivery.safetensors import header_size, parse_header
from toolkit.delivery.sealing import MIN_BLOCK, cut
from toolkit.delivery.sender import Sender
from toolkit.delivery.stretches import MAX_STRETCHES, order_problem, sequence

CODING = Coding(symbol=256, block=8, parity=32)

# ----- names


@pytest.mark.parametrize(
    "names",
    [
        (  # Llama
            "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight",
            "model.layers.2.input_layernorm.weight", "model.layers.10.self_attn.q_proj.weight",
            "lm_head.weight",
        ),
        (  # Llama as its makers name it
            "tok_embeddings.weight", "rope.freqs", "layers.0.attention.wq.weight",
            "layers.11.ffn_norm.weight", "output.weight",
        ),
        ("wte.weight", "h.0.attn.c_attn.weight", "h.9.ln_1.bias", "h.10.ln_1.bias", "ln_f.bias"),
        ("transformer.word_embeddings.weight", "transformer.h.3.mlp.weight", "lm_head.weight"),
        ("gpt_neox.embed_in.weight", "gpt_neox.layers.7.mlp.weight", "embed_out.weight"),
        ("backbone.embeddings.weight", "backbone.layers.3.mixer.A_log", "backbone.norm_f.weight"),
        (  # BERT
            "bert.embeddings.LayerNorm.weight", "bert.encoder.layer.4.output.dense.weight",
            "bert.encoder.layer.11.output.dense.weight", "bert.pooler.dense.weight",
        ),
        (  # DeepSeek
            "model.embed_tokens.weight", "model.layers.3.mlp.experts.77.down_proj.weight",
            "model.layers.4.mlp.experts.0.down_proj.weight_scale_inv",
            "model.layers.61.shared_head.head.weight", "model.norm.weight",
        ),
        (  # Mixtral
            "model.embed_tokens.weight", "model.layers.0.block_sparse_moe.experts.7.w1.weight",
            "model.layers.1.block_sparse_moe.experts.0.w1.weight", "lm_head.weight",
        ),
        (  # T5
            "shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight",
            "encoder.block.0.layer.1.DenseReluDense.wi.weight", "encoder.block.11.layer.0.x",
            "encoder.final_layer_norm.weight", "decoder.block.0.layer.0.SelfAttention.q.weight",
            "decoder.block.3.layer.1.EncDecAttention.q.weight", "decoder.final_layer_norm.weight",
            "lm_head.weight",
        ),
        (  # Whisper
            "model.encoder.conv1.weight", "model.encoder.layers.0.fc1.weight",
            "model.encoder.layers.31.fc1.weight", "model.encoder.layer_norm.weight",
            "model.decoder.embed_tokens.weight", "model.decoder.layers.0.fc1.weight",
            "model.decoder.layer_norm.weight", "proj_out.weight",
        ),
        (  # a picture's model ahead of the language's
            "vision_tower.vision_model.embeddings.patch_embedding.weight",
            "vision_tower.vision_model.encoder.layers.23.mlp.fc1.weight",
            "multi_modal_projector.linear_1.weight", "language_model.model.layers.0.mlp.weight",
            "language_model.lm_head.weight",
        ),
        ("visual.patch_embed.proj.weight", "visual.blocks.31.mlp.weight", "model.layers.0.mlp"),
    ],
)  # fmt: skip
def test_names_of_real_models_tell_when_a_tensor_is_needed(names: Sequence[str]) -> None:
    found = [place(name) for name in names]
    assert found == sorted(found)
    assert len(set(found)) == len(names), "two of these are not told apart"


@pytest.mark.parametrize(
    "name",
    [
        "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q.weight",
        "mid_block.resnets.0.x",
        "conv_in.weight", "time_proj.linear.bias", "", "layers", "layers.x.weight", "h.-1.w",
        "layers.99999999999999999999.w", "layers.\N{ARABIC-INDIC DIGIT THREE}.w",
    ],
)  # fmt: skip
def test_names_without_a_layer_have_none(name: str) -> None:
    assert place(name).numbers == ()


# ----- stretches


def contents(
    path: str, tensors: Sequence[tuple[str, int]] | None, size: int = 0, *, weights: bool = True
) -> tuple[Contents, bytes]:
    """A file with these tensors (name, bytes) in this order, whatever a library would do."""
    if tensors is None:
        data = random.Random(path).randbytes(size)
        return Contents(path, cut(size, 256, 8, sealed=False), weights), data
    at, entries = 0, []
    for name, length in tensors:
        entries.append(
            f'"{name}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{at},{at + length}]}}'
        )
        at += length
    header = ("{" + ",".join(entries) + "}").encode()
    data = len(header).to_bytes(8, "little") + header + random.Random(path).randbytes(at)
    part = cut(len(data), 256, 8, sealed=False)
    return Contents(path, part, weights, parse_header(data, len(data))), data


def names_in_order(files: Sequence[Contents], order: Sequence[Stretch]) -> list[str]:
    """Tensors in the order in which their middle is sent: their ends may share others' blocks."""
    places = {s: i for i, s in enumerate(sequence(order, [f.cut.blocks for f in files]))}
    found = []
    for number, file in enumerate(files):
        for tensor in file.tensors or ():
            middle = file.cut.block_at((tensor.start + tensor.end) // 2)
            [at] = [
                i for s, i in places.items()
                if s.file == number and s.first <= middle < s.first + s.blocks
            ]  # fmt: skip
            found.append((at, middle, tensor.name))
    return [name for _, _, name in sorted(found)]


LAYER = 40_000


def shuffled(seed: int, layers: int = 12, shards: int = 2) -> dict[str, tuple[Contents, bytes]]:
    """A model of many tensors, in no order at all, beside a small file."""
    chance = random.Random(seed)
    named = [("model.embed_tokens.weight", 2 * LAYER), ("model.norm.weight", 500)]
    named += [("lm_head.weight", 2 * LAYER)]
    for i in range(layers):
        named += [(f"model.layers.{i}.{what}.weight", LAYER // 4) for what in ("q", "k", "v", "o")]
        named += [(f"model.layers.{i}.norm.weight", 300)]
    chance.shuffle(named)
    cuts = len(named) // shards
    found = {"config.json": contents("config.json", None, 300, weights=False)}
    for shard in range(shards):
        path = f"model-{shard}.safetensors"
        mine = named[shard * cuts : (shard + 1) * cuts if shard < shards - 1 else None]
        found[path] = contents(path, mine)
    return found


def test_layers_go_in_their_order_across_files_and_headers_ahead_of_them() -> None:
    model = shuffled(1)
    files = [c for c, _ in model.values()]
    order = delivery_order(files, layers=True)
    assert order_problem(order, [f.cut.blocks for f in files]) == ""
    assert order[0].file == 0
    heads = {(s.file, s.first) for s in order[1:3]}
    assert heads == {(1, 0), (2, 0)}, "the headers follow the small files"
    seen: dict[int, int] = {}
    names = names_in_order(files, order)
    for at, name in enumerate(names):
        if ".layers." in name and "norm" not in name:
            seen.setdefault(int(name.split(".")[2]), at)
    firsts = [seen[i] for i in sorted(seen)]
    assert sorted(seen) == list(range(12))
    assert firsts == sorted(firsts)


def test_a_block_of_several_layers_goes_with_the_earliest() -> None:
    one, _ = contents("m.safetensors", [
        ("layers.5.w", 1000), ("layers.1.w", 100), ("layers.7.w", 5000), ("layers.0.w", 9000),
    ])  # fmt: skip
    order = delivery_order([one], layers=True)
    part, spans = one.cut, one.tensors
    assert spans is not None
    rank = {"layers.0.w": 0, "layers.1.w": 1, "layers.5.w": 5, "layers.7.w": 7}
    sent = [b for s in sequence(order, [part.blocks]) for b in range(s.first, s.first + s.blocks)]
    due = []
    for b in sent:
        begin, end = part.offset(b), part.offset(b) + part.size(b)
        inside = [rank[t.name] for t in spans if t.start < end and t.end > begin]
        due.append(-1 if begin < one.header else min(inside))
    assert due == sorted(due)
    assert sorted(sent) == list(range(part.blocks))


def test_what_is_named_goes_ahead_of_all_else_in_the_order_of_the_patterns() -> None:
    files = [c for c, _ in shuffled(2).values()]
    patterns = ["*.layers.7.*", "lm_head.weight"]
    for layers in (False, True):
        order = delivery_order(files, patterns, layers=layers)
        names = names_in_order(files, order)
        named = [n for n in names if fnmatchcase(n, patterns[0])]
        # Others may share their blocks.
        assert set(names[: names.index("lm_head.weight")]) >= set(named) - {"lm_head.weight"}
        assert names.index("lm_head.weight") < 20
        assert order[0].first == 0, "the header of the file that it is in"
        assert order_problem(order, [f.cut.blocks for f in files]) == ""
    assert delivery_order(files, ["config.json"], layers=False) == (), "it is the first anyway"
    by_path = delivery_order(files, ["*-1.safetensors"], layers=False)
    assert by_path == (Stretch(2, 0, files[2].cut.blocks),)
    assert unmatched(files, ["nothing*", *patterns, "conf*", "x"]) == ["nothing*", "x"]


def test_models_without_layers_and_models_in_order_are_sent_as_they_are() -> None:
    unet, _ = contents("unet.safetensors", [("conv_in.w", 4000), ("mid_block.resnets.0.w", 9000)])
    assert delivery_order([unet], layers=True) == ()
    sorted_one, _ = contents(
        "m.safetensors", [("embed_tokens.w", 3000), ("layers.0.w", 4000), ("layers.1.w", 9000)]
    )
    assert delivery_order([sorted_one], layers=True) == ()
    both = [
        replace(unet, path="unet/m.safetensors"),
        replace(sorted_one, path="text/m.safetensors"),
    ]
    first = delivery_order(both, layers=True)
    assert Stretch(0, 0, unet.cut.block_at(unet.header - 1) + 1) == first[0]
    names = names_in_order(both, first)
    assert names.index("conv_in.w") < names.index("mid_block.resnets.0.w"), "not as in its file"


NAMES = st.sampled_from([
    "embed_tokens.w", "lm_head.w", "rope.freqs", "vision.blocks.3.w", "decoder.norm.w",
    *(f"layers.{i}.w" for i in (0, 1, 2, 9, 10, 11)),
])  # fmt: skip


@given(
    st.lists(
        st.lists(st.tuples(NAMES, st.integers(0, 9000)), min_size=1, max_size=14),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_whatever_lies_where_each_block_is_sent_when_its_earliest_tensor_is_due(
    model: list[list[tuple[str, int]]],
) -> None:
    files = [
        contents(f"{i}.safetensors", [(f"{name}.{j}", n) for j, (name, n) in enumerate(tensors)])[0]
        for i, tensors in enumerate(model)
    ]
    order = delivery_order(files, layers=True)
    blocks = [file.cut.blocks for file in files]
    assert order_problem(order, blocks) == ""
    if not any(place(t.name).numbers for f in files for t in f.tensors or ()):
        assert order == ()
        return
    due = []
    for number, first, count in sequence(order, blocks):
        file = files[number]
        for block in range(first, first + count):
            begin = file.cut.offset(block)
            end = begin + file.cut.size(block)
            inside = [place(t.name) for t in file.tensors or () if t.start < end and t.end > begin]
            due.append((begin >= file.header, min(inside) if begin >= file.header else None))
    heads = [tensor for tensor in due if not tensor[0]]
    rest = [tensor for _, tensor in due[len(heads) :]]
    assert heads == due[: len(heads)], "a header behind a tensor"
    assert rest == sorted(rest, key=lambda p: p or place(""))


def test_an_order_is_bounded_and_becomes_coarser_instead() -> None:
    chance = random.Random(5)
    tensors = [(f"layers.{chance.randrange(90)}.{i}", 2100) for i in range(3 * MAX_STRETCHES)]
    one, _ = contents("m.safetensors", tensors)
    order = delivery_order([one], layers=True)
    assert FEW / 4 < len(order) <= FEW, "25 MB need no more"
    assert order_problem(order, [one.cut.blocks]) == ""
    grown = tuple(
        replace(t, end=t.end + 40 * t.start, start=41 * t.start) for t in one.tensors or ()
    )
    large = replace(one, cut=cut(41 * one.cut.length, 4096, 8, sealed=False), tensors=grown)
    finer = delivery_order([large], layers=True)
    assert FEW < len(finer) <= large.cut.length / LEAST < MAX_STRETCHES
    many = [contents(f"{i}", None, 10, weights=False)[0] for i in range(MAX_STRETCHES)]
    assert delivery_order([*many, one], layers=True) == (), "so many files are sent as they are"


@given(st.integers(1, 60_000), st.integers(32, 700), st.integers(1, 40), st.booleans())
@example(1, 32, 2, True)
def test_the_block_of_a_byte_is_the_one_it_is_in(
    length: int, symbol: int, block: int, sealed: bool
) -> None:
    part = cut(length, symbol, max(block, MIN_BLOCK), sealed=sealed)
    chance = random.Random(length)
    for offset in {0, length - 1, *(chance.randrange(length) for _ in range(20))}:
        found = part.block_at(offset)
        assert part.offset(found) <= offset < part.offset(found) + part.size(found)


@given(st.data(), st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_every_block_is_in_the_sequence_once(data: st.DataObject, blocks: list[int]) -> None:
    order = []
    for file, count in enumerate(blocks):
        at = 0
        while at < count:
            skip, size = data.draw(st.tuples(st.integers(0, 9), st.integers(1, 9)))
            if at + skip + size <= count:
                order.append(Stretch(file, at + skip, size))
            at += skip + size
    order = data.draw(st.permutations(order))
    assert order_problem(order, blocks) == ""
    whole = sequence(order, blocks)
    assert whole[: len(order)] == order
    sent = [(s.file, b) for s in whole for b in range(s.first, s.first + s.blocks)]
    assert sorted(sent) == [(f, b) for f, n in enumerate(blocks) for b in range(n)]
    assert {s.file for s in whole} == set(range(len(blocks)))
    if order:
        file, first, count = data.draw(st.sampled_from(order))
        inside = Stretch(file, data.draw(st.integers(first, first + count - 1)), 1)
        assert order_problem([*order, inside], blocks), "a block twice"


# ----- in the envelope


def test_the_order_is_signed_and_the_manifest_stays_the_same() -> None:
    net = Net({"a": bytes(5000), "b": bytes(9000)}, ["fra"], coding=CODING)
    manifest = net.source.manifest
    order = (Stretch(1, 2, 2), Stretch(0, 1, 1))
    opened = open_manifest(seal(manifest, KEY, 5, order), None)
    assert (opened.order, opened.serial) == (order, 5)
    assert opened.digest == digest(manifest.encode())
    assert opened.manifest == manifest
    assert open_manifest(seal(manifest, KEY), None).order == ()
    with pytest.raises(ValueError, match="two stretches"):
        seal(manifest, KEY, 5, (*order, order[0]))
    with pytest.raises(ValueError, match="which has"):
        Sender(replace(net.sender.session, order=(Stretch(0, 0, 99),)), net.source, ["fra"])


# ----- deliveries


def delivery(seed: int, first: Sequence[str] = (), **options: object) -> Net:
    model = shuffled(seed)
    order = delivery_order([c for c, _ in model.values()], first, layers=True)
    assert order
    given: dict[str, object] = {
        "weather": Weather(delay=0.005), "rate": 2_000_000, "gather": 0.2, "coding": CODING,
        "order": order, "timeout": 60.0, "seed": seed, **options,
    }  # fmt: skip
    return Watched({path: data for path, (_, data) in model.items()}, ["fra", "lon"], **given)  # type: ignore[arg-type]


class Watched(Net):
    """Remembers how many bytes had arrived when each tensor was told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.told: dict[str, list[tuple[str, int]]] = {name: [] for name in self.names}

    def _handle(self, name: str, outputs: list[events.ReceiverOutput]) -> None:
        for output in outputs:
            if isinstance(output, events.TensorReady):
                there = self.receivers[name].counters.bytes
                self.told[name].append((output.tensor.name, there))
        super()._handle(name, outputs)


def ends_right(net: Net, *, restarted: Sequence[str] = ()) -> None:
    net.run()
    for result in net.sender.results():
        assert result.standing is Standing.COMPLETE, result
        sink = net.sinks[result.receiver]
        assert sink.placed == net.files
        assert max(sink.writes.values()) == 1, "a block was stored twice"
        told = [o.tensor for o in net.outputs[result.receiver] if isinstance(o, events.TensorReady)]
        if result.receiver not in restarted:
            assert len(told) == len({t.name for t in told}) == 63


@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_named_first_is_ready_before_a_tenth_has_arrived(seed: int, loss: float) -> None:
    net = delivery(seed, ["model.layers.9.k.weight"], weather=Weather(loss=loss, delay=0.005))
    assert isinstance(net, Watched)
    ends_right(net)
    for name in net.names:
        size = sum(map(len, net.files.values()))
        there = next(n for tensor, n in net.told[name] if tensor == "model.layers.9.k.weight")
        assert there < size / 10
        if not loss:
            assert net.receivers[name].counters.duplicates == 0
            assert net.sender.tally.repairs == 0


@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize("seed", range(4))
def test_layers_are_ready_in_their_order(seed: int, loss: float) -> None:
    net = delivery(seed, weather=Weather(loss=loss, delay=0.005))
    assert isinstance(net, Watched)
    ends_right(net)
    for name in net.names:
        last: dict[int, int] = {}
        for at, (tensor, _) in enumerate(net.told[name]):
            if ".layers." in tensor:
                last[int(tensor.split(".")[2])] = at
        for layer in range(9):
            assert last[layer] < last[layer + 3], f"layer {layer} after layer {layer + 3}"
        tensors = [tensor for tensor, _ in net.told[name]]
        assert tensors.index("model.embed_tokens.weight") < last[2]


def test_in_the_order_of_the_files_they_are_not() -> None:
    """The tests above can fail."""
    net = delivery(0, order=())
    assert isinstance(net, Watched)
    ends_right(net)
    size = sum(map(len, net.files.values()))
    there = next(n for tensor, n in net.told["fra"] if tensor == "model.layers.9.k.weight")
    assert there > size / 10


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_late_joiners_and_restarts_get_everything_once(seed: int, targeted: bool) -> None:
    net = delivery(
        seed, ["lm_head.weight"], weather=Weather(loss=0.03, delay=0.005, jitter=0.01),
        absent=("lon",), targeted=targeted, seal_key=bytes(16) if seed % 2 else None,
        order=delivery_order(
            [replace(c, cut=cut(c.cut.length, 256, 8, sealed=bool(seed % 2)))
             for c, _ in shuffled(seed).values()], ["lm_head.weight"], layers=True
        ),
    )  # fmt: skip
    net.at(0.6, lambda: net.start("lon"))
    net.kill_and_restart("fra", 0.5, 0.3)
    ends_right(net, restarted=["fra"])


def test_a_run_in_another_order_goes_on_with_what_is_there() -> None:
    net = delivery(3)
    net.at(0.8, lambda: net.kill("fra"))
    net.at(0.8, lambda: net.kill("lon"))
    with pytest.raises(AssertionError, match="did not end"):
        net.run(limit=3.0)
    kept = {name: len(net.sinks[name].writes) for name in net.names}
    assert min(kept.values()) > 20
    again = delivery(3, ["lm_head.weight"])
    for name in net.names:
        sink = again.sinks[name]
        old = net.sinks[name]
        sink.manifest, sink.lists, sink.staged, sink.journal = (
            old.manifest, old.lists, old.staged, old.journal
        )  # fmt: skip
        sink.envelope = seal(again.source.manifest, KEY, order=again.order)
    ends_right(again, restarted=again.names)
    for name in net.names:
        fresh = len(again.sinks[name].writes)
        assert fresh + kept[name] == sum(again.source.manifest.blocks)


def test_a_header_of_a_real_library_is_read() -> None:
    data = save({f"h.{i}.w": numpy.full(3000, i, numpy.float32) for i in (0, 1, 10, 2, 11)})
    part = cut(len(data), 256, 8, sealed=False)
    one = Contents("m.safetensors", part, True, parse_header(data, len(data)))
    assert one.header == header_size(data)
    order = delivery_order([one], layers=True)
    names = names_in_order([one], order)
    assert names == [f"h.{i}.w" for i in (0, 1, 2, 10, 11)]
