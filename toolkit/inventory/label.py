"""Ranges of MPLS labels.  Pure.  RFC 3032 section 2.1 (20 bits, 0 to 15 reserved)."""

from __future__ import annotations

import re

from toolkit.inventory.model import LabelRange
from toolkit.inventory.refusal import Refusal

RANGE_PATTERN = r"^\s*[0-9]{1,7}\s*-\s*[0-9]{1,7}\s*$"
LABELS = LabelRange(16, (1 << 20) - 1)

_RANGE = re.compile(r"\s*([0-9]{1,7})\s*-\s*([0-9]{1,7})\s*")


def parse_label_range(value: object) -> LabelRange:
    """Return a block of labels, both ends included."""
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refusal("is not a range of labels", "write it like 16000-23999")
    lower, upper = int(match[1]), int(match[2])
    if lower > upper:
        raise Refusal("runs backwards", f"did you mean '{upper}-{lower}'?")
    for end in (lower, upper):
        if end not in LABELS:
            raise Refusal("reaches beyond the labels there are", f"{LABELS}: 0 to 15 are reserved")
    return LabelRange(lower, upper)
