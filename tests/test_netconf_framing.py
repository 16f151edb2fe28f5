"""NETCONF framing: RFC 6242 sections 4.2 and 4.3."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.netconf.framing import Deframer, Framing, frame

# RFC 6242 section 4.2: the example, without the indentation that the RFC's page adds.
RFC_6242_4_2 = (
    b'\n#4\n<rpc\n#18\n message-id="102"\n\n#79\n'
    b'     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n'
    b"  <close-session/>\n</rpc>\n##\n"
)
MESSAGE = (
    b'<rpc message-id="102"\n     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n'
    b"  <close-session/>\n</rpc>"
)


def received(stream: bytes, framing: Framing, size: int | None = None) -> list[bytes]:
    """Return the messages of a stream that arrives in pieces of `size` bytes."""
    deframer = Deframer()
    deframer.framing = framing
    messages = []
    step = size or max(len(stream), 1)
    for start in range(0, len(stream), step):
        deframer.feed(stream[start : start + step])
        while (message := deframer.next_message()) is not None:
            messages.append(message)
    return messages


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
def test_the_example_of_rfc_6242_is_one_message_in_any_pieces(size):
    assert received(RFC_6242_4_2, Framing.CHUNKED, size) == [MESSAGE]


def test_a_message_is_framed_as_the_rfc_says():
    assert frame(b"<a/>", Framing.CHUNKED) == b"\n#4\n<a/>\n##\n"
    assert frame(b"<a/>", Framing.END_OF_MESSAGE) == b"<a/>]]>]]>"


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.integers(1, 9),
    st.sampled_from(Framing),
)
def test_what_is_framed_comes_out_whole_however_it_is_cut(messages, size, framing):
    messages = [m.replace(b"]", b"") or b"x" for m in messages]
    stream = b"".join(frame(m, framing) for m in messages)
    assert received(stream, framing, size) == messages


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"x", "LF HASH"),
        (b"\nx", "LF HASH"),
        (b"\n#0\n", "no chunk size"),
        (b"\n#04\n<a/>", "no chunk size"),
        (b"\n#-1\n", "no chunk size"),
        (b"\n#\n", "missing"),
        (b"\n#4294967296\n", "exceeds"),
        (b"\n#99999999999\n", "exceeds"),
        (b"\n##\n", "without a chunk"),
        (b"\n##x", "no end of chunks"),
        (b"\n#1\nx\n#1x", "no chunk size"),
    ],
)
@pytest.mark.parametrize("size", [None, 1])
def test_malformed_chunks_are_wire_errors(stream, why, size):
    with pytest.raises(WireError, match=why):
        received(stream, Framing.CHUNKED, size)


@given(st.binary(max_size=60), st.integers(1, 5))
def test_garbage_is_a_wire_error_or_waits_for_more(stream, size):
    with contextlib.suppress(WireError):
        received(stream, Framing.CHUNKED, size)


def test_a_message_that_grows_without_end_is_refused():
    for framing, stream in (
        (Framing.END_OF_MESSAGE, b"x" * 11),
        (Framing.CHUNKED, b"\n#11\n"),
        (Framing.CHUNKED, b"\n#9\n123456789\n#2\n"),
    ):
        deframer = Deframer(limit=10)
        deframer.framing = framing
        deframer.feed(stream)
        with pytest.raises(WireError, match="more than 10 bytes"):
            deframer.next_message()


def test_the_framing_may_change_behind_a_hello_that_came_with_the_first_request():
    deframer = Deframer()
    deframer.feed(b"<hello/>]]>]]>\n#4\n<a/>\n##\n")
    assert deframer.next_message() == b"<hello/>"
    deframer.framing = Framing.CHUNKED
    assert deframer.next_message() == b"<a/>"
    assert deframer.next_message() is None


def test_our_own_caller_cannot_frame_what_would_not_arrive():
    with pytest.raises(ValueError, match="mark"):
        frame(b"a]]>]]>b", Framing.END_OF_MESSAGE)
    with pytest.raises(ValueError, match="at least one byte"):
        frame(b"", Framing.CHUNKED)
