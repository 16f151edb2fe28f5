"""The MAC addresses that a frame needs: our interface's, and the next hop's.

X: asks the kernel.  A neighbor that it does not know yet is sent an empty datagram, for which the
kernel resolves it (ARP, RFC 826; Neighbor Discovery, RFC 4861).
"""

from __future__ import annotations

import socket
import subprocess
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from toolkit.errors import EnvironmentProblem, UnreachableError

PATIENCE = 3.0
"""Seconds that a neighbor has to answer."""
_STEP = 0.05
_DISCARD = 9
"""The port of the service that throws everything away (RFC 863)."""


def interface_address(interface: str) -> bytes:
    """Return the MAC address of one of our interfaces."""
    try:
        text = (Path("/sys/class/net") / interface / "address").read_text(encoding="ascii")
        return bytes.fromhex(text.strip().replace(":", ""))
    except (OSError, ValueError):
        raise EnvironmentProblem(
            f"{interface}: has no MAC address (name an Ethernet interface of this host)"
        ) from None


def neighbor_mac(interface: str, address: IPv4Address | IPv6Address) -> bytes:
    """Return the MAC address of a neighbor on `interface`."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    deadline = time.monotonic() + PATIENCE
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        while True:
            found = _known(interface, address)
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                raise UnreachableError(
                    str(address), f"does not answer on {interface}",
                    "is the cable in, is the router's address the inventory's?",
                )  # fmt: skip
            try:
                asking.sendto(b"", (str(address), _DISCARD))
            except OSError as error:
                raise UnreachableError(
                    str(address), f"no route: {error.strerror}",
                    f"give {interface} an address in its network",
                ) from None  # fmt: skip
            time.sleep(_STEP)


def _known(interface: str, address: IPv4Address | IPv6Address) -> bytes | None:
    if address.version == 4:
        return _known_by_arp(interface, str(address))
    return _known_by_ip(interface, str(address))


def _known_by_arp(interface: str, address: str) -> bytes | None:
    try:
        lines = Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        ip, _, flags, mac, _, device = line.split()
        if (ip, device) == (address, interface) and int(flags, 16) & 0x2:
            return bytes.fromhex(mac.replace(":", ""))
    return None


def _known_by_ip(interface: str, address: str) -> bytes | None:
    """IPv6 neighbors have no file in /proc: iproute2 tells them."""
    try:
        done = subprocess.run(
            ["ip", "-6", "neigh", "show", address, "dev", interface],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
    except OSError:
        raise EnvironmentProblem(
            "the program ip is missing, which tells IPv6 neighbors (install iproute2)"
        ) from None
    words = done.stdout.split()
    if "lladdr" not in words:
        return None
    return bytes.fromhex(words[words.index("lladdr") + 1].replace(":", ""))
