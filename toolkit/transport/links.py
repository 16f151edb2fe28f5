"""Network interfaces of this host, by rtnetlink (RTM_GETLINK) and ethtool's ioctl."""

from __future__ import annotations

import array
import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NETLINK_ROUTE = 0
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_REQUEST_DUMP = 0x1 | 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFLA_IFNAME, _IFLA_MTU, _IFLA_QDISC, _IFLA_STATS64 = 3, 4, 6, 23
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000
_HEAD = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDR = struct.Struct("=BBBBI")
_STATS = struct.Struct("=24Q")
"""struct rtnl_link_stats64: 0 is packets received, 14 FIFO errors, 15 what the card missed."""
_SIOCETHTOOL = 0x8946
_GET_GSO, _GET_GRO = 0x23, 0x2B


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface."""

    index: int
    name: str
    mtu: int
    up: bool
    loopback: bool
    multicast: bool
    qdisc: str
    received: int
    missed: int


def read() -> list[Link]:
    """All interfaces of this network namespace.  Raises OSError."""
    found = []
    for kind, body in _dump(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0)):
        if kind != _RTM_NEWLINK:
            continue
        _, _, index, flags, _ = _LINK.unpack_from(body)
        values = dict(_attributes(body[_LINK.size :]))
        received = missed = 0
        if len(values.get(_IFLA_STATS64, b"")) >= _STATS.size:
            stats = _STATS.unpack_from(values[_IFLA_STATS64])
            received, missed = stats[0], stats[14] + stats[15]
        found.append(
            Link(
                index=index, name=_string(values.get(_IFLA_IFNAME, b"")),
                mtu=int.from_bytes(values.get(_IFLA_MTU, b""), "little"),
                up=bool(flags & _UP), loopback=bool(flags & _LOOPBACK),
                multicast=bool(flags & _MULTICAST),
                qdisc=_string(values.get(_IFLA_QDISC, b"")), received=received, missed=missed,
            )
        )  # fmt: skip
    return found


def of_address(address: str) -> str:
    """Name of the interface that has `address`; empty: none has."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        wanted = socket.inet_pton(family, address.partition("%")[0])
    except OSError:
        return ""
    for kind, body in _dump(_RTM_GETADDR, _ADDR.pack(family, 0, 0, 0, 0)):
        values = dict(_attributes(body[_ADDR.size :]))
        if kind == _RTM_NEWADDR and wanted in (values.get(_IFA_LOCAL), values.get(_IFA_ADDRESS)):
            return socket.if_indextoname(_ADDR.unpack_from(body)[4])
    return ""


def offloads(name: str) -> tuple[bool | None, bool | None]:
    """Whether generic segmentation and generic receive offload are on; None: not known."""
    return _ethtool(name, _GET_GSO), _ethtool(name, _GET_GRO)


def _ethtool(name: str, command: int) -> bool | None:
    value = array.array("I", [command, 0])
    request = struct.pack("16sP", name.encode()[:15], value.buffer_info()[0])
    request += bytes(ctypes.sizeof(ctypes.c_void_p) * 5 - len(request))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock.fileno(), _SIOCETHTOOL, request)
        except OSError:
            return None
    return bool(value[1])


def _dump(kind: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as sock:
        sock.sendto(_HEAD.pack(_HEAD.size + len(body), kind, _REQUEST_DUMP, 1, 0) + body, (0, 0))
        while True:
            data = sock.recv(1 << 18)
            at = 0
            while at + _HEAD.size <= len(data):
                length, answer, _, _, _ = _HEAD.unpack_from(data, at)
                if answer == _NLMSG_DONE:
                    return
                if answer == _NLMSG_ERROR:
                    code = struct.unpack_from("=i", data, at + _HEAD.size)[0]
                    raise OSError(-code, "netlink refused the question")
                yield answer, data[at + _HEAD.size : at + length]
                at += length + 3 & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += length + 3 & ~3


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")
