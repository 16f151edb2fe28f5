"""Embedded routers on SSH: many NETCONF servers in one thread.  RFC 6242.

A `DeviceFarm` gives each `Device` a listener, a host key and the `netconf` subsystem.  There is no
protocol in here: bytes go to `ServerSession`, its answers go back, and one timer per router keeps
the deadline of its confirmed commit.  Everything that a Device calls (`state`, `on_commit`) runs in
the farm's own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, TypeVar

import asyncssh

from toolkit.errors import EnvironmentProblem
from toolkit.netconf.router import Device
from toolkit.netconf.session import ServerSession

__all__ = ["DEFAULT_USER", "Device", "DeviceFarm", "User"]

DEFAULT_USER: Final = "llmsync"
_CLOSING: Final = 5.0
"""Seconds that connections get to close."""
_TURNS: Final = 3
"""Turns of the loop from an accepted connection to one that is known."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """How one user may prove who they are."""

    password: str | None = field(default=None, repr=False)
    authorized_keys: str = ""
    """Public keys, a line each, as in OpenSSH's authorized_keys."""


def key_problem(host_key: str = "", authorized_keys: str = "") -> str:
    """Return why one of these is no key (no private one, no public ones); empty: all are."""
    try:
        if host_key:
            asyncssh.import_private_key(host_key)
        for line in authorized_keys.splitlines():
            asyncssh.import_public_key(line)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        return str(error)
    return ""


