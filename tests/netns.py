"""Network namespaces of a test: made by name, used from this process, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from toolkit.bier.runtime_namespace import entered


def missing() -> str:
    """What namespaces need and this machine lacks; empty: nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the program ip (Debian package iproute2) is missing"
    return ""


needs_namespaces = pytest.mark.skipif(bool(missing()), reason=missing() or "nothing is missing")


def run(*words: str) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Namespaces:
    """Namespaces that belong together; `self["r1"]` is the full name of r1's."""

    def __init__(self, names: list[str]) -> None:
        self._names = {name: f"llmsync-{os.getpid()}-{name}" for name in names}

    def __getitem__(self, name: str) -> str:
        return self._names[name]

    def ip(self, name: str, *words: str) -> str:
        return run("ip", "-n", self[name], *words)

    def link(self, a: tuple[str, str, str], b: tuple[str, str, str]) -> None:
        """Join two namespaces by a veth pair; each end is (namespace, device, MAC address)."""
        (ours, device, mac), (theirs, other, far) = a, b
        run("ip", "link", "add", device, "address", mac, "netns", self[ours], "type", "veth",
            "peer", "name", other, "address", far, "netns", self[theirs])  # fmt: skip
        self.ip(ours, "link", "set", device, "up")
        self.ip(theirs, "link", "set", other, "up")

    @contextmanager
    def entered(self, name: str) -> Iterator[None]:
        """Be in a namespace: sockets opened meanwhile stay in it."""
        with (Path("/run/netns") / self[name]).open("rb") as opened, entered(opened.fileno()):
            yield


@contextmanager
def namespaces(*names: str) -> Iterator[Namespaces]:
    made = Namespaces(list(names))
    with ExitStack() as stack:
        for name in names:
            run("ip", "netns", "add", made[name])
            stack.callback(run, "ip", "netns", "del", made[name])
            with made.entered(name):  # nobody speaks but the test
                quiet = Path("/proc/sys/net/ipv6/conf")
                for which in ("default", "all"):
                    (quiet / which / "disable_ipv6").write_text("1", encoding="ascii")
            made.ip(name, "link", "set", "lo", "up")
        yield made
