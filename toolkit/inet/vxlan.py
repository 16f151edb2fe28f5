"""VXLAN headers.  RFC 7348 section 5.

    +-+-+-+-+-+-+-+-+-----------------------------------------------+
    |R|R|R|R|I|R|R|R|                   Reserved                    |
    +-+-+-+-+-+-+-+-+-------------------------------+---------------+
    |        VXLAN Network Identifier (VNI)         |   Reserved    |
    +-----------------------------------------------+---------------+

An Ethernet frame follows; UDP is before it, to port 4789 and from a port that is a hash of the
inner packet, so that routers which choose among equal-cost paths can tell flows apart.  Pure.
"""

from __future__ import annotations

from typing import Final

from toolkit.errors import WireError

PORT: Final = 4789
"""UDP destination port."""
HEADER: Final = 8
_VALID: Final = 0x08
"""The I flag: the VNI is valid."""


def header(vni: int) -> bytes:
    """Return the 8 octets before each frame; ValueError where the VNI does not fit 24 bits."""
    if not 0 <= vni < 1 << 24:
        raise ValueError(f"VNI {vni} does not fit its 24 bits")
    return (_VALID << 56 | vni << 8).to_bytes(HEADER, "big")


def parse(data: bytes) -> tuple[int, int]:
    """Return (VNI, offset of the frame) of a UDP payload; WireError without a valid VNI.

    What is reserved is ignored (section 5).
    """
    if len(data) < HEADER:
        raise WireError(f"VXLAN: {len(data)} octets are less than {HEADER}")
    if not data[0] & _VALID:
        raise WireError("VXLAN: the I flag is not set")
    return int.from_bytes(data[4:7], "big"), HEADER


def source_port(entropy: int) -> int:
    """Return a port of the dynamic range, 49152 to 65535, for a flow (section 5)."""
    return 0xC000 | entropy & 0x3FFF
