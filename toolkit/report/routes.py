"""How a link is drawn between two boxes: straight where it can, else bent around what is there.

Pure.  A curve is a quadratic Bézier from border to border; its control point lies beside the
middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

from toolkit.report.layout import Box
from toolkit.report.svg import number

_BENDS = (0.0, 24.0, -24.0, 44.0, -44.0, 68.0, -68.0, 96.0, -96.0, 130.0, -130.0)
_CLEARANCE = 5.0
_SAMPLES = np.linspace(0.03, 0.97, 33)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    start: Point
    control: Point
    end: Point

    def at(self, t: float) -> Point:
        """Return the point at parameter `t` of 0..1."""
        s = 1 - t
        return (
            s * s * self.start[0] + 2 * s * t * self.control[0] + t * t * self.end[0],
            s * s * self.start[1] + 2 * s * t * self.control[1] + t * t * self.end[1],
        )

    def direction(self, t: float) -> Point:
        """Return the unit vector along the curve at `t`."""
        x = (1 - t) * (self.control[0] - self.start[0]) + t * (self.end[0] - self.control[0])
        y = (1 - t) * (self.control[1] - self.start[1]) + t * (self.end[1] - self.control[1])
        length = hypot(x, y) or 1.0
        return x / length, y / length

    @property
    def length(self) -> float:
        return hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])

    @property
    def path(self) -> str:
        """The `d` of an SVG path."""
        (x0, y0), (x1, y1), (x2, y2) = self.start, self.control, self.end
        if hypot(x1 - (x0 + x2) / 2, y1 - (y0 + y2) / 2) < 0.5:
            return f"M{number(x0)} {number(y0)}L{number(x2)} {number(y2)}"
        return f"M{number(x0)} {number(y0)}Q{number(x1)} {number(y1)} {number(x2)} {number(y2)}"


def route(a: Box, b: Box, others: Sequence[Box], lane: int = 0) -> Curve:
    """Return the least bent curve from `a` to `b` that crosses none of `others`.

    `lane` numbers parallel links between the same boxes; each gets a curve of its own.
    """
    obstacles = np.array(
        [(o.x, o.y, o.width / 2 + _CLEARANCE, o.height / 2 + _CLEARANCE) for o in others]
    ).reshape(-1, 4)
    offset = 0.0 if lane == 0 else (22.0 * ((lane + 1) // 2)) * (1 if lane % 2 else -1)
    best: tuple[int, Curve] | None = None
    for bend in _BENDS:
        curve = _curve(a, b, bend + offset)
        hits = _hits(curve, obstacles)
        if hits == 0:
            return curve
        if best is None or hits < best[0]:
            best = hits, curve
    assert best is not None
    return best[1]


def _curve(a: Box, b: Box, bend: float) -> Curve:
    dx, dy = b.x - a.x, b.y - a.y
    length = hypot(dx, dy) or 1.0
    # A quadratic's middle is half-way to its control point: twice the offset.
    control = ((a.x + b.x) / 2 - 2 * bend * dy / length, (a.y + b.y) / 2 + 2 * bend * dx / length)
    return Curve(_border(a, control), control if bend else _middle(a, b), _border(b, control))


def _middle(a: Box, b: Box) -> Point:
    centre = ((a.x + b.x) / 2, (a.y + b.y) / 2)
    (x0, y0), (x1, y1) = _border(a, centre), _border(b, centre)
    return (x0 + x1) / 2, (y0 + y1) / 2


def _border(box: Box, towards: Point) -> Point:
    """Return where the ray from the box's centre leaves the box."""
    dx, dy = towards[0] - box.x, towards[1] - box.y
    if not dx and not dy:
        return box.x, box.y
    share = min(
        box.width / 2 / abs(dx) if dx else float("inf"),
        box.height / 2 / abs(dy) if dy else float("inf"),
    )
    return box.x + dx * min(share, 1.0), box.y + dy * min(share, 1.0)


def _hits(curve: Curve, obstacles: np.ndarray) -> int:
    if not len(obstacles):
        return 0
    t, s = _SAMPLES, 1 - _SAMPLES
    x = s * s * curve.start[0] + 2 * s * t * curve.control[0] + t * t * curve.end[0]
    y = s * s * curve.start[1] + 2 * s * t * curve.control[1] + t * t * curve.end[1]
    inside = (np.abs(x[:, None] - obstacles[:, 0]) < obstacles[:, 2]) & (
        np.abs(y[:, None] - obstacles[:, 1]) < obstacles[:, 3]
    )
    return int(inside.sum())
