"""The strands that deliveries hang by: what fares by itself, and what each of them stands on.

Pure.  Over BIER the bit of one BFER is a strand; over other transports all packets of a delivery
are; and so are the reports of each cloud.  Law: a failure of nothing that a strand stands on leaves
it as it is, since of equal-cost ways the first is taken and a failure only takes ways away; so only
the other strands are judged again.  A strand that came nowhere is always judged again, since what
it would stand on is not known; and all are where a failure changes what is advertised about an
address that matters (`toolkit.verify.moved.Steadiness`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.verify.scene import Scene
from toolkit.verify.walk import walk


class Strand(NamedTuple):
    """Names one."""

    delivery: str
    bfr_id: int = 0
    """Of the BFER whose bit it is; 0: packets over another transport, or reports."""
    cloud: str = ""
    """Whose reports it is; empty: packets."""


@dataclass(frozen=True, slots=True)
class Stand:
    """How one strand fares."""

    on: frozenset[str]
    """Links, or nodes, that it stands on."""
    serves: frozenset[str]
    """Hosts that get the packets; the cloud whose reports are heard."""
    whole: bool
    """It came to its end."""


class Standing:
    """How all strands fare under some failures."""

    def __init__(
        self,
        flows: tuple[FlowPlan, ...],
        stands: Mapping[Strand, Stand],
        doubtful: Collection[tuple[str, str]] | None = None,
    ) -> None:
        """`doubtful`: (delivery, cloud) of all that may be lost; None: each may."""
        self._flows, self._stands = flows, stands
        self.lost = tuple(
            (flow, cloud)
            for flow in flows
            for cloud in flow.clouds
            if doubtful is None or (flow.delivery, cloud) in doubtful
            if not (self.heard(flow, cloud) and self.reached(flow, cloud))
        )
        """Every cloud that a delivery does not complete for."""

    @classmethod
    def of(cls, scene: Scene, *, links: bool) -> Standing:
        """Judge every strand; `links`: they stand on links, otherwise on nodes."""
        stands: dict[Strand, Stand] = {}
        for flow in scene.plan.flows:
            stands |= _packets(scene, flow, None, links=links)
            stands |= _reports(scene, flow, flow.clouds, links=links)
        return cls(scene.plan.flows, stands)

    def after(self, scene: Scene, failed: str, *, links: bool) -> Standing:
        """Return how strands fare on `scene`, which is ours with one more failure that leaves
        advertisements as they were."""
        stands = dict(self._stands)
        moved = [s for s, at in self._stands.items() if failed in at.on or not at.whole]
        for flow in self._flows:
            of_flow = [strand for strand in moved if strand.delivery == flow.delivery]
            clouds = [strand.cloud for strand in of_flow if strand.cloud]
            if len(clouds) < len(of_flow):
                ids = {strand.bfr_id for strand in of_flow if not strand.cloud}
                stands |= _packets(scene, flow, ids, links=links)
            stands |= _reports(scene, flow, clouds, links=links)
        doubtful = {(s.delivery, host) for s in moved for host in self._stands[s].serves}
        doubtful |= {(flow.delivery, cloud) for flow, cloud in self.lost}
        return Standing(self._flows, stands, doubtful)

    @property
    def on(self) -> frozenset[str]:
        """All that something stands on."""
        return frozenset[str]().union(*(stand.on for stand in self._stands.values()))

    def reached(self, flow: FlowPlan, cloud: str) -> bool:
        """Say whether a cloud gets the packets of a flow."""
        own = self._stands.get(Strand(flow.delivery, flow.bfr_ids.get(cloud, 0)))
        if own is not None and cloud in own.serves:
            return True
        return any(  # another bit than the plan's may lead to it
            cloud in stand.serves
            for strand, stand in self._stands.items()
            if strand.delivery == flow.delivery and not strand.cloud
        )

    def heard(self, flow: FlowPlan, cloud: str) -> bool:
        """Say whether the source of a flow hears a cloud."""
        return bool(self._stands[Strand(flow.delivery, cloud=cloud)].serves)


def _packets(
    scene: Scene, flow: FlowPlan, ids: Collection[int] | None, *, links: bool
) -> Iterator[tuple[Strand, Stand]]:
    """Yield the strands of a flow's packets; `ids`: of these BFR-ids, over BIER."""
    if flow.transport is not Transport.BIER:
        found = walk(scene, flow)
        touched = found.touched_links if links else found.touched_routers
        whole = found.reached >= set(flow.clouds)
        yield Strand(flow.delivery), Stand(frozenset(touched), found.reached, whole)
        return
    trails = walk(scene, flow, ids).trails
    nothing = Stand(frozenset(), frozenset(), whole=False)
    yield from (
        (Strand(flow.delivery, bfr_id), nothing)
        for bfr_id in (flow.bfr_ids.values() if ids is None else ids)
        if bfr_id not in trails
    )
    for bfr_id, trail in trails.items():
        on = frozenset(trail.links if links else trail.routers)
        yield Strand(flow.delivery, bfr_id), Stand(on, frozenset(trail.hosts), trail.ended)


def _reports(
    scene: Scene, flow: FlowPlan, clouds: Iterable[str], *, links: bool
) -> Iterator[tuple[Strand, Stand]]:
    for cloud in clouds:
        back = scene.way_back(flow, cloud)
        on: Iterable[str] = ()
        if back.path is not None:
            on = (c.link for c in back.path.cables) if links else back.path.nodes
        heard = not back.reason
        serves = frozenset({cloud}) if heard else frozenset[str]()
        yield Strand(flow.delivery, cloud=cloud), Stand(frozenset(on), serves, heard)
