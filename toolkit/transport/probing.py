"""Probing over UDP sockets: the engine of `toolkit.delivery.probe` on the sender's own socket."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from toolkit.delivery import control
from toolkit.delivery.probe import Probing, Shot
from toolkit.delivery.reach import Verdict
from toolkit.errors import WireError
from toolkit.transport.address import Address

_MTU_DISCOVER, _PROBE = 10, 3
"""IP_MTU_DISCOVER of Linux.  PROBE: DF is set, and what was learnt of the path is not believed."""
_MTU_DISCOVER_6 = 23
_MAX_DATAGRAM = 65536


def run_probing(
    probing: Probing,
    sock: socket.socket,
    addresses: dict[str, tuple[str, int]],
    group: Address | None,
    take: Callable[[bytes, tuple[str, int], float], control.Message | None] | None = None,
    heard: dict[tuple[str, type], control.Message] | None = None,
    each: Callable[[], bool] = lambda: False,
) -> list[Verdict]:
    """Probe until the engine has finished; `addresses` learns where messages come from.

    `take`: whose messages are believed, and where they may come from; None: everybody's.  `heard`
    takes the latest message of each kind of each receiver that is no answer to a probe, so that
    what it said meanwhile need not be said again.  `each` is called in every turn; True: enough.
    """

    def parse(data: bytes, source: tuple[str, int], _: float) -> control.Message | None:
        try:
            message = control.parse(data)
        except WireError:
            return None
        if message.name in probing.names:
            addresses.setdefault(message.name, source)
        return message

    admit = take or parse
    with _not_fragmented(sock), _usual_ttl(sock) as set_ttl:
        while not probing.finished and not each():
            for shot in probing.poll(time.monotonic()):
                set_ttl(shot.ttl)
                _fire(probing, sock, shot, addresses, group)
            set_ttl(None)
            for data, source in _datagrams(sock):
                now = time.monotonic()
                message = admit(data, source, now)
                if message is None or message.name not in probing.names:
                    continue
                probing.address(message.name)
                probing.receive(message, now)
                if heard is not None and not isinstance(message.body, control.Probed):
                    kind = message.name, type(message.body)
                    heard.pop(kind, None)  # The latest is the last.
                    heard[kind] = message
            deadline = probing.deadline
            if deadline is not None:
                wait = max(deadline - time.monotonic(), 0.0)
                select.select([sock], (), (), min(wait, 0.1))
                probing.poll(time.monotonic(), 0)
    return probing.verdicts()


def _fire(
    probing: Probing,
    sock: socket.socket,
    shot: Shot,
    addresses: dict[str, tuple[str, int]],
    group: Address | None,
) -> None:
    to = group.sockaddr if shot.receiver is None and group is not None else None
    if shot.receiver is not None:
        to = addresses.get(shot.receiver)
    if to is None:
        return
    try:
        sock.sendto(shot.datagram, to)
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            probing.refused(shot)
        # Anything else is a probe that did not arrive: what the verdict is about.


def _datagrams(sock: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    for _ in range(256):
        try:
            data, source = sock.recvfrom(_MAX_DATAGRAM, socket.MSG_DONTWAIT)
        except OSError:
            return  # Nothing there; or somebody's port is closed, which his silence says, too.
        yield data, (source[0], source[1])


@contextmanager
def _not_fragmented(sock: socket.socket) -> Iterator[None]:
    """Packets leave whole or not at all, and routers may not cut them either."""
    if sock.family == socket.AF_INET6:
        level, option = socket.IPPROTO_IPV6, _MTU_DISCOVER_6
    else:
        level, option = socket.IPPROTO_IP, _MTU_DISCOVER
    before = sock.getsockopt(level, option)
    sock.setsockopt(level, option, _PROBE)
    try:
        yield
    finally:
        sock.setsockopt(level, option, before)


class _Ttl:
    """The TTL of a socket's multicast packets, changed only when it differs."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        if sock.family == socket.AF_INET6:
            self._option = socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS
        else:
            self._option = socket.IPPROTO_IP, socket.IP_MULTICAST_TTL
        self.usual = self._now = sock.getsockopt(*self._option)

    def __call__(self, ttl: int | None) -> None:
        wanted = self.usual if ttl is None else ttl
        if wanted != self._now:
            self._sock.setsockopt(*self._option, wanted)
            self._now = wanted


@contextmanager
def _usual_ttl(sock: socket.socket) -> Iterator[_Ttl]:
    ttl = _Ttl(sock)
    try:
        yield ttl
    finally:
        ttl(None)
