"""A controller that dies at a point of the table, on routers without wires.

The death is complete: nothing that the controller would do after it happens, no write, no request,
no farewell.  Routers see their sessions end, as when the kernel closes a dead process's sockets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kill_points import Point
from kill_routers import NEW, WAYS, Routers, make_devices, payloads
from netconf_memory import Channel, MemoryNet

from toolkit.errors import DeviceError, UnreachableError
from toolkit.netconf import devicesession, journal, rollout
from toolkit.netconf.journal import Standing, read_journal
from toolkit.netconf.push import PushReport, push
from toolkit.netconf.recovery import recover
from toolkit.netconf.router import Device
from toolkit.netconf.transaction import FORWARD, Event, Request

_ANEW = (Request.RECONFIRM, Request.RECANCEL, Request.RESAVE)
"""What is asked on a new session."""


class Killed(BaseException):
    """The controller is no more."""


class Mortal(Channel):
    """A session of a controller that may die."""

    def __init__(self, net: KillNet, device: Device) -> None:
        self._net = net
        super().__init__(device, net.clock)

    def request(self, operation: str):
        if self._net.dead:
            raise Killed
        return super().request(operation)

    def leave(self) -> None:
        if self._net.dead:
            self.close()
        else:
            super().leave()


class KillNet(Routers, MemoryNet):
    """Three routers with an old configuration, and pushes of a new one."""

    def __init__(self, way: str, *faults: str) -> None:
        devices, profile = make_devices(way, *faults), WAYS[way][1]
        super().__init__(devices, profile)
        self.dead = False

    def connect(self, target, *, timeout: float, settle: float = 0.0) -> Mortal:
        del timeout, settle
        device = self.devices[target.device]
        if device.unreachable:
            raise UnreachableError(target.device, "it is gone")
        return Mortal(self, device)

    def push(self, metric: int, folder: Path) -> PushReport:
        return push(self.targets, payloads(metric), journal=folder, degraded=True)

    def recover(self, path: Path, *, resume: bool) -> PushReport:
        return recover(path, self.targets, resume=resume)

    def bury(self) -> None:
        """Let the routers see the end of the dead one's sessions."""
        for device in self.devices.values():
            for peer in device.sessions:
                device.close(peer.session, self.clock.now)
        self.dead = False


class _InOrder:
    """`side_by_side` for one that works alone: one device after another, as `map` does."""

    def __init__(self, workers: int) -> None:
        del workers

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        found = map(function, items)
        return found if function is rollout.Member.proceed else list(found)


class _Fate:
    """What happens to the controller of one push."""

    def __init__(self, net: KillNet, point: Point) -> None:
        self.net, self.point, self.count = net, point, 0
        self.honest = True
        """The controller was told nothing that is not so."""
        self.left = b""
        """The journal as the dead one left it."""
        self._append, self._perform = journal._append, devicesession.DeviceSession.perform

    def append(self, file: int, data: bytes) -> None:
        """Stand in for the journal's writer."""
        if self.net.dead:
            raise Killed
        line = json.loads(data)
        mine = line.get("device") == self.point.device
        last = mine and self.count + 1 == len(self.point.path)
        if last:
            assert line["state"] == self.point.state.value, line
        if not last or self.point.recorded:
            self._append(file, data)
        if last:
            self._die(file)
        self.count += mine

    def _die(self, file: int) -> None:
        self.net.dead = True
        self.left = Path(f"/proc/self/fd/{file}").read_bytes()
        raise Killed

    def perform(self, session: devicesession.DeviceSession, request: Request) -> Event:
        """Stand in for the devices' answers."""
        if self.net.dead:
            raise Killed
        state, event = self.point.path[self.count]
        if session.device != self.point.device:
            if event is Event.ABORT and request in FORWARD:
                raise DeviceError(session.device, "operation-failed", "it will not")
            return self._perform(session, request)
        if event is Event.ERROR:
            if request in _ANEW:
                session._reconnect()
            raise DeviceError(session.device, "operation-failed", f"it will not go from {state}")
        if event is Event.LOST:
            if self.point.effective:
                self._really(session, request)
            session._channel.close()
            raise ConnectionError(f"{session.device}: the session was lost")
        self.honest &= self._really(session, request) is event
        return event

    def _really(self, session: devicesession.DeviceSession, request: Request) -> Event | None:
        with suppress(DeviceError, ConnectionError):
            return self._perform(session, request)
        return None


@contextmanager
def wireless(net: KillNet) -> Iterator[pytest.MonkeyPatch]:
    """Let pushes go to `net`; no disk is waited for, since no power fails here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("toolkit.netconf.network.Connection", net.connect)
        patched.setattr("toolkit.netconf.push.side_by_side", _InOrder)
        patched.setattr("toolkit.netconf.recovery.side_by_side", _InOrder)
        patched.setattr(os, "fsync", lambda _: None)
        yield patched


@dataclass(frozen=True, slots=True)
class Death:
    """What a dead controller left behind."""

    journal: Path
    text: bytes
    """The journal, to the byte."""
    standing: Standing
    runs: frozenset[int]
    honest: bool


def die(net: KillNet, point: Point, folder: Path) -> Death:
    """Push the new configuration into an empty folder and die at `point`."""
    folder.mkdir()
    fate = _suffer(net, point, lambda: net.push(NEW, folder))
    path = _leave(fate, set(), folder)
    return Death(
        path, fate.left, read_journal(path).standing, frozenset(net.runs()), fate.honest
    )  # fmt: skip


def die_again(net: KillNet, point: Point, death: Death, *, resume: bool) -> Path | None:
    """Recover from `death`, and die at `point` of that; None where it ends before."""
    others = {death.journal}
    fate = _suffer(net, point, lambda: net.recover(death.journal, resume=resume))
    return _leave(fate, others, death.journal.parent) if fate.left else None


def _suffer(net: KillNet, point: Point, act: Callable[[], object]) -> _Fate:
    fate = _Fate(net, point)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal, "_append", fate.append)
        patched.setattr(
            devicesession.DeviceSession, "perform", lambda session, r: fate.perform(session, r)
        )
        with suppress(Killed):
            act()
    net.bury()
    return fate


def _leave(fate: _Fate, others: set[Path], folder: Path) -> Path:
    """Put the dead one's journal back as it left it; return its path."""
    assert fate.left, f"{fate.point}: the push ended before"
    txid = json.loads(fate.left.splitlines()[0])["txid"]
    path = folder / f"push-{txid}.jsonl"
    assert set(folder.glob("push-*.jsonl")) - others <= {path}
    path.write_bytes(fate.left)
    return path
