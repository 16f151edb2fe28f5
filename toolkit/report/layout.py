"""Where each node of a network stands in a picture.

Pure.  A stress layout is turned so that the delivery reads from left to right, then boxes are
pushed apart, off the links and, by regions, asunder.  Its laws: the same network gives the same
picture; no two boxes overlap; regions do not overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, log, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from toolkit.report.stress import MANY, Points, crossings, layouts

WIDTH = 1120.0
"""Pixels that a picture may be wide before it grows downwards instead."""
ASPECT = 2.0
MARGIN = 16.0
GAP = 24.0
"""Least distance between two boxes."""
REGION_SIDE, REGION_TOP, REGION_GAP = 20.0, 36.0, 30.0

_HOST_LENGTH, _REGION_LENGTH = 0.9, 1.9
"""Ideal length of an access link and of a link between regions, in hops."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Item:
    """A node to be placed."""

    name: str
    width: float
    height: float
    region: str = ""
    leaf: bool = False
    """A host: close to its router."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    boxes: Mapping[str, Box]
    regions: Mapping[str, Box]
    """Named regions, when there are at least two."""
    width: float
    height: float


def arrange(
    items: Sequence[Item], links: Sequence[tuple[str, str]], start: str = ""
) -> Arrangement:
    """Place `items`; `start` (the delivery's source) goes to the left.  Links name items."""
    if not items:
        return Arrangement({}, {}, 2 * MARGIN, 2 * MARGIN)
    index = {item.name: i for i, item in enumerate(items)}
    edges = [(index[a], index[b]) for a, b in links if a != b]
    sizes = np.array([(item.width, item.height) for item in items])
    groups = _groups(items)
    named = {name: members for name, members in groups.items() if name}
    named = named if len(named) > 1 else {}

    def finished(points: Points) -> Points:
        points = _spread(_turned(points, groups, index.get(start)), sizes)
        points = separate(_off_the_lines(points, sizes, edges), sizes, GAP)
        return _apart(points, sizes, items, groups) if named else points

    def faults(points: Points) -> float:
        covered = int(_covered(points, sizes, edges)[0].sum())
        area = float(np.prod(np.ptp(points, axis=0)))
        return 2 * crossings(points, edges) + covered + area / 1e6

    candidates = [finished(points) for points in layouts(_distances(items, edges), edges)]
    points = min(candidates, key=faults) if len(candidates) > 1 else candidates[0]
    frames = {name: _frame(points[m], sizes[m]) for name, m in named.items()}
    if frames and "" not in groups:
        points, frames = _in_a_row(points, named, frames)
    low, high = (points - sizes / 2).min(axis=0), (points + sizes / 2).max(axis=0)
    for x0, y0, x1, y1 in frames.values():
        low, high = np.minimum(low, (x0, y0)), np.maximum(high, (x1, y1))
    shift = MARGIN - low
    width, height = (high - low + 2 * MARGIN).tolist()
    placed = points + shift
    return Arrangement(
        {
            item.name: Box(float(x), float(y), item.width, item.height)
            for item, (x, y) in zip(items, placed, strict=True)
        },
        {
            name: Box((x0 + x1) / 2 + shift[0], (y0 + y1) / 2 + shift[1], x1 - x0, y1 - y0)
            for name, (x0, y0, x1, y1) in frames.items()
        },
        width,
        height,
    )


def separate(centres: Points, sizes: Points, gap: float) -> Points:
    """Return `centres` moved so little that no two boxes are closer than `gap`.

    Each overlapping pair gives way along its lesser overlap; when that has not settled, all is
    blown up a little and tried again, which must end because distinct centres drift apart.
    """
    points = centres + np.arange(len(centres))[:, None] * (1e-6, 1.3e-6)
    reach_x = (sizes[:, None, 0] + sizes[None, :, 0]) / 2 + gap
    reach_y = (sizes[:, None, 1] + sizes[None, :, 1]) / 2 + gap
    while True:
        for _ in range(120):
            step_x = points[:, None, 0] - points[None, :, 0]
            step_y = points[:, None, 1] - points[None, :, 1]
            over_x, over_y = reach_x - np.abs(step_x), reach_y - np.abs(step_y)
            hit = (over_x > 0.01) & (over_y > 0.01)
            np.fill_diagonal(hit, val=False)
            if not hit.any():
                return points
            sideways = hit & (over_x <= over_y)
            upright = hit & ~sideways
            move = np.stack(
                [
                    (np.sign(step_x) * (over_x + 0.02) * sideways).sum(axis=1),
                    (np.sign(step_y) * (over_y + 0.02) * upright).sum(axis=1),
                ],
                axis=1,
            )
            points = points + 0.5 * move / np.maximum(1.0, hit.sum(axis=1))[:, None] ** 0.5
        centre = points.mean(axis=0)
        points = centre + (points - centre) * 1.08


def _groups(items: Sequence[Item]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for i, item in enumerate(items):
        groups.setdefault(item.region, []).append(i)
    return groups


def _distances(items: Sequence[Item], edges: Sequence[tuple[int, int]]) -> Points:
    """Return the ideal distance of every pair in hops (Floyd-Warshall); islands stand beside."""
    n = len(items)
    table = np.full((n, n), np.inf)
    np.fill_diagonal(table, 0.0)
    for a, b in edges:
        near = _HOST_LENGTH if items[a].leaf or items[b].leaf else 1.0
        length = near if items[a].region == items[b].region else _REGION_LENGTH
        table[a, b] = table[b, a] = min(length, table[a, b])
    for k in range(n):
        np.minimum(table, table[:, k, None] + table[None, k, :], out=table)
    finite = table[np.isfinite(table)]
    table[~np.isfinite(table)] = float(finite.max()) + 1.5
    return table


def _turned(points: Points, groups: Mapping[str, list[int]], start: int | None) -> Points:
    """Turn so that the picture is wide, regions lie side by side, and the start is top left."""

    def cost(angle: float) -> tuple[float, float]:
        turned = _rotated(points, angle)
        extent = np.maximum(np.ptp(turned, axis=0), 0.3)
        boxes = [(turned[m].min(axis=0), turned[m].max(axis=0)) for n, m in groups.items() if n]
        shared = 0.0
        for i, (low, high) in enumerate(boxes):
            for other_low, other_high in boxes[:i]:
                sides = np.minimum(high, other_high) - np.maximum(low, other_low)
                shared += float(np.prod(np.maximum(sides + 0.6, 0.0)))
        area = float(np.prod(extent))
        shape = abs(log(float(extent[0] / extent[1]) / ASPECT))
        return round(shape + 6 * shared / area, 6), angle

    turned = _rotated(points, min((pi * i / 24 for i in range(24)), key=cost))
    if start is not None:
        turned = turned * np.where(turned[start] > turned.mean(axis=0) + 1e-9, -1.0, 1.0)
    return turned


def _rotated(points: Points, angle: float) -> Points:
    matrix = np.array([(cos(angle), -sin(angle)), (sin(angle), cos(angle))])
    return np.asarray((points - points.mean(axis=0)) @ matrix.T)


def _spread(points: Points, sizes: Points) -> Points:
    """Scale hops to pixels so that the boxes fill about a third of the area."""
    area = float(((sizes[:, 0] + 2 * GAP) * (sizes[:, 1] + 2.6 * GAP)).sum()) * 1.7
    width = min(WIDTH - 90, max(360.0, sqrt(area * ASPECT)))
    extent = np.maximum(np.ptp(points, axis=0), 1e-6)
    scale_x, scale_y = width / float(extent[0]), max(area / width, 200.0) / float(extent[1])
    if extent[0] < 0.05 or extent[1] < 0.05:  # all on one line: there is nothing to balance
        scale_x = scale_y = min(scale_x, scale_y, 170.0)
    else:
        scale_x = min(scale_x, scale_y * 1.7)
        scale_y = min(scale_y, scale_x * 1.3)
    return points * (scale_x, scale_y)


def _off_the_lines(points: Points, sizes: Points, edges: Sequence[tuple[int, int]]) -> Points:
    """Move boxes off links that are none of theirs; as far as a few small steps go."""
    if not edges or len(points) > 3 * MANY:
        return points
    for _ in range(60):
        hit, move = _covered(points, sizes, edges)
        if not hit.any():
            break
        points = separate(points + 0.35 * (move * hit[..., None]).sum(axis=0), sizes, GAP)
    return points


def _covered(
    points: Points, sizes: Points, edges: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.bool_], Points]:
    """Return which boxes (columns) lie on which links (rows), and the way out of each link."""
    if not edges:
        return np.zeros((0, len(points)), dtype=bool), np.zeros((0, len(points), 2))
    ends = np.array(edges)
    foreign = np.ones((len(edges), len(points)), dtype=bool)
    foreign[np.arange(len(edges)), ends[:, 0]] = foreign[np.arange(len(edges)), ends[:, 1]] = False
    a, b = points[ends[:, 0]][:, None], points[ends[:, 1]][:, None]
    along = b - a
    length = np.maximum((along**2).sum(axis=2), 1e-6)
    share = ((points[None] - a) * along).sum(axis=2) / length
    away = points[None] - (a + np.clip(share, 0, 1)[..., None] * along)
    distance = np.sqrt((away**2).sum(axis=2))
    normal = np.stack([-along[..., 1], along[..., 0]], axis=2) / np.sqrt(length)[..., None]
    reach = (np.abs(normal) * sizes[None]).sum(axis=2) / 2 + 9
    side = np.where((away * normal).sum(axis=2) >= 0, 1.0, -1.0)
    hit = (distance < reach) & foreign & (share > 0.02) & (share < 0.98)
    return hit, normal * (side * (reach - distance))[..., None]


Frame = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _frame(points: Points, sizes: Points) -> Frame:
    low, high = (points - sizes / 2).min(axis=0), (points + sizes / 2).max(axis=0)
    return (
        float(low[0]) - REGION_SIDE, float(low[1]) - REGION_TOP,
        float(high[0]) + REGION_SIDE, float(high[1]) + REGION_SIDE,
    )  # fmt: skip


def _apart(
    points: Points, sizes: Points, items: Sequence[Item], groups: Mapping[str, list[int]]
) -> Points:
    """Move whole regions apart as rigid rectangles; a node without a region is one of its own."""
    bodies = [members for name, members in groups.items() if name]
    bodies += [[i] for i in groups.get("", ())]
    frames = []
    for members in bodies:
        if items[members[0]].region:
            frames.append(_frame(points[members], sizes[members]))
        else:
            (x, y), (w, h) = points[members[0]], sizes[members[0]]
            frames.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    corners = np.array(frames)
    centres, extents = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    moved = separate(centres, extents, REGION_GAP)
    result = points.copy()
    for members, shift in zip(bodies, moved - centres, strict=True):
        result[members] += shift
    return result


def _in_a_row(
    points: Points, named: Mapping[str, list[int]], frames: Mapping[str, Frame]
) -> tuple[Points, dict[str, Frame]]:
    """Give regions that stand side by side one top and one bottom; leave others as they are."""
    order = sorted(frames, key=lambda name: frames[name][0])
    if any(frames[a][2] > frames[b][0] for a, b in pairwise(order)):
        return points, dict(frames)
    tallest = max(frame[3] - frame[1] for frame in frames.values())
    middle = sum(frame[1] + frame[3] for frame in frames.values()) / 2 / len(frames)
    moved, result = points.copy(), {}
    for name, (left, top, right, bottom) in frames.items():
        moved[named[name], 1] += middle - (top + bottom) / 2
        result[name] = (left, middle - tallest / 2, right, middle + tallest / 2)
    return moved, result
