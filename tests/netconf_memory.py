"""Embedded routers without wires: the client's requests go straight into the server's engine."""

from __future__ import annotations

from contextlib import suppress

import pytest
from netconf_farm import Clock

from toolkit.errors import DeliveryError, DeviceError, UnreachableError
from toolkit.netconf import messages
from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.names import BASE_1_0, BASE_1_1
from toolkit.netconf.push import Target
from toolkit.netconf.router import Device
from toolkit.netconf.runtime_ncclient import _device_error
from toolkit.netconf.session import ServerSession
from toolkit.netconf.tree import parse_xml


class MemoryNet:
    """Routers by name, on a clock that stands still until it is told."""

    def __init__(self, devices: list[Device], profile: str = "reference") -> None:
        self.devices = {device.name: device for device in devices}
        self.profile, self.clock = profile, Clock()
        self.refusing: set[str] = set()
        for device in devices:
            device._on_commit = lambda _, name=device.name: self._commit(name)

    def _commit(self, name: str) -> None:
        if name in self.refusing:
            raise DeliveryError(f"{name}: the data plane has no room")

    @property
    def targets(self) -> list[Target]:
        return [Target(device=name, host=name, profile=self.profile) for name in self.devices]

    def connect(self, target: Target, *, timeout: float, settle: float = 0.0) -> Channel:
        del timeout, settle
        device = self.devices[target.device]
        if device.unreachable:
            raise UnreachableError(target.device, "it is gone")
        return Channel(device, self.clock)

    def expire(self) -> None:
        """Let every time-out pass."""
        self.clock.now += 1e6
        for device in self.devices.values():
            device.expire(self.clock.now)


class Channel:
    """One session; obeys what `DeviceSession` asks of a channel."""

    def __init__(self, device: Device, clock: Clock) -> None:
        self._device, self._clock = device, clock
        self._session = ServerSession(device, user="op", now=clock())
        hello = messages.parse_hello(parse_xml(self._session.greeting()[: -len("]]>]]>")]))
        self.capabilities = frozenset(hello.capabilities)
        self._incoming = Deframer()
        client = messages.hello((BASE_1_0, BASE_1_1), None)
        self._session.receive(frame(client, Framing.END_OF_MESSAGE), clock())
        if BASE_1_1 in self.capabilities:
            self._incoming.framing = Framing.CHUNKED

    def request(self, operation: str):
        if self._session.closed:
            raise ConnectionError(f"{self._device.name}: the session was lost")
        text = messages.rpc(operation, "1")
        data = text.encode() if isinstance(text, str) else text
        self._incoming.feed(
            self._session.receive(frame(data, self._incoming.framing), self._clock())
        )
        answer = self._incoming.next_message()
        if answer is None:
            raise ConnectionError(f"{self._device.name}: the session was lost")
        reply = messages.parse_reply(answer)
        if reply.errors:
            raise _device_error(self._device.name, reply.errors)
        return reply

    def close(self) -> None:
        self._session.lost(self._clock())

    def leave(self) -> None:
        with suppress(DeviceError, ConnectionError):
            self.request("<close-session/>")
        self.close()


@pytest.fixture
def memory(monkeypatch):
    """Return a function that makes pushes go to these devices instead of over SSH."""

    def run(devices: list[Device], profile: str = "reference") -> MemoryNet:
        net = MemoryNet(devices, profile)
        monkeypatch.setattr("toolkit.netconf.network.Connection", net.connect)
        return net

    return run