class DeviceFarm:
    """Routers that answer on the network while the `with` block lasts."""

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        users: Mapping[str, User] | None = None,
        host_keys: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ports` by device name; a device without one gets a free port.

        `host_keys` are private keys by device name (OpenSSH PEM); others are made.  Without `users`
        there is one, DEFAULT_USER, with a random password.  With a `clock` of one's own, call
        `tick` after moving it; its second 0 is taken for 1970 in what routers say of times.  When
        the farm starts, the devices boot from their startup configurations.
        """
        self.devices = {device.name: device for device in devices}
        self.users = dict(users or {DEFAULT_USER: User(password=secrets.token_urlsafe(18))})
        self.addresses: dict[str, tuple[str, int]] = {}
        """Device name -> host and port that it listens on."""
        self.host_keys: dict[str, str] = {}
        """Device name -> public host key, OpenSSH form (`ssh-ed25519 AAAA...`)."""
        self._host, self._ports, self._clock = host, dict(ports or {}), clock
        self._given_keys = dict(host_keys or {})
        self._keys: dict[str, asyncssh.SSHKey] = {}
        self._acceptors: dict[str, asyncssh.SSHAcceptor] = {}
        self._wires: dict[str, set[_Wire]] = {name: set() for name in self.devices}
        self._connections: dict[str, set[asyncssh.SSHServerConnection]] = {
            name: set() for name in self.devices
        }
        self._sockets: dict[str, list[socket.socket]] = {name: [] for name in self.devices}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._vanishing: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # ----- life

    def __enter__(self) -> DeviceFarm:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="llmsync-devices", daemon=True
        )
        self._thread.start()
        try:
            self._wait(self._listen_all())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every router; nothing of the farm is left running."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._loop = self._thread = None
        try:
            asyncio.run_coroutine_threadsafe(self._shut_down(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def stop(self, name: str) -> None:
        """A router dies: its sessions break and its port refuses connections."""
        self._wait(self._stop(name))

    def start(self, name: str) -> None:
        """A stopped router is back, on the same port and with the configuration it had."""
        self._wait(self._listen(name))

    def restart(self, name: str) -> None:
        """A router loses power and boots again: what is not in its startup is gone."""
        self._wait(self._restart(name))

    def call(self, function: Callable[[], T]) -> T:
        """Return what `function` returns; it runs in the farm's thread, alone with the devices."""

        async def run() -> T:
            result = function()
            for name in self.devices:
                self._settle(name)
            return result

        return self._wait(run())

    def tick(self) -> None:
        """The clock given to the farm was moved: let deadlines that have passed take effect."""
        self.call(lambda: None)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the farm is not running: use it in a `with` block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # ----- inside the loop

    async def _listen_all(self) -> None:
        for name, device in self.devices.items():
            device.epoch = time.time() - time.monotonic() if self._clock is time.monotonic else 0.0
            device.boot(self._clock())
            given = self._given_keys.get(name)
            key = (
                asyncssh.import_private_key(given)
                if given is not None
                else asyncssh.generate_private_key("ssh-ed25519")
            )
            self._keys[name] = key
            self.host_keys[name] = " ".join(key.export_public_key().decode().split()[:2])
            if device.trouble.other_host_key:
                self._keys[name] = asyncssh.generate_private_key("ssh-ed25519")
            await self._listen(name)

    async def _restart(self, name: str) -> None:
        await self._stop(name)
        self.devices[name].boot(self._clock())
        self._settle(name)
        await self._listen(name)

    async def _listen(self, name: str) -> None:
        self.devices[name].unreachable = False
        port = self.addresses.get(name, ("", self._ports.get(name, 0)))[1]
        try:
            acceptor = await asyncssh.listen(
                self._host,
                port,
                server_factory=lambda: _Server(self, name),
                server_host_keys=[self._keys[name]],
                config=None,
            )
        except OSError as error:
            raise EnvironmentProblem(
                f"{name}: cannot listen on {self._host} port {port}: {error.strerror or error}"
            ) from None
        self._acceptors[name] = acceptor
        self.addresses[name] = (self._host, acceptor.get_port())

    async def _stop(self, name: str) -> None:
        acceptor = self._acceptors.pop(name, None)
        if acceptor is not None:
            acceptor.close()
        for _ in range(_TURNS):  # what was accepted just now becomes a connection first
            await asyncio.sleep(0)
        connections = list(self._connections[name])
        for connection in connections:
            connection.abort()
        try:
            async with asyncio.timeout(_CLOSING):
                for connection in connections:
                    await connection.wait_closed()
                # One that has ended, also by itself, may still be about to close its socket.
                while any(sock.fileno() >= 0 for sock in self._sockets[name]):
                    await asyncio.sleep(0.001)
                if acceptor is not None:  # from CPython 3.12 on it waits for its connections, too
                    await acceptor.wait_closed()
        except TimeoutError:
            self._cut(name)
        self._sockets[name].clear()

    def _cut(self, name: str) -> None:
        """Give up on connections that do not close: for their peers and for us they have ended."""
        for sock in self._sockets[name]:
            with contextlib.suppress(OSError):  # closed already
                sock.shutdown(socket.SHUT_RDWR)
        for wire in list(self._wires[name]):
            wire.connection_lost(None)
        self._connections[name].clear()

    async def _shut_down(self) -> None:
        ends = await asyncio.gather(*map(self._stop, self.devices), return_exceptions=True)
        for timer in self._timers.values():
            timer.cancel()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_CLOSING)
        for error in ends:
            if error is not None:
                raise error

    def _settle(self, name: str) -> None:
        """After anything has happened to a router: tell its sessions, drop those that ended."""
        device = self.devices[name]
        now = self._clock()
        device.expire(now)
        for wire in self._wires[name]:
            wire.write(wire.session.pending(now))
        for wire in [w for w in self._wires[name] if w.session.finished]:
            wire.hang_up()
        if device.unreachable and self._loop is not None and name in self._acceptors:
            task = self._loop.create_task(self._stop(name))
            self._vanishing.add(task)
            task.add_done_callback(self._vanishing.discard)
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        deadlines = [device.deadline, *(wire.session.deadline for wire in self._wires[name])]
        first = min((time for time in deadlines if time is not None), default=None)
        if first is not None and self._loop is not None:
            wait = max(0.0, first - now)
            self._timers[name] = self._loop.call_later(wait, self._settle, name)

    # ----- called by connections

    def now(self) -> float:
        return self._clock()

    def connected(self, name: str, connection: asyncssh.SSHServerConnection) -> None:
        still_open = [sock for sock in self._sockets[name] if sock.fileno() >= 0]
        self._sockets[name] = [*still_open, connection.get_extra_info("socket")]
        self._connections[name].add(connection)

    def disconnected(self, name: str, connection: asyncssh.SSHServerConnection) -> None:
        self._connections[name].discard(connection)

    def attached(self, name: str, wire: _Wire) -> None:
        self._wires[name].add(wire)

    def detached(self, name: str, wire: _Wire) -> None:
        self._wires[name].discard(wire)
        wire.session.lost(self._clock())
        self._settle(name)

    def received(self, name: str, wire: _Wire, data: bytes) -> None:
        wire.write(wire.session.receive(data, self._clock()))
        self._settle(name)


class _Server(asyncssh.SSHServer):
    """One SSH connection to a router: who may come in, and what for."""

    def __init__(self, farm: DeviceFarm, name: str) -> None:
        self._farm, self._name = farm, name
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._farm.connected(self._name, conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        if self._connection is not None:
            self._farm.disconnected(self._name, self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's
        return True  # also for unknown users: they learn nothing before they fail

    def password_auth_supported(self) -> bool:
        return any(user.password is not None for user in self._farm.users.values())

    def validate_password(self, username: str, password: str) -> bool:
        user = self._farm.users.get(username)
        expected = user.password if user is not None else None
        given = password.encode()
        # The comparison takes as long for an unknown user.
        right = hmac.compare_digest(given, (expected or "").encode())
        return right and bool(expected)

    def public_key_auth_supported(self) -> bool:
        return any(user.authorized_keys for user in self._farm.users.values())

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        user = self._farm.users.get(username)
        lines = user.authorized_keys.splitlines() if user is not None else []
        known = [asyncssh.import_public_key(line) for line in lines if line.strip()]
        return key.public_data in [k.public_data for k in known]

    def session_requested(
        self,
    ) -> tuple[asyncssh.SSHServerChannel[bytes], asyncssh.SSHServerSession[bytes]]:
        if self._connection is None:
            raise RuntimeError("asyncssh asked for a session before it made a connection")
        channel = self._connection.create_server_channel(encoding=None)
        user = str(self._connection.get_extra_info("username") or "")
        peer = self._connection.get_extra_info("peername")
        return channel, _Wire(self._farm, self._name, user, str(peer[0]) if peer else "")


class _Wire(asyncssh.SSHServerSession[bytes]):
    """One `netconf` subsystem on a connection."""

    session: ServerSession

    def __init__(self, farm: DeviceFarm, name: str, user: str, host: str) -> None:
        self._farm, self._name, self._user, self._host = farm, name, user, host
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._attached = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "netconf"

    def session_started(self) -> None:
        self.session = ServerSession(
            self._farm.devices[self._name], user=self._user, host=self._host, now=self._farm.now()
        )
        self._attached = True
        self._farm.attached(self._name, self)
        self.write(self.session.greeting())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self._farm.received(self._name, self, data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        if self._attached:
            self._attached = False
            self._farm.detached(self._name, self)

    def hang_up(self) -> None:
        """The session has ended: what is written still goes out, then the channel closes."""
        if self._channel is not None and not self._channel.is_closing():
            self._channel.exit(0)

    def write(self, data: bytes) -> None:
        if data and self._channel is not None:
            self._channel.write(data)
