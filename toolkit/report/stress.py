"""Points whose distances on the page follow their distances in the graph: stress majorisation.

Pure.  Gansner, Koren, North, "Graph drawing by stress majorization" (2004), from several starts
that are always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""n x 2: x to the right, y down, in pixels or in hops; also n x n tables of distances."""

MANY = 130
"""From this many nodes on only one start is tried."""
_SHAKES, _FINALISTS = 12, 4


def layouts(wanted: Points, edges: Sequence[tuple[int, int]]) -> list[Points]:
    """Return the stress layouts with the fewest crossings of several starts."""
    n = len(wanted)
    if n < 3:
        return [np.array([(float(i), 0.0) for i in range(n)])]
    starts = _starts(wanted)
    if n >= MANY:
        return [_majorise(wanted, starts[0], 40)]
    found = [_majorise(wanted, start, 120) for start in starts]
    found.sort(key=lambda points: (crossings(points, edges), _stress(wanted, points)))
    return found[:_FINALISTS]


def _starts(wanted: Points) -> list[Points]:
    """Return classical scaling in three planes, a circle, and the first one shaken."""
    n = len(wanted)
    squared = wanted**2
    centred = -0.5 * (
        squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    )
    values, vectors = np.linalg.eigh(centred)
    axes = vectors[:, ::-1][:, :3] * np.sqrt(np.maximum(values[::-1][:3], 1e-9))
    for k in range(axes.shape[1]):  # an eigenvector's sign is anybody's choice: make it ours
        if axes[int(np.argmax(np.round(np.abs(axes[:, k]), 6))), k] < 0:
            axes[:, k] *= -1
    angles = np.arange(n) * (2 * pi / n)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) * wanted.max() / 2
    jitter = np.stack([np.sin(np.arange(n) * 1.7), np.cos(np.arange(n) * 2.3)], axis=1) * 1e-3
    planes = [(0, 1), (0, 2), (1, 2)] if axes.shape[1] > 2 else [(0, 1)]
    starts = [axes[:, plane] + jitter for plane in planes] + [circle + jitter]
    shaken = [starts[0] + 1.2 * _shake(n, k) for k in range(_SHAKES)]
    return starts + shaken


def _shake(n: int, variant: int) -> Points:
    """Return n x 2 numbers of -1..1 that look like chance and are not (the sine's late digits)."""
    numbers = np.sin(np.arange(1, 2 * n + 1) * (12.9898 + 3.7 * variant)) * 43758.5453
    return np.asarray((2 * (numbers - np.floor(numbers)) - 1).reshape(n, 2))


def _majorise(wanted: Points, start: Points, rounds: int) -> Points:
    n = len(wanted)
    weights = 1.0 / np.maximum(wanted, 1e-6) ** 2
    np.fill_diagonal(weights, 0.0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.inv(laplacian + 1.0 / n) - 1.0 / n
    pull = weights * wanted
    points = start
    for _ in range(rounds):
        ratio = pull / np.maximum(_lengths(points), 1e-9)
        np.fill_diagonal(ratio, 0.0)
        moved = inverse @ (ratio.sum(axis=1)[:, None] * points - ratio @ points)
        done = float(np.abs(moved - points).max()) < 1e-4
        points = moved
        if done:
            break
    return points


def _lengths(points: Points) -> Points:
    steps = points[:, None, :] - points[None, :, :]
    return np.asarray(np.sqrt((steps**2).sum(axis=2)))


def _stress(wanted: Points, points: Points) -> float:
    weights = 1.0 / np.maximum(wanted, 1e-6) ** 2
    np.fill_diagonal(weights, 0.0)
    return round(float((weights * (_lengths(points) - wanted) ** 2).sum()), 6)


def crossings(points: Points, edges: Sequence[tuple[int, int]]) -> int:
    """Count pairs of links that cross."""
    if len(edges) < 2:
        return 0
    ends = np.array(edges)
    a, b = points[ends[:, 0]], points[ends[:, 1]]

    def side(p: Points, q: Points, r: Points) -> Points:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    pa, pb, qa, qb = a[:, None], b[:, None], a[None, :], b[None, :]
    cross = (side(pa, pb, qa) * side(pa, pb, qb) < 0) & (side(qa, qb, pa) * side(qa, qb, pb) < 0)
    return int(cross.sum()) // 2
