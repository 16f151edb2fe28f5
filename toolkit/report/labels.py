"""Names beside dots, as many as there is room for.

Pure.  Greedy in the order given: a name takes the first of its places (right, left, below, above)
that covers no dot and no earlier name; without such a place it is left to the hover text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.report.layout import Arrangement, Box
from toolkit.report.svg import Svg, element, text_width

_GAP = 3.0
_BOLD = 1.08
"""Bold letters are wider than `text_width` takes them for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name and the dot it belongs to; `always`: drawn even where it covers something."""

    text: str
    box: Box
    size: float
    class_: str
    always: bool = False


def place_labels(labels: Sequence[Label], boxes: Sequence[Box], placed: Arrangement) -> list[Svg]:
    """Return those of `labels` that find room among `boxes` and within the picture."""
    taken = np.full((len(boxes) + len(labels), 4), np.inf)
    taken[: len(boxes)] = [_corners(box) for box in boxes]
    count = len(boxes)
    drawn = []
    for label in labels:
        places = _places(label)
        free = [frame for frame in places if _free(frame, taken[:count], placed)]
        if not free and not label.always:
            continue
        frame = free[0] if free else places[0]
        taken[count] = frame
        count += 1
        y = frame[3] - label.size * 0.22
        drawn.append(_text(label, frame, y))
    return drawn


def _text(label: Label, frame: Frame, y: float) -> Svg:
    """Return the name; its end is what is sure where it stands left of its dot."""
    if frame[2] < label.box.x:
        return element("text", x=frame[2], y=y, class_=f"{label.class_} right", text=label.text)
    if frame[0] > label.box.x:
        return element("text", x=frame[0], y=y, class_=label.class_, text=label.text)
    return element("text", x=label.box.x, y=y, class_=f"{label.class_} middle", text=label.text)


Frame = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _places(label: Label) -> list[Frame]:
    width, height = text_width(label.text, label.size) * _BOLD, label.size
    x, y = label.box.x, label.box.y
    aside, below = label.box.width / 2 + _GAP, label.box.height / 2 + 1
    corners = (
        (x + aside, y - height / 2),
        (x - aside - width, y - height / 2),
        (x - width / 2, y + below),
        (x - width / 2, y - below - height),
    )
    return [(left, top, left + width, top + height) for left, top in corners]


def _corners(box: Box) -> Frame:
    return (
        box.x - box.width / 2, box.y - box.height / 2,
        box.x + box.width / 2, box.y + box.height / 2,
    )  # fmt: skip


def _free(frame: Frame, taken: np.ndarray, placed: Arrangement) -> bool:
    left, top, right, bottom = frame
    if left < 2 or top < 2 or right > placed.width - 2 or bottom > placed.height - 2:
        return False
    apart = (
        (taken[:, 2] <= left) | (taken[:, 0] >= right)
        | (taken[:, 3] <= top) | (taken[:, 1] >= bottom)
    )  # fmt: skip
    return bool(apart.all())
