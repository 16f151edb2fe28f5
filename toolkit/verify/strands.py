"""The strands that deliveries hang by: what fares by itself, and what each of them stands on.

Pure.  Over BIER the bit of one BFER is a strand, over PIM the packets of one cloud where without
failures each cloud is served, alone or with all others: who else joins then only adds to the same
trees.  All packets of a delivery are one strand over SR-P2MP, and over PIM where clouds hang by
each other; and so are the reports of each cloud.  Law: a failure of nothing that a strand stands on
leaves it as it is, since of equal-cost ways the first is taken and a failure only takes ways away;
so only the other strands are judged again.  A strand that came nowhere is always judged again,
since what it would stand on is not known; and all are where a failure changes what is advertised
about an address that matters (`toolkit.verify.moved.Steadiness`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.verify.scene import Scene
from toolkit.verify.walk import walk
from toolkit.verify.walk_bier import walk_bier


class Strand(NamedTuple):
    """Names one."""

    delivery: str
    bfr_id: int = 0
    """Of the BFER whose bit it is; 0: packets over another transport, or reports."""
    cloud: str = ""
    """Whose reports it is; empty: packets."""
    member: str = ""
    """PIM: whose packets it is."""


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
            if packets := [strand for strand in of_flow if not strand.cloud]:
                stands |= _packets(scene, flow, packets, links=links)
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
        bier = flow.transport is Transport.BIER
        own = self._stands.get(
            Strand(flow.delivery, flow.bfr_ids.get(cloud, 0))
            if bier
            else Strand(flow.delivery, member=cloud)
        )
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
    scene: Scene, flow: FlowPlan, strands: Collection[Strand] | None, *, links: bool
) -> Iterator[tuple[Strand, Stand]]:
    """Yield how the strands of a flow's packets fare; None: all."""
    if flow.transport is Transport.BIER:
        yield from _bits(scene, flow, strands, links=links)
        return
    if strands is not None:
        for strand in strands:
            yield strand, _stand(scene, flow, strand.member, links=links)
        return
    together = _stand(scene, flow, "", links=links)
    if flow.transport.pim and together.whole:
        alone = {cloud: _stand(scene, flow, cloud, links=links) for cloud in flow.clouds}
        if all(stand.whole for stand in alone.values()):
            yield from ((Strand(flow.delivery, member=c), stand) for c, stand in alone.items())
            return
    yield Strand(flow.delivery), together


def _stand(scene: Scene, flow: FlowPlan, member: str, *, links: bool) -> Stand:
    """Return how a flow's packets fare; `member`: for one cloud alone, empty for all together."""
    found = walk(scene, flow, {member} if member else None)
    touched = found.touched_links if links else found.touched_routers
    whole = found.reached >= ({member} if member else set(flow.clouds))
    return Stand(frozenset(touched), found.reached, whole)


def _bits(
    scene: Scene, flow: FlowPlan, strands: Collection[Strand] | None, *, links: bool
) -> Iterator[tuple[Strand, Stand]]:
    ids = None if strands is None else {strand.bfr_id for strand in strands}
    trails = walk_bier(scene, flow, ids).trails
    nothing = Stand(frozenset(), frozenset(), whole=False)
    asked = flow.bfr_ids.values() if ids is None else ids
    yield from ((Strand(flow.delivery, i), nothing) for i in asked if i not in trails)
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
