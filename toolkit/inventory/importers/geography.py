"""Distances on the globe, and what light in fibre makes of them.  Pure.

Law: delay = great-circle distance x detour / 200,000 km/s (5 us a kilometre, ITU-T Y.1541), at
least MIN_DELAY, in steps of STEP; metric = delay / STEP, so a path's metric is its delay.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt
from typing import NamedTuple

EARTH_RADIUS = 6371.0088
"""Kilometres; the mean radius of the International Union of Geodesy and Geophysics."""
FIBRE_SPEED = 200_000.0
"""Kilometres a second: light in glass of refractive index 1.5."""
DETOUR = 1.5
"""Fibre follows roads and rails: length of the cable by length of the great circle.  ITU-T G.826
plans with 1.5 for distances below 1000 km, which is what most links are."""
STEP = 0.000_01
MIN_DELAY = 0.000_1
"""Seconds: 20 km of fibre, for links inside a city."""
LEAST_METRIC, MOST_METRIC = 1, 16_777_214
"""Wide metrics that leave a link usable (RFC 5305)."""


class Position(NamedTuple):
    """Degrees, north and east being positive."""

    latitude: float
    longitude: float


def distance(a: Position, b: Position) -> float:
    """Return kilometres along the great circle (haversine)."""
    up, along = radians(b.latitude - a.latitude), radians(b.longitude - a.longitude)
    part = (
        sin(up / 2) ** 2 + cos(radians(a.latitude)) * cos(radians(b.latitude)) * sin(along / 2) ** 2
    )
    return 2 * EARTH_RADIUS * asin(sqrt(min(1.0, part)))


def middle(positions: Iterable[Position]) -> Position | None:
    """Return the mean on the globe; None for none, and for points that balance each other out."""
    x = y = z = 0.0
    for position in positions:
        latitude, longitude = radians(position.latitude), radians(position.longitude)
        x += cos(latitude) * cos(longitude)
        y += cos(latitude) * sin(longitude)
        z += sin(latitude)
    if hypot(x, y, z) < 1e-9:
        return None
    return Position(degrees(atan2(z, hypot(x, y))), degrees(atan2(y, x)))


def delay_of(kilometres: float, detour: float = DETOUR) -> float:
    """Return seconds one way, in whole steps of 10 microseconds."""
    return stepped(kilometres * detour / FIBRE_SPEED)


def stepped(seconds: float) -> float:
    """Return a delay in whole steps, at least MIN_DELAY."""
    return round(max(MIN_DELAY, seconds) / STEP) / round(1 / STEP)


def metric_of(delay: float) -> int:
    """Return the metric of a link of this delay."""
    return min(MOST_METRIC, max(LEAST_METRIC, round(delay / STEP)))
