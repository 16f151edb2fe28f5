"""HOST:PORT in all its forms."""

from __future__ import annotations

import socket

import pytest

from toolkit.errors import UnreachableError, UsageError
from toolkit.transport.address import Address, bind, resolve


@pytest.mark.parametrize(
    ("text", "family", "host", "port"),
    [
        ("127.0.0.1:4400", socket.AF_INET, "127.0.0.1", 4400),
        ("[::1]:4400", socket.AF_INET6, "::1", 4400),
        ("232.1.1.1:9", socket.AF_INET, "232.1.1.1", 9),
    ],
)
def test_addresses_are_understood_and_written_back(
    text: str, family: int, host: str, port: int
) -> None:
    address = resolve(text)
    assert (address.family, address.host, address.port) == (family, host, port)
    assert str(address) == text


def test_a_port_may_be_left_out_where_there_is_a_usual_one() -> None:
    assert resolve("127.0.0.1", port=4400).port == 4400
    assert resolve("[::1]", port=4400) == Address(socket.AF_INET6, "::1", 4400)
    assert resolve("127.0.0.1:5", port=4400).port == 5


@pytest.mark.parametrize("text", ["", "127.0.0.1", ":5", "host:port", "127.0.0.1:70000", "::1"])
def test_what_is_no_address_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="not HOST:PORT"):
        resolve(text)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"host\.invalid:1: cannot be resolved"):
        resolve("host.invalid:1")


def test_only_groups_are_multicast() -> None:
    assert resolve("239.1.1.1:1").multicast
    assert resolve("[ff3e::1]:1").multicast
    assert not resolve("127.0.0.1:1").multicast


def test_a_bound_socket_has_the_address() -> None:
    with bind(resolve("127.0.0.1:0")) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
