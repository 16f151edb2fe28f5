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
        PATH,
        O,
        Q,
        addresses,
        assert_is,
        changed,
        changed_bytes,
        deliver,
        feed,
        files,
        loaded,
        updating,
        weights,
    )
    from net import KEY, MemorySink, MemorySource, Net, Weather

    from toolkit.delivery.fetching import Answer, Fetcher, Kind, Want
    from toolkit.delivery.manifest import seal
    from toolkit.delivery.receiver import Receiver
    from toolkit.errors import DeliveryError
    from toolkit.gpu.door import Device, open_device
    from toolkit.gpu.files import MemoryFiles
    from toolkit.gpu.slices import Shard
    from toolkit.gpu.update import State, UpdateSink


@pytest.fixture
def device() -> Device:
    torch.set_num_threads(1)
    return open_device("cpu")


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


def test_what_the_model_holds_is_not_fetched_by_http_either(device: Device) -> None:
    old, new = files(weights(1)), files(changed(2, Q))
    live = loaded(old, device)
    sink = UpdateSink(live, MemoryFiles())
    source, fetcher = MemorySource(new, CODING), Fetcher(lambda: 0.5, offers_all=True)
    receiver = Receiver(
        "fra", sink, trusted=None, incarnation=1, chance=lambda: 0.5, timeout=1e9,
        headers_first=True, basis=sink.basis,
    )  # fmt: skip
    receiver.expire(0.0)

    def answer(want: Want) -> Answer:
        if want.kind is Kind.MANIFEST:
            return Answer(200, body=seal(source.manifest, KEY))
        if want.kind is Kind.DIGESTS:
            return Answer(200, body=source.digests[want.file])
        data, end = new[want.path], want.offset + want.length
        return Answer(
            206, f"bytes {want.offset}-{end - 1}/{len(data)}", '"x"', data[want.offset : end]
        )

    for _ in range(200):
        if not fetcher.seek(receiver, 0.0)[1]:
            for want in fetcher.wants(receiver, 0.0):
                fetcher.answered(receiver, want, answer(want), 0.0)
    assert sink.update.state is State.READY
    config = len(new["config.json"])
    assert fetcher.bytes == changed_bytes({PATH: old[PATH]}, {PATH: new[PATH]}) + config
    sink.update.commit()
    assert_is(live, new)
