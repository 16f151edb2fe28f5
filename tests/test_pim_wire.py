"""PIM messages against octets that were written down by hand from RFC 7761 section 4.9."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet.checksum import checksum
from toolkit.pim.wire import (
    PROTOCOL,
    GroupSet,
    JoinPrune,
    Message,
    Register,
    RegisterStop,
    Selection,
    encode,
    parse,
)

A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
A6, B6 = IPv6Address("fe80::1"), IPv6Address("ff02::d")
G, S = IPv4Address("239.1.0.1"), IPv4Address("10.1.0.6")
RP = IPv4Address("10.255.0.5")

JOIN_STAR = (
    "23 00 {sum}"  # version 2, type 3
    "01 00 c0000202"  # upstream neighbor, IPv4 native encoding
    "00 01 0011"  # reserved, 1 group, holdtime 17
    "01 00 00 20 ef010001"  # 239.1.0.1/32
    "0001 0001"  # 1 join, 1 prune
    "01 00 07 20 0aff0005"  # S, W and R: the RP
    "01 00 05 20 0a010006"  # S and R: (S,G,rpt)
)
VECTORS: list[tuple[Message, str]] = [
    (
        JoinPrune(
            B,
            17,
            (GroupSet(G, (Selection(RP, wildcard=True, rpt=True),), (Selection(S, rpt=True),)),),
        ),
        JOIN_STAR,
    ),
    (
        JoinPrune(B, 0, (GroupSet(G, (Selection(S),)),)),
        "23 00 {sum} 01 00 c0000202 00 01 0000 01 00 00 20 ef010001 0001 0000 01 00 04 20 0a010006",
    ),
    (RegisterStop(G, S), "22 00 {sum} 01 00 00 20 ef010001 01 00 0a010006"),
]


def octets(text: str) -> bytes:
    """Return the octets with the checksum over all of them (RFC 1071) in its place."""
    blank = bytes.fromhex(text.format(sum="0000"))
    return bytes.fromhex(text.format(sum=f"{checksum(blank):04x}"))


@pytest.mark.parametrize(("message", "text"), VECTORS)
def test_messages_are_those_octets_both_ways(message: Message, text: str) -> None:
    assert encode(message, A, B) == octets(text)
    assert parse(octets(text), A, B) == message


def test_the_checksum_of_a_register_covers_its_eight_octets_alone() -> None:
    inner = bytes(range(200))
    # 2100 + 0000 + 0000 0000 summed: the complement of 0x2100 is 0xdeff
    assert encode(Register(False, inner), A, B) == bytes.fromhex("2100deff00000000") + inner
    # the Null-Register bit is the second: 0x2100 + 0x4000 = 0x6100, its complement 0x9eff
    assert encode(Register(True, b""), A, B) == bytes.fromhex("21009eff40000000")
    assert parse(bytes.fromhex("2100deff00000000") + inner, A, B) == Register(False, inner)


def test_a_register_summed_as_a_whole_is_taken_too() -> None:
    inner = bytes(range(1, 100))
    blank = bytes.fromhex("2100000000000000") + inner
    whole = blank[:2] + checksum(blank).to_bytes(2, "big") + blank[4:]
    assert parse(whole, A, B) == Register(False, inner)


def test_over_ipv6_the_pseudo_header_is_summed_with_the_length_of_the_register_alone() -> None:
    sent = encode(Register(False, bytes(99)), A6, B6)
    pseudo = A6.packed + B6.packed + (8).to_bytes(4, "big") + bytes((0, 0, 0, PROTOCOL))
    assert checksum(pseudo + sent[:8]) == 0
    stop = encode(RegisterStop(IPv6Address("ff18::1"), IPv6Address("2001:db8::6")), A6, B6)
    pseudo = A6.packed + B6.packed + len(stop).to_bytes(4, "big") + bytes((0, 0, 0, PROTOCOL))
    assert checksum(pseudo + stop) == 0


ADDRESSES = {4: st.ip_addresses(v=4), 6: st.ip_addresses(v=6)}
GROUPS = {
    4: st.ip_addresses(network="224.0.0.0/4"),
    6: st.ip_addresses(network="ff00::/8"),
}


@st.composite
def messages(draw: st.DrawFn) -> tuple[Message, object, object]:
    family = draw(st.sampled_from((4, 6)))
    address, group = ADDRESSES[family], GROUPS[family]
    selections = st.lists(st.builds(Selection, address, st.booleans(), st.booleans()), max_size=4)
    sets = st.builds(GroupSet, group, selections.map(tuple), selections.map(tuple))
    message = draw(
        st.one_of(
            st.builds(RegisterStop, group, address),
            st.builds(Register, st.booleans(), st.binary(max_size=99), st.booleans()),
            st.builds(
                JoinPrune, address, st.integers(0, 65535), st.lists(sets, max_size=3).map(tuple)
            ),
        )
    )
    return message, draw(address), draw(address)


@given(messages())
def test_what_is_encoded_is_parsed_again(sent: tuple[Message, IPv4Address, IPv4Address]) -> None:
    message, source, destination = sent
    assert parse(encode(message, source, destination), source, destination) == message


@given(messages(), st.data())
def test_a_cut_or_flipped_message_is_refused_or_understood_and_nothing_else(
    sent: tuple[Message, IPv4Address, IPv4Address], data: st.DataObject
) -> None:
    message, source, destination = sent
    wire = bytearray(encode(message, source, destination))
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(wire), bytes(wire[:at])):
        try:
            parse(broken, source, destination)
        except WireError:
            continue


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "less than 4"),
        ("1300 ecff", "version 1 is not 2"),
        ("2000 dfff", "type 0 is not handled"),
        ("2300 0000", "wrong checksum"),
        ("2300 dcff", "too few"),
        ("2200 d8df 0300 0020 00000000", "family 3"),
    ],
)
def test_what_the_rfc_forbids_is_refused_in_words(text: str, words: str) -> None:
    data = bytes.fromhex(text.replace(" ", ""))
    if "family" in words:
        blank = data[:2] + b"\0\0" + data[4:]
        data = blank[:2] + checksum(blank).to_bytes(2, "big") + blank[4:]
    with pytest.raises(WireError, match=words):
        parse(data, A, B)
