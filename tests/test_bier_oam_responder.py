"""What a BFR answers to an echo request, rule by rule (draft-ietf-bier-ping-23 section 4.4)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.engine import IP, Arrived, Engine, Forward
from toolkit.bier.oam import Echo, MessageType, ReplyMode, ReturnCode, ntp, parse
from toolkit.bier.oam_initiator import Scope, request
from toolkit.bier.oam_model import PORT
from toolkit.bier.oam_responder import BierReply, Identity, IpReply, Port, Received, Responder
from toolkit.bier.oam_tlv import (
    ASK,
    AddressType,
    Downstream,
    Egress,
    Erroneous,
    Ingress,
    Interface,
    Multipath,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    TlvType,
    Unknown,
)
from toolkit.bier.punt import Punt
from toolkit.bier.reason import Reason
from toolkit.bier.wire import Encapsulation, Header, Proto
from toolkit.inet import ip, udp

KEY = BiftKey(0, 64, 0)
NEXT = Neighbor("c", "eth1")
PREFIX = {"a": IPv4Address("10.255.0.1"), "b": IPv4Address("10.255.0.2"),
          "c": IPv4Address("10.255.0.3")}  # fmt: skip
IN, OUT = IPv4Address("10.0.0.1"), IPv4Address("10.0.1.0")
SCOPE = Scope(sub_domain=0, bsl=64, bfir_id=1, sets={0: 0b1110}, handle=7)
"""BFR a (BFR-id 1) asks; b has BFR-id 2, everything else is behind c."""


def engine(encapsulation: Encapsulation = Encapsulation.MPLS) -> Engine:
    entries = {2: Entry(0b10, local=True)} | {
        p: Entry(0b1100, NEXT, 300) for p in (3, 4)
    }  # fmt: skip
    return Engine(
        {KEY: Bift(Bsl.B64, entries)}, {BiftId(encapsulation, 200): KEY},
        encapsulations={(0, 64): encapsulation}, protos=IP | {Proto.OAM},
    )  # fmt: skip


def responder(**changes: object) -> Responder:
    identity = Identity(
        prefixes={0: PREFIX["b"]},
        bfr_ids={0: 2},
        initiator=lambda sd, bsl, i: PREFIX["a"] if (sd, bsl, i) == (0, 64, 1) else None,
        neighbor=lambda sd, n: PREFIX[n.router],
        ports={
            "eth0": Port(Interface(AddressType.IPV4, IN)),
            "eth1": Port(Interface(AddressType.IPV4, OUT), 1400),
        },
    )
    limits = {k: changes.pop(k) for k in ("rate", "burst") if k in changes}
    return Responder(replace(identity, **changes), **limits)  # type: ignore[arg-type]


def punts(
    payload: bytes,
    bits: int,
    ttl: int = 255,
    bfir_id: int = 1,
    encapsulation: Encapsulation = Encapsulation.MPLS,
) -> list[Punt]:
    """Give BFR b the packet; return what its engine hands over."""
    header = Header(
        encapsulation=encapsulation, bift_id=200, ttl=ttl, proto=Proto.OAM, bfir_id=bfir_id,
        bits=BitString(Bsl.B64, bits), entropy=5,
    )  # fmt: skip
    found = engine(encapsulation).receive(
        header.encode() + payload, encapsulation, Arrived.CORE, 0.0
    )
    return [output for output in found if isinstance(output, Punt)]


def answer(
    payload: bytes,
    bits: int,
    ttl: int = 255,
    *,
    encapsulation: Encapsulation = Encapsulation.MPLS,
    by: Responder | None = None,
) -> Echo | None:
    """Return b's reply to a packet from a."""
    (punt,) = punts(payload, bits, ttl, encapsulation=encapsulation)
    found = (by or responder()).receive(punt, "eth0", 1000.5)
    if found is None:
        return None
    assert isinstance(found, IpReply)
    outer, offset = ip.parse(found.packet)
    ports, reply = udp.parse(found.packet, outer, offset)
    assert (outer.source, outer.destination) == (PREFIX["b"], PREFIX["a"])
    assert (ports.source_port, ports.destination_port) == (PORT, PORT)
    return parse(reply)


def asked(bits: int, **changes: object) -> bytes:
    return request(replace(SCOPE, sets={0: bits}), 0, 9, 1000.0, **changes).payload  # type: ignore[arg-type]


