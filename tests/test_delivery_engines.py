"""Sender and receiver by themselves: what they answer, and that nothing makes them raise."""

from __future__ import annotations

import random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, TRUSTED, MemorySink, MemorySource, Net, Weather
from safetensors.numpy import save

from toolkit.delivery import events, wire
from toolkit.delivery.control import Done, Have, Join, Message, Report
from toolkit.delivery.manifest import digest
from toolkit.delivery.model import Coding, Receipt, Session, Standing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.errors import DeliveryError, ExitCode, IncompleteError, UnreachableError

CODING = Coding(symbol=64, block=8, parity=32)
FILES = {"a.bin": random.Random(1).randbytes(5000), "b.bin": b"short"}


def receiver(sink: MemorySink, **options: object) -> Receiver:
    given: dict[str, object] = {
        "trusted": TRUSTED, "incarnation": 1, "chance": lambda: 0.5, **options,
    }  # fmt: skip
    return Receiver("fra", sink, **given)  # type: ignore[arg-type]


def session(**options: object) -> Session:
    return Session(**{"name": "m", "tsi": 7, "key": KEY, **options})  # type: ignore[arg-type]


def failures(outputs: list[events.ReceiverOutput]) -> list[events.Failed]:
    return [o for o in outputs if isinstance(o, events.Failed)]


# ----- outputs


def test_a_delivery_tells_what_happens_in_order() -> None:
    tensors = {f"layer{i}": numpy.full(100, i, numpy.float32) for i in range(8)}
    files = {"config.json": b"{}", "empty": b"", "m.safetensors": save(tensors)}
    net = Net(files, ["fra"], weather=Weather(loss=0.1, delay=0.01), seed=4)
    net.run()
    kinds = [type(o) for o in net.outputs["fra"] if not isinstance(o, events.Feedback)]
    assert kinds[0] is events.ManifestVerified
    assert kinds.count(events.FirstByte) == 1
    assert kinds[-1] is events.Completed
    told = [o for o in net.outputs["fra"] if isinstance(o, events.TensorReady)]
    assert sorted(o.tensor.name for o in told) == sorted(tensors)
    for o in told:
        content = files[o.path][o.tensor.start : o.tensor.end]
        assert content == tensors[o.tensor.name].tobytes()
    verified = [o.path for o in net.outputs["fra"] if isinstance(o, events.FileVerified)]
    assert sorted(verified) == sorted(files)
    last = kinds.index(events.Completed)
    assert kinds.index(events.TensorReady) < last


def test_tensors_of_an_earlier_run_are_told_again() -> None:
    content = save({f"layer{i}": numpy.full(500, i, numpy.float32) for i in range(8)})
    net = Net({"m.safetensors": content}, ["fra"], rate=500_000)
    net.kill_and_restart("fra", 0.15, 0.1)
    net.run()
    told = [o.tensor.name for o in net.outputs["fra"] if isinstance(o, events.TensorReady)]
    assert set(told) == {f"layer{i}" for i in range(8)}


# ----- what goes wrong


def test_a_source_that_changes_ends_the_session_and_nothing_is_placed() -> None:
    net = Net(FILES, ["fra", "lon"], weather=Weather(delay=0.001), rate=1_000_000)
    net.source.changed.add((0, 6))
    net.run()
    assert isinstance(net.sender.failure, DeliveryError)
    for name in ("fra", "lon"):
        [failed] = failures(net.outputs[name])
        assert isinstance(failed.error, IncompleteError)
        assert "closed the session" in failed.reason
        assert net.sinks[name].placed is None
    assert {r.standing for r in net.sender.results()} == {Standing.FAILED}


def test_a_full_disk_ends_one_receiver_and_no_other() -> None:
    net = Net(FILES, ["fra", "lon"], weather=Weather(loss=0.05, delay=0.001))
    net.sinks["fra"].full_after = 3
    net.run()
    [failed] = failures(net.outputs["fra"])
    assert failed.error.exit_code is ExitCode.ROLLED_BACK
    assert net.sinks["fra"].placed is None
    fra, lon = net.sender.results()
    assert (fra.standing, fra.reason) == (Standing.FAILED, "disk: no space is left")
    assert lon.complete


def test_a_manifest_of_another_signer_places_nothing() -> None:
    net = Net(FILES, ["fra"], weather=Weather(delay=0.001))
    net.start("fra")
    net.receivers["fra"] = receiver(net.sinks["fra"], trusted=bytes(32))
    net.absent = ["fra"]
    net.run()
    [failed] = failures(net.outputs["fra"])
    assert "not signed by the trusted key" in failed.reason
    assert net.sinks["fra"].envelope is None
    assert net.now < 5


def until_the_end(engine: Receiver, now: float) -> list[events.ReceiverOutput]:
    """What a receiver does when nothing reaches it any more."""
    outputs: list[events.ReceiverOutput] = []
    while not engine.finished:
        now = max(now, engine.deadline or now)
        outputs += engine.expire(now)
    return outputs


