"""GRE headers.  RFC 2784; RFC 4023 (MPLS in GRE).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-----------------------+-----+-------------------------------+
    |C|       Reserved0       | Ver |         Protocol Type         |
    +-+-----------------------+-----+-------------------------------+
    |      Checksum (if C)          |       Reserved1 (if C)        |
    +-------------------------------+-------------------------------+

BIER crosses routers that are no BFRs in it (RFC 8279 section 6.9): protocol type 0x8847 where the
BIFT-id is a label, 0xAB37 where it is not.  The tunnel is a pipe: the outer TTL says nothing about
the TTL of BIER.  Pure.
"""

from __future__ import annotations

from typing import Final

from toolkit.errors import WireError
from toolkit.inet.checksum import checksum

PROTOCOL: Final = 47
"""GRE in the IP header's protocol field."""
HEADER: Final = 4
"""Octets of the header that we send: without checksum."""
_CHECKSUM_PRESENT: Final = 0x8000
_MUST_BE_ZERO: Final = 0x7C00
"""Bits 1 to 5: a receiver MUST discard the packet where one is set (RFC 2784 section 2.3)."""


def header(protocol_type: int) -> bytes:
    """Return the 4 octets before each payload of that EtherType."""
    if not 0 <= protocol_type <= 0xFFFF:
        raise ValueError(f"protocol type {protocol_type} does not fit its 16 bits")
    return protocol_type.to_bytes(4, "big")


def parse(data: bytes) -> tuple[int, int]:
    """Return (protocol type, offset of the payload) of a GRE packet without what is around it.

    A checksum, where there is one, is verified over all of `data`.  Raises WireError.
    """
    if len(data) < HEADER:
        raise WireError(f"GRE: {len(data)} octets are less than {HEADER}")
    flags = int.from_bytes(data[:2], "big")
    if flags & _MUST_BE_ZERO:
        raise WireError(f"GRE: reserved bits are set in {flags:#06x}")
    if flags & 0x7:
        raise WireError(f"GRE: version {flags & 0x7} is not 0")
    if not flags & _CHECKSUM_PRESENT:
        return int.from_bytes(data[2:4], "big"), HEADER
    if len(data) < 2 * HEADER:
        raise WireError(f"GRE: {len(data)} octets are too few for a checksum")
    if checksum(data):
        raise WireError("GRE: wrong checksum")
    return int.from_bytes(data[2:4], "big"), 2 * HEADER
