"""The BIER header, bytes to values and back, in both encapsulations.  RFC 8296 section 2.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------+-----+-+---------------+
    |                BIFT-id                |  TC |S|      TTL      |
    +-------+-------+-------+---------------+-----+-+---------------+
    | Nibble|  Ver  |  BSL  |                Entropy                |
    +---+---+-----------+---+-------+-------+-----------------------+
    |OAM|Rsv|   DSCP    |   Proto   |            BFIR-id            |
    +---+---+-----------+-----------+-------------------------------+
    |  BitString, 64..4096 bits, bit position 1 last                |
    +---------------------------------------------------------------+

Law: the length of the BitString comes from the BIFT-id, never from the BSL field (section 2.1.2),
so a parser needs the table of known BIFT-ids.  `parse` raises HeaderError on what the RFC forbids
and nothing else.  TTL 0, and Proto, are not its business: the engine judges the first, the BFER the
second. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from struct import Struct
from typing import Final

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.reason import Reason
from toolkit.errors import WireError

FIXED: Final = 12
"""Octets before the BitString."""
WORDS: Final = Struct("!III")
BOTTOM: Final = 0x100
"""The S bit in the first word."""
VERSION: Final = 0


class Encapsulation(StrEnum):
    """How BIER sits in a frame.  The values are those of llmsync-types:encapsulation."""

    MPLS = "mpls"
    """EtherType 0x8847; the BIFT-id is a downstream-assigned label (RFC 8296 section 2.1)."""
    NON_MPLS = "non-mpls"
    """EtherType 0xAB37; the BIFT-id is a domain-wide number (RFC 8296 section 2.2)."""

    @property
    def nibble(self) -> int:
        """First nibble of the second word, as sent (RFC 8296 sections 2.1.2 and 2.2.2)."""
        return 0b0101 if self is Encapsulation.MPLS else 0b0000


class Proto(IntEnum):
    """What follows the BitString (IANA "BIER Next Protocol Identifiers").

    Any 6-bit number may be in a header: only the BFER has to know it.
    """

    MPLS_DOWNSTREAM = 1
    MPLS_UPSTREAM = 2
    ETHERNET = 3
    IPV4 = 4
    OAM = 5
    IPV6 = 6
    VXLAN = 7
    NVGRE = 8
    GENEVE = 9


class HeaderError(WireError):
    """A BIER header that must not be forwarded; `reason` is the counter it belongs to."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        super().__init__(f"BIER header: {detail}")


_WIDTHS: Final = {
    "bift_id": 20,
    "tc": 3,
    "ttl": 8,
    "entropy": 20,
    "oam": 2,
    "dscp": 6,
    "proto": 6,
    "bfir_id": 16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a BIER header says.  Constructible means encodable."""

    encapsulation: Encapsulation
    bift_id: int
    ttl: int
    proto: int
    bfir_id: int
    bits: BitString
    entropy: int = 0
    tc: int = 0
    """MPLS Traffic Class; 0 without MPLS (RFC 8296 section 2.2.1)."""
    oam: int = 0
    dscp: int = 0

    def __post_init__(self) -> None:
        for name, width in _WIDTHS.items():
            value = getattr(self, name)
            if not 0 <= value < 1 << width:
                raise ValueError(f"{name} {value} does not fit its {width} bits")

    def encode(self) -> bytes:
        """Return the header's octets: 12 and the BitString.  S is 1 in both encapsulations."""
        return (
            WORDS.pack(
                self.bift_id << 12 | self.tc << 9 | BOTTOM | self.ttl,
                self.encapsulation.nibble << 28
                | VERSION << 24
                | self.bits.bsl << 20
                | self.entropy,
                self.oam << 30 | self.dscp << 22 | self.proto << 16 | self.bfir_id,
            )
            + self.bits.to_bytes()
        )


def check(
    data: bytes, encapsulation: Encapsulation, known: Mapping[int, Bsl]
) -> tuple[int, int, int, Bsl]:
    """Return the three words and the length of the BitString, or raise HeaderError.

    The checks of RFC 8296 sections 2.1 and 2.2 in the order of the fields: `parse` and the engine's
    slow path give the same reason for the same octets.
    """
    if len(data) < FIXED:
        raise HeaderError(Reason.TRUNCATED, f"{len(data)} octets are less than {FIXED}")
    first, second, third = WORDS.unpack_from(data)
    bsl = known.get(first >> 12)
    if bsl is None:
        raise HeaderError(Reason.UNKNOWN_BIFT_ID, f"BIFT-id {first >> 12} is not known")
    if encapsulation is Encapsulation.MPLS:
        if not first & BOTTOM:
            raise HeaderError(Reason.NOT_BOTTOM, "S is 0 on the BIER-MPLS label")
        if second >> 28 != encapsulation.nibble:
            raise HeaderError(Reason.NIBBLE, f"the first nibble is {second >> 28:#x}, not 0x5")
    if second >> 24 & 0xF != VERSION:
        raise HeaderError(Reason.VERSION, f"Ver {second >> 24 & 0xF} is not known")
    if second >> 20 & 0xF != bsl:
        raise HeaderError(
            Reason.BSL,
            f"BSL code {second >> 20 & 0xF}, but BIFT-id {first >> 12} stands for {bsl.value}",
        )
    if len(data) < FIXED + bsl.octets:
        raise HeaderError(
            Reason.TRUNCATED, f"{len(data)} octets are less than {FIXED + bsl.octets}"
        )
    return first, second, third, bsl


def parse(
    data: bytes, encapsulation: Encapsulation, known: Mapping[int, Bsl]
) -> tuple[Header, int]:
    """Return the header at the start of `data` and the offset of its payload.

    `known`: BIFT-id -> length of its BitString, of this encapsulation.  Raises HeaderError.
    Ignored on receipt, as the RFC says: Rsv; without MPLS also the nibble, S, and TC.
    """
    first, second, third, bsl = check(data, encapsulation, known)
    end = FIXED + bsl.octets
    header = Header(
        encapsulation=encapsulation,
        bift_id=first >> 12,
        tc=first >> 9 & 0x7 if encapsulation is Encapsulation.MPLS else 0,
        ttl=first & 0xFF,
        entropy=second & 0xFFFFF,
        oam=third >> 30,
        dscp=third >> 22 & 0x3F,
        proto=third >> 16 & 0x3F,
        bfir_id=third & 0xFFFF,
        bits=BitString(bsl, int.from_bytes(data[FIXED:end], "big")),
    )
    return header, end
