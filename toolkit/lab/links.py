"""Ethernet addresses of a laboratory, and the frames that leave a port.

Pure.  Addresses are locally administered (IEEE 802 section 8.4) and follow from node and port
names, so that two runs write the same bytes.
"""

from __future__ import annotations

from hashlib import blake2b

from toolkit.inet.ethernet import Header
from toolkit.state.model import Cable


def mac(node: str, port: str) -> bytes:
    """Return the unicast MAC address of a port."""
    digest = blake2b(f"{node}/{port}".encode(), digest_size=5).digest()
    return b"\x02" + digest


def far_ends(cables: tuple[Cable, ...]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (node, port) -> (node, port) at the other end, both ways."""
    ends: dict[tuple[str, str], tuple[str, str]] = {}
    for cable in cables:
        a, b = (cable.a.node, cable.a.port), (cable.b.node, cable.b.port)
        ends[a], ends[b] = b, a
    return ends


def header(node: str, port: str, far: tuple[str, str], ethertype: int) -> bytes:
    """Return the 14 bytes before each unicast payload that leaves `port` for its far end."""
    return Header(mac(*far), mac(node, port), ethertype).encode()
