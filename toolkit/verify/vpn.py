"""Checks of BGP MVPN: sessions, and whether the joins of clouds come to the router of the source.

Pure.  RFC 6513, RFC 6514, RFC 8556.  What keeps a join from its root is the derivation's own reason
(`toolkit.planes.mvpn`), in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.inventory.model import Transport
from toolkit.plan.model import FlowPlan
from toolkit.planes.bgp import SessionCut
from toolkit.planes.mvpn_model import Join, JoinCut
from toolkit.state.model import RouterState
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene

SESSIONS = ("mvpn-session-half", "mvpn-session-unreachable")
JOINS = (
    "mvpn-interface-missing", "membership-missing", "mvpn-routes-unheard",
    "mvpn-route-target-mismatch", "mvpn-tunnel-mismatch", "mvpn-policy-missing",
)  # fmt: skip

_SESSION = {
    SessionCut.UNKNOWN: "no router has that address",
    SessionCut.AMBIGUOUS: "two routers have that address",
    SessionCut.ONE_SIDED: "{peer} does not have {router} for a neighbor",
    SessionCut.OTHER_AS: "{peer} is in another AS",
    SessionCut.SAME_ROUTER_ID: "{peer} has the same BGP identifier",
    SessionCut.UNREACHABLE: "no route leads there, or none back",
}
_UNREACHABLE = frozenset({SessionCut.UNKNOWN, SessionCut.AMBIGUOUS, SessionCut.UNREACHABLE})


def used(scene: Scene) -> bool:
    """Say whether the overlay is BGP MVPN, by the plan or by the configurations."""
    return scene.plan.mvpn is not None or scene.network.overlay is not None


def established(scene: Scene) -> str:
    """Say how many sessions stand."""
    overlay = scene.network.overlay
    peers = {} if overlay is None else overlay.sessions.peers
    return f"{sum(map(len, peers.values())) // 2} sessions stand"


def joined(scene: Scene) -> str:
    """Say how many joins stand."""
    overlay = scene.network.overlay
    found = () if overlay is None else overlay.joins
    return f"{sum(join.cut is None for join in found)} of {len(scene.members)} joins"


def sessions(scene: Scene) -> Iterator[Finding]:
    """Every BGP neighbor that is configured is one."""
    overlay = scene.network.overlay
    for gap in () if overlay is None else overlay.sessions.gaps:
        words = _SESSION[gap.cut].format(router=gap.router, peer=gap.peer)
        # What the other end lacks is configured there.
        there = gap.cut is SessionCut.ONE_SIDED
        yield finding(
            "mvpn-session-unreachable" if gap.cut in _UNREACHABLE else "mvpn-session-half",
            places.on(gap.peer, places.BGP)
            if there
            else places.on(gap.router, places.bgp_neighbor(gap.address)),
            f"{gap.router} has no BGP session with {gap.peer or gap.address}: {words}",
            subjects=[gap.router, *([gap.peer] if gap.peer else [])],
        )


def joins(scene: Scene) -> Iterator[Finding]:
    """The join of every cloud comes to the edge router of its source."""
    overlay = scene.network.overlay
    for flow in scene.plan.flows:
        source = scene.plan.hosts[flow.source]
        root = scene.state.routers.get(flow.bfir)
        if root is None or flow.bfir in scene.down.nodes:
            continue
        if not _in_vrf(root, source.router_port):
            yield _apart(flow.bfir, root, source.router_port, flow, flow.source)
        elif flow.transport is Transport.SR_P2MP:
            yield from _policies(flow, root)
        for join in () if overlay is None else overlay.joins:
            if join.cut is not None and join.member.host in flow.clouds and _of(flow, join):
                yield from _lost(scene, flow, join)
        if overlay is None:
            for cloud in flow.clouds:
                host = scene.plan.hosts[cloud]
                router = scene.state.routers.get(host.router)
                if router is not None:
                    yield _apart(host.router, router, host.router_port, flow, cloud)


def _of(flow: FlowPlan, join: Join) -> bool:
    return (join.member.source, join.member.group) == (flow.source_address, flow.group)


def _in_vrf(router: RouterState, port: str) -> bool:
    return any(port in vrf.interfaces for vrf in router.mvpns)


def _apart(name: str, router: RouterState, port: str, flow: FlowPlan, host: str) -> Finding:
    vrf = next((v.name for v in router.mvpns), "")
    return finding(
        "mvpn-interface-missing",
        places.on(name, f"{places.vpn(vrf)}/interface" if vrf else places.VPNS),
        f"{name} {port}, where {host} of {flow.delivery} is, is in no multicast VPN",
        subjects=[host, name],
    )


def _policies(flow: FlowPlan, root: RouterState) -> Iterator[Finding]:
    """The tree of a flow is among the tunnels that its root gave the VPN."""
    key = flow.source_address, flow.group
    trees = {(f.root, f.tree_id) for f in root.tree_flows if (f.source, f.group) == key}
    named = {policy for vrf in root.mvpns for policy in vrf.policies}
    for policy in root.p2mp_policies:
        if (policy.root, policy.tree_id) in trees and policy.name not in named:
            vrf = root.mvpns[0].name
            yield finding(
                "mvpn-policy-missing",
                places.on(root.name, f"{places.vpn(vrf)}/policy"),
                f"{root.name} does not use the policy {policy.name} for the VPN {vrf}, so "
                f"{flow.delivery} goes on no tree",
                subjects=[root.name, *flow.clouds],
            )


def _lost(scene: Scene, flow: FlowPlan, join: Join) -> Iterator[Finding]:
    router = scene.state.routers[join.router]
    vrf = next((v for v in router.mvpns if join.port in v.interfaces), None)
    at = places.VPNS if vrf is None else places.vpn(vrf.name)
    who, root = f"{join.member.host} gets no {flow.delivery}", join.root
    match join.cut:
        case JoinCut.NOT_IN_VRF:
            yield _apart(join.router, router, join.port, flow, join.member.host)
            return
        case JoinCut.NO_MEMBERSHIP:
            kind, at = "membership-missing", places.membership(join.port)
            text = f"hosts cannot join source-specific groups at {join.router} {join.port}"
        case JoinCut.NOT_HEARD | JoinCut.NEXT_HOP:
            kind, at = "mvpn-routes-unheard", places.BGP
            text = f"BGP routes do not pass between {join.router} and {root}"
            if join.cut is JoinCut.NEXT_HOP:
                text = f"no unicast route leads from {join.router} to {root}, or none back"
        case JoinCut.ROUTE_TARGET:
            kind, at = "mvpn-route-target-mismatch", f"{at}/route-target"
            theirs = {v.route_target for v in scene.state.routers[root].mvpns}
            ours = "" if vrf is None else vrf.route_target
            text = f"{join.router} has the route target {ours} and {root} {_names(theirs)}"
        case JoinCut.TUNNEL_TYPE:
            kind, at = "mvpn-tunnel-mismatch", f"{at}/tunnel"
            theirs = {v.tunnel for v in scene.state.routers[root].mvpns}
            ours = "" if vrf is None else vrf.tunnel
            text = f"{join.router} has {ours} tunnels and {root} {_names(theirs)}"
        case JoinCut.SUB_DOMAIN:
            kind, at = "mvpn-tunnel-mismatch", f"{at}/sub-domain"
            text = f"{join.router} and {root} use different sub-domains for the VPN"
        case _:  # other checks name it: the link of a host, the source's VRF, a BFR-id
            return
    yield finding(
        kind, places.on(join.router, at), f"{text}: {who}", subjects=[join.member.host, join.router]
    )


def _names(values: set[str]) -> str:
    return ", ".join(sorted(values)) or "none"
