"""Which GPU clouds lose packets until the IGP has converged, although BFRs reroute.

Pure.  draft-ietf-bier-frr, RFC 5286, RFC 7490.  A link of the tree is judged as where fast reroute
protects links, a router of it as where it protects nodes; the copy that crosses it is repaired by
the BFR that sends it, if that one sees the failure at its own interface and has a backup entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from toolkit.bier.bift import BiftKey, Copy
from toolkit.bier.bitstring import bfr_id_at, positions
from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.planes.frr import Repair
from toolkit.state.model import End
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene
from toolkit.verify.tunnels import passage

KINDS = ("reroute-missing", "reroute-partial")
_SHOWN = 12
"""Failures that are spelled out."""


def wanted(scene: Scene) -> bool:
    """Say whether any router keeps backup entries."""
    return any(router.bier.fast_reroute != "none" for router in scene.state.routers.values())


def gaps(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each delivery and scope, where some failure is not repaired at once."""
    for flow in scene.plan.flows_over(Transport.BIER):
        pairs = list(judged(scene, flow))
        for scope in ("links", "nodes"):
            lost: dict[str, set[str]] = {}
            for what, of_scope, cloud, repair in pairs:
                if of_scope == scope and repair is None:
                    lost.setdefault(what, set()).add(cloud)
            promised = {
                cloud
                for policy in scene.plan.policies
                if policy.scope == scope
                for cloud in policy.clouds or flow.clouds
            }
            for kind, due in (("reroute-missing", True), ("reroute-partial", False)):
                of_kind = {
                    what: sorted(c for c in clouds if (c in promised) is due)
                    for what, clouds in lost.items()
                }
                of_kind = {what: clouds for what, clouds in of_kind.items() if clouds}
                if of_kind:
                    yield _finding(scene, flow, kind, scope, of_kind)


def _finding(
    scene: Scene, flow: FlowPlan, kind: str, scope: str, lost: dict[str, list[str]]
) -> Finding:
    clouds = sorted({cloud for found in lost.values() for cloud in found})
    what = f"one of {len(lost)} {scope}" if len(lost) > 1 else f"a {scope[:-1]}"
    lines = [f"{name}: {', '.join(found)}" for name, found in sorted(lost.items())]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
    return finding(
        kind,
        places.declared(scene.inventory, "deliveries", flow.delivery),
        f"{len(clouds)} of {len(flow.clouds)} clouds lose packets of {flow.delivery} until the IGP "
        f"has converged when {what} fails",
        evidence=lines,
        subjects=clouds,
    )


def covers(scene: Scene) -> str:
    """Say how many pairs of a cloud and a failure are repaired, and how."""
    counted: Counter[str] = Counter()
    for flow in scene.plan.flows_over(Transport.BIER):
        for _what, _scope, _cloud, repair in judged(scene, flow):
            counted["" if repair is None else repair.kind.value] += 1
    total = counted.total()
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(counted.items()) if kind)
    return f"{total - counted['']} of {total} pairs of a cloud and a failure: {kinds or 'none'}"


def judged(scene: Scene, flow: FlowPlan) -> Iterator[tuple[str, str, str, Repair | None]]:
    """Yield (what fails, scope, cloud, repair) of every cloud whose packets would meet it.

    Nodes are judged where BFRs protect nodes, and only those that no cloud of the delivery and no
    source is attached to.
    """
    cloud_of = {bfr_id: cloud for cloud, bfr_id in flow.bfr_ids.items()}
    edges = {scene.plan.hosts[host].router for host in (flow.source, *flow.clouds)}
    for router, key, copy in scene.walks[flow.delivery].copies:
        links, nodes = _way(scene, router, copy)
        node = scene.state.routers[router].bier.fast_reroute == "node"
        for position in positions(copy.bits):
            cloud = cloud_of.get(bfr_id_at(key.si, position, key.bsl))
            if cloud is None:
                continue
            own = _repair(scene, router, key, copy, position)
            for number, link in enumerate(links):
                yield link, "links", cloud, None if number else own
            for number, name in enumerate(nodes if node else ()):
                if name not in edges:
                    avoided = own if own is not None and own.node and not number else None
                    yield name, "nodes", cloud, avoided


def _way(scene: Scene, router: str, copy: Copy) -> tuple[list[str], list[str]]:
    """Return the links and routers of a copy as far as its next BFR, in order."""
    neighbor = copy.neighbor
    if neighbor.tunnel is None:
        cable = scene.cables[End(router, neighbor.interface)]
        return [cable.link], [neighbor.router]
    way = passage(scene, router, neighbor, neighbor.tunnel, 0)
    return [cable.link for cable, _node, _size in way.steps], list(way.nodes[1:])


def _repair(scene: Scene, router: str, key: BiftKey, copy: Copy, position: int) -> Repair | None:
    plane = scene.plane(router)
    if plane is None or plane.ways is None:
        return None
    return plane.ways.repairs_of(copy.neighbor.interface, key).get(position)
