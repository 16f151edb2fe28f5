"""The kinds of findings about what edge interfaces take from hosts, and about classes of service.

Pure.  RFC 8279 section 9, RFC 8296 section 5, RFC 8622.
"""

from __future__ import annotations

from toolkit.verify.findings import Severity
from toolkit.verify.kind import Kind

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

EDGE_KINDS = (
    Kind("edge-unprotected", _WARNING,
         "An edge interface that is planned to be protected takes whatever a host sends.",
         "Push the planned protection: until then hosts may speak PIM and BIER and send to any "
         "group"),
    Kind("edge-source-open", _WARNING,
         "An edge interface takes multicast from a source that no delivery has there.",
         "Take the source out of what the interface permits"),
    Kind("edge-bits-open", _WARNING,
         "An edge interface lets a host address BFERs that no delivery of it goes to.",
         "Take these bits out of what the interface permits"),
    Kind("edge-source-refused", _ERROR,
         "An edge interface refuses the multicast of a delivery's source.",
         "Permit the source on the interface"),
    Kind("edge-bits-refused", _ERROR,
         "An edge interface refuses bits that a delivery's source imposes.",
         "Permit the planned BitString on the interface"),
    Kind("qos-class-missing", _WARNING,
         "A router has no class of its own for deliveries, so they compete with everything else.",
         "Push the planned class"),
    Kind("qos-class-differs", _WARNING,
         "A router's class for deliveries is for another code point than the plan's.",
         "Configure the planned DSCP"),
)  # fmt: skip
