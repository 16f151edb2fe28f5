"""Where the time went: steps by what the engine answers, durations that add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, MemorySource

from toolkit.agent.timeline import Step, Timeline
from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.manifest import open_manifest, seal
from toolkit.delivery.model import Coding, Receipt
from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import DeliveryError

MANIFEST = MemorySource({"a": b"x" * 100}, Coding(symbol=64)).manifest
VERIFIED = events.ManifestVerified(open_manifest(seal(MANIFEST, KEY), None))
TENSOR = events.TensorReady("a", TensorEntry("t", "U8", (1,), 0, 1))
COMPLETED = events.Completed(
    Receipt(
        receiver="fra", manifest=VERIFIED.opened.digest, files=1, bytes=100, repaired=0,
        duplicates=0, polluted=0, first_byte=0.5, last_byte=6.0, verified=6.5,
    )
)  # fmt: skip


def test_the_steps_of_a_delivery() -> None:
    timeline = Timeline(100.0)
    timeline.announced(101.0)
    for now, outputs in (
        (102.0, [VERIFIED]), (103.0, [events.FirstByte()]), (104.0, [TENSOR]), (105.0, [TENSOR]),
        (107.5, [TENSOR, COMPLETED]),
    ):  # fmt: skip
        timeline.feed(outputs, now)
    timeline.ready(110.0)
    told = [(s.step, s.at, s.seconds) for s in timeline.spans()]
    assert told == [
        (Step.ANNOUNCE, 1.0, 1.0), (Step.JOIN, 2.0, 1.0), (Step.FIRST_BYTE, 3.0, 1.0),
        (Step.FIRST_TENSOR, 4.0, 1.0), (Step.LAST_BYTE, 7.0, 3.0), (Step.LAST_TENSOR, 7.5, 0.5),
        (Step.VERIFIED, 7.5, 0.0), (Step.MODEL_READY, 10.0, 2.5),
    ]  # fmt: skip
    assert timeline.tensors == 3
    assert timeline.document()["last_byte"] == {"at": 7.0, "seconds": 3.0, "share": 0.3}
    assert list(timeline.document())[-1] == "model_ready"


def test_what_was_there_already_has_no_bytes() -> None:
    timeline = Timeline(0.0)
    timeline.announced(1.0)
    timeline.feed([VERIFIED, TENSOR, COMPLETED], 2.0)
    assert timeline.at(Step.FIRST_BYTE) is timeline.at(Step.LAST_BYTE) is None
    assert timeline.at(Step.FIRST_TENSOR) == timeline.at(Step.LAST_TENSOR) == 2.0


def test_a_failure_has_no_end() -> None:
    timeline = Timeline(0.0)
    timeline.feed([VERIFIED, events.Failed("x", DeliveryError("x"))], 2.0)
    assert [s.step for s in timeline.spans()] == [Step.JOIN]
    assert Timeline(0.0).spans() == ()
    assert Timeline(0.0).document() == {}


ANY = st.sampled_from([VERIFIED, events.FirstByte(), TENSOR, COMPLETED])


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(ANY, max_size=3)), max_size=20))
def test_durations_add_up_to_the_whole(
    turns: list[tuple[float, list[ReceiverOutput]]],
) -> None:
    timeline, now = Timeline(5.0), 5.0
    for wait, outputs in turns:
        now += wait
        timeline.feed(outputs, now)
    spans = timeline.spans()
    assert [s.at for s in spans] == sorted(s.at for s in spans)
    assert all(s.seconds >= 0 for s in spans)
    if spans and spans[-1].at > 0:
        assert sum(s.seconds for s in spans) == pytest.approx(spans[-1].at)
        assert sum(s.share for s in spans) == pytest.approx(1)
    assert len({s.step for s in spans}) == len(spans)
