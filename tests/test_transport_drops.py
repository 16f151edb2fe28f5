"""What the kernel dropped, against what was sent and what was read: exact for each socket."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from toolkit.transport.drops import Drops, KernelDrops, backlog, listed, of_udp_socket


@contextlib.contextmanager
def pair(family: int, host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(family, socket.SOCK_DGRAM) as a,
        socket.socket(family, socket.SOCK_DGRAM) as b,
    ):
        b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        b.bind((host, 0))
        b.setblocking(False)
        a.connect(b.getsockname())
        yield a, b


def read_all(sock: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(65536)
            count += 1
    return count


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_socket_that_is_not_read_loses_exactly_what_is_missing(family: int, host: str) -> None:
    with pair(family, host) as (a, b), pair(family, host) as (c, d):
        for _ in range(200):  # before it is asked: not its business
            a.send(bytes(1000))
        read_all(b)
        drops = KernelDrops([b, d])
        assert drops.read() == Drops(0, drops.read().backlog, drops.read().card)
        for _ in range(300):
            a.send(bytes(1000))
        c.send(b"x")
        got = read_all(b) + read_all(d)
        assert got < 301
        assert drops.read().sockets == 301 - got
        assert drops.read().sockets == 301 - got, "reading changed it"


def test_the_kernels_two_ways_to_tell_agree() -> None:
    with pair(socket.AF_INET, "127.0.0.1") as (a, b):
        for _ in range(300):
            a.send(bytes(1000))
        assert of_udp_socket(b) == listed(b) > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="packet sockets need root")
def test_a_packet_sockets_losses_add_up_although_the_kernel_begins_anew() -> None:
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x88B5)) as inward,
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x88B5)) as outward,
    ):
        inward.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        inward.bind(("lo", 0x88B5))
        inward.setblocking(False)
        outward.bind(("lo", 0x88B5))
        read_all(inward)
        drops, sent, got = KernelDrops([inward]), 0, 0
        seen = []
        for _ in range(2):
            for _ in range(150):
                outward.send(bytes(1000))
                sent += 1
            got += read_all(inward)
            seen.append(drops.read().sockets)
        # What is sent on lo is seen twice by a packet socket: when it leaves and when it comes.
        assert seen[0] > 0
        assert seen[1] > seen[0]
        assert sent <= got + seen[1] <= 2 * sent


def test_counters_of_the_host_can_be_read() -> None:
    assert backlog() >= 0


def test_each_loss_is_said_with_what_to_do_and_none_is_silent() -> None:
    assert Drops().sentences() == []
    assert not Drops().any
    said = Drops(7, 8, 9).sentences()
    assert len(said) == 3
    assert "7 packets were lost on this host, not in the network" in said[0]
    assert all("(" in s for s in said)
    assert Drops(7, 8, 9).document() == {"sockets": 7, "backlog": 8, "card": 9}
