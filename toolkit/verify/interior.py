"""Checks of the interior gateway protocol: adjacencies, identifiers, areas, metrics.

Pure.  ISO/IEC 10589 section 8.2, RFC 2328 sections 10.5 and 10.6.  The same checks for IS-IS and
OSPF, by what the network runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from toolkit.planes.adjacency import Cut, HalfAdjacency, half_adjacencies
from toolkit.planes.interior import Protocol, identity
from toolkit.state.model import End
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene

_FAILED = frozenset({Cut.LINK_FAILED, Cut.NODE_FAILED})

_WORDS = {
    Cut.UNKNOWN_ROUTER: "there is no configuration of {node}",
    Cut.NO_INTERFACE: "{node} has no interface {port}",
    Cut.DISABLED: "{node} {port} is disabled",
    Cut.NO_ISIS: "{node} runs no IS-IS",
    Cut.NO_ISIS_INTERFACE: "{node} {port} is not in IS-IS",
    Cut.NO_OSPF: "{node} runs no OSPF",
    Cut.NO_OSPF_INTERFACE: "{node} {port} is not in OSPF",
    Cut.COST_OUT_OF_RANGE: "the OSPF cost of {node} {port} is not 1 to 65535",
    Cut.PASSIVE: "{node} {port} is passive",
    Cut.IN_VRF: "{node} {port} is in a VRF",
    Cut.NO_ADDRESS: "{node} {port} has no address",
    Cut.SUBNET_MISMATCH: "the two ends have no addresses of one subnet",
    Cut.SAME_ADDRESS: "both ends have the same address",
    Cut.SAME_SYSTEM_ID: "both routers have the same system-id",
    Cut.SAME_ROUTER_ID: "both routers have the same router-id",
    Cut.AREA_MISMATCH: "the two ends are in different areas",
    Cut.MTU_MISMATCH: "the two ends have different MTUs (RFC 2328 section 10.6)",
}


def isis(scene: Scene) -> bool:
    """Say whether the network runs IS-IS."""
    return scene.igp is Protocol.ISIS


def ospf(scene: Scene) -> bool:
    """Say whether the network runs OSPF."""
    return scene.igp is Protocol.OSPF


def several(scene: Scene) -> bool:
    """Say whether some router runs another IGP than the network's."""
    other = Protocol.OSPF if isis(scene) else Protocol.ISIS
    return any(identity(router, other) for router in scene.state.routers.values())


def adjacencies(scene: Scene) -> Iterator[Finding]:
    """Every cable between routers carries an adjacency, unless it has failed."""
    for half in half_adjacencies(scene.state, scene.down, scene.igp):
        causes = [(end, cut) for end, cut in half.causes if cut not in _FAILED]
        if not causes or len(causes) < len(half.causes):
            continue
        reasons = [_because(scene, half, end, cut) for end, cut in causes]
        end, cut = causes[0]
        at = end or half.cable.a
        a, b = half.cable.a, half.cable.b
        yield finding(
            _kind(cut for _, cut in causes) if ospf(scene) else "isis-half-adjacency",
            places.on(at.node, _cut_path(at, cut, scene.igp)),
            f"no {scene.igp.spelled} adjacency between {a.node} and {b.node}: {'; '.join(reasons)}",
            evidence=reasons,
            subjects=[half.cable.link or f"{a.node}-{b.node}", a.node, b.node],
        )


def _kind(cuts: Iterator[Cut]) -> str:
    return "ospf-area-mismatch" if Cut.AREA_MISMATCH in cuts else "ospf-half-adjacency"


def _because(scene: Scene, half: HalfAdjacency, end: End | None, cut: Cut) -> str:
    at = end or half.cable.a
    words = _WORDS[cut].format(node=at.node, port=at.port)
    if cut is Cut.AREA_MISMATCH:
        found = (f"{e.node} {e.port} {_area(scene, e)}" for e in (half.cable.a, half.cable.b))
        words = f"{words}: {', '.join(found)}"
    return words


