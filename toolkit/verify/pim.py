"""Checks of PIM: joins that stop, groups that are taken for another kind, neighbors that are none.

RFC 7761, RFC 4607, RFC 4604.  Pure.  Errors about clouds are read off the walk, so each of them
names clouds that do get no packets; what harms nobody now is said of routers and links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.state.model import End, RouterState
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.ground import Loss
from toolkit.verify.scene import Scene

TREES = ("pim-missing", "pim-interface-missing", "pim-neighbor-missing", "rpf-failure")
RP = ("rp-missing", "rp-disagreement", "rp-unreachable")
MEMBERS = ("membership-missing", "membership-version")


def _suffered(scene: Scene, kinds: Iterable[str]) -> Iterator[tuple[FlowPlan, Loss]]:
    wanted = frozenset(kinds)
    for flow in scene.plan.flows_over(Transport.PIM_SSM, Transport.PIM_SM):
        for loss in scene.walks[flow.delivery].losses:
            if loss.kind in wanted and loss.clouds:
                yield flow, loss


def _told(scene: Scene, kinds: Iterable[str]) -> Iterator[Finding]:
    for flow, loss in _suffered(scene, kinds):
        path = " > ".join(loss.path)
        yield finding(
            loss.kind,
            places.on(loss.router, loss.at),
            f"{loss.text}: {_names(loss.clouds)} get no {flow.delivery}",
            evidence=[path] if path else [],
            subjects=sorted(loss.clouds),
        )


def _names(clouds: frozenset[str]) -> str:
    named = sorted(clouds)
    more = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return ", ".join(named[:4]) + more


def trees(scene: Scene) -> Iterator[Finding]:
    """Joins get to the source, of PIM-SM to the RP, and packets come back the way they went."""
    yield from _told(scene, TREES)


def rendezvous(scene: Scene) -> Iterator[Finding]:
    """All routers of a shared tree have one RP, and it can be reached."""
    yield from _told(scene, RP)


def members(scene: Scene) -> Iterator[Finding]:
    """Edge routers understand what clouds join."""
    yield from _told(scene, MEMBERS)


def scopes(scene: Scene) -> Iterator[Finding]:
    """No TTL threshold stops packets."""
    yield from _told(scene, ("ttl-threshold-high",))


def ranges(scene: Scene) -> Iterator[Finding]:
    """A group is source-specific on every router of its trees, or on none."""
    yield from _told(scene, ("group-in-ssm-range",))
    for flow in scene.plan.flows_over(Transport.PIM_SSM):
        for name in sorted(scene.walks[flow.delivery].touched_routers):
            router = scene.state.routers.get(name)
            if router is None or router.pim is None:
                continue
            held = router.pim.ssm_ranges
            if not any(g.version == flow.group.version and flow.group in g for g in held):
                yield finding(
                    "ssm-range-missing",
                    places.on(name, places.SSM_RANGES),
                    f"{name} does not take {flow.group} of {flow.delivery} for source-specific: "
                    "it would look for an RP",
                    subjects=[name],
                )


def neighbors(scene: Scene) -> Iterator[Finding]:
    """PIM runs at both ends of a link between PIM routers, or at neither."""
    hosts = scene.state.hosts
    for cable in scene.state.cables:
        ends = (cable.a, cable.b)
        if any(end.node in hosts for end in ends):
            continue
        sides = [(scene.state.routers.get(end.node), end) for end in ends]
        runs = [_runs(router, end) for router, end in sides]
        if None in runs or runs[0] == runs[1]:
            continue
        silent = ends[runs.index(False)]
        speaks = ends[runs.index(True)]
        yield finding(
            "pim-half-adjacency",
            places.on(silent.node, places.pim_interface(silent.port)),
            f"{cable.link}: {speaks.node} runs PIM on it and {silent.node} does not",
            subjects=[cable.link],
        )


def _runs(router: RouterState | None, end: End) -> bool | None:
    """Return whether PIM runs at an end; None: the router runs none at all, or has no such port."""
    if router is None or router.pim is None or end.port not in router.interfaces:
        return None
    return router.interfaces[end.port].pim
