"""Checks of tunnels: which routers BIER crosses in them, at what cost, and where none leads on.

Pure.  RFC 8279 sections 6.9 (routers that are no BFRs) and 6.10 (those without our BitString length
or set).  Read off the walk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.planes.bfrs import Bfr
from toolkit.planes.tunnels import tunnel_kind, unicast_tunnel
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.deliveries import spelled
from toolkit.verify.findings import Finding
from toolkit.verify.ground import Loss
from toolkit.verify.scene import Scene
from toolkit.verify.tunnels import WORDS

KINDS = ("non-bfr-crossed", "bier-tunnel-missing", "bier-tunnel-broken")


def tunnels(scene: Scene) -> Iterator[Finding]:
    """Say what is crossed, and name every tunnel that is needed and leads nowhere."""
    yield from _crossed(scene)
    for flow in scene.plan.flows_over(Transport.BIER):
        for loss in scene.walks[flow.delivery].losses:
            if loss.kind == "bier-tunnel-broken":
                yield _broken(flow, loss)
            elif loss.reason == "dropped" and loss.bfr_ids:
                yield from _missing(scene, flow, loss)


def _crossed(scene: Scene) -> Iterator[Finding]:
    by_router: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for _, walk in scene.walked():
        kinds = {(start, end): kind for start, end, kind in walk.tunnel_kinds}
        for start, between, end in walk.tunnels:
            for router in between:
                way = by_router[router][start, kinds[start, end]]
                way.add(spelled((start, *between, end)))
    for router, ways in sorted(by_router.items()):
        what = "is no BFR and" if not scene.is_bfr(router) else "is a BFR but"
        paths = sorted(path for found in ways.values() for path in found)
        kinds_used = " or ".join(sorted({kind for _start, kind in ways}))
        yield finding(
            "non-bfr-crossed",
            places.declared(scene.inventory, "routers", router),
            f"{router} {what} is crossed in {len(paths)} {kinds_used} "
            f"tunnel{'s' if len(paths) > 1 else ''}",
            evidence=[
                *paths,
                *(
                    f"{start} sends {len(found)} copies of each packet where a BFR would take one"
                    for (start, _kind), found in sorted(ways.items())
                    if len(found) > 1
                ),
            ],
            subjects=[router],
        )


def _clouds(flow: FlowPlan, loss: Loss) -> list[str]:
    return [cloud for cloud, bfr_id in flow.bfr_ids.items() if bfr_id in loss.bfr_ids]


def _broken(flow: FlowPlan, loss: Loss) -> Finding:
    clouds = _clouds(flow, loss)
    return finding(
        "bier-tunnel-broken",
        places.on(loss.router),
        loss.text,
        evidence=[f"on the way to {', '.join(clouds)}"] if clouds else (),
        subjects=[loss.router, *clouds],
    )


def _missing(scene: Scene, flow: FlowPlan, loss: Loss) -> Iterator[Finding]:
    """Where a router has no row for a BFER because no tunnel leads on, say why."""
    network = scene.network
    own = network.bfrs.of(loss.router, flow.sub_domain_id)
    if own is None or not scene.derived or flow.bsl not in own.bindings:
        return
    for bfr_id in sorted(loss.bfr_ids):
        holders = network.bfrs.holders.get((flow.sub_domain_id, bfr_id), ())
        if len(holders) == 1 and network.rows.row(own, flow.bsl, bfr_id) is None:
            (bfer,) = holders
            yield from _reasons(scene, flow, own, bfer, bfr_id)


def _reasons(scene: Scene, flow: FlowPlan, own: Bfr, bfer: Bfr, bfr_id: int) -> Iterator[Finding]:
    network, name = scene.network, own.router
    underlay, binding = network.underlay, own.bindings[flow.bsl]
    si = (bfr_id - 1) // flow.bsl
    if bfer.router not in underlay.graph.index or si > binding.max_si:
        return
    used = tunnel_kind(underlay, name)
    kind = "" if used is None else f"{WORDS[used]} "
    for number in sorted(network.rows.first_bfrs(own, flow.bsl, si, bfer.router)):
        far = network.bfrs.of(underlay.graph.names[number], flow.sub_domain_id)
        if far is None:
            continue
        hops = underlay.inward(far.router).first_hops(underlay.graph.index[name])
        why = unicast_tunnel(underlay, own, far, hops, binding.encapsulation)
        if isinstance(why, str):
            yield finding(
                "bier-tunnel-missing",
                places.on(name, f"{places.BIER}/tunnel"),
                f"no {kind}tunnel leads from {name} to {far.router}, the next BFR on the way to "
                f"BFR-id {bfr_id}: {why}",
                subjects=[name, far.router],
            )
