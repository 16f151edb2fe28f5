"""A comparison as values: what each transport keeps, what events cost it, what it carried.

Pure.  Law: every figure says whether it was computed from the planned configuration or measured in
the laboratory, and is absent where neither was done.  Times are seconds on the lab's clock, sizes
bytes on the wire (Ethernet header included).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Any

SCHEMA = "llmsync-compare/1"


class Source(StrEnum):
    COMPUTED = "computed"
    """From the planned configuration, by the derivation that verification uses."""
    MEASURED = "measured"
    """In the memory laboratory: counted, or read off its clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFigures:
    """Forwarding entries of one delivery's transport; computed."""

    entries: int
    """In the whole network: BIFT rows and overlay flows, replication segments and policies, or
    multicast routes."""
    most: int
    """On the router that has most."""
    most_on: str
    routers: int
    """Routers that have any."""
    network: int
    """Routers in all."""
    further: int
    """Entries that one more delivery to the same clouds adds."""
    further_routers: int
    """Routers that it adds them to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one event costs."""

    configured: int
    """Routers whose configuration the controller changes: one NETCONF edit each."""
    messages: int
    """Control messages between routers, and from hosts to them: PIM Join/Prune, IGMP or MLD
    reports.  IS-IS floods the same for every transport and is not counted."""
    rows: int
    """Forwarding entries that are made, changed or taken away."""
    routers: int
    """Routers on which they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFigures:
    """One kind of event, once for each thing that it can happen to; computed."""

    name: str
    """`join`, `new-cloud`, `link-failure` or `node-failure`."""
    subjects: tuple[str, ...]
    """What it was computed for: clouds, links, routers."""
    mean: Mapping[str, float]
    """Field of `Cost` -> mean over the subjects."""
    worst: Cost
    """The largest of each field."""
    unserved: Mapping[str, tuple[str, ...]]
    """Failures that no protection and no new path repairs: subject -> clouds that it cuts off."""
    note: str = ""
    """What the figures do not say by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudTime:
    cloud: str
    region: str
    complete: bool
    """Every file placed, its digest verified, and the same as the source's."""
    verified: float | None
    """When it had the model, since the delivery started."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFigures:
    """One delivery in the laboratory; measured but for what says computed."""

    size: int
    """Bytes of the model."""
    loss: float
    complete: bool
    clouds: tuple[CloudTime, ...]
    duration: float
    """Until the last cloud had it."""
    egress: int
    """Bytes that left the repository."""
    core: int
    """Bytes over links between routers, both ways."""
    optimal: float | None
    """Computed: what one copy on each link of the tree with the fewest links would be."""
    optimal_exact: bool
    unicast_egress: int
    """Computed: N copies."""
    unicast_core: int
    """Computed: N copies along shortest paths, on links between routers."""
    unicast_duration: float
    """Computed: N copies at the same rate."""
    packets: int
    """Data packets sent for the first time."""
    repairs: int
    """Repair packets that the source sent."""
    repair_bytes: int
    """Bytes of repairs received by clouds: each counted at each cloud that it came to."""
    needless: int
    """Packets that clouds got although they had them or did not need them."""
    late: str
    """Cloud that joined when the others were half way; empty: that was not tried."""
    late_wait: float | None
    """Seconds from its joining to the first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFigures:
    transport: str
    state: StateFigures
    events: tuple[EventFigures, ...]
    traffic: TrafficFigures | None = None
    """None: only the model was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A transport that this network cannot have, and why."""

    transport: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    network: str
    delivery: str
    source: str
    clouds: tuple[str, ...]
    routers: int
    links: int
    rate: int
    """bit/s."""
    command: str
    figures: tuple[TransportFigures, ...]
    refused: tuple[Refused, ...] = ()


def document(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison JSON-ready."""
    return {"schema": SCHEMA, **_plain(comparison)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a comparison holds
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, Enum):
        return value.value
    return value
