"""A network namespace without a name: it ends with the last file descriptor that is in it.

X.  Only the thread that enters changes places; sockets, links and devices made inside stay inside.
"""

from __future__ import annotations

import ctypes as c
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from toolkit.errors import EnvironmentProblem

_NEW_NETWORK: Final = 0x40000000
_OWN: Final = "/proc/thread-self/ns/net"


class Namespace:
    """A new namespace, loopback up and IPv6 quiet; EnvironmentProblem without root."""

    def __init__(self) -> None:
        self._library = c.CDLL(None, use_errno=True)
        before = os.open(_OWN, os.O_RDONLY)
        try:
            if self._library.unshare(_NEW_NETWORK):
                raise EnvironmentProblem(
                    f"no network namespace: {os.strerror(c.get_errno())}; it needs root"
                )
            try:
                self._fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
                for scope in ("all", "default"):
                    with suppress(OSError):  # a kernel without IPv6
                        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
                self._ip("link", "set", "lo", "up")
            finally:
                self._library.setns(before, _NEW_NETWORK)
        finally:
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside, in this thread."""
        before = os.open(_OWN, os.O_RDONLY)
        try:
            if self._library.setns(self._fd, _NEW_NETWORK):
                raise EnvironmentProblem(f"the namespace is shut: {os.strerror(c.get_errno())}")
            try:
                yield
            finally:
                self._library.setns(before, _NEW_NETWORK)
        finally:
            os.close(before)

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

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
