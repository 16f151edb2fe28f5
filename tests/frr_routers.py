"""FRRouting in network namespaces of a test's own, without any configuration yet."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from toolkit.netconf import runtime_frr
from toolkit.netconf.runtime_frr import Vtysh

FOLDER = Path("/usr/lib/frr")
DAEMONS = ("zebra", "isisd", "ospfd", "pimd", "bgpd")
PATIENCE = 20.0
"""Seconds until a daemon answers; tenths of one are usual."""


def lacking() -> str:
    """Why FRR cannot run here; empty: it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the program ip (Debian package iproute2) is missing"
    if not all((FOLDER / name).exists() for name in DAEMONS):
        return "FRRouting is not installed (apt-get install frr)"
    return runtime_frr.missing()


needs_frr = pytest.mark.skipif(bool(lacking()), reason=lacking() or "nothing is missing")
needs_vtysh = pytest.mark.skipif(
    bool(runtime_frr.missing()), reason=runtime_frr.missing() or "nothing is missing"
)


def run(*words: str) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Router:
    """One FRRouting in a namespace."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.namespace = f"llmsync-{os.getpid()}-{name}"
        self.home = home
        self.frr = Vtysh(sockets=home, folder=home)
        self.daemons: list[_Daemon] = []

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.namespace, *words)

    def vtysh(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        own = ("--vty_socket", str(self.home), "--config_dir", str(self.home))
        return run("vtysh", *own, *words)

    @property
    def running(self) -> str:
        return self.vtysh("show running-config no-header")


class Frr:
    """The routers of one test."""

    def __init__(self, routers: dict[str, Router]) -> None:
        self.routers = routers

    def __getitem__(self, name: str) -> Router:
        return self.routers[name]

    def watch(self) -> bool:
        """Start daemons again that have ended; whether any had.

        Debian's pimd 8.4 crashes now and then (its own crash handler writes what it had allocated)
        after PIM has left its interfaces.  The summary of a test run names each case.
        """
        died = [d.watch() for router in self.routers.values() for d in router.daemons]
        return any(died)

    def link(self, a: tuple[str, str], b: tuple[str, str]) -> None:
        """Join two routers by a veth pair; each end is (router, device)."""
        ends = [(device, self[name]) for name, device in (a, b)]
        (ours, here), (theirs, there) = ends
        run("ip", "link", "add", ours, "netns", here.namespace, "type", "veth",
            "peer", "name", theirs, "netns", there.namespace)  # fmt: skip
        for device, router in ends:
            router.ip("link", "set", device, "up")


@contextmanager
def frr_routers(*names: str, daemons: tuple[str, ...] = DAEMONS) -> Iterator[Frr]:
    """Start FRR in a namespace for each name; all is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"llmsync-{os.getpid()}-") as folder, ExitStack() as on:
        Path(folder).chmod(0o755)
        routers = {name: Router(name, Path(folder) / name) for name in names}
        for router in routers.values():
            run("ip", "netns", "add", router.namespace)
            on.callback(run, "ip", "netns", "del", router.namespace)
            router.ip("link", "set", "lo", "up")
            router.home.mkdir()
            shutil.chown(router.home, "frr", "frr")
            for file in ("vtysh.conf", "frr.conf"):
                (router.home / file).touch()
                shutil.chown(router.home / file, "frr", "frr")
            for name in daemons:
                daemon = _Daemon(router, name)
                on.callback(daemon.stop)
                router.daemons.append(daemon)
        yield Frr(routers)


class _Daemon:
    """A daemon that is started again when it has died, as watchfrr does on hosts."""

    def __init__(self, router: Router, name: str) -> None:
        self._router, self._name = router, name
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        home, name = self._router.home, self._name
        words = (
            "ip", "netns", "exec", self._router.namespace, str(FOLDER / name), "-f", "/dev/null",
            "-z", str(home / "zserv.api"), "-i", str(home / f"{name}.pid"),
            "--vty_socket", str(home), "-P", "0",
        )  # fmt: skip
        (home / f"{name}.vty").unlink(missing_ok=True)
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until = time.monotonic() + PATIENCE
        while not (home / f"{name}.vty").exists():
            assert process.poll() is None, f"{name} ended: {process.communicate()[1]!r}"
            assert time.monotonic() < until, f"{name} has opened no socket"
            time.sleep(0.02)
        return process

    def watch(self) -> bool:
        """Start it again if it has died; whether it had."""
        died = self._process.poll() is not None
        if died:
            said = self._process.communicate()[1]
            logging.getLogger("frr").warning(
                "FRR daemon ended: %s of %s: %r", self._name, self._router.name, said
            )
            self._process = self._start()
        return died

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
