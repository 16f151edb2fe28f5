"""Counters over HTTP: where it listens, and who keeps it waiting."""

from __future__ import annotations

import socket
from contextlib import closing
from urllib.request import urlopen

import pytest

from toolkit.bier import runtime_metrics
from toolkit.bier.runtime_metrics import MetricsServer
from toolkit.errors import EnvironmentProblem


def six() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as asked:
            asked.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param(
            "::1", marks=pytest.mark.skipif(not six(), reason="this host has no IPv6 loopback")
        ),
    ],
)
def test_it_is_served_where_it_says(host: str) -> None:
    with closing(MetricsServer(host, 0, lambda: "frames 1\n")) as server:
        assert server.address.startswith("[::1]:" if host == "::1" else "127.0.0.1:")
        with urlopen(f"http://{server.address}/metrics") as answer:
            assert answer.read() == b"frames 1\n"


def test_who_connects_and_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_metrics, "PATIENCE", 0.01)
    with closing(MetricsServer("127.0.0.1", 0, str)) as server:
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as silent:
            assert silent.recv(1) == b""


def test_a_port_in_use_is_named() -> None:
    with closing(MetricsServer("127.0.0.1", 0, str)) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(EnvironmentProblem, match=f"--metrics 127.0.0.1:{port}: Address alr"):
            MetricsServer("127.0.0.1", port, str)
