"""Which code point our packets really carry, as the socket that gets them sees it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from test_transport_udp import Site

from toolkit.cli.main import main
from toolkit.cli.marking import parse_dscp_option
from toolkit.delivery.control import Fail, Join, Message
from toolkit.errors import UsageError
from toolkit.transport.address import bind, mark, resolve


def listening(host: str) -> socket.socket:
    sock = bind(resolve(f"[{host}]:0" if ":" in host else f"{host}:0"))
    sock.settimeout(20)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return sock


def code_point(sock: socket.socket) -> int:
    _, ancillary, _, _ = sock.recvmsg(65536, 64)
    return ancillary[0][2][0] >> 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("dscp", "seen"), [(1, 1), (46, 46), (None, 0)])
def test_a_marked_socket_sends_marked_packets(host: str, dscp: int | None, seen: int) -> None:
    with (
        listening(host) as there,
        bind(resolve(f"[{host}]:0" if ":" in host else f"{host}:0")) as s,
    ):
        mark(s, dscp)
        s.sendto(b"x", there.getsockname()[:2])
        assert code_point(there) == seen


@pytest.mark.parametrize(("option", "seen"), [((), 1), (("--dscp", "af11"), 10)])
def test_a_sender_marks_its_data(tmp_path: Path, option: tuple[str, ...], seen: int) -> None:
    site = Site(tmp_path)
    with listening("127.0.0.1") as there:
        to = f"fra=127.0.0.1:{there.getsockname()[1]}"
        command = site.send_command("--to", to, "--timeout", "20", *option)
        sending = threading.Thread(target=lambda: main(command))
        sending.start()
        control = ("127.0.0.1", site.control)
        there.settimeout(0.2)
        for _ in range(100):
            there.sendto(Message(tsi=0, incarnation=1, name="fra", body=Join()).encode(), control)
            try:
                assert code_point(there) == seen
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("the sender sent nothing")
        said = Fail(reason="seen enough")
        for _ in range(100):
            there.sendto(Message(tsi=0, incarnation=1, name="fra", body=said).encode(), control)
            sending.join(0.1)
            if not sending.is_alive():
                break
        assert not sending.is_alive()


def test_names_numbers_and_off() -> None:
    assert [parse_dscp_option(t) for t in ("le", "CS6", "46", "0", "off", "none")] == [
        1, 48, 46, 0, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["64", "best", "", "-1", "af44"])
def test_what_is_no_code_point_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--dscp .*: is not .*off\)"):
        parse_dscp_option(text)
