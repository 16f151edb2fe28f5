"""The verification of a network state: all checks in one table, and one function that runs them.

Pure.  A check is a function from a `Scene` to findings; it does not know the others.  To add one:
the function, its line in `CHECKS`, its kinds in the catalogue.  Law: a check that finds no error
has passed and says what it covered; one that cannot be made is "not run" with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Inventory, Transport
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.plane import Plane
from toolkit.state.model import NetworkState
from toolkit.verify import (
    bfrs,
    crossings,
    deliveries,
    edge,
    interior,
    neighbors,
    overlay,
    pim,
    reroute,
    trees,
    underlay,
    vpn,
)
from toolkit.verify.difference import config_findings
from toolkit.verify.findings import Check, Finding, Report, Severity
from toolkit.verify.scene import Scene


@dataclass(frozen=True, slots=True)
class CheckKind:
    """One line of the table."""

    id: str
    title: str
    kinds: tuple[str, ...]
    """Ids of the findings it can make."""
    run: Callable[[Scene], Iterable[Finding]]
    skip: Callable[[Scene], str] = lambda _: ""
    """Why it cannot be made on this scene; empty: it can."""
    covers: Callable[[Scene], str] = lambda _: ""
    """What it covered, in a few words."""
    over: frozenset[Transport] = frozenset(Transport)
    """Transports that it is about; where no delivery uses one of them, it has no place."""
    applies: Callable[[Scene], bool] = lambda _: True
    """False: it has no place on this scene."""


def _difference(scene: Scene) -> Iterable[Finding]:
    return () if scene.intended is None else config_findings(scene.intended, scene.state)


def _no_intention(scene: Scene) -> str:
    return "" if scene.intended is not None else "only the plan was looked at, no configuration"


def _reached(scene: Scene) -> str:
    reached = sum(len(walk.reached & set(flow.clouds)) for flow, walk in scene.walked())
    return f"{reached} of {sum(len(flow.clouds) for flow in scene.plan.flows)} reached"


def _heard(scene: Scene) -> str:
    heard = sum(not back.reason for back in scene.ways_back.values())
    return f"{heard} of {len(scene.ways_back)} heard"


def _adjacent(scene: Scene) -> str:
    hosts = scene.state.hosts
    core = [c for c in scene.state.cables if c.a.node not in hosts and c.b.node not in hosts]
    return f"{len(scene.adjacencies)} of {len(core)} links"


def _compared(scene: Scene) -> str:
    return f"{len(scene.state.routers)} routers"


_BIER = frozenset({Transport.BIER})
_PIM = frozenset({Transport.PIM_SSM, Transport.PIM_SM})
_PIM_SM = frozenset({Transport.PIM_SM})
_SR = frozenset({Transport.SR_P2MP})
_OVERLAY = frozenset({Transport.BIER, Transport.SR_P2MP})

CHECKS: tuple[CheckKind, ...] = (
    CheckKind("delivery-reached", "Every cloud gets every packet",
              ("cloud-unreached", "cloud-unasked"), deliveries.reached, covers=_reached),
    CheckKind("delivery-once", "No cloud gets a packet twice",
              ("cloud-duplicate",), deliveries.duplicates),
    CheckKind("delivery-loops", "No packet loops",
              ("forwarding-loop",), deliveries.loops),
    CheckKind("delivery-ttl", "No path is longer than the TTL",
              ("ttl-exceeded",), deliveries.ttl),
    CheckKind("delivery-size", "Every link of the tree carries the largest packet",
              ("mtu-too-small",), deliveries.sizes),
    CheckKind("delivery-reports", "The source hears the reports of every cloud",
              ("report-path-missing", "report-path-narrow"), deliveries.report_paths,
              covers=_heard),
    CheckKind("overlay-flows", "Every edge router has its overlay flows",
              ("overlay-missing", "egress-interface-hostless"), overlay.flows, over=_OVERLAY,
              applies=overlay.static),
    CheckKind("overlay-imposition", "Hosts may impose BIER where a source does, and nowhere else",
              ("host-imposition-refused", "host-imposition-open"), overlay.imposition, over=_BIER),
    CheckKind("edge-protection", "Edge interfaces take what deliveries send, and nothing else",
              edge.PROTECTION, edge.protection, covers=edge.guarded, applies=edge.planned),
    CheckKind("edge-refusals", "No edge interface refuses a delivery",
              edge.REFUSALS, edge.refusals),
    CheckKind("qos-class", "Every router has the planned class for deliveries",
              ("qos-class-missing", "qos-class-differs"), edge.classes, covers=edge.classed,
              applies=edge.classes_planned),
    CheckKind("mvpn-sessions", "BGP sessions stand between the routers of the VPN",
              vpn.SESSIONS, vpn.sessions, covers=vpn.established, applies=vpn.used),
    CheckKind("mvpn-joins", "Every cloud's join comes to the router of its source",
              vpn.JOINS, vpn.joins, covers=vpn.joined, applies=vpn.used),
    CheckKind("bfr-id-unique", "BFR-ids are unique",
              ("bfr-id-collision",), bfrs.bfr_id_collisions, over=_BIER),
    CheckKind("bfr-id-dense", "BFR-ids are dense",
              ("bfr-id-gap",), bfrs.bfr_id_density, over=_BIER),
    CheckKind("bfr-id-edges", "Every edge router of a delivery has a BFR-id",
              ("bfr-id-missing",), bfrs.bfr_ids_of_edges, over=_BIER),
    CheckKind("bfr-prefix", "BFR-prefixes are unique and advertised",
              ("bfr-prefix-duplicate", "bfr-prefix-not-advertised"), bfrs.bfr_prefixes, over=_BIER),
    CheckKind("bfr-prefix-routes", "Every BFR has a route to every BFR-prefix it needs",
              ("bfr-prefix-unreachable",), deliveries.bfr_prefix_routes, over=_BIER),
    CheckKind("bier-neighbors", "BIER neighbors agree on sub-domain, BSL and encapsulation",
              ("bier-half-adjacency", "sub-domain-mismatch", "bsl-mismatch",
               "encapsulation-mismatch", "bift-id-disagreement"), neighbors.bier, over=_BIER),
    CheckKind("bift-ids", "What a BFR sends is what its neighbor understands",
              ("bift-id-disagreement",), neighbors.bift_ids, over=_BIER),
    CheckKind("bift-id-blocks", "Blocks of BIFT-ids do not overlap",
              ("bift-id-overlap",), bfrs.bift_id_blocks, over=_BIER),
    CheckKind("bift-sets", "Every BFR has a BIFT for each set in use",
              ("set-missing",), bfrs.sets, over=_BIER),
    CheckKind("non-bfrs", "Routers that are no BFRs are crossed in tunnels",
              crossings.KINDS, crossings.tunnels, over=_BIER),
    CheckKind("fast-reroute", "Backup entries serve every cloud until the IGP has converged",
              reroute.KINDS, reroute.gaps, covers=reroute.covers, over=_BIER,
              applies=reroute.wanted),
    CheckKind("pim-members", "Every cloud can join at its edge router",
              pim.MEMBERS, pim.members, over=_PIM),
    CheckKind("pim-trees", "Every join gets to its root, and packets come back that way",
              pim.TREES, pim.trees, over=_PIM),
    CheckKind("pim-rp", "Routers agree on the RP, and reach it",
              pim.RP, pim.rendezvous, over=_PIM_SM),
    CheckKind("pim-ranges", "Groups are source-specific on all routers alike",
              ("group-in-ssm-range", "ssm-range-missing"), pim.ranges, over=_PIM),
    CheckKind("pim-neighbors", "PIM runs at both ends of every link between PIM routers",
              ("pim-half-adjacency",), pim.neighbors, over=_PIM),
    CheckKind("pim-scopes", "No TTL threshold stops packets",
              ("ttl-threshold-high",), pim.scopes, over=_PIM),
    CheckKind("tree-root", "The root puts every delivery on its tree",
              trees.IMPOSITION, trees.root, over=_SR),
    CheckKind("tree-segments", "The tree leads once to a leaf of every cloud",
              trees.SEGMENTS, trees.segments, over=_SR),
    CheckKind("tree-branches", "Every copy has a way to the next node of the tree",
              trees.BRANCHES, trees.branches, over=_SR),
    CheckKind("tree-paths", "Every candidate path could carry its delivery",
              ("candidate-path-invalid", "candidate-path-broken"), trees.candidate_paths, over=_SR),
    CheckKind("labels", "Label blocks, node SIDs and MPLS agree throughout",
              ("srgb-mismatch", "node-sid-unused", "mpls-half-adjacency"), trees.labels, over=_SR),
    CheckKind("isis-adjacencies", "Every link carries an IS-IS adjacency",
              ("isis-half-adjacency",), interior.adjacencies, covers=_adjacent,
              applies=interior.isis),
    CheckKind("isis-system-ids", "IS-IS system-ids are unique",
              ("duplicate-system-id",), interior.identifiers, applies=interior.isis),
    CheckKind("ospf-adjacencies", "Every link carries an OSPF adjacency",
              ("ospf-half-adjacency", "ospf-area-mismatch"), interior.adjacencies,
              covers=_adjacent, applies=interior.ospf),
    CheckKind("ospf-router-ids", "OSPF router-ids are unique",
              ("duplicate-router-id",), interior.identifiers, applies=interior.ospf),
    CheckKind("ospf-areas", "OSPF has one area",
              ("ospf-several-areas",), interior.areas, applies=interior.ospf),
    CheckKind("igp-metrics", "Both directions of a link cost the same",
              ("metric-differs",), interior.metrics),
    CheckKind("igp-alone", "No router runs a second IGP",
              ("second-igp",), interior.alone, applies=interior.several),
    CheckKind("addresses", "Addresses are unique",
              ("duplicate-address",), underlay.addresses),
    CheckKind("mtus", "Both ends of a link have one MTU",
              ("mtu-mismatch",), underlay.mtus),
    CheckKind("configuration", "Configurations are what the plan says",
              ("config-differs", "config-missing", "config-unknown"), _difference, _no_intention,
              _compared),
)  # fmt: skip


def verify_state(
    plan: Plan,
    state: NetworkState,
    *,
    down: Failures = NO_FAILURES,
    intended: NetworkState | None = None,
    inventory: Inventory | None = None,
    planes: Mapping[str, Plane] | None = None,
) -> Report:
    """Return every finding about `state`, measured against `plan`.

    `down`: what has failed.  `intended`: the plan's own state, to compare configurations with.
    `inventory`: where findings about clouds and links are placed.  `planes`: forwarding tables to
    use instead of those that follow from the state.
    """
    scene = Scene(plan, state, down=down, intended=intended, inventory=inventory, planes=planes)
    return examine(scene)


def examine(scene: Scene) -> Report:
    """Run all checks on a scene."""
    findings: dict[Finding, None] = {}
    checks = []
    used = frozenset(flow.transport for flow in scene.plan.flows) or frozenset(Transport)
    for kind in CHECKS:
        if not used & kind.over or not kind.applies(scene):
            continue
        reason = kind.skip(scene)
        found = [] if reason else list(kind.run(scene))
        findings |= dict.fromkeys(found)
        checks.append(
            check_of(
                kind.id,
                kind.title,
                kind.kinds,
                found,
                reason or kind.covers(scene),
                not_run=bool(reason),
            )
        )
    return Report(findings=tuple(findings), checks=tuple(checks))


def check_of(
    check_id: str,
    title: str,
    kinds: tuple[str, ...],
    found: Iterable[Finding],
    reason: str = "",
    *,
    not_run: bool = False,
) -> Check:
    """Return the record of one check: it failed when it found an error."""
    failed = any(f.severity is Severity.ERROR for f in found)
    status = "not run" if not_run else "failed" if failed else "passed"
    return Check(id=check_id, title=title, status=status, reason=reason, kinds=kinds)