def set_bits(bits: int) -> SetBits:
    return SetBits(0, 0, BitString(Bsl.B64, bits))


ABOUT = (Ingress(Interface(AddressType.IPV4, IN)), ResponderBfr(PREFIX["b"]))
MAPPING = Downstream(
    PREFIX["c"], Interface(AddressType.IPV4, OUT), 1400, sub_tlvs=(Egress(set_bits(0b1100)),)
)


def incoming(bits: int) -> SiBitString:
    return SiBitString(TlvType.INCOMING, set_bits(bits))


def test_the_only_bfer_says_so_and_repeats_what_was_asked() -> None:
    reply = answer(asked(0b10), 0b10)
    assert reply == Echo(
        message=MessageType.ECHO_REPLY, handle=7, sequence=9, sent=ntp(1000.0),
        return_code=ReturnCode.ONLY_BFER, rtf=2, received=ntp(1000.5),
        tlvs=(incoming(0b10), *ABOUT, ResponderBfer(2)),
    )  # fmt: skip


def test_one_of_the_bfers_tells_where_the_rest_goes_when_it_is_asked_to() -> None:
    plain = answer(asked(0b1110), 0b1110)
    assert plain is not None
    assert plain.return_code == ReturnCode.ONE_OF_THE_BFERS
    assert plain.tlvs == (incoming(0b1110), *ABOUT, ResponderBfer(2))
    mapped = answer(asked(0b1110, target=0b1110, more=(ASK,)), 0b1110)
    assert mapped is not None
    assert mapped.tlvs == (incoming(0b1110), *ABOUT, ResponderBfer(2), MAPPING)


def test_a_bfer_that_the_ttl_ends_at_is_asked_once() -> None:
    payload = asked(0b1110, target=0b1110, more=(ASK,))
    assert len(punts(payload, 0b1110, 1)) == 1
    reply = answer(payload, 0b1110, 1)
    assert reply is not None
    assert reply.return_code == ReturnCode.ONE_OF_THE_BFERS


def test_a_transit_bfr_answers_where_the_ttl_ends_and_nowhere_else() -> None:
    payload = asked(0b1100, target=0b1100, more=(ASK,))
    for ttl in (0, 1):
        reply = answer(payload, 0b1100, ttl)
        assert reply is not None
        assert reply.return_code == ReturnCode.FORWARD_SUCCESS
        assert reply.tlvs == (incoming(0b1100), *ABOUT, MAPPING)
    assert punts(payload, 0b1100, 2) == []


def test_expiry_is_counted_and_a_data_packet_is_not_handed_over() -> None:
    of = engine()
    for proto in (Proto.OAM, Proto.IPV4):
        packet = Header(
            encapsulation=Encapsulation.MPLS, bift_id=200, ttl=1, proto=proto, bfir_id=1,
            bits=BitString(Bsl.B64, 0b1100),
        ).encode()  # fmt: skip
        found = of.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
        assert len(found) == (proto is Proto.OAM)
    assert of.drops[Reason.TTL_EXPIRED] == 2


def test_without_oam_among_its_protos_an_engine_drops_it_as_before() -> None:
    of = Engine({KEY: Bift(Bsl.B64, {2: Entry(0b10, local=True)})},
                {BiftId(Encapsulation.MPLS, 200): KEY})  # fmt: skip
    packet = Header(
        encapsulation=Encapsulation.MPLS, bift_id=200, ttl=9, proto=Proto.OAM, bfir_id=1,
        bits=BitString(Bsl.B64, 0b10),
    ).encode()  # fmt: skip
    assert of.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0) == []
    assert of.drops[Reason.UNKNOWN_PROTO] == 1


def test_a_copy_goes_on_while_the_bfer_answers() -> None:
    of = engine()
    packet = Header(
        encapsulation=Encapsulation.MPLS, bift_id=200, ttl=9, proto=Proto.OAM, bfir_id=1,
        bits=BitString(Bsl.B64, 0b1110),
    ).encode()  # fmt: skip
    punt, copy = of.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
    assert isinstance(punt, Punt)
    assert isinstance(copy, Forward)
    assert not punt.expired
    assert of.delivered == of.forwarded == 1


def test_no_row_for_any_bit() -> None:
    reply = answer(asked(0b10000, target=0b10000), 0b10000, 1)
    assert reply is not None
    assert reply.return_code == ReturnCode.NO_MATCHING_ENTRY
    assert reply.tlvs == (incoming(0b10000), *ABOUT)


