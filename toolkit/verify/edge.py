"""Checks of the network's edge: what is taken from hosts, and the class that deliveries are in.

Pure.  RFC 8279 section 9 (who may set which bits), RFC 8622 (lower effort).  What is open is a
warning, since nothing is lost by it; what is refused and needed is an error, read off the walk.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.bier.bitstring import bfr_id_at, positions
from toolkit.plan.model import PortPlan
from toolkit.state.model import EdgeProtection
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene

PROTECTION = ("edge-unprotected", "edge-source-open", "edge-bits-open")
REFUSALS = ("edge-source-refused", "edge-bits-refused")


def _ports(scene: Scene) -> Iterator[tuple[str, PortPlan, EdgeProtection]]:
    """Yield the edge ports that the plan protects: router, port, what it permits there."""
    for name, router in sorted(scene.plan.routers.items()):
        for port in router.ports:
            if port.edge and port.protection is not None:
                yield name, port, port.protection


def planned(scene: Scene) -> bool:
    """Say whether the plan protects any edge interface."""
    return next(_ports(scene), None) is not None


def guarded(scene: Scene) -> str:
    """Say how many edge interfaces are protected, of those that are planned to be."""
    ports = [(name, port.name) for name, port, _ in _ports(scene)]
    has = sum(_configured(scene, *end) is not None for end in ports)
    return f"{has} of {len(ports)} interfaces protected"


def _configured(scene: Scene, name: str, port: str) -> EdgeProtection | None:
    router = scene.state.routers.get(name)
    interface = None if router is None else router.interfaces.get(port)
    return None if interface is None else interface.protection


def protection(scene: Scene) -> Iterator[Finding]:
    """Every edge interface that the plan protects is protected, and permits no more than
    planned."""
    for name, port, wanted in _ports(scene):
        router = scene.state.routers.get(name)
        if router is None or port.name not in router.interfaces:
            continue
        at = places.on(name, places.protection(port.name))
        found = router.interfaces[port.name].protection
        if found is None:
            yield finding(
                "edge-unprotected",
                at,
                f"{name} {port.name} takes whatever {port.peer} sends: it has no protection",
                subjects=[name, port.peer],
            )
            continue
        for source in found.sources:
            if source not in wanted.sources:
                yield finding(
                    "edge-source-open",
                    at,
                    f"{name} {port.name} takes multicast from {source}, which no delivery sends "
                    "from there",
                    subjects=[name, port.peer],
                )
        yield from _open_bits(scene, name, port, wanted, found)


def _open_bits(
    scene: Scene, name: str, port: PortPlan, wanted: EdgeProtection, found: EdgeProtection
) -> Iterator[Finding]:
    bsl = next((part.bsl for part in scene.plan.routers[name].sub_domains), 256)
    ids = [
        bfr_id_at(si, position, bsl)
        for si, bits in sorted(found.bit_strings.items())
        for position in positions(bits & ~wanted.bit_strings.get(si, 0))
    ]
    if ids:
        many = f"BFR-id{'' if len(ids) == 1 else 's'} {', '.join(map(str, ids[:8]))}"
        yield finding(
            "edge-bits-open",
            places.on(name, places.protection(port.name)),
            f"{name} {port.name} lets {port.peer} address {many}"
            f"{f' and {len(ids) - 8} more' if len(ids) > 8 else ''}, where no delivery of it goes",
            subjects=[name, port.peer],
        )


def refusals(scene: Scene) -> Iterator[Finding]:
    """What a delivery sends is permitted where it enters the network."""
    for flow, walk in scene.walked():
        for loss in walk.losses:
            if loss.kind not in REFUSALS:
                continue
            clouds = [c for c, bfr_id in flow.bfr_ids.items() if bfr_id in loss.bfr_ids]
            lost = clouds or sorted(loss.clouds)
            ids = ", ".join(map(str, sorted(loss.bfr_ids)[:8]))
            yield finding(
                loss.kind,
                places.on(loss.router, loss.at),
                f"{loss.text}: {', '.join(lost[:4])}{' and others' if len(lost) > 4 else ''} "
                f"get{'s' if len(lost) == 1 else ''} no {flow.delivery}",
                evidence=[f"BFR-ids: {ids}"] if ids else [],
                subjects=[*lost, loss.router],
            )


def classes_planned(scene: Scene) -> bool:
    """Say whether the plan has a class for deliveries on any router."""
    return bool(_asked(scene))


def _asked(scene: Scene) -> list[str]:
    return [name for name in scene.plan.routers if scene.plan.qos_of(name) is not None]


def classed(scene: Scene) -> str:
    """Say how many routers have a class, and how many are somebody else's to configure."""
    asked = _asked(scene)
    states = scene.state.routers
    has = sum(name in states and states[name].qos is not None for name in asked)
    others = len(scene.plan.routers) - len(asked)
    return f"{has} of {len(asked)} routers" + (f", {others} left to others" if others else "")


def classes(scene: Scene) -> Iterator[Finding]:
    """Every router puts deliveries into the planned class."""
    for name in sorted(_asked(scene)):
        wanted, router = scene.plan.qos_of(name), scene.state.routers.get(name)
        if wanted is None or router is None:
            continue
        if router.qos is None:
            yield finding(
                "qos-class-missing",
                places.on(name, places.QOS),
                f"{name} has no class for {wanted.name} (DSCP {wanted.dscp})",
                subjects=[name],
            )
        elif router.qos.dscp != wanted.dscp:
            yield finding(
                "qos-class-differs",
                places.on(name, f"{places.QOS}/dscp"),
                f"{name} has a class for DSCP {router.qos.dscp}, and deliveries have "
                f"{wanted.name} (DSCP {wanted.dscp})",
                subjects=[name],
            )
