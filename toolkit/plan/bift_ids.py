"""BIFT-ids: the label block of each router, or the domain-wide numbers where there is no MPLS.

Pure.  One block serves one <sub-domain, BSL>; SI n has BIFT-id base + n (RFC 8401 section 6.2).
Labels are downstream-assigned and mean something to one router only (RFC 8296 section 2.1.1), so
two routers may share a block; as long as the platform's range lasts they do not, because distinct
labels are easier to follow in a capture.
"""

from __future__ import annotations

from toolkit.inventory.model import BierSettings, Encapsulation
from toolkit.plan.platforms.facts import BierCapability


def bsl_code(bsl: int) -> int:
    """Return the code of a BitString length: 1 is 64 bits, 7 is 4096 (RFC 8296 section 2.1.2)."""
    return bsl.bit_length() - 6


def bift_id_base(settings: BierSettings, can: BierCapability, index: int) -> int:
    """Return the BIFT-id of SI 0 on the router with this index (1, 2, ...).

    MPLS: a block of `can.stride` labels by the router's index, so that neither a new set nor a new
    router moves any block.  Non-MPLS: BSL code (4 bits), sub-domain (8), SI (8), the same number
    everywhere (draft-ietf-bier-non-mpls-bift-encoding).
    """
    if settings.encapsulation is Encapsulation.NON_MPLS:
        return bsl_code(settings.bsl) << 16 | settings.sub_domain << 8
    blocks = len(can.labels) // can.stride
    return can.labels.start + (index - 1) % blocks * can.stride
