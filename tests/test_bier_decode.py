"""A packet explained: fields, faults, verdict, where it is in a frame, what it carries."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from bier_packets import Packet as Given
from bier_packets import packets
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier import locate
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.decode import Explained, Known, explain
from toolkit.bier.decode_text import Packet, as_data, as_row, as_text, runs
from toolkit.bier.frames import NodeReason
from toolkit.bier.oam import Echo, MessageType
from toolkit.bier.payload import summary
from toolkit.bier.reason import Reason
from toolkit.bier.wire import Encapsulation, Header, HeaderError, Proto, parse
from toolkit.errors import WireError
from toolkit.inet import ip, udp
from toolkit.inet.pcap import LinkType

MPLS, NON_MPLS = Encapsulation.MPLS, Encapsulation.NON_MPLS
ETHERNET = bytes.fromhex("020000000002020000000001")
ENCAPSULATIONS = st.sampled_from(Encapsulation)
KNOWN = st.dictionaries(
    st.integers(0, 40), st.builds(Known, st.sampled_from(Bsl), st.none() | st.integers(0, 255))
)
NOT_IN_A_PACKET = {
    Reason.UNKNOWN_BIFT_ID,
    Reason.ENCAPSULATION,
    Reason.EDGE_INTERFACE,
    NodeReason.OTHER_DESTINATION,
}
"""What a router knows of itself, not of the packet."""


def explained(packet: Given) -> Explained:
    return explain(packet.octets, packet.encapsulation, packet.known)


@pytest.mark.parametrize(
    "packet", [p for p in packets("refused") if len(p.dropped) == 1], ids=lambda p: p.name
)
def test_the_verdict_is_the_counter_that_rises(packet: Given) -> None:
    told = explained(packet)
    (dropped,) = packet.dropped
    if dropped in NOT_IN_A_PACKET:
        others = packet.fields["ver"] != 0 or len(packet.octets) < 12  # faults that it has as well
        assert (told.verdict is None) != others
    else:
        assert told.verdict == dropped
        assert dropped in {remark.reason for remark in told.remarks}


@pytest.mark.parametrize(
    "packet",
    [p for p in packets("header", "forwarding", "figures") if p.ordinary],
    ids=lambda p: p.name,
)
def test_every_field_is_the_vector_s(packet: Given) -> None:
    told, meant = explained(packet), packet.header()
    for name in ("bift_id", "ttl", "entropy", "oam", "dscp", "proto", "bfir_id"):
        assert told.value(name) == getattr(meant, name), name
    assert told.bits == meant.bits
    assert told.size == len(meant.encode())
    assert told.verdict is (Reason.TTL_EXPIRED if meant.ttl == 0 else None)


@given(st.binary(max_size=600), ENCAPSULATIONS, KNOWN, st.integers(0, 700))
def test_nothing_is_ever_raised_and_everything_can_be_printed(
    data: bytes, encapsulation: Encapsulation, known: dict[int, Known], length: int
) -> None:
    told = explain(data, encapsulation, known, length=length)
    packet = Packet((), told, data[told.size :], 1)
    assert as_text(packet)
    assert as_data(packet)["fields"] == {f.key: f.value for f in told.fields}
    assert len(as_row(packet)) == 9
    if told.verdict:
        assert told.verdict in {remark.reason for remark in told.remarks}


@given(st.binary(max_size=600), ENCAPSULATIONS, st.sampled_from(Bsl))
def test_the_verdict_is_that_of_the_parser(
    data: bytes, encapsulation: Encapsulation, bsl: Bsl
) -> None:
    number = int.from_bytes(data[:4].ljust(4, b"\0"), "big") >> 12
    told = explain(data, encapsulation, {number: Known(bsl)})
    refused = None
    try:
        parsed, offset = parse(data, encapsulation, {number: bsl})
    except HeaderError as error:
        refused = error.reason
    else:
        assert (told.bits, told.size) == (parsed.bits, offset)
    if refused:
        assert told.verdict is refused
    else:
        assert told.verdict in {None, Reason.TTL_EXPIRED, Reason.EMPTY}


@given(st.binary(max_size=200), st.sampled_from([None, "frame", "mpls", "non-mpls"]), KNOWN)
def test_octets_are_located_or_a_wire_error(
    data: bytes, encapsulation: str | None, known: dict[int, Known]
) -> None:
    try:
        found = locate.start(data, encapsulation, known)
    except WireError:
        return
    assert 0 <= found.offset <= len(data)


@given(
    st.sampled_from([b"\x88\x47", b"\xab\x37", b"\x08\x00", b"\x86\xdd", b"\x81\x00"]),
    st.binary(max_size=120),
    st.sampled_from(LinkType),
)
def test_frames_are_located_or_a_wire_error(kind: bytes, rest: bytes, link_type: LinkType) -> None:
    for data in (ETHERNET + kind + rest, rest):
        try:
            found = locate.in_frame(data, (), link_type)
        except WireError:
            continue
        assert found is None or found.offset <= len(data)


@given(st.integers(0, 63), st.binary(max_size=80))
def test_a_payload_is_summed_up_in_one_line(proto: int, data: bytes) -> None:
    text = summary(proto, data)
    assert text
    assert "\n" not in text


def bier(encapsulation: Encapsulation, *, bsl: Bsl = Bsl.B64) -> bytes:
    return Header(
        encapsulation=encapsulation, bift_id=18, ttl=9, proto=4, bfir_id=3,
        bits=BitString.of(bsl, {1}),
    ).encode()  # fmt: skip


def test_how_octets_begin_is_seen() -> None:
    stack = bytes.fromhex("007d0040")
    assert locate.start(bier(MPLS), None) == locate.Found(MPLS, 0, ())
    assert locate.start(bier(NON_MPLS), None) == locate.Found(NON_MPLS, 0, ())
    found = locate.start(ETHERNET + b"\x88\x47" + stack + bier(MPLS), None)
    around = ("Ethernet 02:00:00:00:00:01 > 02:00:00:00:00:02", "MPLS label 2000 TTL 64")
    assert found == locate.Found(MPLS, 18, around)
    under = locate.start(stack + bier(MPLS), "mpls")
    assert under == locate.Found(MPLS, 4, around[1:])


def test_octets_that_are_two_things_are_said_to_be() -> None:
    # A MAC address that looks like a BIFT-id and a second word, and an EtherType in a BitString.
    frame = bytes.fromhex("000121400010000700040003ab37") + bier(NON_MPLS)
    with pytest.raises(WireError) as raised:
        locate.start(frame, None)
    assert str(raised.value) == (
        "the octets may begin with either of: non-mpls, frame; --encapsulation says what it is"
    )
    assert locate.start(frame, "frame").offset == 14
    assert locate.start(frame, "non-mpls").offset == 0


def test_a_label_is_a_bift_id_where_it_is_known_or_looks_so() -> None:
    plain = ETHERNET + b"\x88\x47" + bytes.fromhex("00012140") + b"\x45" + bytes(30)
    assert locate.in_frame(plain) is None
    found = locate.in_frame(plain, {18})
    assert found is not None
    assert explain(plain[found.offset :], MPLS).verdict is Reason.NIBBLE


def test_the_length_is_the_bift_id_s_and_else_believed() -> None:
    data = bier(MPLS, bsl=Bsl.B128) + b"\x45"
    believed = explain(data, MPLS)
    assert (believed.bsl, believed.bsl_believed, believed.size) == (Bsl.B128, True, 28)
    told = explain(data, MPLS, {18: Known(Bsl.B64, 2)})
    assert (told.bsl, told.bsl_believed, told.size) == (Bsl.B64, False, 20)
    assert told.verdict is Reason.BSL
    assert explain(data, MPLS, si=3).bfr_ids == (385,)


def test_what_a_receiver_ignores_is_no_verdict() -> None:
    data = bytearray(bier(NON_MPLS))
    data[2] &= 0xFE
    data[4] |= 0x50
    data[8] |= 0x30
    told = explain(bytes(data), NON_MPLS)
    assert told.verdict is None
    assert [r.id for r in told.remarks] == ["s-ignored", "nibble-ignored", "rsv-not-zero"]
    assert {r.action for r in told.remarks} == {"ignore"}


ECHO = Echo(message=MessageType.ECHO_REQUEST, handle=9, sequence=7, reply_mode=3)
DATAGRAM = udp.Template(IPv4Address("10.0.0.1"), 4001, IPv4Address("232.1.1.1"), 3400)
ICMP = ip.Template(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 1).packet(b"echo")


@pytest.mark.parametrize(
    ("proto", "data", "text"),
    [
        (Proto.IPV4, DATAGRAM.packet(b"model"),
         "IPv4 10.0.0.1 > 232.1.1.1 TTL 64, UDP 4001 > 3400, 5 octets"),
        (Proto.IPV4, ICMP, "IPv4 10.0.0.1 > 10.0.0.2 TTL 64, protocol 1, 4 octets"),
        (Proto.IPV6, ICMP, f"{len(ICMP)} octets that cannot be read: IP: version 4 where Proto"
         " says 6"),
        (Proto.ETHERNET, ETHERNET + b"\x08\x00" + ICMP,
         "Ethernet 02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x0800, 24 octets"),
        (Proto.MPLS_UPSTREAM, bytes.fromhex("007d0040 007d1140 00"),
         "MPLS label 2000 2001, 1 octets"),
        (Proto.MPLS_DOWNSTREAM, bytes.fromhex("007d0040"),
         "4 octets that cannot be read: MPLS: 4 octets end inside the label stack"),
        (Proto.OAM, ECHO.encode(),
         "BIER OAM echo request, handle 0x00000009 sequence 7, reply mode 3"),
        (Proto.OAM, replace(ECHO, message=MessageType.ECHO_REPLY, return_code=3).encode(),
         "BIER OAM echo reply, handle 0x00000009 sequence 7, return code 3 (Replying BFR is the"
         " only BFER in the BIER header BitString)"),
        (Proto.OAM, replace(ECHO, message=MessageType.ECHO_REPLY, return_code=7).encode(),
         "BIER OAM echo reply, handle 0x00000009 sequence 7, return code 7 (unassigned)"),
        (Proto.OAM, bytes(36),
         "36 octets that cannot be read: BIER OAM: octet 0: Ver 0 is not 1"),
        (10, bytes(3), "3 octets"),
        (Proto.IPV4, b"", "nothing"),
    ],
)  # fmt: skip
def test_payloads(proto: int, data: bytes, text: str) -> None:
    assert summary(proto, data) == text


def test_runs() -> None:
    assert runs([]) == "none"
    assert runs([1, 2, 3, 5, 7, 8]) == "1-3,5,7-8"


def test_the_tables_of_the_vectors_are_read_the_same_way() -> None:
    for packet in packets("header"):
        told = explained(packet)
        assert told.bsl == packet.lengths[told.value("bift_id")]
