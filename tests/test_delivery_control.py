"""Control messages: packed by hand from the page that documents them, and any bytes at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery import control
from toolkit.delivery.control import Done, Fail, Have, Join, Message, Report, parse
from toolkit.delivery.model import Receipt
from toolkit.errors import WireError

DIGEST = bytes(range(32))
HEAD = "4c53 01 {:02x} 00000007 00000009 03 667261"

EXAMPLES = {
    "join": (HEAD.format(1), Join()),
    "have": (
        HEAD.format(2) + DIGEST.hex() + "00000004 00000001 0003 000102",
        Have(manifest=DIGEST, total=4, first=1, states=bytes([0, 1, 2])),
    ),
    "report": (
        HEAD.format(3) + "00000011 00000005 00000010 00002000 0004 00ff0001",
        Report(poll_id=17, toi=5, first=16, room=8192, lacks=bytes([0, 255, 0, 1])),
    ),
    "done": (
        HEAD.format(4) + DIGEST.hex() + "0000000d 0000000005700000 00000005 00000002 00000001"
        "00000000000f4240 00000000001e8480 00000000002dc6c0",
        Done(
            receipt=Receipt(
                receiver="fra", manifest=DIGEST, files=13, bytes=0x5700000, repaired=5,
                duplicates=2, polluted=1, first_byte=1.0, last_byte=2.0, verified=3.0,
            )
        ),
    ),
    "fail": (HEAD.format(5) + b"disk is full".hex(), Fail(reason="disk is full")),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_messages_are_the_documented_bytes_both_ways(name: str) -> None:
    text, body = EXAMPLES[name]
    message = Message(tsi=7, incarnation=9, name="fra", body=body)
    assert message.encode() == bytes.fromhex(text)
    assert parse(bytes.fromhex(text)) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("4c53", "too few"),
        ("4c54" + HEAD.format(1)[4:], "not one of ours"),
        (HEAD.format(1).replace(" 01 01", " 02 01"), "another version"),
        (HEAD.format(9), "type 9 is unknown"),
        (HEAD.format(1).replace(" 03 ", " 07 "), "name does not fit"),
        (HEAD.format(1).replace("667261", "66ff61"), "not UTF-8"),
        (HEAD.format(1) + "010101", "versions of a JOIN are none"),
        (HEAD.format(1) + "02010101", "versions of a JOIN are none"),
        (HEAD.format(1) + "00010101", "versions of a JOIN are none"),
        (HEAD.format(2) + DIGEST.hex(), "HAVE is too short"),
        (HEAD.format(2) + DIGEST.hex() + "00000001 00000000 0002 0000", "contradicts"),
        (HEAD.format(2) + DIGEST.hex() + "00000001 00000000 0001 07", "contradicts"),
        (HEAD.format(3) + "00000011 00000005 00000010 00002000 0004 00", "contradicts"),
        (HEAD.format(4) + "00", "another length"),
    ],
)
def test_malformed_messages_are_refused_with_their_reason(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse(bytes.fromhex(text))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for candidate in (data, bytes.fromhex(HEAD.format(2)) + data, b"LS\x01\x03" + data):
        with contextlib.suppress(WireError):
            assert isinstance(parse(candidate), Message)


def test_a_reason_is_made_printable_and_bounded() -> None:
    said = Message(tsi=0, incarnation=0, name="a", body=Fail(reason="\x1b[2J" + "x" * 5000))
    body = parse(said.encode()).body
    assert isinstance(body, Fail)
    assert body.reason.startswith("[2Jxxx")
    assert len(body.reason) <= 1024


def test_a_name_that_fits_no_message_cannot_be_used() -> None:
    for name in ("", "x" * 256):
        with pytest.raises(ValueError, match="1 to 255 bytes"):
            Message(tsi=0, incarnation=0, name=name, body=Join())
    assert control.LACKS_ALL > 200
