"""Runs a vector on a plane and says where they differ.

Law: everything that a frame caused is compared, and nothing is overlooked: copies, deliveries and
counters, each exactly, whatever their order.  Pure as far as the plane is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from toolkit.bier.conformance.plane import Delivered, Need, Outcome, Plane
from toolkit.bier.conformance.vector import Choice, Fail, Load, Receive, Spread, Vector

Thing = TypeVar("Thing")
SHOWN = 96
"""Octets of a frame shown in a fault: the headers."""


def lacking(plane: Plane, vector: Vector) -> str:
    """Return why a vector does not apply to a plane; empty where it does."""
    return lacks_of(plane.lacks, vector)


def lacks_of(lacks: Mapping[Need, str], vector: Vector) -> str:
    """Return why a vector does not apply where `lacks` is not there; empty where it does."""
    return "; ".join(dict.fromkeys(lacks[need] for need in sorted(vector.needs & lacks.keys())))


def faults(plane: Plane, vector: Vector, *, times: int = 2) -> list[str]:
    """Take the steps of a vector; return what went wrong, each with its step, empty if nothing.

    `times`: how often each frame is sent; a plane that remembers answers the second from memory.
    """
    found: list[str] = []
    for number, step in enumerate(vector.steps, 1):
        match step:
            case Load(program=program):
                plane.load(program)
            case Fail(interface=interface):
                if not plane.fail(interface):
                    found.append(f"step {number}: no backup for {interface}")
            case Receive():
                for _turn in range(times):
                    outcome = plane.receive(step.interface, step.frame)
                    found += [f"step {number}: {fault}" for fault in differences(step, outcome)]
            case Spread():
                found += [f"step {number}: {fault}" for fault in _spread(plane, step)]
    return found


def differences(step: Receive, outcome: Outcome) -> list[str]:
    """Return how an outcome differs from what a step wants."""
    found = _differ("copy", step.out, outcome.out, _frame)
    found += _differ("delivery", step.delivered, outcome.delivered, _delivered)
    found += _differ("packet for the host", step.host, outcome.host, bytes.hex)
    for reason in sorted(step.dropped.keys() | outcome.dropped.keys()):
        wanted, got = step.dropped.get(reason, 0), outcome.dropped.get(reason, 0)
        if wanted != got:
            found.append(f"counter {reason} rose by {got}, not by {wanted}")
    return found


def _spread(plane: Plane, step: Spread) -> list[str]:
    """Send all packets twice; the second time nothing may go another way."""
    found: list[str] = []
    possible: dict[int, set[int]] = {}
    for choice in step.choices * 2:
        outcome = plane.receive(choice.interface, choice.frame)
        ways = _ways(choice, outcome)
        before = possible.setdefault(choice.flow, ways)
        if not ways:
            found.append(f"entropy {choice.flow}: no way of {len(choice.ways)} is what came out")
        elif not before & ways:
            found.append(f"entropy {choice.flow}: another way than before")
        before &= ways
    used = len({min(ways) for ways in possible.values() if ways})
    if not found and used != step.used:
        found.append(f"{used} ways are used, not {step.used}")
    return found


def _ways(choice: Choice, outcome: Outcome) -> set[int]:
    """Return the ways that an outcome fits; ways may look alike for some packets of a flow."""
    if outcome.delivered or outcome.dropped or outcome.host:
        return set()
    got = Counter(outcome.out)
    return {number for number, way in enumerate(choice.ways) if Counter(way) == got}


def _differ(
    what: str, wanted: Iterable[Thing], got: Iterable[Thing], show: Callable[[Thing], str]
) -> list[str]:
    left, right = Counter(wanted), Counter(got)
    found = [f"{what} missing: {show(thing)}" for thing in (left - right).elements()]
    return found + [f"{what} not wanted: {show(thing)}" for thing in (right - left).elements()]


def _frame(sent: tuple[str, bytes]) -> str:
    interface, frame = sent
    more = f"... ({len(frame)} octets)" if len(frame) > SHOWN else ""
    return f"{interface} {frame[:SHOWN].hex()}{more}"


def _delivered(d: Delivered) -> str:
    return f"Proto {d.proto}, BFIR-id {d.bfir_id}, sub-domain {d.sub_domain}: {d.payload.hex()}"
