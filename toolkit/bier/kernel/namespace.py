"""A network namespace without a name, and wires in it.  X."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from toolkit.bier.runtime_namespace import Namespace
from toolkit.errors import EnvironmentProblem


class Wired(Namespace):
    """A new namespace, loopback up and IPv6 quiet; EnvironmentProblem without root."""

    def __init__(self) -> None:
        super().__init__()
        with self.entered():
            for scope in ("all", "default"):
                with suppress(OSError):  # a kernel without IPv6
                    Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
            self._ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> None:
        """Run iproute2 inside."""
        with self.entered():
            self._ip(*arguments)

    def wire(self, name: str, peer: str, *, mac: bytes | None = None, mtu: int = 65535) -> None:
        """Make a pair of veth devices, up; `mtu` in octets after the Ethernet header."""
        given = () if mac is None else ("address", mac.hex(":"))
        self.ip("link", "add", "name", name, *given, "mtu", str(mtu), "type", "veth",
                "peer", "name", peer, "mtu", str(mtu))  # fmt: skip
        for end in (name, peer):
            self.ip("link", "set", end, "up")

    def _ip(self, *arguments: str) -> None:
        try:
            run = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise EnvironmentProblem(
                "iproute2 is missing; install it (Debian: apt-get install iproute2)"
            ) from error
        if run.returncode:
            raise EnvironmentProblem(f"ip {' '.join(arguments)}: {run.stderr.strip()}")