def _area(scene: Scene, end: End) -> str:
    configured = scene.state.routers[end.node].interfaces[end.port].ospf
    return "" if configured is None else configured.area


def _cut_path(end: End, cut: Cut, protocol: Protocol) -> str:
    match cut:
        case Cut.UNKNOWN_ROUTER:
            return ""
        case Cut.NO_ISIS | Cut.SAME_SYSTEM_ID:
            return places.igp(Protocol.ISIS)
        case Cut.NO_OSPF | Cut.SAME_ROUTER_ID:
            return places.igp(Protocol.OSPF)
        case Cut.NO_ISIS_INTERFACE:
            return places.isis_interface(end.port)
        case Cut.NO_OSPF_INTERFACE:
            return places.ospf_interface(end.port)
        case Cut.PASSIVE:
            return f"{places.igp_interface(protocol, end.port)}/passive"
        case Cut.COST_OUT_OF_RANGE:
            return f"{places.ospf_interface(end.port)}/cost"
        case Cut.AREA_MISMATCH:
            return f"{places.ospf_interface(end.port)}/area"
        case Cut.MTU_MISMATCH:
            return places.network_mtu(end.port)
        case Cut.DISABLED:
            return f"{places.interface(end.port)}/enabled"
        case _:
            return places.interface(end.port)


def identifiers(scene: Scene) -> Iterator[Finding]:
    """One system-id, one router (ISO 10589 section 7.1); one router-id (RFC 2328 section 1.2)."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name, router in sorted(scene.state.routers.items()):
        if found := identity(router, scene.igp):
            owners[found].append(name)
    what = "system-id" if isis(scene) else "router-id"
    for found, names in owners.items():
        for name in names[1:]:
            yield finding(
                "duplicate-system-id" if isis(scene) else "duplicate-router-id",
                places.on(name, places.igp(scene.igp)),
                f"{name} has the {what} {found} of {names[0]}",
                evidence=[f"{n}: {found}" for n in names],
                subjects=[names[0], name],
            )


def areas(scene: Scene) -> Iterator[Finding]:
    """All OSPF interfaces are in one area: the derivation knows no area border routers."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, router in sorted(scene.state.routers.items()):
        for port, interface in sorted(router.interfaces.items()):
            if router.router_id and interface.ospf is not None:
                found[interface.ospf.area].append((name, port))
    if len(found) < 2:
        return
    usual = max(found, key=lambda area: (len(found[area]), area))
    for area in sorted(found.keys() - {usual}):
        name, port = found[area][0]
        count = len(found[area])
        yield finding(
            "ospf-several-areas",
            places.on(name, f"{places.ospf_interface(port)}/area"),
            f"{name} {port} is in area {area}, {len(found[usual])} interfaces are in {usual}",
            evidence=[f"{area}: {count} interface{'s' if count != 1 else ''}"],
            subjects=sorted({router for router, _ in found[area]}),
        )


def metrics(scene: Scene) -> Iterator[Finding]:
    """A link costs the same in both directions."""
    for adjacency in scene.adjacencies:
        a, b = adjacency.a, adjacency.b
        if a.metric != b.metric:
            leaf = "metric" if isis(scene) else "cost"
            yield finding(
                "metric-differs",
                places.on(b.end.node, f"{places.igp_interface(scene.igp, b.end.port)}/{leaf}"),
                f"{adjacency.link} costs {a.metric} from {a.end.node} and {b.metric} from "
                f"{b.end.node}",
                subjects=[adjacency.link, a.end.node, b.end.node],
            )


def alone(scene: Scene) -> Iterator[Finding]:
    """No router runs the other IGP beside the network's."""
    other = Protocol.OSPF if isis(scene) else Protocol.ISIS
    for name, router in sorted(scene.state.routers.items()):
        if identity(router, other):
            yield finding(
                "second-igp",
                places.on(name, places.igp(other)),
                f"{name} runs {other.spelled}, and the network's IGP is {scene.igp.spelled}: what "
                f"{other.spelled} says was not taken into account",
                subjects=[name],
            )
