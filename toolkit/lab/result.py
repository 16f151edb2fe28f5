"""What a delivery in a lab did, as values for reports and pipelines.

Pure.  Times are seconds on the lab's clock since the delivery started; None: it has not happened.
Byte counts of links are bytes on the wire: Ethernet header included, preamble and gap not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudResult:
    cloud: str
    region: str
    complete: bool
    """Every file is placed and its digest verified."""
    identical: bool
    """The placed files were compared with the source, byte for byte, and are the same."""
    reason: str = ""
    """Why it is not complete."""
    joined: float = 0.0
    first_byte: float | None = None
    last_byte: float | None = None
    verified: float | None = None
    first_tensor: float | None = None
    """First tensor whose bytes are all verified."""
    tensors: int = 0
    files: int = 0
    bytes: int = 0
    lost: int = 0
    """Packets it missed."""
    repaired: int = 0
    """Repair packets it received and used."""
    duplicates: int = 0
    """Packets it received although it had them, or did not need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUse:
    link: str
    a: str
    b: str
    a_to_b: int
    """Bytes."""
    b_to_a: int
    capacity: int
    """bit/s each way."""
    unicast: int
    """Bytes (both ways) that N unicast copies along shortest paths would have cost; computed."""
    edge: bool = False
    """A host's access link."""
    up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterUse:
    router: str
    bfr: bool
    bift_rows: int
    flow_rows: int
    """(S,G) entries."""
    state_rows: int = 0
    """Tree state that exists because of the delivery: entries of its multicast table, or
    replication segments and their downstream nodes."""
    counters: Mapping[str, int]
    """`received`, `forwarded`, `delivered`, `imposed` and `dropped-<reason>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageResult:
    """A link or router that failed in the middle of the delivery."""

    what: str
    at: float
    noticed: float | None
    """When the other ends knew; None: it was over before."""
    converged: float | None
    """When all routers had tables for it; None: it was over before, or the delivery was."""
    back: float | None
    rerouted: tuple[str, ...]
    """Routers that switched over to backup entries."""
    lost: int
    """Frames that were sent into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    delivery: str
    transport: str
    imposition: str
    model: str
    files: int
    size: int
    """Bytes of the model."""
    source: str
    clouds: tuple[CloudResult, ...]
    links: tuple[LinkUse, ...]
    routers: tuple[RouterUse, ...]
    packets: int
    """Data packets that the source sent for the first time."""
    repairs: int
    """Packets sent for clouds that reported a lack of what had been sent to them."""
    repair_bytes: int = 0
    """Bytes of those packets as they left the source."""
    late: int = 0
    """Packets that the source sent again for clouds which were not there the first time."""
    egress: int
    """Bytes that left the source on its access link."""
    unicast_egress: int
    """Bytes that N unicast copies would have taken there; computed."""
    duration: float
    """Seconds on the lab's clock until the last cloud was verified."""
    unicast_duration: float
    """Seconds that N unicast copies at the same rate cap and capacities would take; computed."""
    outages: tuple[OutageResult, ...] = ()
    missed_without_reroute: int | None = None
    """Packets that clouds missed in the same run with fast reroute off; None: there was none."""
    notes: tuple[str, ...] = field(default=())
    """What the lab did not do and why (loss not emulated, no GPU, ...)."""

    @property
    def missed(self) -> int:
        """Packets that clouds missed."""
        return sum(cloud.lost for cloud in self.clouds)

    @property
    def complete(self) -> bool:
        return all(c.complete and c.identical for c in self.clouds)
