"""Checksums, IPv4, IPv6, Ethernet and GRE against numbers from outside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet import ethernet, gre, ip
from toolkit.inet.checksum import checksum, ones_sum, updated

# A widely printed example: 192.168.0.1 to .199, UDP, TTL 64, DF, 115 octets, checksum 0xb861.
PRINTED = bytes.fromhex("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7")


def words_sum(data: bytes) -> int:
    """RFC 1071 section 1, step by step."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_the_example_of_rfc_1071() -> None:
    """Section 3: the sum of these octets is ddf2."""
    data = bytes.fromhex("0001 f203 f4f5 f6f7")
    assert ones_sum(data) == 0xDDF2
    assert checksum(data) == 0x220D
    assert checksum(data + bytes.fromhex("220d")) == 0


def test_the_example_of_rfc_1624() -> None:
    """Section 4: the field changes from 5555 to 3285, the checksum from dd2f to 0000."""
    assert updated(0xDD2F, 0x5555, 0x3285) == 0x0000


@given(st.binary(max_size=300))
def test_sums_are_those_of_adding_word_by_word(data: bytes) -> None:
    assert ones_sum(data) == words_sum(data)


@pytest.mark.parametrize("size", [0, 1, 2, 1400, 8801])
def test_all_ones_and_all_zeros_sum_to_themselves(size: int) -> None:
    assert ones_sum(b"\xff" * size) == words_sum(b"\xff" * size)
    assert ones_sum(bytes(size)) == 0


def test_the_printed_header_both_ways() -> None:
    packet = PRINTED + bytes(95)
    header, offset = ip.parse(packet)
    assert header == ip.Header(
        source=IPv4Address("192.168.0.1"),
        destination=IPv4Address("192.168.0.199"),
        protocol=17,
        ttl=64,
        end=115,
    )
    assert offset == 20
    assert ip.Template(header.source, header.destination, 17).packet(bytes(95)) == packet


def test_an_ipv6_header_both_ways() -> None:
    """RFC 8200 section 3, packed by hand: DSCP 46, payload 3, next header 17, hop limit 9."""
    packet = bytes.fromhex(
        "6b800000 0003 11 09"
        "20010db8000000000000000000000001 20010db8000000000000000000000002 abcdef"
    )
    source, destination = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
    header, offset = ip.parse(packet + b"padding")
    assert (header.source, header.destination) == (source, destination)
    assert (header.protocol, header.ttl, header.dscp, header.ecn) == (17, 9, 46, 0)
    assert packet[offset : header.end] == b"\xab\xcd\xef"
    template = ip.Template(source, destination, 17, ttl=9, dscp=46)
    assert template.packet(b"\xab\xcd\xef") == packet


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (b"", "empty"),
        (b"\x50" + bytes(30), "version 5"),
        (PRINTED[:19], "19 octets"),
        (PRINTED, "do not fit"),
        (b"\x44" + PRINTED[1:] + bytes(95), "header of 16"),
        (PRINTED[:8] + b"\x3f" + PRINTED[9:] + bytes(95), "checksum"),
        (b"\x60" + bytes(38), "39 octets"),
        (b"\x60\0\0\0\0\x01" + bytes(34), "does not fit"),
    ],
)
def test_broken_packets_are_refused(packet: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        ip.parse(packet)


def test_options_are_skipped_and_fragments_are_seen() -> None:
    head = bytearray.fromhex("4600 001c 0000 2001 0111 0000 0a000001 0a000002 01010101")
    head[10:12] = checksum(head).to_bytes(2, "big")
    header, offset = ip.parse(bytes(head) + b"data")
    assert (offset, header.fragment, header.end) == (24, True, 28)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("ttl", "passes"), [(0, False), (1, False), (2, True), (255, True)])
def test_a_router_takes_one_from_the_ttl_or_drops(version: int, ttl: int, passes: bool) -> None:
    a, b = (ip_address("10.0.0.1"), ip_address("10.0.0.2"))
    if version == 6:
        a, b = (ip_address("2001:db8::1"), ip_address("2001:db8::2"))
    packet = ip.Template(a, b, 17, ttl=ttl).packet(b"x")
    after = ip.forwarded(packet)
    assert (after is not None) is passes
    if after is not None:
        assert ip.parse(after)[0].ttl == ttl - 1
    buffer = bytearray(packet)
    assert ip.decrement_ttl(buffer) is passes
    assert bytes(buffer) == (after if passes else packet)


