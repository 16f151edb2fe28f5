"""Why a labelled packet, or one branch of it, went nowhere.  RFC 3032, RFC 3443, RFC 9524.

Pure.  The values are stable: they are counter names in llmsync-sr (`dropped`) and in reports.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Drop reasons.  They count packets; `NO_BRANCH` counts branches."""

    MALFORMED = "malformed"
    """The packet ends inside its label stack."""
    NOT_ALLOWED = "not-allowed"
    """It came in by an interface that no labelled packets pass (RFC 9524, Security
    Considerations)."""
    UNKNOWN_LABEL = "unknown-label"
    """The label is neither a replication SID of ours nor a node SID that we have a way for."""
    TTL_EXPIRED = "ttl-expired"
    """TTL 0 came in, or TTL 1 at a router that is not the last (RFC 3443 section 4)."""
    BOTTOM = "bottom-of-stack"
    """Labels below a replication SID, or none below a node SID that is to be taken off."""
    NO_BRANCH = "no-branch"
    """A downstream node has no way to it now, or a segment neither replicates nor delivers."""
