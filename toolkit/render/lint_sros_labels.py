"""Label blocks of SR OS: where they may lie, and that they do not meet.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

FIRST_LABEL = 32
"""Labels below are special or kept back (nokia-types-sros, typedef mpls-label)."""
DEFAULT_STATIC = 18_400
LAST_LABEL = 1_048_575
OLDER_CARDS = 524_287
SOURCE = "nokia-conf-router, mpls-labels; SR OS MPLS guide, label ranges"


def label_remarks(base: Branch, where: str) -> Iterator[Remark]:
    """Yield what is wrong with the SRGB and the reserved blocks."""
    labels = base.one("mpls-labels")
    path = f"{where}/mpls-labels"
    first = FIRST_LABEL + labels.number("static-label-range", default=DEFAULT_STATIC)
    blocks = list(_blocks(labels, path))
    for name, below, lower, upper in blocks:
        if not FIRST_LABEL <= lower <= upper <= LAST_LABEL:
            yield Remark(
                path=below,
                what=f"{lower}-{upper} is no block of labels",
                remedy=f"use {FIRST_LABEL} to {LAST_LABEL}, the lower one first",
                source="nokia-types-sros, typedef mpls-label",
            )
        elif lower < first:
            yield Remark(
                path=below,
                what=f"{name} {lower}-{upper} begins among the static labels, which end at"
                f" {first - 1}",
                remedy=f"set static-label-range to {lower - FIRST_LABEL} or less, or move it",
                source=SOURCE,
            )
        elif upper > OLDER_CARDS:
            yield Remark(
                path=below,
                what=f"{name} {lower}-{upper} is beyond {OLDER_CARDS}, where dynamic labels end on"
                " older line cards",
                remedy="see that every line card has the larger range, or move it",
                source=SOURCE,
                error=False,
            )
    for place, (name, below, lower, upper) in enumerate(blocks):
        for other, _, low, high in blocks[:place]:
            if lower <= high and low <= upper:
                yield Remark(
                    path=below,
                    what=f"{name} {lower}-{upper} overlaps {other} {low}-{high}",
                    remedy="move one of them",
                    source=SOURCE,
                )


def _blocks(labels: Branch, path: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, path and bounds."""
    srgb = labels.one("sr-labels")
    if srgb:
        yield "the SRGB", f"{path}/sr-labels", srgb.number("start"), srgb.number("end")
    for block in labels.all("reserved-label-block"):
        name = block.text("label-block-name")
        below = f"{path}/reserved-label-block[label-block-name='{name}']"
        yield f"block {name}", below, block.number("start-label"), block.number("end-label")