@given(
    st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(2, 255), st.integers(0, 255),
    st.binary(max_size=9),
)  # fmt: skip
def test_checksums_stay_right_on_every_hop(
    source: IPv4Address, destination: IPv4Address, ttl: int, protocol: int, payload: bytes
) -> None:
    packet: bytes | None = ip.Template(source, destination, protocol, ttl=ttl).packet(payload)
    while packet is not None:
        assert ip.parse(packet)[0].ttl == ttl  # which verifies the checksum
        packet, ttl = ip.forwarded(packet), ttl - 1
    assert ttl == 0


@given(st.binary(max_size=60))
def test_garbage_is_a_packet_or_a_wire_error(data: bytes) -> None:
    for parse in (ip.parse, gre.parse, ethernet.parse):
        try:
            _, offset = parse(data)
        except WireError:
            continue
        assert offset <= len(data)


@pytest.mark.parametrize(
    ("group", "mac"),
    [
        ("224.0.0.5", "01:00:5e:00:00:05"),
        ("239.255.255.250", "01:00:5e:7f:ff:fa"),
        ("232.129.2.3", "01:00:5e:01:02:03"),
        ("ff02::1:ff28:9c5a", "33:33:ff:28:9c:5a"),
    ],
)
def test_groups_map_to_macs(group: str, mac: str) -> None:
    """RFC 1112 section 6.4 (23 bits), RFC 2464 section 7 (32 bits)."""
    assert ip.multicast_mac(ip_address(group)).hex(":") == mac


def test_what_does_not_fit_cannot_be_made() -> None:
    a, b, c = ip_address("10.0.0.1"), ip_address("10.0.0.2"), ip_address("::1")
    for make in (
        lambda: ip.Template(a, c, 17),
        lambda: ip.Template(a, b, 256),
        lambda: ip.Template(a, b, 17, ttl=256),
        lambda: ip.Template(a, b, 17, dscp=64),
        lambda: ip.Template(a, b, 17).packet(bytes(65516)),
        lambda: ip.Template(c, c, 17).packet(bytes(65536)),
        lambda: ip.multicast_mac(a),
        lambda: ethernet.Header(b"", bytes(6), 0x0800),
        lambda: ethernet.Header(bytes(6), bytes(6), 100),
        lambda: gre.header(0x10000),
    ):
        with pytest.raises(ValueError):
            make()


def test_an_ethernet_frame_both_ways() -> None:
    frame = bytes.fromhex("01005e010203 020000000001 ab37 beef")
    header, offset = ethernet.parse(frame)
    assert header.ethertype == ethernet.EtherType.BIER
    assert header.encode() == frame[:14]
    assert frame[offset:] == b"\xbe\xef"
    with pytest.raises(WireError, match="13 octets"):
        ethernet.parse(frame[:13])
    with pytest.raises(WireError, match="a length"):
        ethernet.parse(frame[:12] + b"\x00\x2e")


def test_a_gre_header_both_ways() -> None:
    """RFC 2784 section 2: C 0, version 0, protocol type; MPLS in GRE as RFC 4023 section 3."""
    assert gre.header(0x8847) == bytes.fromhex("00008847")
    assert gre.parse(bytes.fromhex("0000ab37 beef")) == (0xAB37, 4)


def test_a_gre_checksum_is_verified() -> None:
    packet = bytearray.fromhex("8000 0800 0000 0000 c0ffee")
    packet[4:6] = checksum(packet).to_bytes(2, "big")
    assert gre.parse(bytes(packet)) == (0x0800, 8)
    packet[-1] ^= 1
    with pytest.raises(WireError, match="checksum"):
        gre.parse(bytes(packet))
    with pytest.raises(WireError, match="too few"):
        gre.parse(bytes.fromhex("80000800 7fff"))


@pytest.mark.parametrize("flags", ["4000", "2000", "0400", "0001", "0007"])
def test_gre_of_other_kinds_is_discarded(flags: str) -> None:
    with pytest.raises(WireError, match=r"reserved|version"):
        gre.parse(bytes.fromhex(flags + "0800"))
