"""IGMP and MLD packets against octets written down from RFC 3376 and RFC 3810."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet import ip
from toolkit.inet.checksum import checksum
from toolkit.pim.igmp import (
    Message,
    OldReport,
    Query,
    Record,
    RecordType,
    Report,
    encode,
    link_local,
    parse,
)
from toolkit.pim.listener import Listener
from toolkit.pim.querier import INTERVAL, MEMBERSHIP, Change, Querier

HOST, ROUTER = IPv4Address("10.1.0.2"), IPv4Address("10.1.0.1")
HOST6 = IPv6Address("fe80::2")
G, S = IPv4Address("232.1.0.1"), IPv4Address("10.1.0.6")
G6, S6 = IPv6Address("ff3e::8000:1"), IPv6Address("2001:db8::6")
ALLOW = Report((Record(RecordType.ALLOW, G, (S,)),))


def test_an_igmpv3_report_is_these_octets() -> None:
    packet = encode(ALLOW, HOST)
    # version 4, 6 words; CS6; 44 octets; TTL 1, IGMP; Router Alert; to 224.0.0.22
    assert packet[:2].hex() == "46c0"
    assert packet[2:10].hex() == "002c0000" + "00000102"
    assert packet[12:24].hex() == "0a010002" + "e0000016" + "94040000"
    # type, checksum, 1 record: ALLOW_NEW_SOURCES, 1 source, group, source
    body = "2200 {sum} 0000 0001 0500 0001 e8010001 0a010006"
    blank = bytes.fromhex(body.format(sum="0000"))
    assert packet[24:] == bytes.fromhex(body.format(sum=f"{checksum(blank):04x}"))
    assert ip.parse(packet)[0].protocol == 2
    assert parse(packet) == ALLOW


def test_an_igmpv3_general_query_is_these_octets() -> None:
    packet = encode(Query(3, None, 125, 10.0), ROUTER)
    # type 0x11, 100 tenths of a second, any group, QRV 2, QQIC 125, no sources
    body = bytes.fromhex("1164 0000 00000000 027d 0000")
    assert packet[24:26] + packet[28:] == body[:2] + body[4:]
    assert checksum(packet[24:]) == 0
    assert packet[16:20] == IPv4Address("224.0.0.1").packed
    assert parse(packet) == Query(3, None, 125, 10.0)


def test_an_mldv2_report_is_these_octets() -> None:
    report = Report((Record(RecordType.TO_EXCLUDE, G6),))
    packet = encode(report, HOST6)
    assert packet[:8].hex() == "60000000" + "0024" + "0001"  # 36 octets, Hop-by-Hop, hop limit 1
    assert packet[24:40] == IPv6Address("ff02::16").packed
    assert packet[40:48].hex() == "3a00" + "05020000" + "0100"  # ICMPv6, Router Alert, PadN
    assert packet[48:50].hex() == "8f00"  # type 143
    assert packet[52:56].hex() == "00000001"
    assert packet[56:] == bytes.fromhex("04000000") + G6.packed
    length = len(packet) - 48
    pseudo = packet[8:40] + length.to_bytes(4, "big") + bytes((0, 0, 0, 58))
    assert checksum(pseudo + packet[48:]) == 0
    assert parse(packet) == report


@pytest.mark.parametrize(
    ("message", "source", "hexadecimal", "to"),
    [
        (OldReport(G, 1), HOST, "1200", "232.1.0.1"),
        (OldReport(G, 2), HOST, "1600", "232.1.0.1"),
        (OldReport(G, 2, leave=True), HOST, "1700", "224.0.0.2"),
        (OldReport(G6, 1), HOST6, "8300", "ff3e::8000:1"),
        (OldReport(G6, 1, leave=True), HOST6, "8400", "ff02::2"),
        (Query(2, None, response=10.0), HOST, "1164", "224.0.0.1"),
        (Query(1, None, response=10.0), HOST6, "8200", "ff02::1"),
    ],
)
def test_older_versions_have_their_own_types(
    message: Message, source: IPv4Address, hexadecimal: str, to: str
) -> None:
    packet = encode(message, source)
    outer, offset = ip.parse(packet)
    start = offset if source.version == 4 else offset + 8
    assert packet[start : start + 2].hex() == hexadecimal
    assert str(outer.destination) == to
    assert parse(packet) == message


RECORDS = {
    version: st.lists(
        st.builds(
            Record,
            st.sampled_from(RecordType),
            st.ip_addresses(network=groups),
            st.lists(st.ip_addresses(v=version), max_size=3).map(tuple),
        ),
        max_size=4,
    )
    for version, groups in ((4, "224.0.0.0/4"), (6, "ff00::/8"))
}


@given(st.sampled_from((4, 6)), st.data())
def test_reports_come_back_and_damage_is_refused(version: int, data: st.DataObject) -> None:
    report = Report(tuple(data.draw(RECORDS[version])))
    packet = encode(report, HOST if version == 4 else HOST6)
    assert parse(packet) == report
    at = data.draw(st.integers(0, len(packet) - 1))
    flipped = bytearray(packet)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(flipped), packet[:at]):
        try:
            parse(broken)
        except WireError:
            continue


def test_packets_from_afar_are_refused() -> None:
    packet = bytearray(encode(ALLOW, HOST))
    packet[8] = 2
    packet[10:12] = b"\0\0"
    packet[10:12] = checksum(bytes(packet[:24])).to_bytes(2, "big")
    with pytest.raises(WireError, match="TTL 2 is not 1"):
        parse(bytes(packet))


def test_link_local_addresses_keep_the_low_half() -> None:
    assert link_local(HOST) == HOST
    assert link_local(IPv6Address("2001:db8:0:2::16")) == IPv6Address("fe80::16")


def test_a_host_says_twice_what_it_joins_and_answers_queries() -> None:
    host = Listener(HOST, G, S)
    assert host.join(0.0) == [encode(ALLOW, HOST)]
    assert host.deadline == 1.0
    assert host.expire(0.5) == []
    assert host.expire(1.0) == [encode(ALLOW, HOST)]
    assert host.deadline is None
    current = Report((Record(RecordType.IS_INCLUDE, G, (S,)),))
    assert host.receive(encode(Query(3), ROUTER)) == [encode(current, HOST)]
    assert host.receive(encode(Query(3, IPv4Address("232.9.9.9")), ROUTER)) == []
    assert host.receive(b"noise") == []


def test_a_host_speaks_the_older_version_of_its_router_where_that_can_say_it() -> None:
    any_source = Listener(HOST, G, None)
    assert any_source.receive(encode(Query(2), ROUTER)) == [encode(OldReport(G, 2), HOST)]
    assert Listener(HOST, G, S).receive(encode(Query(2), ROUTER)) == []


def test_a_router_believes_reports_until_they_are_not_repeated() -> None:
    querier = Querier(ROUTER, 3)
    assert parse(querier.start(0.0)) == Query(3, None, round(INTERVAL), 1.0)
    assert querier.receive(ALLOW, 1.0) == [Change(G, S, joined=True)]
    assert querier.receive(ALLOW, 2.0) == []
    packets, changes = querier.expire(INTERVAL)
    assert (len(packets), changes) == (1, [])
    assert querier.expire(2.0 + MEMBERSHIP)[1] == [Change(G, S, joined=False)]
    assert querier.members == {}


def test_a_leave_is_believed_at_once() -> None:
    querier = Querier(ROUTER, 3)
    querier.receive(ALLOW, 0.0)
    left = Report((Record(RecordType.TO_INCLUDE, G),))
    assert querier.receive(left, 1.0) == [Change(G, S, joined=False)]
    querier.receive(ALLOW, 2.0)
    blocked = Report((Record(RecordType.BLOCK, G, (S,)),))
    assert querier.receive(blocked, 3.0) == [Change(G, S, joined=False)]


def test_a_router_of_an_older_version_does_not_understand_newer_reports() -> None:
    assert Querier(ROUTER, 2).receive(ALLOW, 0.0) is None
    assert Querier(ROUTER, 2).receive(OldReport(G, 2), 0.0) == [Change(G, None, joined=True)]
