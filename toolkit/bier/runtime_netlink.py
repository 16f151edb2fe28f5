"""What the kernel says of links, neighbors and routes.  Linux rtnetlink(7), RFC 3549.

The one door to pyroute2, whose codecs are used; the sockets are our own, so that everything runs in
one selector loop.  Law: what the kernel could not deliver (ENOBUFS) or never tells (IPv4 routes
that go with a link) is read again as a whole, never guessed.  X: talks to the kernel.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from pyroute2.netlink.rtnl import (
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from toolkit.bier.follow import Added, IpNetwork, NextHop, Removed, Route, Synced
from toolkit.bier.frames import Port
from toolkit.bier.program import IpAddress
from toolkit.errors import EnvironmentProblem

_GROUPS: Final = 0x1 | 0x4 | 0x40 | 0x400
"""RTMGRP_LINK, _NEIGH, _IPV4_ROUTE, _IPV6_ROUTE."""
_REQUEST, _ACK, _DUMP, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x200, 0x400
_APPEND: Final = 0x800
_DONE, _ERROR = 3, 2
_SO_RCVBUFFORCE: Final = 33
_UP: Final = 0x1 | 0x10000
"""IFF_UP, IFF_LOWER_UP: it is meant to be up, and there is a carrier."""
_USABLE: Final = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
"""Neighbor states with a MAC address: reachable, stale, delay, probe, noarp, permanent."""
_USE: Final = 0x01
_DEAD: Final = 0x01 | 0x10
"""RTNH_F_DEAD, RTNH_F_LINKDOWN."""
_CLONED: Final = 0x200
_TABLES: Final = frozenset({254, 255})
"""main, local."""
_UNICAST, _LOCAL, _THROWN_AWAY = 1, 2, frozenset({6, 7, 8})
_TIMEOUT: Final = 5.0


class Link(NamedTuple):
    """An interface of the host."""

    name: str
    ifindex: int
    port: Port
    up: bool

    def is_there(self) -> bool:
        """Ask the kernel whether it still is; another one of the same name is not."""
        try:
            return socket.if_nametoindex(self.name) == self.ifindex
        except OSError:
            return False


class LinkGone(NamedTuple):
    name: str
    ifindex: int


class Reachable(NamedTuple):
    """A neighbor's MAC address; None: not known any more."""

    interface: str
    address: IpAddress
    mac: bytes | None


class Lost(NamedTuple):
    """What the kernel said is not all of it: everything has to be read again."""


Heard = Link | LinkGone | Reachable | Added | Removed | Lost


