"""What failed in the middle of a delivery, in sentences.  Pure."""

from __future__ import annotations

from toolkit.lab.result import DeliveryResult, OutageResult
from toolkit.report.quantity import count, duration, plural


def outage_lines(result: DeliveryResult) -> list[str]:
    """Return a line for each outage, and one for what clouds missed; none without outages."""
    return [*map(outage_line, result.outages), *_rerouted(result)]


def outage_line(outage: OutageResult) -> str:
    """Return one outage in a sentence."""
    parts = [f"{outage.what} failed at {duration(outage.at)}"]
    if outage.noticed is not None:
        parts.append(f"noticed at {duration(outage.noticed)}")
        who = ", ".join(outage.rerouted)
        parts.append(f"rerouted by {who}" if who else "rerouted by nobody")
    if outage.converged is not None:
        parts.append(f"converged at {duration(outage.converged)}")
    if outage.back is not None:
        parts.append(f"back at {duration(outage.back)}")
    return f"{', '.join(parts)}: {plural(outage.lost, 'frame')} sent into it"


def _rerouted(result: DeliveryResult) -> list[str]:
    if not result.outages:
        return []
    missed = f"clouds missed {plural(result.missed, 'packet')}"
    if result.missed_without_reroute is None:
        return [f"{missed}; there is no fast reroute"]
    return [f"{missed}; without fast reroute {count(result.missed_without_reroute)}"]
