"""A loaded model becomes a new version in place; `cpu` stands for a device."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from gpu_updates import (
        BLOCK,
        CODING,
        addresses,
        assert_is,
        changed_bytes,
        deliver,
        feed,
        loaded,
        save,
        updating,
        weights,
    )
    from net import MemorySink, Net, Weather

    from toolkit.delivery import events
    from toolkit.errors import DeliveryError
    from toolkit.gpu.door import Device, open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.slices import Shard
    from toolkit.gpu.update import State, UpdateSink

Q = "model.layers.0.self_attn.q_proj.weight"
O = "model.layers.0.self_attn.o_proj.weight"  # noqa: E741 - as in q, k, v, o
PATH = "model.safetensors"


@pytest.fixture
def device() -> Device:
    torch.set_num_threads(1)
    return open_device("cpu")


def files(tensors: dict[str, Any], **metadata: str) -> dict[str, bytes]:
    return {"config.json": b'{"a": 1}', PATH: save(tensors, metadata or None)}


def changed(seed: int, *names: str) -> dict[str, Any]:
    """Version 1 with these tensors of another seed."""
    return {**weights(1), **{name: weights(seed)[name] for name in names}}


def failure(net: Any) -> str:
    return next(o.reason for o in net.outputs["fra"] if isinstance(o, events.Failed))


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_only_what_changed_comes_and_takes_memory(device: Device, loss: float) -> None:
    old, new = files(weights(1)), files(changed(2, Q))
    live = loaded(old, device)
    before = addresses(live)
    sink, net = deliver(live, new, before=old, weather=Weather(loss=loss), seed=5)
    update, counters = sink.update, net.receivers["fra"].counters
    assert update.state is State.READY
    missing = changed_bytes(old, new)
    assert counters.found == sum(map(len, new.values())) - missing
    assert missing < 0.4 * len(new[PATH])
    if not loss:
        assert net.payload[5] == missing
    assert_is(live, old)
    assert update.changed == (Q,)
    assert update.bytes == weights(1)[Q].nbytes
    ((name, value),) = update.tensors()
    assert name == Q
    assert np.array_equal(value.numpy(), weights(2)[Q])
    assert (update.before, update.version) == (live.digest, live.digest)
    update.commit()
    assert_is(live, new)
    assert np.array_equal(next(update.tensors())[1].numpy(), weights(1)[Q])
    assert update.version == update.after == live.digest
    assert addresses(live) == before
    update.rollback()
    assert_is(live, old)
    assert update.version == update.before
    update.commit()
    assert_is(live, new)
    update.release()
    assert_is(live, new)
    assert update.bytes == 0
    assert addresses(live) == before


def test_versions_follow_each_other_also_after_a_rollback(device: Device) -> None:
    versions = [files(changed(n, Q if n % 2 else O)) for n in range(1, 6)]
    live = loaded(versions[0], device)
    before = addresses(live)
    first = deliver(live, versions[1])[0].update
    first.commit()
    second = deliver(live, versions[2])[0].update
    with pytest.raises(DeliveryError, match="live already"):
        first.commit()
    second.commit()
    assert_is(live, versions[2])
    with pytest.raises(DeliveryError, match="another update came in between"):
        first.rollback()
    second.rollback()
    assert_is(live, versions[1])
    first.rollback()
    assert_is(live, versions[0])
    with pytest.raises(DeliveryError, match="another update came in between"):
        second.commit()
    second.release()
    third = deliver(live, versions[3])[0].update
    third.commit()
    third.release()
    first.release()
    assert_is(live, versions[3])
    fourth = deliver(live, versions[4])[0].update
    fourth.commit()
    assert_is(live, versions[4])
    fourth.rollback()
    assert_is(live, versions[3])
    assert addresses(live) == before


def test_a_header_that_grew_moves_tensors_and_changes_none(device: Device) -> None:
    old = files(weights(1))
    new = files(changed(2, O), note="the second version, " + "with a longer header " * 40)
    live = loaded(old, device)
    before = addresses(live)
    sink, _ = deliver(live, new)
    assert sink.update.changed == (O,)
    assert sink.update.bytes == weights(1)[O].nbytes
    sink.update.commit()
    assert_is(live, new)
    assert addresses(live) == before
    sink.update.rollback()
    assert_is(live, old)
    sink.update.commit()
    third = files(changed(3, Q), note="short")
    again, _ = deliver(live, third)
    again.update.commit()
    assert_is(live, third)
    assert addresses(live) == before


def test_a_header_of_the_same_length_costs_its_own_blocks(device: Device) -> None:
    old, new = files(weights(1), v="1"), files(changed(2, O), v="2")
    assert len(old[PATH]) == len(new[PATH])
    live = loaded(old, device)
    sink, net = deliver(live, new, before=old)
    assert net.payload[5] == changed_bytes(old, new) < 0.5 * len(new[PATH])
    sink.update.commit()
    assert_is(live, new)


def test_the_same_bytes_under_other_names_are_a_change(device: Device) -> None:
    """Every block behind the header is the same at the same place, and two tensors are not."""
    size = 4 * BLOCK

    def file(first: str, second: str) -> dict[str, bytes]:
        head = json.dumps(
            {
                name: {"dtype": "U8", "shape": [size], "data_offsets": [i * size, (i + 1) * size]}
                for i, name in enumerate((first, second))
            }
        ).encode()
        return {PATH: len(head).to_bytes(8, "little") + head + b"a" * size + b"b" * size}

    old, new = file("x", "y"), file("y", "x")
    live = loaded(old, device)
    sink, _ = deliver(live, new)
    assert sorted(sink.update.changed) == ["x", "y"]
    sink.update.commit()
    assert_is(live, new)
    assert set(live.tensor("x").tolist()) == {ord("b")}
    sink.update.rollback()
    assert_is(live, old)


def test_no_byte_is_written_to_the_live_model_before_the_commit(device: Device) -> None:
    """Not even its own: all blocks come, though most are there."""
    old, new = files(weights(1), v="1"), files(changed(2, Q), v="2")
    live = loaded(old, device)
    places = [(t.value.data_ptr(), t.value.nbytes) for t in live.tensors() if t.value.nbytes]
    copied = []
    for name in ("copy_in", "copy"):
        plain = getattr(device, name)

        def spy(target: Any, source: Any, plain: Any = plain) -> None:
            at = target.data_ptr()
            assert not any(start <= at < start + size for start, size in places)
            copied.append(target.numel())
            plain(target, source)

        setattr(device, name, spy)
    sink = UpdateSink(live, MemoryFiles())
    feed(sink, new)
    assert copied
    missing = changed_bytes({PATH: old[PATH]}, {PATH: new[PATH]})
    # Block 1 has the header's end, too: it is looked at, since it came before the layout was known.
    assert sink.checked == missing + BLOCK
    sink.update.commit()
    assert_is(live, new)


def test_nothing_changed(device: Device) -> None:
    old = files(weights(1))
    live = loaded(old, device)
    sink, net = deliver(live, old, before=old)
    assert not any(n for toi, n in net.payload.items() if toi > 2 and toi != 2), net.payload
    assert sink.update.changed == ()
    sink.update.commit()
    assert_is(live, old)
    sink.update.rollback()
    assert_is(live, old)


def test_what_cannot_be_in_place_is_told_at_once_before_tensors_come(device: Device) -> None:
    old = files(weights(1))
    other = weights(2)
    other[Q] = other[Q].astype(np.float16)
    other[O] = other[O].reshape(16, 64)
    other["model.new"] = other.pop("model.scale")
    live = loaded(old, device)
    before = {n: t.clone() for n, t in live.state_dict().items()}
    sink, net = deliver(live, files(other))
    assert sink.update.state is State.FAILED
    said = failure(net)
    assert "load it anew" in said
    for sentence in (
        f"{Q}: was F32, is F16", f"{O}: had shape [32, 32], has [16, 64]",
        "model.scale: is not in the new version", "model.new: is not in the live model",
    ):  # fmt: skip
        assert sentence in said
    assert sink.update.bytes == 0
    assert net.receivers["fra"].counters.bytes < len(files(other)[PATH])
    assert_is(live, old)
    assert all(torch.equal(t, before[n]) for n, t in live.state_dict().items())
    with pytest.raises(DeliveryError, match="commit: it was not received as a whole: this ver"):
        sink.update.commit()
    sink, net = deliver(live, {"a.safetensors": old[PATH], "b.safetensors": old[PATH]})
    assert "model.safetensors: is not in the new version" in failure(net)
    assert "b.safetensors: is not in the live model" in failure(net)
    sink, net = deliver(live, {PATH: b"\x10" + bytes(40_000)})
    assert "its header is not JSON" in failure(net)
    assert_is(live, old)


@pytest.mark.parametrize("world", [2, 4])
def test_each_rank_turns_its_own_part(device: Device, world: int) -> None:
    old, new = files(weights(1)), files(changed(2, Q, "model.scale"))
    for rank in range(world):
        live = loaded(old, device, Shard(rank, world))
        before = addresses(live)
        sink, net = deliver(live, new, before=old, weather=Weather(loss=0.05), seed=rank)
        counters = net.receivers["fra"].counters
        assert counters.found == sum(map(len, new.values())) - changed_bytes(old, new)
        assert sorted(sink.update.changed) == sorted((Q, "model.scale"))
        assert sink.update.bytes == weights(1)[Q].nbytes // world + 4
        sink.update.commit()
        assert_is(live, new)
        sink.update.rollback()
        assert_is(live, old)
        assert addresses(live) == before


def test_a_rank_whose_rows_did_not_change_has_nothing_to_turn(device: Device) -> None:
    tensors = weights(1)
    tensors[Q] = tensors[Q].copy()
    tensors[Q][:16] += 1
    old, new = files(weights(1)), files(tensors)
    for rank, names in ((0, (Q,)), (1, ())):
        live = loaded(old, device, Shard(rank, 2))
        sink, _ = deliver(live, new)
        assert sink.update.changed == names
        sink.update.commit()
        assert_is(live, new)


def test_an_update_that_dies_leaves_the_model_alone(device: Device) -> None:
    old, new = files(weights(1)), files(weights(2))
    live = loaded(old, device)
    before = {n: t.clone() for n, t in live.state_dict().items()}

    class Dying(UpdateSink):
        left = 12

        def begin(self, *what: Any) -> Any:
            self.left -= 1
            if not self.left:
                raise DeliveryError("the receiver was killed")
            return super().begin(*what)

    sink = Dying(live, MemoryFiles())
    with pytest.raises(DeliveryError, match="killed"):
        feed(sink, new)
    with pytest.raises(DeliveryError, match="commit: not everything is verified yet"):
        sink.update.commit()
    assert sink.update.bytes
    sink.close()
    assert sink.update.state is State.FAILED
    assert sink.update.bytes == 0
    with pytest.raises(DeliveryError, match="ended before everything was there; the live model"):
        sink.update.commit()
    assert all(torch.equal(t, before[n]) for n, t in live.state_dict().items())
    assert_is(live, old)
    deliver(live, new)[0].update.commit()
    assert_is(live, new)


def test_commits_that_make_no_sense_are_refused(device: Device) -> None:
    old, new = files(weights(1)), files(changed(2, Q))
    live = loaded(old, device)
    sink = UpdateSink(live, MemoryFiles())
    with pytest.raises(DeliveryError, match="commit: not everything is verified yet"):
        sink.update.commit()
    with pytest.raises(DeliveryError, match="release: the new version is still coming"):
        sink.update.release()
    feed(sink, new)
    with pytest.raises(DeliveryError, match="rollback: it is not live"):
        sink.update.rollback()
    sink.update.commit()
    with pytest.raises(DeliveryError, match="commit: it is live already"):
        sink.update.commit()
    sink.update.release()
    for turn in (sink.update.commit, sink.update.rollback):
        with pytest.raises(DeliveryError, match="its memory was let go of; receive it again"):
            turn()
    assert_is(live, new)


def test_no_room_is_told_with_numbers_before_anything_is_allocated(device: Device) -> None:
    old, new = files(weights(1)), files(changed(2, Q, O))
    live = loaded(old, device)
    device.memory = lambda: (10_000, 90_000)
    sink, net = deliver(live, new)
    said = failure(net)
    assert "5 tensors of model.safetensors have blocks that change" in said
    assert "takes 13380 bytes and 5120 more to exchange them" in said
    assert "10000 of 90000 are free" in said
    assert "release()" in said
    assert sink.update.bytes == 0
    assert_is(live, old)


def test_memory_that_was_trained_in_place_is_found_out(device: Device) -> None:
    old = files(weights(1))
    tensors = weights(1)
    tensors[Q] = tensors[Q].copy()
    tensors[Q][0, 0] += 1
    live = loaded(old, device)
    live.tensor(Q)[20, 3] += 1
    sink, net = deliver(live, files(tensors))
    assert "the live model's memory is not what was loaded" in failure(net)
    assert sink.update.state is State.FAILED


def test_a_model_that_is_not_whole_cannot_be_updated(device: Device) -> None:
    from toolkit.gpu.model import DeviceModel
    from toolkit.gpu.slices import WHOLE

    with pytest.raises(DeliveryError, match="not loaded as a whole"):
        UpdateSink(DeviceModel(device, WHOLE), MemoryFiles())


def test_another_version_that_takes_over_while_one_comes_ends_it(device: Device) -> None:
    old, new = files(weights(1)), files(changed(2, Q))
    live = loaded(old, device)
    ready, _ = deliver(live, new)

    class Slow(UpdateSink):
        left = 5

        def begin(self, *what: Any) -> Any:
            self.left -= 1
            if not self.left:
                ready.update.commit()
            return super().begin(*what)

    sink = Slow(live, MemoryFiles())
    with pytest.raises(DeliveryError, match="became another version meanwhile"):
        feed(sink, files(changed(3, O)))
    sink.close()
    assert_is(live, new)


def test_weights_on_disk_too_get_what_the_device_has(device: Device) -> None:
    old, new = files(weights(1)), files(changed(2, Q))
    live = loaded(old, device)
    net = Net(new, ["fra"], coding=CODING)
    disk = MemorySink(new)
    sink = UpdateSink(live, disk, weights="both")
    updating(net, sink)
    net.run()
    assert disk.placed == new
    assert net.payload[5] == changed_bytes({PATH: old[PATH]}, {PATH: new[PATH]})
    sink.update.commit()
    assert_is(live, new)
