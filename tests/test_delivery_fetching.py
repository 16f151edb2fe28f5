"""What is asked of an HTTP server, and what becomes of each kind of wrong answer."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from net import KEY, TRUSTED, MemorySink, MemorySource

from toolkit.delivery import control
from toolkit.delivery.events import Completed, Feedback, ReceiverOutput
from toolkit.delivery.fetching import LONGEST, Answer, Fetcher, Kind, Want, hopeless, next_due
from toolkit.delivery.manifest import seal
from toolkit.delivery.model import Coding, Stretch
from toolkit.delivery.receiver import Receiver

CODING = Coding(symbol=64, block=8, parity=32)
FILES = {
    "a.bin": random.Random(1).randbytes(20_000), "empty": b"", "sub/b.bin": b"b" * 513,
}  # fmt: skip
SOURCE = MemorySource(FILES, CODING)
ENVELOPE = seal(SOURCE.manifest, KEY)


def honest(want: Want) -> Answer:
    match want.kind:
        case Kind.MANIFEST:
            return Answer(200, body=ENVELOPE)
        case Kind.DIGESTS:
            return Answer(200, body=SOURCE.digests[want.file])
        case _:
            data = FILES[want.path]
            end = want.offset + want.length
            return Answer(
                206, f"bytes {want.offset}-{end - 1}/{len(data)}", '"one"', data[want.offset : end]
            )


class Try:
    """A receiver and a fetcher on a clock that jumps, with a server that is a function."""

    def __init__(self, *, offers_all: bool = True, sink: MemorySink | None = None) -> None:
        self.sink = sink or MemorySink(FILES)
        self.receiver = Receiver(
            "fra", self.sink, trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, timeout=1e9
        )
        self.fetcher = Fetcher(lambda: 0.5, offers_all=offers_all)
        self.now = 0.0
        self.outputs: list[ReceiverOutput] = list(self.receiver.expire(0.0))
        self.asked: list[tuple[float, Want]] = []
        self.most = 0

    def run(self, server: Callable[[Want], Answer], steps: int = 400) -> bool:
        """Until all is placed; False when that takes more steps."""
        for _ in range(steps):
            wants = self.fetcher.wants(self.receiver, self.now)
            self.most = max(self.most, len(wants))
            self.asked += [(self.now, w) for w in wants]
            for want in wants:
                self.now += 0.001
                self.outputs += self.fetcher.answered(self.receiver, want, server(want), self.now)
            if any(isinstance(o, Completed) for o in self.outputs):
                return True
            due = next_due(self.fetcher)
            self.now = max(self.now, due if due < math.inf else self.now)
        return False


def test_an_honest_server_is_enough_and_each_byte_is_asked_for_once() -> None:
    tried = Try()
    assert tried.run(honest)
    assert tried.sink.placed == FILES
    assert tried.fetcher.bytes == sum(map(len, FILES.values()))
    assert not tried.fetcher.faults
    ranges = [(w.file, b) for _, w in tried.asked for b in range(w.first, w.first + w.count)]
    assert len(ranges) == len(set(ranges))
    assert set(tried.sink.writes.values()) == {1}


def test_requests_are_bounded_in_length_and_number() -> None:
    files = {"big": bytes(3 * LONGEST)}
    coding = Coding(symbol=1400)
    source = MemorySource(files, coding)
    tried = Try(sink=MemorySink(files))
    tried.receiver.hand_manifest(seal(source.manifest, KEY), 0.0)
    assert tried.receiver.hand_digests(0, source.digests[0], 0.0) is not None
    wants = tried.fetcher.wants(tried.receiver, 0.0)
    assert 2 <= len(wants) <= 4
    assert all(w.length <= LONGEST for w in wants)
    assert sum(w.length for w in wants) == len(files["big"])
    assert tried.fetcher.wants(tried.receiver, 0.0) == []


def test_what_packets_have_brought_is_not_asked_for_again() -> None:
    tried = Try()
    tried.receiver.hand_manifest(ENVELOPE, 0.0)
    for file, digests in enumerate(SOURCE.digests):
        tried.receiver.hand_digests(file, digests, 0.0)
    tried.receiver.hand(0, 3, memoryview(SOURCE.read_block(0, 3)), 0.0)
    assert tried.run(honest)
    assert (0, 3) not in {
        (w.file, b) for _, w in tried.asked for b in range(w.first, w.first + w.count)
    }
    assert tried.fetcher.bytes == sum(map(len, FILES.values())) - len(SOURCE.read_block(0, 3))


def test_a_restart_goes_on_where_it_was_and_the_sender_is_told_what_is_held() -> None:
    first = Try()
    partly = lambda want: Answer(503) if want.path == "sub/b.bin" else honest(want)  # noqa: E731
    assert not first.run(partly, steps=20)
    held = len(first.sink.writes)
    assert held
    second = Try(sink=first.sink)
    assert isinstance(second.outputs[-1], Feedback)
    assert isinstance(control.parse(second.outputs[-1].message).body, control.Have)
    assert second.run(honest)
    assert set(second.sink.writes.values()) == {1}, "a block was written twice"


def test_files_alone_are_fetched_once_the_manifest_has_come_by_packets() -> None:
    tried = Try(offers_all=False)
    assert tried.fetcher.wants(tried.receiver, 0.0) == []
    tried.receiver.hand_manifest(ENVELOPE, 0.0)
    assert tried.fetcher.wants(tried.receiver, 0.0) == []
    for file, digests in enumerate(SOURCE.digests):
        tried.receiver.hand_digests(file, digests, 0.0)
    assert tried.run(honest)


HOSTILE: dict[str, tuple[str, Callable[[Answer, Want], Answer]]] = {
    "200 instead of 206": ("no ranges", lambda a, w: replace(a, status=200)),
    "another range": (
        "wrong range",
        lambda a, w: replace(a, content_range=f"bytes 0-{w.length - 1}/{w.size + 1}"),
    ),
    "no Content-Range": ("wrong range", lambda a, w: replace(a, content_range="")),
    "too short": ("wrong length", lambda a, w: replace(a, body=a.body[:-1])),
    "too long": ("wrong length", lambda a, w: replace(a, body=a.body + b"x")),
    "wrong bytes": ("wrong bytes", lambda a, w: replace(a, body=bytes(len(a.body)))),
    "another ETag": ("changed", lambda a, w: replace(a, etag=f'"{w.offset}"')),
    "HTTP 404": ("HTTP 404", lambda a, w: Answer(404)),
    "HTTP 503": ("HTTP 503", lambda a, w: Answer(503, body=b"come again")),
    "no answer": ("no answer", lambda a, w: Answer(error="Connection refused")),
}


@pytest.mark.parametrize("lie", HOSTILE)
def test_a_lie_is_counted_never_placed_and_does_not_stop_an_honest_answer(lie: str) -> None:
    reason, spoil = HOSTILE[lie]
    chance = random.Random(lie)

    def server(want: Want) -> Answer:
        answer = honest(want)
        if want.kind is Kind.BLOCKS and want.length < want.size and chance.random() < 0.5:
            return spoil(answer, want)
        return answer

    tried = Try()
    # Of one range the whole file is asked for: there 200 would be right, and lies are rare.
    tried.receiver.hand_manifest(ENVELOPE, 0.0)
    for file, digests in enumerate(SOURCE.digests):
        tried.receiver.hand_digests(file, digests, 0.0)
    tried.receiver.hand(0, 2, memoryview(SOURCE.read_block(0, 2)), 0.0)
    for block in range(4, 39, 4):
        tried.receiver.hand(0, block, memoryview(SOURCE.read_block(0, block)), 0.0)
    assert tried.run(server)  # The sink compares every block with the truth.
    assert tried.sink.placed == FILES
    assert tried.fetcher.faults[reason] > 0
    assert tried.fetcher.problem


@pytest.mark.parametrize("lie", [lie for lie in HOSTILE if lie != "another ETag"])
def test_a_server_that_always_lies_never_places_anything_and_is_asked_ever_less(lie: str) -> None:
    _, spoil = HOSTILE[lie]
    tried = Try()
    tried.receiver.hand_manifest(ENVELOPE, 0.0)
    for file, digests in enumerate(SOURCE.digests):
        tried.receiver.hand_digests(file, digests, 0.0)
    tried.receiver.hand(0, 0, memoryview(SOURCE.read_block(0, 0)), 0.0)

    def server(want: Want) -> Answer:
        answer = honest(want)
        return spoil(answer, want) if want.length < want.size else Answer(500)

    assert not tried.run(server, steps=30)
    assert tried.sink.placed is None
    times = [when for when, _ in tried.asked]
    assert len(times) < 40
    assert times[-1] - times[-2] > 7, "the pause does not grow"
    error = hopeless(tried.fetcher, 30.0, tried.now)
    assert error is not None
    assert "what was received is kept" in str(error)


def test_a_whole_file_may_come_with_200() -> None:
    def server(want: Want) -> Answer:
        answer = honest(want)
        return replace(answer, status=200) if want.kind is Kind.BLOCKS else answer

    tried = Try()
    assert tried.run(server)
    assert not tried.fetcher.faults


@pytest.mark.parametrize("kind", [Kind.MANIFEST, Kind.DIGESTS])
def test_a_forged_manifest_or_digests_are_counted_and_not_believed(kind: Kind) -> None:
    lies = 3

    def server(want: Want) -> Answer:
        nonlocal lies
        answer = honest(want)
        if want.kind is kind and lies:
            lies -= 1
            forged = bytearray(answer.body)
            forged[len(forged) // 2] ^= 1
            return replace(answer, body=bytes(forged))
        return answer

    tried = Try()
    assert tried.run(server)
    assert tried.fetcher.faults == {"manifest" if kind is Kind.MANIFEST else "digests": 3}


def test_a_full_disk_ends_it_as_it_ends_a_delivery_by_packets() -> None:
    sink = MemorySink(FILES)
    sink.full_after = 5
    tried = Try(sink=sink)
    assert not tried.run(honest, steps=20)
    assert sink.placed is None
    assert tried.receiver.catalog is None
    assert tried.fetcher.wants(tried.receiver, tried.now) == [], "it goes on asking"


def test_ranges_are_asked_for_in_the_order_of_the_manifest() -> None:
    """Digests of a file when its first stretch is due, and each block once."""
    order = (Stretch(2, 1, 1), Stretch(0, 20, 3), Stretch(2, 0, 1))
    ordered = seal(SOURCE.manifest, KEY, order=order)
    tried = Try()

    def server(want: Want) -> Answer:
        return Answer(200, body=ordered) if want.kind is Kind.MANIFEST else honest(want)

    assert tried.run(server)
    assert tried.sink.placed == FILES
    asked = [w for _, w in tried.asked if w.kind is Kind.BLOCKS]
    blocks = [(w.file, b) for w in asked for b in range(w.first, w.first + w.count)]
    assert blocks[:5] == [(2, 1), (0, 20), (0, 21), (0, 22), (2, 0)]
    assert len(blocks) == len(set(blocks)) == sum(SOURCE.manifest.blocks)
    listed = [w.file for _, w in tried.asked if w.kind is Kind.DIGESTS]
    assert listed == [2, 0]