class Netlink:
    """Listens to the kernel in the network namespace it was made in."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._marshal = MarshalRtnl()
        self._sequence = 0
        try:
            self._events = _opened(_GROUPS)
            self._asking = _opened(0)
        except OSError as error:
            raise EnvironmentProblem(f"netlink: {error.strerror or error}") from error
        self._events.setblocking(False)
        self._asking.settimeout(_TIMEOUT)

    def fileno(self) -> int:
        return self._events.fileno()

    def close(self) -> None:
        self._events.close()
        self._asking.close()

    def links(self) -> dict[str, Link]:
        """Return all interfaces by name."""
        self._names.clear()
        found = [self._link(m) for m in self._ask(ifinfmsg(), RTM_GETLINK, _DUMP)]
        return {link.name: link for link in found if isinstance(link, Link)}

    def neighbors(self) -> dict[tuple[str, IpAddress], bytes]:
        """Return the MAC addresses of all neighbors that have one."""
        found = (self._neighbor(m) for m in self._ask(ndmsg(), RTM_GETNEIGH, _DUMP))
        return {(n.interface, n.address): n.mac for n in found if n is not None and n.mac}

    def routes(self) -> Synced:
        """Return all routes of the tables main and local."""
        found: list[Route] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            message = rtmsg()
            message["family"] = family
            routes = map(self._route, self._ask(message, RTM_GETROUTE, _DUMP))
            found += (route for route in routes if route is not None)
        return Synced(tuple(found))

    def ask_for(self, index: int, address: IpAddress) -> None:
        """Have the kernel find out a neighbor's MAC address (ARP, or neighbor discovery)."""
        message = ndmsg()
        message["family"] = socket.AF_INET if address.version == 4 else socket.AF_INET6
        message["ifindex"], message["flags"] = index, _USE
        message["attrs"] = [("NDA_DST", str(address))]
        self._send(message, RTM_NEWNEIGH, _REPLACE | _CREATE)

    def set_up(self, ifindex: int, *, up: bool = True) -> None:
        """Bring an interface of our own up or down."""
        message = ifinfmsg()
        message["index"], message["flags"], message["change"] = ifindex, int(up), 1
        for _answer in self._ask(message, RTM_NEWLINK, _ACK):
            pass

    def add_pair(self, name: str, peer: str, mtu: int) -> None:
        """Make two interfaces that are the ends of one wire (veth)."""
        message = ifinfmsg()
        far = {"attrs": [("IFLA_IFNAME", peer), ("IFLA_MTU", mtu)]}
        info = [
            ("IFLA_INFO_KIND", "veth"),
            ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", far)]}),
        ]
        message["attrs"] = [
            ("IFLA_IFNAME", name), ("IFLA_MTU", mtu), ("IFLA_LINKINFO", {"attrs": info}),
        ]  # fmt: skip
        for _answer in self._ask(message, RTM_NEWLINK, _ACK | _CREATE | _EXCLUSIVE):
            pass

    def heard(self) -> Iterator[Heard]:
        """Yield everything that the kernel has said since."""
        while True:
            try:
                data = self._events.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield Lost()
                continue
            for message in self._marshal.parse(data):
                heard = self._heard(message)
                if heard is not None:
                    yield heard

    def _heard(self, message: Mapping[str, Any]) -> Heard | None:
        kind, flags = message["header"]["type"], message["header"]["flags"]
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            return self._link(message)
        if kind in (RTM_NEWNEIGH, RTM_DELNEIGH):
            neighbor = self._neighbor(message)
            if neighbor is not None and kind == RTM_DELNEIGH:
                return neighbor._replace(mac=None)
            return neighbor
        if kind not in (RTM_NEWROUTE, RTM_DELROUTE):
            return None
        route = self._route(message)
        if route is None:
            return None
        if kind == RTM_DELROUTE:
            return Removed(route)
        six = route.prefix.version == 6
        if six and flags & _APPEND:  # a hop more for a route: what is said is not the whole of it
            return Lost()
        return Added(route, replace=bool(flags & _REPLACE) or six)

    def _link(self, message: Mapping[str, Any]) -> Link | LinkGone | None:
        if message["family"] not in (0, socket.AF_UNSPEC):
            return None  # a bridge speaks of its ports
        index = message["index"]
        name = message.get_attr("IFLA_IFNAME")  # type: ignore[attr-defined] # of pyroute2
        if message["header"]["type"] == RTM_DELLINK:
            self._names.pop(index, None)
            return LinkGone(name, index)
        self._names[index] = name
        text = message.get_attr("IFLA_ADDRESS")  # type: ignore[attr-defined]
        mac = bytes.fromhex(text.replace(":", "")) if text else None
        port = Port(mac if mac and len(mac) == 6 else None, message.get_attr("IFLA_MTU"))  # type: ignore[attr-defined]
        up = message["flags"] & _UP == _UP
        return Link(name, index, port, up)

    def _neighbor(self, message: Mapping[str, Any]) -> Reachable | None:
        name, text = self._names.get(message["ifindex"]), message.get_attr("NDA_DST")  # type: ignore[attr-defined]
        if name is None or text is None or message["family"] == socket.AF_BRIDGE:
            return None
        mac = message.get_attr("NDA_LLADDR")  # type: ignore[attr-defined]
        known = bool(mac) and bool(message["state"] & _USABLE)
        octets = bytes.fromhex(mac.replace(":", "")) if known else None
        return Reachable(name, ip_address(text), octets if octets and len(octets) == 6 else None)

    def _route(self, message: Mapping[str, Any]) -> Route | None:
        of = dict(message["attrs"])
        table = of.get("RTA_TABLE", message["table"])
        kind, family = message["type"], message["family"]
        if (
            table not in _TABLES
            or message["flags"] & _CLONED
            or message["tos"]
            or family not in (socket.AF_INET, socket.AF_INET6)
            or kind not in {_UNICAST, _LOCAL} | _THROWN_AWAY
        ):
            return None
        anywhere = "0.0.0.0" if family == socket.AF_INET else "::"
        prefix: IpNetwork = ip_network((of.get("RTA_DST", anywhere), message["dst_len"]))
        metric = of.get("RTA_PRIORITY", 0)
        if kind != _UNICAST:
            return Route(prefix, (), metric, kind == _LOCAL)
        parts: list[tuple[int, int, dict[str, Any]]] = [
            (part["oif"], part["flags"], dict(part["attrs"]))
            for part in of.get("RTA_MULTIPATH", ())
        ] or [(of.get("RTA_OIF", 0), message["flags"], of)]
        hops = (
            NextHop(self._names[index], _gateway(attributes))
            for index, flags, attributes in parts
            if index in self._names and not flags & _DEAD
        )
        # Without a link that works it leads nowhere: the next best one is in use, if there is one.
        usable = tuple(hops)
        return Route(prefix, usable, metric) if usable else None

    def _send(self, message: Any, kind: int, flags: int) -> int:  # noqa: ANN401 - pyroute2's
        self._sequence += 1
        message["header"]["type"] = kind
        message["header"]["flags"] = _REQUEST | flags
        message["header"]["sequence_number"] = self._sequence
        message.encode()
        self._asking.sendto(message.data, (0, 0))
        return self._sequence

    def _ask(self, message: Any, kind: int, flags: int) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
        sequence = self._send(message, kind, flags)
        while True:
            try:
                data = self._asking.recv(1 << 17)
            except TimeoutError:
                raise EnvironmentProblem("netlink: the kernel does not answer") from None
            for answer in self._marshal.parse(data):
                header = answer["header"]
                if header["sequence_number"] != sequence:
                    continue
                if header["type"] in (_DONE, _ERROR):
                    if header["error"] is not None:
                        raise EnvironmentProblem(f"netlink: {header['error']}")
                    return
                yield answer


def _gateway(attributes: Mapping[str, Any]) -> IpAddress | None:
    if "RTA_GATEWAY" in attributes:
        return ip_address(attributes["RTA_GATEWAY"])
    if "RTA_VIA" in attributes:  # an IPv6 next hop of an IPv4 route (RFC 8950)
        return ip_address(attributes["RTA_VIA"]["addr"])
    return None


def _opened(groups: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    opened.bind((0, groups))
    return opened
