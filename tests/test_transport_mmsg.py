"""Batches of datagrams through the kernel, and what decides how they may be handed to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from toolkit.delivery.burst import Burst
from toolkit.transport import gro, mmsg, segmentation
from toolkit.transport.udp import SocketWire

pytestmark = pytest.mark.skipif(not mmsg.available, reason="sendmmsg is Linux's, on 64 bit")

SYMBOL = 40
PREFIX = bytes(range(16))


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["v4", "v6"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    family, host = request.param
    with (
        socket.socket(family, socket.SOCK_DGRAM) as a,
        socket.socket(family, socket.SOCK_DGRAM) as b,
    ):
        a.bind((host, 0))
        b.bind((host, 0))
        yield a, b


def burst(symbols: int, last: int = SYMBOL) -> Burst:
    content = bytes(i % 251 for i in range((symbols - 1) * SYMBOL + last))
    return Burst(
        mask=1, prefix=PREFIX, toi=3, fec_id=129, sbn=7, k=64, esi=0, symbols=symbols,
        symbol=SYMBOL, payload=memoryview(content),
    )  # fmt: skip


@pytest.mark.parametrize("segmented", [False, True])
@pytest.mark.parametrize(("symbols", "last"), [(1, SYMBOL), (64, SYMBOL), (64, 3), (2, 1)])
def test_a_burst_arrives_packet_by_packet(
    pair: tuple[socket.socket, socket.socket], symbols: int, last: int, segmented: bool
) -> None:
    a, b = pair
    run = burst(symbols, last)
    host, port = b.getsockname()[:2]
    SocketWire(a, segmented=segmented).send_burst(run, (host, port))
    b.settimeout(5)
    wanted = [bytes(p.header) + bytes(p.payload) for p in run.packets()]
    assert [b.recv(2000) for _ in range(symbols)] == wanted


def test_payloads_land_where_they_are_told_and_sizes_are_the_datagrams_own(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    a, b = pair
    sent = [PREFIX + bytes(8) + bytes([i]) * SYMBOL for i in range(3)]
    sent += [b"short", PREFIX + bytes(8), sent[0] + b"too long"]
    for datagram in sent:
        a.sendto(datagram, b.getsockname())
    spots = np.zeros((6, SYMBOL), np.uint8)
    addresses = np.uint64(spots.ctypes.data) + np.arange(6, dtype=np.uint64)[::-1] * np.uint64(
        SYMBOL
    )
    inbox = mmsg.Inbox(b.fileno(), 24)
    sizes = inbox.receive(addresses, SYMBOL)
    assert len(sizes) == 6
    assert sizes[:5].tolist() == [64, 64, 64, 5, 24]
    assert sizes[5] > 24 + SYMBOL
    assert [bytes(spots[5 - i]) for i in range(3)] == [bytes([i]) * SYMBOL for i in range(3)]
    assert bytes(inbox.headers[3][:5]) == b"short"
    host, port = a.getsockname()[:2]
    name = mmsg.sockaddr(a.family, host, port)
    assert bytes(inbox.names[0][: len(name)]) == name
    assert len(inbox.receive(addresses, SYMBOL)) == 0


def test_what_cannot_be_sent_raises_the_kernels_error(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    a, b = pair
    outbox = mmsg.Outbox(a.fileno())
    headers = np.zeros((1, 24), np.uint8)
    name = mmsg.sockaddr(a.family, *b.getsockname()[:2])
    with pytest.raises(OSError, match="Message too long"):
        outbox.send(headers, memoryview(bytes(70_000)), 70_000, name)


def test_a_virtual_interface_is_not_trusted_to_cut() -> None:
    assert segmentation.interface_of("127.0.0.1") == "lo"
    assert segmentation.interface_of("192.0.2.77") is None
    assert not segmentation.is_cut("lo")
    assert not segmentation.is_cut("nothing-of-that-name")


def taken(inbox: gro.GroInbox, spots: np.ndarray, count: int) -> tuple[list[bytes], list[bytes]]:
    """Everything that `inbox` has, in place and elsewhere, until `count` packets are there."""
    placed: list[bytes] = []
    others: list[bytes] = []
    addresses = np.uint64(spots.ctypes.data) + np.arange(mmsg.MAX, dtype=np.uint64) * np.uint64(
        SYMBOL
    )
    while len(placed) + len(others) < count:
        found = inbox.receive(addresses, SYMBOL)
        assert found is not None, "packets are missing"
        headers, sizes, rest = found
        for i, size in enumerate(sizes.tolist()):
            if size:
                placed.append((bytes(headers[i]) + bytes(spots[i]))[:size])
        others += rest
    return placed, others


@pytest.mark.parametrize("last", [SYMBOL, 3])
def test_packets_that_come_bunched_land_each_in_its_place(
    pair: tuple[socket.socket, socket.socket], last: int
) -> None:
    # On loopback what is sent as one arrives as one.
    a, b = pair
    if not gro.enable(b):
        pytest.skip("the kernel has no UDP_GRO")
    inbox, spots = gro.GroInbox(b.fileno(), 24), np.zeros((mmsg.MAX, SYMBOL), np.uint8)
    host, port = b.getsockname()[:2]
    out = SocketWire(a, segmented=True)
    wanted = []
    for symbols in (40, 64, 1, 1, 1, 1, 1, 64, 2):
        run = burst(symbols, last)
        out.send_burst(run, (host, port))
        sent = [bytes(p.header) + bytes(p.payload) for p in run.packets()]
        placed, others = taken(inbox, spots, symbols)
        assert sorted(placed + others) == sorted(sent)
        wanted.append(len(others))
    # Only the burst after five single packets was not expected as a bunch.
    assert wanted == [0, 0, 0, 0, 0, 0, 0, 64, 0]


def test_single_packets_are_taken_many_at_a_time(pair: tuple[socket.socket, socket.socket]) -> None:
    a, b = pair
    if not gro.enable(b):
        pytest.skip("the kernel has no UDP_GRO")
    inbox, spots = gro.GroInbox(b.fileno(), 24), np.zeros((mmsg.MAX, SYMBOL), np.uint8)
    sent = [PREFIX + bytes(8) + bytes([i]) * SYMBOL for i in range(60)]
    for datagram in sent:
        a.sendto(datagram, b.getsockname())
    assert taken(inbox, spots, 60) == (sent, [])
    assert not inbox.one


def test_bunched_packets_of_another_length_are_cut_as_they_were_sent(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    a, b = pair
    if not gro.enable(b):
        pytest.skip("the kernel has no UDP_GRO")
    inbox, spots = gro.GroInbox(b.fileno(), 24), np.zeros((mmsg.MAX, SYMBOL), np.uint8)
    a.setsockopt(17, 103, 32)
    sent = [bytes([i]) * 32 for i in range(20)] + [b"end"]
    a.sendto(b"".join(sent), b.getsockname())
    assert taken(inbox, spots, 21) == ([], sent)
    wire = SocketWire(b, bunched=True)
    a.sendto(b"".join(sent), b.getsockname())
    found = [wire.receive() for _ in range(22)]
    assert [f[0] for f in found[:21] if f] == sent
    assert found[21] is None