def test_nobody_answering_is_unreachable() -> None:
    outputs = until_the_end(receiver(MemorySink(FILES), timeout=10.0), 0.0)
    [failed] = failures(outputs)
    assert isinstance(failed.error, UnreachableError)
    assert failed.error.exit_code is ExitCode.UNREACHABLE
    joins = sum(isinstance(o, events.Feedback) for o in outputs)
    assert 4 < joins < 12


def test_a_sender_that_falls_silent_leaves_the_delivery_incomplete() -> None:
    sender = Sender(session(gather=0.0), MemorySource(FILES, CODING), ["fra"])
    engine = receiver(MemorySink(FILES), timeout=5.0)
    outputs = engine.expire(0.0)
    for step in range(20):
        for output in outputs:
            if isinstance(output, events.Feedback):
                sender.receive("fra", output.message, step / 100)
        outputs = [o for p in sender.poll(step / 100, 3) for o in
                   engine.receive(p.header + p.payload, step / 100)]  # fmt: skip
    [failed] = failures(until_the_end(engine, 0.2))
    assert isinstance(failed.error, IncompleteError)
    assert "silent for 5 s" in failed.reason


def test_memory_is_bounded_and_what_was_dropped_is_asked_for_again() -> None:
    net = Net({"a": random.Random(3).randbytes(60_000)}, ["fra"], seed=2,
              weather=Weather(loss=0.2, delay=0.01), absent=["fra"])  # fmt: skip
    small = receiver(net.sinks["fra"], memory=8 * 64 * 3, chance=net.random.random)
    net.receivers["fra"] = small
    net.run()
    assert small.counters.evicted > 0
    assert net.sinks["fra"].placed == net.files
    assert net.sender.results()[0].complete


@pytest.mark.parametrize(("headers_first", "most"), [(False, 10_000), (True, 20_000)])
def test_a_third_of_the_memory_that_losses_ask_for_is_enough(
    headers_first: bool, most: int
) -> None:
    """What others wait for stays, and repairs find some blocks where they were: when the oldest
    block always made room, 17,000 and 43,000 packets were needed."""
    content = save({f"layer{i}": numpy.full(2000, i, numpy.uint8) for i in range(30)})
    packets = 0
    for seed in range(4):
        net = Net({"a.safetensors": content}, ["fra"], seed=seed,
                  weather=Weather(loss=0.1, delay=0.01), absent=["fra"])  # fmt: skip
        small = receiver(
            net.sinks["fra"], memory=len(content) // 3, chance=net.random.random,
            headers_first=headers_first,
        )  # fmt: skip
        net.receivers["fra"] = small
        net.run()
        assert net.sinks["fra"].placed == net.files
        packets += small.counters.packets
    assert packets < most


def test_a_sender_that_offers_something_else_is_followed() -> None:
    # fra holds half of an old version when it is started for the new one.
    old = Net({"a.bin": random.Random(9).randbytes(5000)}, ["fra"], rate=300_000)
    old.at(0.15, lambda: old.kill("fra"))
    with pytest.raises(AssertionError, match="did not end"):
        old.run(limit=5.0)
    new = Net(FILES, ["fra"], weather=Weather(loss=0.1, delay=0.01))
    new.sinks["fra"].envelope = old.sinks["fra"].envelope
    new.sinks["fra"].manifest = old.sinks["fra"].manifest
    new.sinks["fra"].journal = old.sinks["fra"].journal
    new.sinks["fra"].staged = old.sinks["fra"].staged
    assert new.sinks["fra"].envelope is not None
    new.run()
    assert new.sinks["fra"].placed == FILES


# ----- bytes from anybody


@given(st.lists(st.binary(max_size=120), max_size=6))
def test_a_receiver_never_raises_on_what_it_is_sent(datagrams: list[bytes]) -> None:
    source = MemorySource(FILES, CODING)
    sender = Sender(session(), source, ["fra"])
    engine = receiver(MemorySink(FILES))
    for output in engine.expire(0.0):
        assert isinstance(output, events.Feedback)
        sender.receive("fra", output.message, 0.0)
    for packet in sender.poll(0.0) + sender.poll(1.0):
        engine.receive(packet.header + packet.payload, 0.1)
    prefixes = (b"", wire.data_prefix(7, 3, 129), wire.data_prefix(7, 2, 129),
                wire.Header(tsi=7, toi=5).encode(), wire.data_prefix(7, 3, 0))  # fmt: skip
    for datagram in datagrams:
        for prefix in prefixes:
            engine.receive(prefix + datagram, 0.2)
    engine.expire(0.3)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_a_sender_never_raises_on_what_it_is_sent(messages: list[bytes]) -> None:
    sender = Sender(session(), MemorySource(FILES, CODING), ["fra"])
    head = Message(tsi=7, incarnation=1, name="fra", body=Join()).encode()
    for data in messages:
        sender.receive("fra", data, 0.0)
        for kind in (b"\2", b"\3", b"\4", b"\5"):
            sender.receive("fra", head[:3] + kind + head[4:] + data, 0.0)
    sender.poll(0.0)
    assert not sender.results()[0].complete


