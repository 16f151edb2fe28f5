"""HOST:PORT as people write it, and sockets for it.  IPv4 and IPv6 ([::1]:4433)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from dataclasses import dataclass

from toolkit.errors import EnvironmentProblem, UnreachableError, UsageError
from toolkit.transport import links

BUFFER = 16 * 2**20
"""Bytes of socket buffer that are asked for; without CAP_NET_ADMIN the kernel grants less
(net.core.rmem_max)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved UDP address."""

    family: socket.AddressFamily
    host: str
    port: int

    @property
    def sockaddr(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def multicast(self) -> bool:
        return ipaddress.ip_address(self.host.partition("%")[0]).is_multicast

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def resolve(text: str, *, port: int | None = None, flag: str = "") -> Address:
    """Return what `HOST:PORT` means; with `port`, `:PORT` may be left out.

    `flag`: the option that says it, for messages.
    """
    where = f"{flag} {text}".lstrip()
    host, colon, number = text.rpartition(":")
    if not colon or "]" in number or (":" in host and not host.endswith("]")):
        host, number = text, "" if port is None else str(port)
    if not host or not number.isdigit() or int(number) > 65535:
        raise UsageError(f"{where}: not HOST:PORT (192.0.2.1:4433, [2001:db8::1]:4433)")
    host = host.removeprefix("[").removesuffix("]")
    try:
        family, _, _, _, found = socket.getaddrinfo(host, int(number), type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise UnreachableError(
            where, f"cannot be resolved: {error.strerror or error}", "check the name, or give "
            "an IP address",
        ) from None  # fmt: skip
    return Address(family, str(found[0]), int(number))


def located(host: str, port: int) -> Address:
    """Return the address that a numeric host is."""
    return Address(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port)


def bind(address: Address) -> socket.socket:
    """Return a UDP socket bound to `address`, with large buffers."""
    sock = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        for forced, option in ((33, socket.SO_RCVBUF), (32, socket.SO_SNDBUF)):
            try:  # SO_RCVBUFFORCE and SO_SNDBUFFORCE of Linux
                sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
            except OSError:
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(address.multicast))
        sock.bind(address.sockaddr)
    except OSError as error:
        sock.close()
        raise EnvironmentProblem(
            f"{address}: cannot listen there: {error.strerror} (choose an address of this host "
            "and a free port)"
        ) from None
    return sock


def socket_room(sock: socket.socket) -> int:
    """Bytes of UDP payload that surely fit the receive buffer of `sock`.

    The kernel doubles what it was asked for and counts its own overhead, which is up to as much
    as the packet again.
    """
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 3


def interface_index(interface: str) -> int:
    """Return the number of one of our interfaces, given by its name or by an address that it has;
    0, the system's choice, where `interface` is empty."""
    if not interface:
        return 0
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(interface)
    with contextlib.suppress(OSError):
        name = links.of_address(interface)
        if name:
            return socket.if_nametoindex(name)
    raise EnvironmentProblem(
        f"--interface {interface}: no interface of this host has that name or address (give one of "
        f"{', '.join(sorted(name for _, name in socket.if_nameindex()))}, or an address of theirs)"
    )


def join(group: Address, interface: str, source: Address | None) -> socket.socket:
    """Return a socket that receives `group` on `interface`.

    `interface`: as of `interface_index`.  `source`: join the channel of this source only (RFC 4607)
    where the group is an SSM one.
    """
    index, version = interface_index(interface), 6 if group.family == socket.AF_INET6 else 4
    sock = bind(group)
    level = socket.IPPROTO_IPV6 if version == 6 else socket.IPPROTO_IP
    request = struct.pack("@I4x", index) + _storage(group)
    try:
        if source is not None and source.family == group.family and is_ssm(group.host):
            sock.setsockopt(level, _MCAST_JOIN_SOURCE_GROUP, request + _storage(source))
        else:
            sock.setsockopt(level, _MCAST_JOIN_GROUP, request)
    except OSError as error:
        sock.close()
        raise EnvironmentProblem(
            f"{group}: cannot be joined: {error.strerror} (name the interface with --interface)"
        ) from None
    return sock


def is_ssm(group: str) -> bool:
    """Whether receivers of a group say whose packets they want (RFC 4607 section 1)."""
    packed = ipaddress.ip_address(group.partition("%")[0]).packed
    return packed[0] == 232 if len(packed) == 4 else packed[0] == 0xFF and packed[1] >> 4 == 3


def send_from(sock: socket.socket, group: Address, interface: str, hops: int = 32) -> None:
    """Let multicast packets leave through `interface`, with `hops` routers to cross."""
    index = interface_index(interface)
    try:
        if group.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
            if index:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            return
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
        if index:
            request = struct.pack("@8xi", index)  # struct ip_mreqn
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
    except OSError as error:
        raise EnvironmentProblem(f"--interface {interface}: {error.strerror or error}") from None


def mark(sock: socket.socket, dscp: int | None) -> None:
    """Let what `sock` sends carry a code point (RFC 2474); None: leave it as the system has it.

    Data and the control messages of one socket are marked alike, so that a network that treats
    code points differently does not reorder them.
    """
    if dscp is None:
        return
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
    except OSError as error:
        raise EnvironmentProblem(
            f"--dscp {dscp}: {error.strerror or error} (--dscp off leaves packets unmarked)"
        ) from None


def _storage(address: Address) -> bytes:
    """Return a struct sockaddr_storage (its port counts for nothing here)."""
    host, family = address.host.partition("%")[0], struct.pack("@H", address.family)
    room = 6 if address.family == socket.AF_INET6 else 2  # port, and IPv6's flow information
    return (family + bytes(room) + socket.inet_pton(address.family, host)).ljust(128, b"\0")


_MCAST_JOIN_GROUP, _MCAST_JOIN_SOURCE_GROUP = 42, 46
"""Of Linux, for both families (RFC 3678 section 5); Python's socket module has no names for
them."""
