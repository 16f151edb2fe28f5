"""Why a BIER packet, or one bit of it, went nowhere.  RFC 8279 section 6.5, RFC 8296 section 2.

Pure.  The values are stable: they are counter names in llmsync-bier (`dropped`) and in reports.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Drop reasons.  They count packets, except those that say they count bits or sets."""

    TRUNCATED = "truncated"
    """The packet ends inside the header or the BitString."""
    UNKNOWN_BIFT_ID = "unknown-bift-id"
    """No BIFT is bound to the BIFT-id (RFC 8296 sections 2.1.1 and 2.2.1)."""
    ENCAPSULATION = "wrong-encapsulation"
    """Only the other encapsulation knows the BIFT-id: a label under 0xAB37, or the reverse."""
    NOT_BOTTOM = "not-bottom-of-stack"
    """S is 0 on the BIER-MPLS label, which MUST be the last one (RFC 8296 section 2.1.1)."""
    NIBBLE = "wrong-nibble"
    """The nibble after an MPLS label is not 0101 (RFC 8296 section 2.1.2)."""
    VERSION = "unknown-version"
    """Ver is not 0 (RFC 8296 section 2.1.2: MUST discard)."""
    BSL = "bsl-mismatch"
    """The BSL field disagrees with the BIFT-id (RFC 8296 section 2.1.2: SHOULD discard)."""
    TTL_EXPIRED = "ttl-expired"
    """TTL 0 came in, or TTL 1 with bits of other BFERs (RFC 8296 section 2.1.1)."""
    EDGE_INTERFACE = "edge-interface"
    """BIER from outside, where no host may impose it (RFC 8296, Security Considerations)."""
    EMPTY = "empty-bit-string"
    """A packet without any bit: it is addressed to nobody (RFC 8279 section 6.5 step 1)."""
    UNKNOWN_BIT = "unknown-bit"
    """Bits without a row in the BIFT; counted by bit, the other bits go on."""
    NULL_NEIGHBOR = "null-neighbor"
    """Bits whose row has no BFR-NBR; counted by bit (RFC 8279 section 6.5)."""
    BROKEN_ROW = "broken-row"
    """Bits whose row's F-BM lacks the bit itself; counted by bit, so that the loop ends."""
    NOT_PERMITTED = "bit-not-permitted"
    """Bits that a host, or the source of a flow, may not address; counted by bit, the other bits go
    on."""
    NO_BIFT = "no-bift"
    """As BFIR: no BIFT for <sub-domain, BSL, SI>; counted by set."""
    UNKNOWN_PROTO = "unknown-proto"
    """As BFER: no flow overlay takes this Proto (RFC 8296 section 2.1.2)."""
    UNKNOWN_BFIR = "unknown-bfir"
    """As BFER: the flow overlay has no context for <sub-domain, BFIR-id> (RFC 8279 section 4.3)."""
