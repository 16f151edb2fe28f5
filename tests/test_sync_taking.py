"""What a cloud takes of a session: the manifest that was offered, and from its sender alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from net import KEY, TRUSTED, MemorySource

from toolkit.delivery.authentic import key_of
from toolkit.delivery.doorkeeper import Doorkeeper
from toolkit.delivery.manifest import digest
from toolkit.delivery.model import Coding, Session
from toolkit.delivery.sender import Sender
from toolkit.sync.orders import Offer
from toolkit.sync.store import Store
from toolkit.sync.taking import Taking
from toolkit.transport import address, udp

TOKEN = bytes(32)
CODING = Coding(symbol=512, block=8, parity=8)
OLD, NEW = ({"a.bin": bytes([n]) * 20_000} for n in (1, 2))


@contextmanager
def sending(source: MemorySource) -> Iterator[int]:
    """A session on loopback; the port it listens at."""
    session = Session(name="llama@v1", tsi=9, key=KEY, rate=50_000_000, timeout=3.0, gather=0.0)
    sender, known = Sender(session, source, ["fra"]), dict[str, tuple[str, int]]()
    with address.bind(address.resolve("127.0.0.1:0")) as sock:
        thread = threading.Thread(
            target=udp.run_sender,
            args=(sender, ["fra"], udp.SocketWire(sock), known, None, lambda _: None),
            kwargs={"door": Doorkeeper(["fra"], known, token=TOKEN)},
        )
        thread.start()
        yield int(sock.getsockname()[1])
        thread.join(30)
        assert not thread.is_alive()


def take(tmp_path: Path, port: int, offered: MemorySource) -> Taking:
    offer = Offer(
        session=1, tsi=9, model="llama", version="v1", content="c0ffee00", address="127.0.0.1",
        port=port, group=None, manifest=digest(offered.manifest.encode()),
        key=key_of(TOKEN, "fra"), seal_key=None,
    )  # fmt: skip
    return Taking(
        "fra", offer, Store(tmp_path), trusted=TRUSTED, listen="127.0.0.1:0", interface="",
        timeout=3.0, changed=lambda: None,
    )  # fmt: skip


def until_over(taking: Taking) -> None:
    end = time.monotonic() + 30
    while not taking.over:
        assert time.monotonic() < end, "it does not end"
        time.sleep(0.02)


def test_what_was_offered_is_placed(tmp_path: Path) -> None:
    source = MemorySource(NEW, CODING, "llama@v1")
    with sending(source) as port:
        taking = take(tmp_path, port, source)
        until_over(taking)
    assert (taking.placed, taking.error, taking.refused) == (True, None, {})
    assert (Store(tmp_path).path("llama", "v1") / "a.bin").read_bytes() == NEW["a.bin"]


def test_older_content_of_the_same_version_is_refused_though_it_is_signed(tmp_path: Path) -> None:
    with sending(MemorySource(OLD, CODING, "llama@v1")) as port:
        taking = take(tmp_path, port, MemorySource(NEW, CODING, "llama@v1"))
        until_over(taking)
    assert not taking.placed
    assert "not that of session 1" in str(taking.error)
    assert not Store(tmp_path).path("llama", "v1").exists()


def test_packets_of_another_sender_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[socket.socket] = []
    bind = address.bind

    def watched(where: address.Address) -> socket.socket:
        bound.append(bind(where))
        return bound[-1]

    source = MemorySource(NEW, CODING, "llama@v1")
    with sending(source) as port:
        monkeypatch.setattr(address, "bind", watched)
        with bind(address.resolve("127.0.0.1:0")) as stranger:
            taking = take(tmp_path, port, source)
            while not bound and not taking.over:
                time.sleep(0.001)
            for _ in range(5):
                stranger.sendto(b"nonsense", bound[0].getsockname())
            until_over(taking)
    assert taking.placed
    assert taking.refused["foreign-source"] >= 1


def test_what_the_agent_says_is_marked(tmp_path: Path) -> None:
    with bound_for_tos() as sock:
        source = MemorySource(NEW, CODING, "llama@v1")
        taking = take(tmp_path, sock.getsockname()[1], source)
        _, ancillary, _, _ = sock.recvmsg(2048, 64)
        taking.stop()
    assert [data[0] >> 2 for _, kind, data in ancillary if kind == socket.IP_TOS] == [1]


@contextmanager
def bound_for_tos() -> Iterator[socket.socket]:
    with address.bind(address.resolve("127.0.0.1:0")) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        sock.settimeout(10)
        yield sock
