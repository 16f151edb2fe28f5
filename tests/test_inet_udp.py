"""UDP over both families, against a known datagram and a checksum computed the long way."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet import ip, udp

A, B = IPv4Address("192.168.1.1"), IPv4Address("192.168.1.2")
# Port 48896 to 53 between the two, payload aa0000ff: checksum 0x124d.
KNOWN = bytes.fromhex("bf00 0035 000c 124d aa0000ff")


def long_way(source: bytes, destination: bytes, datagram: bytes) -> int:
    """RFC 768 and RFC 8200 section 8.1: pseudo header and datagram, word by word."""
    data = source + destination + len(datagram).to_bytes(4, "big") + b"\0\0\0\x11" + datagram
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def read(packet: bytes) -> tuple[udp.Header, bytes]:
    outer, offset = ip.parse(packet)
    return udp.parse(packet, outer, offset)


def test_the_known_datagram_both_ways() -> None:
    packet = udp.Template(A, 48896, B, 53).packet(bytes.fromhex("aa0000ff"))
    assert packet[20:] == KNOWN
    header, payload = read(packet)
    assert header == udp.Header(source_port=48896, destination_port=53, checked=True)
    assert payload == bytes.fromhex("aa0000ff")


ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)


@given(ADDRESSES, st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=40))
def test_checksums_are_right_over_both_families(
    addresses: tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address],
    source_port: int,
    destination_port: int,
    payload: bytes,
) -> None:
    source, destination = addresses
    template = udp.Template(source, source_port, destination, destination_port)
    packet = template.packet(payload)
    datagram = packet[template.overhead - udp.HEADER :]
    assert long_way(source.packed, destination.packed, datagram) == 0xFFFF
    assert datagram[6:8] != bytes(2)
    header, back = read(packet)
    assert (header.source_port, header.destination_port) == (source_port, destination_port)
    assert (header.checked, back) == (True, payload)


def test_a_checksum_of_zero_is_sent_as_all_ones() -> None:
    """RFC 768: zero says that there is none."""
    plain = udp.Template(A, 1, B, 2).packet(bytes(2))
    missing = int.from_bytes(plain[26:28], "big")  # adding the checksum itself makes the sum ffff
    packet = udp.Template(A, 1, B, 2).packet(missing.to_bytes(2, "big"))
    assert packet[26:28] == b"\xff\xff"
    assert read(packet)[0].checked


def test_a_flipped_bit_is_noticed_and_padding_is_not_payload() -> None:
    packet = bytearray(udp.Template(A, 1, B, 2).packet(b"payload"))
    assert read(bytes(packet) + bytes(10))[1] == b"payload"
    packet[-1] ^= 4
    with pytest.raises(WireError, match="checksum"):
        read(bytes(packet))


def test_without_a_checksum_over_ipv4_only() -> None:
    packet = udp.Template(A, 1, B, 2, checked=False).packet(b"x")
    assert packet[26:28] == bytes(2)
    assert not read(packet)[0].checked
    six = ip_address("2001:db8::1")
    with pytest.raises(ValueError, match="RFC 8200"):
        udp.Template(six, 1, six, 2, checked=False)
    bare = bytearray(udp.Template(six, 1, six, 2).packet(b"x"))
    bare[46:48] = bytes(2)
    with pytest.raises(WireError, match="no checksum"):
        read(bytes(bare))


@pytest.mark.parametrize(
    ("inner", "protocol", "text"),
    [
        (KNOWN, 6, "protocol 6"),
        (KNOWN[:7], 17, "7 octets"),
        (KNOWN[:4] + b"\0\x07" + KNOWN[6:], 17, "length 7"),
        (KNOWN[:4] + b"\0\x0d" + KNOWN[6:], 17, "length 13"),
    ],
)
def test_broken_datagrams_are_refused(inner: bytes, protocol: int, text: str) -> None:
    with pytest.raises(WireError, match=text):
        read(ip.Template(A, B, protocol).packet(inner))


def test_a_fragment_is_no_datagram() -> None:
    outer = ip.Header(source=A, destination=B, protocol=17, ttl=1, fragment=True, end=12)
    with pytest.raises(WireError, match="fragment"):
        udp.parse(KNOWN, outer, 0)


def test_ports_and_lengths_that_do_not_fit_are_the_callers_error() -> None:
    with pytest.raises(ValueError, match="65536"):
        udp.Template(A, 65536, B, 1)
    with pytest.raises(ValueError, match="IP packet"):
        udp.Template(A, 1, B, 1).packet(bytes(65508))
