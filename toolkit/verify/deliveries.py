"""Checks of what happens to a delivery's packets: who gets them, how often, and what stops them.

Pure.  Everything is read off the walk (`toolkit.verify.walk`), the ways back of reports
(`toolkit.verify.reports`) and the unicast tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.srp2mp import engine as srp2mp
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.ground import TTL, Loss, Walk, hosts_of
from toolkit.verify.rows import missing_row
from toolkit.verify.scene import Scene

_SHOWN = 8
"""Routers of a path that are spelled out."""


def reached(scene: Scene) -> Iterator[Finding]:
    """Every cloud of a delivery gets its packets, and nobody else does."""
    for flow, walk in scene.walked():
        for cloud in flow.clouds:
            if cloud not in walk.reached:
                reasons = why_lost(scene, flow, walk, cloud)
                yield finding(
                    "cloud-unreached",
                    places.declared(scene.inventory, "clouds", cloud),
                    f"{cloud} does not get {flow.delivery}: {reasons[0]}",
                    evidence=reasons,
                    subjects=[cloud],
                )
        for host in sorted(walk.reached - set(flow.clouds)):
            arrival = hosts_of(walk.arrivals)[host][0]
            at = scene.plan.hosts.get(host)
            yield finding(
                "cloud-unasked",
                places.on(
                    arrival.path[-1],
                    f"{places.flow('egress', flow.source_address, flow.group)}/interface",
                ),
                f"{host} gets {flow.delivery} and is not in it",
                evidence=[spelled(arrival.path) + (f" > {at.router_port}" if at else "")],
                subjects=[host],
            )


def why_lost(scene: Scene, flow: FlowPlan, walk: Walk, cloud: str) -> list[str]:
    """Return why `cloud` is not reached, the deepest reason first; never empty."""
    if flow.transport is not Transport.BIER:
        return _why_not_delivered(flow, walk, cloud)
    bfr_id, router = flow.bfr_ids[cloud], scene.plan.hosts[cloud].router
    losses = [
        loss
        for loss in walk.losses
        if bfr_id in loss.bfr_ids or (not loss.bfr_ids and loss.router == router)
    ]
    reasons = [r for loss in losses for r in missing_row(scene, loss.router, flow, cloud)]
    reasons += [
        f"{loss.text} ({spelled(loss.path)})" if loss.path else loss.text for loss in losses
    ]
    if reasons:
        return list(dict.fromkeys(reasons))
    sub_domain = scene.sub_domain(router, flow.sub_domain_id)
    found = None if sub_domain is None else sub_domain.bfr_id
    if found != bfr_id:
        has = "none" if found is None else str(found)
        return [f"its bit is that of BFR-id {bfr_id}, and {router} has {has}"]
    if any(router == arrival.path[-1] for arrival in walk.arrivals):
        return [f"{router} gets the packets and does not hand them to {cloud}"]
    return [f"the packets do not come to {router}"]


def _why_not_delivered(flow: FlowPlan, walk: Walk, cloud: str) -> list[str]:
    losses = [loss for loss in walk.losses if cloud in loss.clouds]
    reasons = [f"{loss.text} ({spelled(loss.path)})" if loss.path else loss.text for loss in losses]
    return list(dict.fromkeys(reasons)) or [f"no copy of {flow.delivery} is made for it"]


def spelled(path: tuple[str, ...]) -> str:
    """Return the routers of a path; of a long one its ends."""
    if len(path) > _SHOWN:
        half = _SHOWN // 2
        path = (*path[:half], f"({len(path) - 2 * half} more)", *path[-half:])
    return " > ".join(path)


def duplicates(scene: Scene) -> Iterator[Finding]:
    """No cloud gets a packet twice."""
    for flow, walk in scene.walked():
        for host, arrivals in sorted(hosts_of(walk.arrivals).items()):
            if len(arrivals) > 1:
                yield finding(
                    "cloud-duplicate",
                    places.declared(scene.inventory, "clouds", host),
                    f"{host} gets every packet of {flow.delivery} {len(arrivals)} times",
                    evidence=[spelled(arrival.path) for arrival in arrivals],
                    subjects=[host],
                )


def loops(scene: Scene) -> Iterator[Finding]:
    """No packet meets a router twice, over BIER with the same bit."""
    for flow, walk in scene.walked():
        for loss in walk.losses:
            if loss.reason == "loop" and not loss.kind:
                yield finding(
                    "forwarding-loop",
                    places.on(loss.router),
                    f"packets of {flow.delivery} loop: {spelled(loss.path)}",
                    evidence=[_ids(loss)],
                    subjects=[*dict.fromkeys(loss.path), *_clouds(flow, loss)],
                )


def ttl(scene: Scene) -> Iterator[Finding]:
    """No path has more hops than the TTL allows."""
    for flow, walk in scene.walked():
        for loss in walk.losses:
            if loss.reason == "ttl":
                yield finding(
                    "ttl-exceeded",
                    places.on(loss.router),
                    f"packets of {flow.delivery} die at {loss.router}, {len(loss.path)} "
                    f"{_hops(flow)} from the source: the TTL is {_ttl(flow)}",
                    evidence=[spelled(loss.path), _ids(loss)],
                    subjects=_clouds(flow, loss),
                )


def sizes(scene: Scene) -> Iterator[Finding]:
    """Every link of the tree carries the largest packet with all its headers."""
    for flow, walk in scene.walked():
        for loss in walk.losses:
            if loss.reason != "mtu" or loss.link is None:
                continue
            ends = (loss.link.a, loss.link.b)
            small = min(ends, key=lambda e: (scene.mtu(e) or 1 << 16, e.node in scene.plan.hosts))
            host = scene.plan.hosts.get(small.node)
            section = "repositories" if host and host.kind == "repository" else "clouds"
            yield finding(
                "mtu-too-small",
                places.declared(scene.inventory, section, host.name)
                if host
                else places.on(small.node, places.network_mtu(small.port)),
                f"packets of {flow.delivery} do not pass {loss.link.link}: {loss.text}",
                evidence=[f"payload {flow.payload} bytes; the rest are {_headers(flow)} headers"],
                subjects=[loss.link.link, *_clouds(flow, loss)],
            )


def _headers(flow: FlowPlan) -> str:
    match flow.transport:
        case Transport.BIER:
            return "UDP, IP, BIER and tunnel"
        case Transport.PIM_SM:
            return "UDP, IP and Register"
        case Transport.SR_P2MP:
            return "UDP, IP and MPLS"
        case Transport.PIM_SSM:
            return "UDP and IP"


def _ttl(flow: FlowPlan) -> int:
    return srp2mp.TTL if flow.transport is Transport.SR_P2MP else TTL


def _hops(flow: FlowPlan) -> str:
    return "BFRs" if flow.transport is Transport.BIER else "routers"


def _clouds(flow: FlowPlan, loss: Loss) -> list[str]:
    known = [cloud for cloud, bfr_id in flow.bfr_ids.items() if bfr_id in loss.bfr_ids]
    return known or sorted(loss.clouds)


def _ids(loss: Loss) -> str:
    if loss.clouds:
        return f"on the way to {', '.join(sorted(loss.clouds))}"
    ids = ", ".join(map(str, sorted(loss.bfr_ids)))
    return f"BFR-id{'' if len(loss.bfr_ids) == 1 else 's'} {ids}"


def bfr_prefix_routes(scene: Scene) -> Iterator[Finding]:
    """Every BFR that the source reaches has a route to the BFR-prefix of every BFER that is up."""
    for flow in scene.plan.flows_over(Transport.BIER):
        # With a VPN nobody but edge routers knows the source: what counts is the BFIR.
        edge = scene.plan.routers[flow.bfir].loopback.ip
        source = scene.plan.hosts[flow.source].address.ip if scene.plan.mvpn is None else edge
        bfrs = [name for name in sorted(scene.routed(source)) if scene.is_bfr(name)]
        for router in dict.fromkeys(scene.plan.hosts[cloud].router for cloud in flow.clouds):
            part = scene.sub_domain(router, flow.sub_domain_id)
            if part is None or router in scene.down.nodes:
                continue
            prefix = part.bfr_prefix
            routed = scene.routed(prefix.network_address)
            without = [name for name in bfrs if name != router and name not in routed]
            if without:
                yield finding(
                    "bfr-prefix-unreachable",
                    places.on(router, f"{places.sub_domain(flow.sub_domain_id)}/bfr-prefix"),
                    f"{len(without)} BFRs, {without[0]} among them, have no route to {prefix}, "
                    f"the BFR-prefix of {router}",
                    evidence=[f"no route: {', '.join(without)}"],
                    subjects=[router],
                )


def report_paths(scene: Scene) -> Iterator[Finding]:
    """The source hears every cloud: reports come by unicast."""
    for flow in scene.plan.flows:
        for cloud in flow.clouds:
            back = scene.ways_back[flow.delivery, cloud]
            place = places.declared(scene.inventory, "clouds", cloud)
            way = [spelled(back.path.nodes)] if back.path is not None else []
            if back.reason:
                yield finding(
                    "report-path-missing",
                    place,
                    f"{flow.source} does not hear {cloud} during {flow.delivery}: {back.reason}",
                    evidence=way,
                    subjects=[cloud],
                )
            elif back.narrow is not None:
                yield finding(
                    "report-path-narrow",
                    place,
                    f"large reports of {cloud} to {flow.source} do not fit {back.narrow.link}",
                    evidence=way,
                    subjects=[cloud, back.narrow.link],
                )


def unserved(scene: Scene) -> Iterator[tuple[FlowPlan, str, list[str]]]:
    """Yield (flow, cloud, reasons) of every cloud that a delivery does not complete for.

    It does not get the packets, or the source does not hear it.
    """
    for flow, walk in scene.walked():
        for cloud in flow.clouds:
            reasons = why_unserved(scene, flow, walk, cloud, reached=cloud in walk.reached)
            if reasons:
                yield flow, cloud, reasons


def why_unserved(
    scene: Scene, flow: FlowPlan, walk: Walk, cloud: str, *, reached: bool
) -> list[str]:
    """Return why a delivery does not complete for `cloud`; empty: it does.

    `walk`: one of this flow that the cloud was addressed in.
    """
    if not reached:
        return why_lost(scene, flow, walk, cloud)
    reason = scene.way_back(flow, cloud).reason
    return [f"its reports are not heard: {reason}"] if reason else []
