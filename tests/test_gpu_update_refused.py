"""What an update is not: committed too early, put where it does not fit, half received."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from gpu_updates import (
        PATH,
        O,
        Q,
        assert_is,
        changed,
        deliver,
        feed,
        files,
        loaded,
        weights,
    )

    from toolkit.delivery import events
    from toolkit.errors import DeliveryError
    from toolkit.gpu.door import Device, open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.update import State, UpdateSink


@pytest.fixture
def device() -> Device:
    torch.set_num_threads(1)
    return open_device("cpu")


def failure(net: Any) -> str:
    return next(o.reason for o in net.outputs["fra"] if isinstance(o, events.Failed))


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
