"""A session and the network it runs over: its circuit breaker applied to its pace.

Pure.
"""

from __future__ import annotations

from toolkit.delivery.breaker import Breaker, Reaction, Reading
from toolkit.delivery.members import Roster
from toolkit.delivery.model import Standing
from toolkit.delivery.pacing import Pacer
from toolkit.errors import DeliveryError


def spare(
    name: str, breaker: Breaker, pacer: Pacer, members: Roster, now: float
) -> DeliveryError | None:
    """Slow session `name` down when (nearly) all receivers lose very much for long (RFC 8084);
    return why it must end, when that does not help."""
    ready = [m for m in members if m.standing is Standing.READY and not m.fetching]
    reaction = breaker.judge(
        now,
        [Reading(m.name, m.reported, m.missed) for m in ready],
        well=sum(m.standing is Standing.COMPLETE for m in members),
        sending=any(members.outstanding[m.bit] for m in ready),
    )
    if reaction is Reaction.SLOW_DOWN:
        pacer.change(max(pacer.rate // 2, 1))
    if reaction is not Reaction.END:
        return None
    return DeliveryError(
        f"{name}: stopped by the circuit breaker at {pacer.rate} bit/s: {breaker.why} "
        "(receivers keep what they have: start again with a lower --rate, or give this traffic "
        "more room)"
    )


def notes(breaker: Breaker, pacer: Pacer, unaddressed: int) -> tuple[str, ...]:
    """What a reader of the results should know.  `unaddressed`: repairs that all were sent."""
    found = []
    if unaddressed:
        found.append(
            "packets could not be addressed (imposition by the router): "
            f"{unaddressed} repair packets went to every receiver"
        )
    if breaker.trips:
        found.append(
            f"the circuit breaker acted {breaker.trips} times, the rate at the end was "
            f"{pacer.rate} bit/s: {breaker.why}"
        )
    return tuple(found)
