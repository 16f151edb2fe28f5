"""`llmsync` in processes that are killed, against routers on SSH whose clock is the test's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kill_points import NAMES
from kill_routers import NEW, NEXT, WAYS, Routers, make_devices, payloads
from netconf_farm import Clock

from toolkit.cli.management import write_overlay
from toolkit.inventory.model import Management
from toolkit.netconf.device import DEFAULT_USER, DeviceFarm

HERE = Path(__file__).parent
# Receivers commit before those whom they hear: r1, r2, r3.
INVENTORY = """\
name: three
domains: {d: {area: "49.0001"}}
routers: {r1: {domain: d}, r2: {domain: d}, r3: {domain: d}}
links:
  - {a: r1, b: r2}
  - {a: r2, b: r3}
repositories: {hub: {router: r3}}
clouds: {c1: {router: r1}}
deliveries: {m: {model: demo, from: hub, to: all, transport: bier, imposition: host}}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    code: int
    """Of its exit; below zero: the signal that killed it."""
    out: str
    err: str


class Controllers:
    """Runs `llmsync`, one process after another."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        path = os.pathsep.join((str(HERE.parent), str(HERE)))
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "kill_controller.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": str(folder), "PYTHONPATH": path},
        )  # fmt: skip

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def run(self, *argv: str, **fate: object) -> Ended:
        """Run one to its end.  `fate`: `line` and `recorded`, where it dies; `file_limit`."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._count += 1
        out = self._folder / f"run{self._count}"
        command = {"argv": argv, "out": str(out), **fate}
        self._server.stdin.write(json.dumps(command) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        raised = Path(f"{out}.raised")
        assert not raised.exists(), raised.read_text()
        return Ended(code, *(Path(f"{out}.{name}").read_text() for name in ("out", "err")))


class Killing(Routers):
    """Routers, controllers, and the files that both know."""

    def __init__(self, way: str, farm: DeviceFarm, clock: Clock, folder: Path) -> None:
        self.way, self.farm, self.clock, self.folder = way, farm, clock, folder
        self.devices = farm.devices
        self.journals = folder / "journals"
        self.journals.mkdir()
        self.inventory = folder / "three.yaml"
        self.inventory.write_text(INVENTORY)
        self.overlay = folder / "m.yaml"
        entries = {
            name: Management(host=host, port=port, username=DEFAULT_USER,
                             host_key=farm.host_keys[name])
            for name, (host, port) in farm.addresses.items()
        }  # fmt: skip
        write_overlay(self.overlay, entries, farm.users[DEFAULT_USER].password or "")
        for metric in (NEW, NEXT):
            (folder / str(metric)).mkdir()
            for name, payload in payloads(metric).items():
                (folder / str(metric) / f"{name}.xml").write_text(payload.xml)
        self.controllers = Controllers(folder)

    def pushing(self, metric: int, *more: str) -> list[str]:
        """Return the command of a push."""
        return [
            "push", str(self.inventory), "--management", str(self.overlay), "--journal",
            str(self.journals), "--payloads", str(self.folder / str(metric)), "--jobs", "1",
            "--profile", WAYS[self.way][1], "--timeout", "20", "--yes", *more,
        ]  # fmt: skip

    def push(self, metric: int, *more: str, **fate: object) -> Ended:
        ended = self.controllers.run(*self.pushing(metric, "--allow-degraded", *more), **fate)
        self.settle()
        return ended

    def command(self, *words: str) -> Ended:
        ended = self.controllers.run(*words, "--journal", str(self.journals))
        self.settle()
        return ended

    def settle(self, besides: int = 0) -> None:
        """Wait until the routers have seen the end of every session of controllers."""
        deadline = time.monotonic() + 20

        def sessions() -> int:
            return sum(len(device.sessions) for device in self.devices.values())

        while self.farm.call(sessions) > besides:
            assert time.monotonic() < deadline, "sessions outlive their controller"
            time.sleep(0.002)

    def expire(self) -> None:
        self.clock.now += 1e6
        self.farm.tick()

    def forget(self) -> None:
        """Remove all journals."""
        for path in self.journals.glob("*"):
            path.unlink()

    def lines(self) -> list[str]:
        """Return the lines of the one journal."""
        (path,) = self.journals.iterdir()
        return path.read_text().splitlines()


@contextmanager
def killing(way: str, folder: Path, *faults: str) -> Iterator[Killing]:
    clock = Clock()
    with DeviceFarm(make_devices(way, *faults), clock=clock) as farm:
        made = Killing(way, farm, clock, folder)
        try:
            yield made
        finally:
            made.controllers.close()


__all__ = ["NAMES", "Killing", "killing"]
