"""The entropy that a flow is sent with.  RFC 8296 section 2.1.2.

Law: all packets of a flow have one value, wherever it is computed, so that routers which choose
among equal-cost paths keep a flow on one of them for each BitString; different flows spread over
all values.  Pure.
"""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from typing import Final

ENTROPY_BITS: Final = 20


def entropy_of(
    source: IPv4Address | IPv6Address,
    group: IPv4Address | IPv6Address,
    source_port: int = 0,
    destination_port: int = 0,
) -> int:
    """Return the entropy of the flow (source, group), 0 to 2^20 - 1.

    Ports where one (S,G) is several flows; 0 where it is one.  A keyless hash: the same on every
    machine and in every run.  Meant to be asked once for a flow, not once for a packet.
    """
    for port in (source_port, destination_port):
        if not 0 <= port < 1 << 16:
            raise ValueError(f"a port is 0 to 65535, not {port}")
    flow = bytes((source.version, group.version)) + source.packed + group.packed
    ports = source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big")
    digest = blake2b(flow + ports, digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 32 - ENTROPY_BITS
