"""What is wrong in a link state database, and whether it harms forwarding.

Law: every problem names its place (frame and PDU, or scope and router) and says what follows from
it.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from toolkit.bier.signalling.acceptance import Conflict, Reason


class Kind(StrEnum):
    """Beside the reasons and conflicts of `toolkit.bier.signalling.acceptance`."""

    CHECKSUM = "checksum-failure"
    """The PDU or LSA is not used."""
    UNPARSABLE = "unparsable"
    """A PDU, TLV or sub-TLV that does not fit its own lengths; what is around it is used."""
    CUT = "frame-cut"
    """The capture kept only the start of a frame with a PDU, or an IP fragment; it is not used."""
    DAMAGED_CAPTURE = "capture-damaged"
    """The file ends inside a frame."""
    NOT_UNDERSTOOD = "link-type-not-understood"
    MISSING = "lsp-missing"
    """A PDU that others list or need is not in the capture."""
    NO_PATH = "bfer-unreachable"
    """No path of BFRs, or no path at all."""
    BFR_ID_COLLISION = "bfr-id-collision"
    """RFC 8279 section 5: it has no row, and no BFIR may set its bit."""
    BSL_MISMATCH = "bsl-or-encapsulation-mismatch"
    """RFC 8279 section 6.10: a BFR without our BSL in our encapsulation is a non-BFR to us."""
    SET_OUT_OF_RANGE = "set-out-of-range"
    """The BFR-id lies in a set beyond the Max SI that its own BFR advertises."""
    ALGORITHM = "bar-ipa-unsupported"
    """A BAR or IPA that is not SPF: who does not support it treats its BFRs as non-BFRs."""
    NOT_ADVERTISED = "bfr-prefix-not-advertised"
    """OSPF: no Router-LSA or Summary-LSA holds the prefix, so nobody has a route to it."""
    NAME_TWICE = "hostname-twice"
    ZERO_METRIC = "metric-zero"
    """Counted as 1: with 0, equal-cost paths could loop."""


HARMLESS: Final = frozenset(
    {
        Kind.CUT,
        Kind.DAMAGED_CAPTURE,
        Kind.NOT_UNDERSTOOD,
        Kind.MISSING,
        Kind.NAME_TWICE,
        Kind.ZERO_METRIC,
    }
)
"""Problems of the capture or of what we read from it, not of the network's forwarding."""


@dataclass(frozen=True, slots=True, order=True)
class LsdbProblem:
    place: str
    kind: Kind | Reason | Conflict
    what: str

    @property
    def harms(self) -> bool:
        """Forwarding suffers by it."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"
