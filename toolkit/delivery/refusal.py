"""Why something that came was refused, in few words that can be counted.

Pure.  Each is a label in JSON output and in Prometheus (`llmsync_refused_total{reason="..."}`);
docs/reference/delivery.md lists them for people.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """A reason."""

    MALFORMED = "malformed"
    """Its bytes break a format."""
    EXCESS = "excess"
    """It asks for more than anything legitimate needs."""
    MISFIT = "misfit"
    """A symbol that does not fit its object."""
    RIVAL = "rival"
    """Another symbol came for the same place: one of the two is forged."""
    UNKNOWN_OBJECT = "unknown-object"
    OTHER_SESSION = "other-session"
    """Another TSI: a neighbour's session, or one that is played again."""
    OVER = "over"
    """It came after the end."""
    FOREIGN_SOURCE = "foreign-source"
    """Its source address is not that of who it speaks for."""
    STRANGER = "stranger"
    """From a receiver that is not listed."""
    STALE = "stale"
    """Said before the receiver was started again."""
    CONTRADICTION = "contradiction"
    """An answer to another question than was asked."""
    UNAUTHENTIC = "unauthentic"
    """No authentication code, or a wrong one."""
    REPLAYED = "replayed"
    """Authentic, and seen before; or a manifest that is older than what was placed."""
    QUOTA = "quota"
    """More joins than are allowed."""
    UNTRUSTED = "untrusted"
    """A manifest that is not signed, pinned or sealed by whom it should be."""
    DAMAGED = "damaged"
    """A manifest or an FDT Instance that does not verify."""
    FALSE_END = "false-end"
    """The session was said to be over and was not."""
