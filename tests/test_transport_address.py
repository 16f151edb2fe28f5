"""HOST:PORT in all its forms."""

from __future__ import annotations

import socket

import pytest

from toolkit.errors import EnvironmentProblem, UnreachableError, UsageError
from toolkit.transport.address import (
    Address,
    bind,
    interface_index,
    is_ssm,
    join,
    resolve,
    send_from,
)


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


@pytest.mark.parametrize("interface", ["lo", "127.0.0.1"])
def test_an_interface_goes_by_its_name_or_an_address(interface: str) -> None:
    assert interface_index(interface) == socket.if_nametoindex("lo")
    assert interface_index("") == 0
    with pytest.raises(EnvironmentProblem, match=r"192\.0\.2\.77: no interface .*one of .*lo"):
        interface_index("192.0.2.77")


@pytest.mark.parametrize(
    ("group", "ssm"),
    [("232.1.1.1", True), ("239.1.1.1", False), ("ff3e::8000:1", True), ("ff1e::1", False)],
)
def test_groups_of_one_source_are_told_by_their_range(group: str, ssm: bool) -> None:
    assert is_ssm(group) is ssm


@pytest.mark.parametrize("interface", ["lo", "127.0.0.1"])
def test_a_channel_is_joined_for_its_source_alone(interface: str) -> None:
    group = resolve("232.7.7.7:0")
    with join(group, interface, resolve("127.0.0.1:1")) as joined:
        to = Address(group.family, group.host, joined.getsockname()[1])
        for own in ("127.0.0.2", "127.0.0.1"):
            with bind(resolve(f"{own}:0")) as sock:
                send_from(sock, to, interface)
                sock.sendto(own.encode(), to.sockaddr)
        joined.settimeout(5)
        assert joined.recv(100) == b"127.0.0.1"  # and nothing before it