@pytest.mark.parametrize(
    "original",
    [SetBits(0, 1, BitString(Bsl.B64, 2)), SetBits(1, 0, BitString(Bsl.B64, 2)),
     SetBits(0, 0, BitString(Bsl.B128, 2))],
    ids=["SI", "sub-domain", "BSL"],
)  # fmt: skip
def test_a_bift_id_that_stands_for_another_set(original: SetBits) -> None:
    echo = Echo(message=MessageType.ECHO_REQUEST, handle=7, sequence=9,
                tlvs=(SiBitString(TlvType.ORIGINAL, original),))  # fmt: skip
    reply = answer(echo.encode(), 0b10)
    assert reply is not None
    assert reply.return_code == ReturnCode.SET_MISMATCH


ORIGINAL = SiBitString(TlvType.ORIGINAL, set_bits(0b10))
TARGET = SiBitString(TlvType.TARGET, set_bits(0b10))
WRONG = {
    "no Original": ((), 36),
    "two Originals": ((ORIGINAL, ORIGINAL), 52),
    "two Targets": ((ORIGINAL, TARGET, replace(TARGET, set_bits=set_bits(0b110))), 68),
    "DDMAP without Target": ((ORIGINAL, ASK), 52),
    "Incoming": ((ORIGINAL, incoming(0b10)), 52),
    "Responder BFER": ((ORIGINAL, ResponderBfer(3)), 52),
}


@pytest.mark.parametrize("name", WRONG)
def test_requests_that_may_not_be_are_malformed_and_say_where(name: str) -> None:
    tlvs, pointer = WRONG[name]
    echo = Echo(message=MessageType.ECHO_REQUEST, handle=7, sequence=9, tlvs=tlvs)
    reply = answer(echo.encode(), 0b10)
    assert reply is not None
    assert reply.return_code == ReturnCode.MALFORMED
    assert reply.tlvs[-1] == Erroneous(pointer, echo.encode())


def test_an_unknown_timestamp_format_is_malformed() -> None:
    echo = Echo(message=MessageType.ECHO_REQUEST, handle=7, sequence=9, qtf=4, tlvs=(ORIGINAL,))
    reply = answer(echo.encode(), 0b10)
    assert reply is not None
    assert reply.return_code == ReturnCode.MALFORMED
    assert reply.tlvs[-1] == Erroneous(8, echo.encode())


def test_a_wrong_length_is_malformed_as_long_as_the_sender_can_be_told() -> None:
    payload = asked(0b10)[:-1]
    reply = answer(payload, 0b10)
    assert reply is not None
    assert (reply.return_code, reply.handle, reply.sequence) == (ReturnCode.MALFORMED, 7, 9)
    assert reply.tlvs[-1] == Erroneous(4, payload)
    by = responder()
    assert answer(payload[:20], 0b10, by=by) is None
    assert by.counters == {"no-reply-unreadable": 1}


def test_a_long_erroneous_request_is_cut_to_what_every_link_carries() -> None:
    long = Unknown(99, bytes(3000))
    echo = Echo(message=MessageType.ECHO_REQUEST, handle=7, sequence=9, tlvs=(ORIGINAL, long))
    (punt,) = punts(echo.encode(), 0b10)
    found = responder().receive(punt, "eth0", 0.0)
    assert isinstance(found, IpReply)
    assert len(found.packet) <= 1280


def test_a_tlv_that_is_not_known_is_named_and_given_back() -> None:
    unknown = Unknown(99, b"x")
    echo = Echo(message=MessageType.ECHO_REQUEST, handle=7, sequence=9, tlvs=(ORIGINAL, unknown))
    reply = answer(echo.encode(), 0b10)
    assert reply is not None
    assert reply.return_code == ReturnCode.TLV_NOT_SUPPORTED
    assert reply.tlvs[-2:] == (Erroneous(52, echo.encode()), unknown)


def test_a_tlv_that_need_not_be_known_is_passed_over() -> None:
    reply = answer(asked(0b10, more=(Unknown(32768, b"x"),)), 0b10)
    assert reply is not None
    assert reply.return_code == ReturnCode.ONLY_BFER


def announced(to: str, bits: int) -> Downstream:
    return replace(MAPPING, address=PREFIX[to], sub_tlvs=(Egress(set_bits(bits)),))


