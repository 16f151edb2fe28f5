"""What a BFR that answers echo requests has to know of others.

draft-ietf-bier-ping-23 section 4.5.  Pure values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from toolkit.bier.oam_tlv import IpAddress

PORT: Final = 49205
"""UDP port of replies unless another is agreed on: of the dynamic range, since the draft names none
(section 5.1, "TBD1")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """BFR-prefixes of a domain, as one BFR is told them."""

    own: Mapping[int, IpAddress] = field(default_factory=dict)
    """Sub-domain -> our own BFR-prefix: the source of replies."""
    bfers: Mapping[tuple[int, int], IpAddress] = field(default_factory=dict)
    """<sub-domain, BFR-id> -> BFR-prefix: where replies go."""
    routers: Mapping[tuple[int, str], IpAddress] = field(default_factory=dict)
    """<sub-domain, name of a neighbor> -> BFR-prefix: what a downstream mapping names."""
    port: int = PORT
    """UDP, of replies."""
