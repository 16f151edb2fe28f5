"""What a host and its agents say: every message comes back as it was, and nothing else is taken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.gpu.share import wire

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
NAMES = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=60)
DATA = st.binary(min_size=1, max_size=500)
RUNS = st.tuples(st.integers(0, 2**31), st.integers(1, 2**31 - 1))

MESSAGES = st.one_of(
    st.builds(wire.Hello, NAMES, U32),
    st.builds(wire.Welcome, NAMES, U32, stores=st.booleans()),
    DATA.flatmap(
        lambda data: st.builds(
            wire.ManifestPart, st.integers(1000, wire.MAX_MANIFEST), st.integers(0, 500),
            st.just(data),
        )
    ),
    st.builds(wire.Slab, U32, st.integers(1, 2**48 - 1)),
    st.builds(wire.DigestsPart, U32, U64, DATA),
    st.builds(
        wire.Blocks,
        st.lists(st.builds(wire.Block, U64, U32, U32, U32, U64, U32), min_size=1, max_size=9).map(
            tuple
        ),
    ),
    st.builds(wire.Release, st.lists(U64, min_size=1, max_size=9).map(tuple)),
    st.builds(wire.Stored, U32, st.lists(RUNS, min_size=1, max_size=9).map(tuple)),
    st.builds(wire.Want, U32),
    st.builds(wire.File, U32),
    st.builds(wire.Progress, U64, U64),
    st.builds(wire.Fail, st.text(st.characters(codec="utf-8"), max_size=400)),
    st.just(wire.Done()),
    st.builds(wire.Placed, U64, U64),
    st.just(wire.Bye()),
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=6), st.integers(1, 40))
def test_messages_come_back_however_the_stream_is_cut(
    messages: list[wire.Message], step: int
) -> None:
    stream = b"".join(map(wire.encode, messages))
    inbox = wire.Inbox()
    found: list[wire.Message] = []
    for at in range(0, len(stream), step):
        found += inbox.feed(stream[at : at + step])
    assert found == messages


@given(st.binary(max_size=300))
def test_anything_else_is_an_error_of_its_own_kind_or_nothing_yet(data: bytes) -> None:
    try:
        found = wire.Inbox().feed(data)
    except WireError:
        return
    assert b"".join(map(wire.encode, found)) == data[: sum(len(wire.encode(m)) for m in found)]


@given(MESSAGES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_another_message_or_an_error(
    message: wire.Message, place: int, flip: int
) -> None:
    data = bytearray(wire.encode(message))
    data[place % len(data)] ^= flip
    try:
        found = wire.Inbox().feed(bytes(data))
    except WireError:
        return
    assert message not in found or isinstance(message, wire.Fail)


def framed(kind: int, body: bytes) -> bytes:
    return struct.pack("!IB", len(body) + 1, kind) + body


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (struct.pack("!IB", 0, 1), "0 bytes"),
        (struct.pack("!IB", wire.MAX_BODY + 1, 1), "are possible"),
        (framed(0, b""), "kind 0"),
        (framed(16, b""), "kind 16"),
        (framed(1, b"NOPE" + bytes(6) + b"x"), "not from a window"),
        (framed(1, b"LLMW" + struct.pack("!HI", 1, 5)), "a name of 0 bytes"),
        (framed(1, b"LLMW" + struct.pack("!HI", 1, 5) + b"a\nb"), "cannot be printed"),
        (framed(1, b"LLMW" + struct.pack("!HI", 1, 5) + b"\xff"), "well formed"),
        (framed(2, b"LLMW" + struct.pack("!HIB", 1, 5, 2) + b"x"), "flags"),
        (framed(3, struct.pack("!II", 5, 3) + b"abc"), "3 bytes at 3 of 5"),
        (framed(3, struct.pack("!II", wire.MAX_MANIFEST + 1, 0) + b"abc"), "3 bytes at 0"),
        (framed(4, struct.pack("!IQ", 1, 0)), "a slab of 0"),
        (framed(4, struct.pack("!IQ", 1, 5) + b"x"), "Slab"),
        (framed(5, struct.pack("!IQ", 1, 5)), "0 bytes of digests"),
        (framed(6, bytes(31)), "records of 32"),
        (framed(6, b""), "0 bytes of records"),
        (framed(7, bytes(9)), "records of 8"),
        (framed(7, bytes(8 * (wire.BATCH + 1))), "records of 8"),
        (framed(8, bytes(4) + struct.pack("!II", 1, 0)), "without blocks"),
        (framed(8, bytes(4) + struct.pack("!II", 2**32 - 1, 5)), "without blocks"),
        (framed(9, bytes(5)), "Want"),
        (framed(12, bytes(wire.MAX_REASON + 1)), "a reason of"),
        (framed(13, b"x"), "1 bytes where none"),
        (framed(15, b"x"), "1 bytes where none"),
    ],
)
def test_what_does_not_fit_is_told(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        wire.Inbox().feed(data)


def test_greetings_of_another_version_are_read_as_far_as_they_say_that() -> None:
    hello = framed(1, b"LLMW" + struct.pack("!HI", 7, 5) + b"\0anything\xff")
    welcome = framed(2, b"LLMW" + struct.pack("!HIB", 7, 5, 99) + b"\0anything\xff")
    found = wire.Inbox().feed(hello + welcome)
    assert [m.version for m in found if isinstance(m, wire.Hello | wire.Welcome)] == [7, 7]


@given(st.binary(max_size=2000).map(lambda b: bytes(x & 1 for x in b)))
def test_runs_tell_of_exactly_the_blocks_that_are_there(there: bytes) -> None:
    found = bytearray(len(there))
    for stored in wire.stored_runs(3, there):
        assert stored.file == 3
        for first, count in stored.runs:
            assert not any(found[first : first + count])
            found[first : first + count] = b"\1" * count
    assert found == there


def test_long_lists_are_sent_in_messages_that_are_bounded() -> None:
    digests = bytes(range(256)) * 12_000
    parts = list(wire.digests_parts(0, digests))
    assert b"".join(bytes(part.data) for part in parts) == digests
    assert all(len(wire.encode(part)) <= wire.MAX_BODY + 4 for part in parts)
    blocks = [wire.Block(n, 0, n, 0, 0, 1) for n in range(wire.BATCH + 1)]
    sizes = [len(message) for message in wire.encode_blocks(blocks)]
    assert len(sizes) == 2
    assert max(sizes) <= wire.MAX_BODY
    runs = bytes([1, 0]) * (wire.BATCH + 1)
    assert [len(stored.runs) for stored in wire.stored_runs(0, runs)] == [wire.BATCH, 1]


def test_a_name_that_is_too_long_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="a name of 256 bytes"):
        wire.encode(wire.Hello("x" * 256, 1))