def test_a_header_that_is_not_what_was_announced_is_a_ddmap_mismatch() -> None:
    for mapping, code in (
        (announced("b", 0b1100), ReturnCode.FORWARD_SUCCESS),
        (announced("b", 0b100), ReturnCode.DDMAP_MISMATCH),
        (announced("c", 0b100), ReturnCode.FORWARD_SUCCESS),
    ):
        reply = answer(asked(0b1100, target=0b1100, more=(mapping,)), 0b1100, 1)
        assert reply is not None
        assert reply.return_code == code


def test_multipath_is_asked_for_one_bfer_over_mpls() -> None:
    ask = replace(ASK, sub_tlvs=(Multipath(9, b"\0\0\0\0", masked=True),))
    many = answer(asked(0b1100, target=0b1100, more=(ask,)), 0b1100, 1)
    assert many is not None
    assert many.return_code == ReturnCode.INVALID_MULTIPATH
    one = answer(asked(0b1100, target=0b100, more=(ask,)), 0b1100, 1)
    assert one is not None
    assert one.return_code == ReturnCode.FORWARD_SUCCESS
    assert [t.multipath for t in one.tlvs if isinstance(t, Downstream)] == [Multipath()]
    other = answer(asked(0b1100, target=0b1100, more=(ask,)), 0b1100, 1,
                   encapsulation=Encapsulation.NON_MPLS)  # fmt: skip
    assert other is not None
    assert other.return_code == ReturnCode.FORWARD_SUCCESS
    assert [t.multipath for t in other.tlvs if isinstance(t, Downstream)] == [None]


SILENT = {
    "not-wanted": asked(0b10).replace(b"\x20\x02\0\0", b"\x20\x01\0\0"),
    "reply-mode": asked(0b10).replace(b"\x20\x02\0\0", b"\x20\x09\0\0"),
    "not-targeted": asked(0b10, target=0b100),
    "unreadable": b"\x10\xc0" + asked(0b10)[2:],
}


@pytest.mark.parametrize("reason", SILENT)
def test_what_is_not_answered_is_counted_with_its_reason(reason: str) -> None:
    by = responder()
    assert answer(SILENT[reason], 0b10, by=by) is None
    assert by.counters == {f"no-reply-{reason}": 1}


def test_a_bfer_that_is_passed_is_silent_unless_it_is_targeted() -> None:
    payload = asked(0b1110, target=0b1100)
    assert answer(payload, 0b1110, 255) is None
    assert answer(payload, 0b1110, 1) is not None


def test_replies_go_to_known_and_permitted_initiators_only() -> None:
    by = responder(initiator=lambda *_: None)
    assert answer(asked(0b10), 0b10, by=by) is None
    v6 = responder(initiator=lambda *_: IPv6Address("2001:db8::1"))
    assert answer(asked(0b10), 0b10, by=v6) is None
    assert by.counters == v6.counters == {"no-reply-initiator-unknown": 1}
    closed = responder(permitted=frozenset({(0, 5)}))
    assert answer(asked(0b10), 0b10, by=closed) is None
    assert closed.counters == {"no-reply-initiator-not-permitted": 1}


def test_replies_are_rate_limited() -> None:
    by = responder(rate=1.0, burst=2)
    (punt,) = punts(asked(0b10), 0b10)
    answered = [by.receive(punt, "eth0", now) is not None for now in (0, 0.1, 0.2, 1.2, 1.3)]
    assert answered == [True, True, False, True, False]
    assert by.counters == {"replies": 3, "no-reply-rate": 2}


def test_a_reply_by_bier_and_how_it_comes_back() -> None:
    scope = replace(SCOPE, sets={0: 0b10}, reply_mode=ReplyMode.BIER)
    (punt,) = punts(request(scope, 0, 9, 0.0).payload, 0b10)
    found = responder().receive(punt, "eth0", 0.0)
    assert isinstance(found, BierReply)
    assert (found.sub_domain, found.bsl, found.sets, found.bfir_id) == (0, 64, {0: 1}, 0)
    assert parse(found.payload).return_code == ReturnCode.ONLY_BFER
    of = engine()
    sent = of.impose(0, 64, {0: 0b100}, Proto.OAM, found.payload, 0)
    assert isinstance(sent[0], Forward)
    (back,) = punts(found.payload, 0b10, bfir_id=0)
    assert responder().receive(back, "eth0", 0.0) == Received(found.payload)
