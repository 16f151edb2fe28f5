"""What happens to a laboratory run besides the delivery: loss, failed links, links that fail on the
way, late and killed receivers.

Pure.  Times are seconds on the lab's clock since the delivery started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from toolkit.planes.adjacency import NO_FAILURES, Failures


class LossOn(StrEnum):
    ACCESS = "access"
    """The access link of every cloud, both ways: receivers lose independently of each other."""
    ALL = "all"
    """Every link, both ways: a loss near the source is a loss of everybody behind it."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A receiver is killed (nothing is flushed, nothing said) and perhaps restarted."""

    at: float
    back: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A link or a router fails while the delivery is under way."""

    name: str
    """As it was asked for."""
    failures: Failures
    at: float
    back: float | None = None
    """When it is there again; None: never."""


DETECT = 0.05
"""Seconds until the ends of a link know that it is dead: BFD of three packets, 17 ms apart."""
CONVERGE = 0.5
"""Seconds from a failure until all routers forward by new tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    loss: float = 0.0
    """Probability that a frame is lost on a link, 0..1."""
    loss_on: LossOn = LossOn.ACCESS
    seed: int = 1
    down: Failures = NO_FAILURES
    late: Mapping[str, float] = field(default_factory=dict)
    """Cloud -> when its receiver starts."""
    kill: Mapping[str, Kill] = field(default_factory=dict)
    """Cloud -> when its receiver is killed and comes back."""
    outages: tuple[Outage, ...] = ()
    detect: float = DETECT
    converge: float = CONVERGE