def say(sender: Sender, name: str, body: object, now: float, incarnation: int = 5) -> list[object]:
    message = Message(tsi=7, incarnation=incarnation, name=name, body=body)  # type: ignore[arg-type]
    return list(sender.receive(name, message.encode(), now))


def test_a_message_of_an_earlier_start_or_of_a_stranger_changes_nothing() -> None:
    sender = Sender(session(), MemorySource(FILES, CODING), ["fra"])
    sender.poll(0.0)
    assert say(sender, "fra", Join(), 0.0) == [events.Joined("fra")]
    assert sender.active == 1
    [ignored] = say(sender, "fra", Join(), 0.1, incarnation=4)
    assert "before it was started again" in ignored.reason  # type: ignore[attr-defined]
    [ignored] = say(sender, "mad", Join(), 0.1)
    assert "not a receiver of this session" in ignored.reason  # type: ignore[attr-defined]
    report = Report(poll_id=999, toi=3, first=0, lacks=b"\0")
    assert say(sender, "fra", report, 0.1) == []


def test_a_report_on_something_else_than_was_asked_is_ignored() -> None:
    sender = Sender(session(), MemorySource(FILES, CODING), ["fra"])
    sender.poll(0.0)
    say(sender, "fra", Join(), 0.0)
    packets = [p for i in range(5) for p in sender.poll(0.1 * i)]
    polls = [wire.parse(p.header)[0].poll() for p in packets if not p.payload]
    assert polls[0] is not None
    wrong = Report(poll_id=polls[0].poll_id, toi=0, first=0, lacks=b"\0" * 7)
    [ignored] = say(sender, "fra", wrong, 1.0)
    assert "something else" in ignored.reason  # type: ignore[attr-defined]


def test_a_receipt_for_another_manifest_is_a_failure() -> None:
    sender = Sender(session(), MemorySource(FILES, CODING), ["fra"])
    sender.poll(0.0)
    receipt = Receipt(
        receiver="fra", manifest=bytes(32), files=1, bytes=1, repaired=0, duplicates=0,
        polluted=0, first_byte=0, last_byte=0, verified=0,
    )  # fmt: skip
    say(sender, "fra", Done(receipt=receipt), 0.0)
    [result] = sender.results()
    assert result.standing is Standing.FAILED
    assert "another manifest" in result.reason


def test_the_first_receivers_wait_for_the_others_but_not_for_ever() -> None:
    source = MemorySource(FILES, CODING)
    have = Have(manifest=digest(source.manifest.encode()), total=4, first=0, states=bytes(4))
    sender = Sender(session(gather=1.0), source, ["fra", "lon"])
    sender.poll(0.0)
    say(sender, "fra", have, 0.0)
    assert sender.poll(0.5) == []
    assert sender.deadline == 1.0
    assert [p.mask for p in sender.poll(1.0)][:1] == [1]
    both = Sender(session(gather=1.0), source, ["fra", "lon"])
    both.poll(0.0)
    say(both, "fra", have, 0.0)
    say(both, "lon", have, 0.1)
    assert [p.mask for p in both.poll(0.1)][:1] == [3]


def test_who_never_comes_is_waited_for_from_when_the_runtime_began_to_wait() -> None:
    sender = Sender(session(timeout=10.0), MemorySource(FILES, CODING), ["fra"])
    sender.started = 5.0  # It has looked for them before it sends.
    for now, over in ((14.0, False), (15.5, True)):
        sender.poll(now)
        assert sender.finished is over
    assert sender.results()[0].standing is Standing.ABSENT


def test_packets_leave_at_the_rate_of_the_session() -> None:
    net = Net({"a": bytes(200_000)}, ["fra"], rate=8_000_000, weather=Weather(delay=0.0001))
    net.run()
    receipt = net.sender.results()[0].receipt
    assert receipt is not None
    on_the_wire = 200_000 / 64 * 88
    assert receipt.last_byte == pytest.approx(on_the_wire * 8 / 8_000_000, rel=0.1)


def test_a_session_that_makes_no_sense_cannot_be_made() -> None:
    for wrong in ({"tsi": 0}, {"rate": 0}, {"timeout": -1}, {"gather": -1}, {"window": 0}):
        with pytest.raises(ValueError, match=r"TSI|positive"):
            session(**wrong)
    with pytest.raises(ValueError, match="each is named once"):
        Sender(session(), MemorySource(FILES, CODING), ["a", "a"])


def test_progress_says_what_each_receiver_holds_and_how_fast_it_grows() -> None:
    net = Net({"a": bytes(400_000)}, ["fra", "lon"], rate=2_000_000, weather=Weather(loss=0.02))
    seen = []
    for tenth in range(1, 20):
        net.at(tenth / 10, lambda: seen.append(net.sender.progress(net.now)))
    net.run()
    held = [[r.held for r in p.receivers] for p in seen]
    assert held == sorted(held)
    assert all(0 <= h <= 400_000 for hs in held for h in hs)
    last = net.sender.progress(net.now)
    assert [(r.receiver, r.held) for r in last.receivers] == [("fra", 400_000), ("lon", 400_000)]
    assert last.finished
    assert last.size == last.bytes_read == 400_000
    assert max(p.sending for p in seen) > 1_000_000
