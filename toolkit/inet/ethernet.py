"""Ethernet frames without a VLAN tag.  IEEE 802.3; EtherTypes from IANA and the IEEE.

    +-------------------+-------------------+-----------+----------
    | destination (6)   | source (6)        | type (2)  | payload
    +-------------------+-------------------+-----------+----------

Preamble, padding and frame check sequence are the wire's business, not ours.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from toolkit.errors import WireError

HEADER: Final = 14


class EtherType(IntEnum):
    IPV4 = 0x0800
    IPV6 = 0x86DD
    MPLS = 0x8847
    """Also BIER in MPLS: never 0x8848 (RFC 8296 section 2.1.3)."""
    BIER = 0xAB37
    """BIER without MPLS (RFC 8296 section 2.2.3)."""


@dataclass(frozen=True, slots=True)
class Header:
    """Constructible means encodable."""

    destination: bytes
    source: bytes
    ethertype: int
    """Any 16-bit number from 0x0600 up: below it is a length (IEEE 802.3)."""

    def __post_init__(self) -> None:
        if len(self.destination) != 6 or len(self.source) != 6:
            raise ValueError("MAC addresses have 6 octets")
        if not 0x0600 <= self.ethertype <= 0xFFFF:
            raise ValueError(f"{self.ethertype:#06x} is no EtherType")

    def encode(self) -> bytes:
        """Return 14 octets; put them before each payload of a flow."""
        return self.destination + self.source + self.ethertype.to_bytes(2, "big")


def parse(frame: bytes) -> tuple[Header, int]:
    """Return the header and the offset of the payload; WireError on a frame that has none."""
    if len(frame) < HEADER:
        raise WireError(f"Ethernet: {len(frame)} octets are less than {HEADER}")
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype < 0x0600:
        raise WireError(f"Ethernet: {ethertype:#06x} is a length, not an EtherType")
    return Header(bytes(frame[:6]), bytes(frame[6:12]), ethertype), HEADER
