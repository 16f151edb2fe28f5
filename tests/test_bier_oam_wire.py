"""BIER OAM messages, both ways, against octets packed by hand from draft-ietf-bier-ping-23."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.oam import (
    FIXED,
    Echo,
    MessageType,
    ReplyMode,
    ReturnCode,
    TimestampFormat,
    ntp,
    parse,
    parse_fixed,
    seconds_of,
)
from toolkit.bier.oam_tlv import (
    ASK,
    AddressType,
    Downstream,
    Egress,
    Erroneous,
    Ingress,
    Interface,
    Multipath,
    OamError,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    Tlv,
    TlvType,
    Unknown,
)
from toolkit.errors import WireError


def octets(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


SET = SetBits(2, 1, BitString.of(Bsl.B64, (1, 3)))
"""Sub-domain 2, SI 1, BSL 64 (code 1), bits 1 and 3."""
V4, V6 = IPv4Address("10.255.0.9"), IPv6Address("2001:db8::9")

TLVS: dict[str, tuple[str, Tlv]] = {
    "figure 4, original": (
        "0001 000c  01 02 1000  0000000000000005",
        SiBitString(TlvType.ORIGINAL, SET),
    ),
    "figure 5, target": (
        "0002 000c  01 02 1000  0000000000000005",
        SiBitString(TlvType.TARGET, SET),
    ),
    "figure 6, incoming": (
        "0003 000c  01 02 1000  0000000000000005",
        SiBitString(TlvType.INCOMING, SET),
    ),
    "figure 7, as a request asks": (
        "0004 000e  0000 02 01  e0000002  00000000  0000",
        ASK,
    ),
    "figures 7, 9 and 10, IPv4": (
        "0004 0024  05dc 01 00  0aff0009  0a000001  0016"
        "0001 0002  80 09"
        "0002 000c  01 02 1000  0000000000000005",
        Downstream(
            V4, Interface(AddressType.IPV4, IPv4Address("10.0.0.1")), 1500,
            sub_tlvs=(Multipath(9, masked=True), Egress(SET)),
        ),
    ),
    "figure 7, IPv6": (
        "0004 0026  0578 03 01  20010db8000000000000000000000009"
        "20010db8000000000000000000000001  0000",
        Downstream(
            V6, Interface(AddressType.IPV6, IPv6Address("2001:db8::1")), 1400, incoming=True
        ),
    ),
    "figure 7, IPv6 link-local (table 5: 16 and 4 octets)": (
        "0004 001a  0000 04 00  20010db8000000000000000000000009  00000007  0000",
        Downstream(V6, Interface(AddressType.IPV6_LINK_LOCAL, index=7)),
    ),
    "figure 11": ("0005 0004  0000 0101", ResponderBfer(257)),
    "figure 12, IPv4": ("0006 0008  0000 0001  0aff0009", ResponderBfr(V4)),
    "figure 12, IPv6": (
        "0006 0014  0000 0002  20010db8000000000000000000000009",
        ResponderBfr(V6),
    ),
    "figure 13, IPv4": (
        "0007 0008  0000 0001  0a000001",
        Ingress(Interface(AddressType.IPV4, IPv4Address("10.0.0.1"))),
    ),
    "figure 13, unnumbered": (
        "0007 0008  0000 0002  00000003",
        Ingress(Interface(AddressType.IPV4_UNNUMBERED, index=3)),
    ),
    "figure 13, IPv6": (
        "0007 0014  0000 0003  20010db8000000000000000000000001",
        Ingress(Interface(AddressType.IPV6, IPv6Address("2001:db8::1"))),
    ),
    "figure 14": ("0008 0006  00000024  beef", Erroneous(36, b"\xbe\xef")),
    "of no known type": ("7fff 0001  2a", Unknown(0x7FFF, b"\x2a")),
}  # fmt: skip

REQUEST = "1040 0000  00000024  20 02 00 00  00000007  00000009  e000000080000000  0000000000000000"
REPLY = "1080 0000  00000024  22 02 05 00  00000007  00000009  e000000080000000  e000000180000000"


def with_tlvs(text: str, tlvs: str) -> bytes:
    body = octets(text) + octets(tlvs)
    return body[:4] + len(body).to_bytes(4) + body[8:]


@pytest.mark.parametrize("name", TLVS)
def test_tlvs_parse_to_their_values_and_encode_to_their_octets(name: str) -> None:
    text, tlv = TLVS[name]
    assert tlv.encode() == octets(text)
    assert parse(with_tlvs(REQUEST, text)).tlvs == (tlv,)


def test_an_echo_request_and_a_reply_both_ways() -> None:
    request = Echo(
        message=MessageType.ECHO_REQUEST, handle=7, sequence=9, sent=0xE000000080000000
    )  # fmt: skip
    reply = Echo(
        message=MessageType.ECHO_REPLY, handle=7, sequence=9, sent=0xE000000080000000,
        reply_mode=ReplyMode.UDP, return_code=ReturnCode.FORWARD_SUCCESS,
        rtf=TimestampFormat.NTP, received=0xE000000180000000,
    )  # fmt: skip
    for text, echo in ((REQUEST, request), (REPLY, reply)):
        assert echo.encode() == octets(text)
        assert parse(octets(text)) == echo


def test_all_tlvs_in_one_message_keep_their_order_and_their_offsets() -> None:
    joined = "".join(text for text, _ in TLVS.values())
    echo = parse(with_tlvs(REPLY, joined))
    assert echo.tlvs == tuple(tlv for _, tlv in TLVS.values())
    data, at = echo.encode(), FIXED
    for tlv in echo.tlvs:
        assert echo.offset_of(tlv) == at
        at += 4 + int.from_bytes(data[at + 2 : at + 4])
    assert at == len(data)


def test_reserved_bits_are_ignored_and_padding_is_no_part_of_the_message() -> None:
    noisy = bytearray(with_tlvs(REQUEST, "0001 000c  01 02 1fff  0000000000000005"))
    noisy[2:4] = b"\xff\xff"
    noisy[11] = 0xFF
    assert parse(bytes(noisy) + b"padding") == parse(
        with_tlvs(REQUEST, "0001 000c  01 02 1000  0000000000000005")
    )


REFUSED = {
    "too short": (octets(REQUEST)[:35], "octet 35: 35 octets are less than 36"),
    "version": (octets("2040" + REQUEST[4:]), "octet 0: Ver 2 is not 1"),
    "message type": (octets("10c0" + REQUEST[4:]), "octet 0: message type 3 is not known"),
    "proto": (octets("1044" + REQUEST[4:]), "octet 1: Proto 4 after an echo message is not 0"),
    "length beyond the end": (
        octets(REQUEST.replace("00000024", "00000025")),
        "octet 4: the message length is 37, not 36 to 36",
    ),
    "length inside the header": (
        octets(REQUEST.replace("00000024", "00000023")),
        "octet 4: the message length is 35, not 36 to 36",
    ),
    "half a TLV": (with_tlvs(REQUEST, "0001"), "octet 36: 2 octets are no TLV"),
    "a TLV beyond the end": (
        with_tlvs(REQUEST, "0005 0005  00000001"),
        "octet 38: TLV 5 says 5 octets, 4 are left",
    ),
    "BS Len": (
        with_tlvs(REQUEST, "0001 000c  01 02 8000  0000000000000005"),
        "octet 42: BS Len 8 is not known",
    ),
    "a BitString of another length": (
        with_tlvs(REQUEST, "0001 000c  01 02 2000  0000000000000005"),
        "octet 38: the length is 12, not 20",
    ),
    "address type": (
        with_tlvs(REQUEST, "0004 000e  0000 05 01  e0000002  00000000  0000"),
        "octet 42: address type 5 is not known",
    ),
    "Sub-TLVs": (
        with_tlvs(REQUEST, "0004 000e  0000 02 01  e0000002  00000000  0001"),
        "octet 52: the Sub-TLVs say 1 octets, 0 are left",
    ),
    "a Sub-TLV of no known type": (
        with_tlvs(REQUEST, "0004 0012  0000 02 01  e0000002  00000000  0004 0003 0000"),
        "octet 54: Sub-TLV 3 is not known",
    ),
    "a BFER of 3 octets": (with_tlvs(REQUEST, "0005 0003 000001"),
                           "octet 38: the length is 3, not 4"),
    "a BFR-prefix of no family": (
        with_tlvs(REQUEST, "0006 0008  0000 0003  0aff0009"),
        "octet 42: address type 3 is not known",
    ),
    "an error without its pointer": (
        with_tlvs(REQUEST, "0008 0002  0000"),
        "octet 38: the length is 2, less than 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_format_is_refused_with_its_place(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(OamError) as caught:
        parse(data)
    assert str(caught.value) == f"BIER OAM: {message}"
    assert message.startswith(f"octet {caught.value.pointer}:")


@given(st.binary(max_size=120))
def test_noise_raises_wire_errors_and_nothing_else(noise: bytes) -> None:
    for data in (noise, octets(REQUEST) + noise, with_tlvs(REQUEST, noise.hex())):
        for reader in (parse, parse_fixed):
            with contextlib.suppress(WireError):
                reader(data)


@given(st.data())
def test_a_sound_message_with_flipped_octets_parses_or_raises_a_wire_error(
    data: st.DataObject,
) -> None:
    whole = bytearray(with_tlvs(REPLY, "".join(text for text, _ in TLVS.values())))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        echo = parse(bytes(whole))
    except WireError:
        return
    assert parse(echo.encode()) == echo


@given(st.floats(0, 4e9, allow_nan=False))
def test_timestamps_come_back_to_the_microsecond(now: float) -> None:
    found = seconds_of(ntp(now), TimestampFormat.NTP)
    assert found is not None
    assert abs(found - now) < 1e-6


def test_timestamps_of_another_format_and_none_at_all() -> None:
    assert seconds_of(5 << 32 | 250_000_000, TimestampFormat.PTP) == 5.25
    assert seconds_of(0, TimestampFormat.NTP) is None
    assert seconds_of(1 << 32, 7) is None


def test_values_that_do_not_fit_are_our_callers_mistakes() -> None:
    with pytest.raises(ValueError, match="handle 4294967296 does not fit its 32 bits"):
        Echo(message=MessageType.ECHO_REQUEST, handle=1 << 32, sequence=0)
    with pytest.raises(ValueError, match="RESPONDER_BFER is no SI-BitString"):
        SiBitString(TlvType.RESPONDER_BFER, SET)
    with pytest.raises(ValueError, match="does not go with IPV6"):
        Downstream(V4, Interface(AddressType.IPV6, V6))
    with pytest.raises(ValueError, match="is no address of type IPV4"):
        Interface(AddressType.IPV4)
