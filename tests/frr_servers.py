"""Three FRRouting routers with `llmsync device --backend frr` before each, and two hosts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from frr_routers import PATIENCE, Frr, frr_routers, run

from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.netconf.runtime_ncclient import Connection, Target

INVENTORY = """\
name: frr
domains:
  d: {{area: "49.0001"}}
underlay: {{igp: {igp}}}
routers:
  r1: {{domain: d, platform: frr}}
  r2: {{domain: d, platform: frr}}
  r3: {{domain: d, platform: frr}}
links:
  - {{a: r1, b: r2, a_port: e0, b_port: e0, metric: {metric}, mtu: 4000}}
  - {{a: r2, b: r3, a_port: e1, b_port: e0, metric: 10, mtu: 4000}}
repositories:
  hub: {{router: r1, router_port: e1, capacity: 10G, mtu: 3000}}
clouds:
  c3: {{router: r3, router_port: e1, capacity: 10G, mtu: 3000, gpus: 8}}
deliveries:
  model: {{model: demo, from: hub, to: all, transport: {transport}, rate: 1G}}
"""
NAMES = ("r1", "r2", "r3")
READY = 30.0
"""Seconds until servers listen; two or three are usual."""


def inventory(file: Path, *, igp: str = "isis", metric: int = 10, over: str = "pim-ssm") -> Path:
    file.write_text(INVENTORY.format(igp=igp, metric=metric, transport=over), "utf-8")
    return file


def wait(what: str, until: Callable[[], object], patience: float = 60.0) -> None:
    """Wait until something holds; an assertion names it when it never does."""
    end = time.monotonic() + patience
    while not until():
        assert time.monotonic() < end, f"after {patience:g} s: {what} is not so"
        time.sleep(0.25)


class Lab:
    """Routers, servers, hosts, and `llmsync push` to all of them."""

    def __init__(self, frr: Frr, folder: Path, stack: ExitStack) -> None:
        self.frr, self.folder, self._stack = frr, folder, stack
        self.overlay = folder / "management.yaml"
        self._servers: dict[str, subprocess.Popen[str]] = {}
        self.said: dict[str, Path] = {}

    def serve(self, file: Path, *names: str) -> None:
        """Start a server before each of these routers."""
        for name in names:
            router = self.frr[name]
            self.said[name] = self.folder / f"{name}.log"
            words = (
                sys.executable, "-m", "toolkit.cli", "device", str(file), "--router", name,
                "--backend", "frr", "--frr-vty-socket", str(router.home),
                "--frr-config-dir", str(router.home), "--frr-namespace", router.namespace,
                "--startup", str(self.folder / "startup"),
                "--write-management", str(self.folder / f"{name}.overlay"),
            )  # fmt: skip
            with self.said[name].open("w") as log:
                process = subprocess.Popen(words, stdout=log, stderr=log, text=True)
            self._servers[name] = process
            self._stack.callback(self.stop, name)
        for name in names:
            wait(
                f"{name} listens: {self.said[name].read_text()}",
                lambda name=name: (
                    (self.folder / f"{name}.overlay").exists()
                    or self._servers[name].poll() is not None
                ),
                READY,
            )
            assert self._servers[name].poll() is None, self.said[name].read_text()
        entries = {
            name: yaml.safe_load((self.folder / f"{name}.overlay").read_text())["routers"][name]
            for name in NAMES
            if (self.folder / f"{name}.overlay").exists()
        }
        self.overlay.write_text(yaml.safe_dump({"routers": entries}))

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self._servers[name]
        if process.poll() is None:
            process.send_signal(number)
            process.wait(20)
        (self.folder / f"{name}.overlay").unlink(missing_ok=True)

    def push(self, file: Path, *flags: str) -> int:
        self.frr.watch()
        journal = self.folder / "journal"
        command = ("push", str(file), "--management", str(self.overlay), "--journal", str(journal))
        done = main([*command, *flags])
        if done == ExitCode.ROLLED_BACK and self.frr.watch():
            # A daemon crashed meanwhile: it runs again, and an operator would push again.
            done = main([*command, *flags])
        return done

    def connect(self, name: str) -> Connection:
        entry = yaml.safe_load(self.overlay.read_text())["routers"][name]["management"]
        password = (self.folder / entry["password"]["file"]).read_text().strip()
        return Connection(
            Target(
                device=name, host=entry["host"], port=entry["port"], username=entry["username"],
                password=password, host_key=entry["host_key"],
            ),
            timeout=30.0,
        )  # fmt: skip

    @property
    def running(self) -> dict[str, str]:
        return {name: self.frr[name].running for name in NAMES}


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Cable r1 - r2 - r3, the host hub at r1 and the host c3 at r3; no server yet."""
    with frr_routers(*NAMES) as frr, ExitStack() as stack:
        frr.link(("r1", "e0"), ("r2", "e0"))
        frr.link(("r2", "e1"), ("r3", "e0"))
        for host, router in (("hub", "r1"), ("c3", "r3")):
            space = f"llmsync-{os.getpid()}-{host}"
            run("ip", "netns", "add", space)
            stack.callback(run, "ip", "netns", "del", space)
            run("ip", "link", "add", "eth0", "netns", space, "type", "veth",
                "peer", "name", "e1", "netns", frr[router].namespace)  # fmt: skip
            run("ip", "-n", space, "link", "set", "eth0", "up")
            frr[router].ip("link", "set", "e1", "up")
        yield Lab(frr, folder, stack)


def host_up(host: str, address: str, gateway: str) -> None:
    """Give a host its address and its router."""
    words = ("ip", "-n", f"llmsync-{os.getpid()}-{host}")
    run(*words, "address", "replace", address, "dev", "eth0")
    run(*words, "route", "replace", "default", "via", gateway)


def socket_in(host: str) -> socket.socket:
    """Open a UDP socket in a host's namespace."""
    from toolkit.bier.runtime_namespace import entered

    name = Path("/run/netns") / f"llmsync-{os.getpid()}-{host}"
    with name.open("rb") as space, entered(space.fileno()):
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


__all__ = ["PATIENCE", "Lab", "host_up", "inventory", "lab", "socket_in", "wait"]
