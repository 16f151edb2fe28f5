"""The way back: whether what a GPU cloud reports comes to the source of its delivery, by unicast.

Pure.  A cloud joins, asks for what it lacks and says that it is done in UDP datagrams to the
source's address (docs/reference/delivery.md); all that the source sends, repairs too, comes by
multicast.  So a delivery needs unicast in this one direction, and a cloud that is not heard never
completes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from toolkit.delivery.control import Body, Done, Have, Message, Report
from toolkit.delivery.model import Receipt
from toolkit.inet import udp
from toolkit.inet.ip import header_size
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.paths import Path, Paths, gateway_answers
from toolkit.state.model import Cable, End, NetworkState


class Ground(Protocol):
    """What has to be known of a network; `Scene` is one."""

    @property
    def plan(self) -> Plan: ...
    @property
    def state(self) -> NetworkState: ...
    @property
    def paths(self) -> Paths: ...
    def mtu(self, end: End) -> int | None: ...


@dataclass(frozen=True, slots=True)
class WayBack:
    """How the reports of one cloud fare."""

    path: Path | None
    """None: they do not leave the host."""
    reason: str = ""
    """Why the source does not hear the cloud; empty: it does."""
    narrow: Cable | None = None
    """A cable that the largest reports do not fit, where the smallest do."""


def way_back(ground: Ground, flow: FlowPlan, cloud: str) -> WayBack:
    """Return how reports come from `cloud` to the source of `flow`."""
    host = ground.plan.hosts[cloud]
    edge = End(host.router, host.router_port)
    if not gateway_answers(ground.state, edge, host.gateway, host.address.ip):
        what = f"is not up with the gateway address {host.gateway} of {cloud} in its subnet"
        return WayBack(None, f"{edge.node} {edge.port} {what}")
    path = ground.paths.path(End(cloud, host.port), flow.source_address)
    if path.arrived is None:
        return WayBack(path, path.reason)
    if path.arrived.node != flow.source:
        return WayBack(path, f"{path.at} takes packets to {flow.source_address} for its own")
    headers = header_size(flow.source_address) + udp.HEADER + len(cloud.encode())
    narrow = None
    for cable, extra in zip(path.cables, path.extra, strict=True):
        mtu = min((m for m in map(ground.mtu, (cable.a, cable.b)) if m is not None), default=None)
        if mtu is not None and headers + extra + _NEEDED > mtu:
            size = headers + extra + _NEEDED
            return WayBack(path, f"{size} bytes do not fit the MTU of {mtu} bytes of {cable.link}")
        if mtu is not None and headers + extra + LARGEST > mtu:
            narrow = narrow or cable
    return WayBack(path, narrow=narrow)


def _size(body: Body) -> int:
    """Bytes of a control message, the receiver's name left out."""
    return len(Message(tsi=0, incarnation=0, name="-", body=body).encode()) - 1


MOST: Final = 1024
"""States in a HAVE and blocks in a REPORT, at most: `HAVE_CHUNK` and `MAX_POLL` of the receiver."""
_NEEDED: Final = _size(
    Done(
        receipt=Receipt(
            receiver="-", manifest=bytes(32), files=0, bytes=0, repaired=0, duplicates=0,
            polluted=0, first_byte=0.0, last_byte=0.0, verified=0.0,
        )
    )
)  # fmt: skip
"""Of the message that ends every delivery; those that begin it are smaller."""
LARGEST: Final = max(
    _size(Have(manifest=bytes(32), total=MOST, first=0, states=bytes(MOST))),
    _size(Report(poll_id=0, toi=0, first=0, lacks=bytes(MOST))),
)
"""Bytes of the largest control message of a delivery that goes on, without the name."""
