"""Frames that a sending host puts onto its interface, with BIER in front, seen at the other end."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from netns import namespaces, needs_namespaces

from toolkit.bier import wire as bier
from toolkit.bier.bitstring import Bsl
from toolkit.delivery.burst import Burst
from toolkit.errors import EnvironmentProblem
from toolkit.inet import ethernet, ip, udp
from toolkit.plan.imposition import bier_header
from toolkit.transport.packet import PacketCarrier, UdpFlow

pytestmark = needs_namespaces

SYMBOL = 64
ETHERNET = ethernet.Header(bytes.fromhex("020000000002"), bytes.fromhex("020000000001"), 0xAB37)
FLOWS = {
    4: UdpFlow(source=ip_address("192.0.2.1"), source_port=4400, group=ip_address("232.1.1.1"),
               port=5000, dscp=1),
    6: UdpFlow(source=ip_address("2001:db8::1"), source_port=4400, group=ip_address("ff3e::8000:1"),
               port=5000, dscp=1),
}  # fmt: skip


def fronts(version: int) -> list[bytes]:
    """Two sets: two copies of every packet."""
    proto = bier.Proto.IPV4 if version == 4 else bier.Proto.IPV6
    return [
        ETHERNET.encode() + bier_header(100 + si, 64, bits, proto, 1, bier.Encapsulation.NON_MPLS)
        for si, bits in ((0, 0b101), (1, 0b1))
    ]


def burst(symbols: int, last: int) -> Burst:
    content = random.Random(symbols).randbytes((symbols - 1) * SYMBOL + last)
    return Burst(
        mask=7, prefix=bytes(16), toi=3, fec_id=129, sbn=1, k=64, esi=0, symbols=symbols,
        symbol=SYMBOL, payload=memoryview(content),
    )  # fmt: skip


@pytest.fixture
def far() -> Iterator[socket.socket]:
    """We are in a namespace whose interface `near` ends at this packet socket."""
    with namespaces("send", "see") as made:
        made.link(("send", "near", "02:00:00:00:00:01"), ("see", "far", "02:00:00:00:00:02"))
        with made.entered("see"):
            seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0xAB37))
            seen.bind(("far", 0xAB37))
        seen.settimeout(5)
        with seen, made.entered("send"):
            yield seen


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("symbols", "last"), [(1, SYMBOL), (64, SYMBOL), (5, 3), (1, 1)])
def test_every_frame_is_a_bier_packet_with_a_right_datagram_in_it(
    far: socket.socket, version: int, symbols: int, last: int
) -> None:
    flow, run = FLOWS[version], burst(symbols, last)
    carrier = PacketCarrier("near", flow, lambda mask: fronts(version) if mask == 7 else [])
    carrier.send(run)
    carrier.close()
    seen: dict[int, list[bytes]] = {100: [], 101: []}
    for _ in range(2 * symbols):
        frame = far.recv(2000)
        ether, at = ethernet.parse(frame)
        assert ether == ETHERNET
        header, offset = bier.parse(
            frame[at:], bier.Encapsulation.NON_MPLS, {100: Bsl.B64, 101: Bsl.B64}
        )
        packet = frame[at + offset :]
        outer, inner = ip.parse(packet)
        assert (outer.source, outer.destination, outer.dscp) == (flow.source, flow.group, 1)
        ports, payload = udp.parse(packet, outer, inner)
        assert (ports.source_port, ports.destination_port) == (4400, 5000)
        assert ports.checked is (version == 6)
        seen[header.bift_id].append(payload)
    wanted = [bytes(p.header) + bytes(p.payload) for p in run.packets()]
    assert seen == {100: wanted, 101: wanted}
    assert carrier.frames == 2 * symbols


def test_a_poll_is_one_packet_without_payload(far: socket.socket) -> None:
    carrier = PacketCarrier("near", FLOWS[4], lambda _: fronts(4)[:1])
    carrier.send(Burst(1, bytes(range(32)), 1))
    carrier.close()
    packet = far.recv(2000)[-60:]
    outer, inner = ip.parse(packet)
    ports, payload = udp.parse(packet, outer, inner)
    assert payload == bytes(range(32))
    assert ports.checked  # no digest proves a poll


def test_packets_of_one_length_may_have_headers_of_different_lengths(far: socket.socket) -> None:
    carrier = PacketCarrier("near", FLOWS[4], lambda _: fronts(4)[:1])
    short = burst(2, SYMBOL)
    long = short._replace(prefix=bytes(32), symbol=SYMBOL - 16, payload=short.payload[:96])
    for run in (short, long, short):
        carrier.send(run)
        for packet in run.packets():
            payload = bytes(packet.header) + bytes(packet.payload)
            assert far.recv(2000).endswith((len(payload) + 8).to_bytes(2) + bytes(2) + payload)
    carrier.close()


def test_a_frame_beyond_the_mtu_is_an_error_with_a_remedy(far: socket.socket) -> None:
    carrier = PacketCarrier("near", FLOWS[4], lambda _: fronts(4)[:1])
    long = burst(2, SYMBOL)._replace(symbol=1500, payload=memoryview(bytes(3000)))
    with pytest.raises(EnvironmentProblem, match="longer than its MTU allows"):
        carrier.send(long)
    carrier.close()


def test_payloads_that_cannot_fit_are_refused_before_the_first(far: socket.socket) -> None:
    carrier = PacketCarrier("near", FLOWS[4], lambda _: fronts(4)[:1])
    carrier.check(1500 - 20 - 28, 1)  # behind a BIER header of 20 bytes, IPv4 and UDP
    with pytest.raises(EnvironmentProblem, match=r"near: its MTU is 1500 bytes.*--payload 1452"):
        carrier.check(1453, 1)
    carrier.close()


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match=r"nowhere0: .*name an interface"):
        PacketCarrier("nowhere0", FLOWS[4], lambda _: [])
