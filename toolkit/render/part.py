"""One router's part in a plan: what its templates are told.

Pure.  Templates lay out, they do not select: which flows start or end at a router is said here
once, for every platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.inventory.model import Igp, Imposition, Platform, Transport
from toolkit.plan.model import (
    FlowPlan,
    PimPlan,
    Plan,
    PortPlan,
    QosPlan,
    RouterPlan,
    SrPlan,
    TreeNodePlan,
    TreePathPlan,
    TreePlan,
)
from toolkit.plan.mvpn import vpn_ports
from toolkit.plan.pim import pim_ports, static_rps
from toolkit.state.model import BgpSpeaker, IpAddress, IpNetwork, Mvpn, StaticRp

PROTO_1 = frozenset({Platform.JUNOS})
"""Platforms that send and expect a VPN's packets as BIER Proto 1, with a label from a domain-wide
block (RFC 9573): so seen at EANTC's test of 2026.  SR OS and VRP use 2; SR OS can be told of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PimPart:
    rps: tuple[StaticRp, ...]
    ssm_ranges: tuple[IpNetwork, ...]
    spt_switchover: bool
    ports: tuple[tuple[PortPlan, int | None], ...]
    """Ports that PIM runs on, and the version of IGMP or MLD there, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    router: RouterPlan
    imposed: tuple[FlowPlan, ...]
    """Flows that the router puts a BitString on (BFIR, `imposition: router`)."""
    delivered: tuple[tuple[FlowPlan, tuple[PortPlan, ...]], ...]
    """Flows that the router hands to clouds by its overlay (BFER, leaf), and the ports of all of
    those clouds; with PIM it is the hosts that ask."""
    sessions: tuple[tuple[FlowPlan, str], ...]
    """Deliveries that start (`ingress`) or end (`egress`) here; the start counts where both do."""
    sr: SrPlan | None
    """None: the router does no segment routing."""
    policies: tuple[tuple[FlowPlan, TreePlan], ...]
    """P2MP policies that have their root here, with their flows."""
    segments: tuple[tuple[TreePlan, TreePathPlan, TreeNodePlan], ...]
    """Replication segments of this router."""
    loopbacks: Mapping[str, IpAddress]
    """Router -> its loopback, of the routers that policies and segments name."""
    node_sids: Mapping[str, int] = field(default_factory=dict)
    """Router -> index of its node SID, of the same routers."""
    receivers: Mapping[str, tuple[IpAddress, ...]] = field(default_factory=dict)
    """Delivery that starts here -> loopbacks of the routers of its clouds, sorted."""
    trees: tuple[tuple[FlowPlan, TreePlan], ...] = ()
    """P2MP trees that the router is a node of, root included, with their flows."""
    pim: PimPart | None = None
    """None: it runs no PIM."""
    igp: Igp = Igp.ISIS
    bgp: BgpSpeaker | None = None
    """None: it speaks no BGP; the overlay is static, or it is neither edge nor reflector."""
    vpn_ports: tuple[tuple[PortPlan, int | None], ...] = ()
    """Ports in the VRF, and the version of IGMP or MLD there, if any."""
    vpn_edges: tuple[IpAddress, ...] = ()
    """Loopbacks of the other edge routers of its VPN, sorted: where its unicast packets go."""
    mvpn: Mvpn | None = None
    """Its part in the multicast VPN; None: no host of the VPN is here."""
    bier_proto: int = 2
    """BIER Proto of the VPN's packets: 2, an upstream-assigned label (RFC 8556 section 3.1), or 1
    where an edge router knows no other."""
    qos: QosPlan | None = None
    """None: routers are told nothing of classes, or this one is not."""

    def variables(self) -> Mapping[str, object]:
        """Return what a template may name."""
        return {
            "router": self.router,
            "loopback": self.router.loopback_name,
            "igp": self.igp.value,
            "bgp": self.bgp,
            "mvpn": self.mvpn,
            "vpn_ports": self.vpn_ports,
            "bier_proto": self.bier_proto,
            "vpn_edges": self.vpn_edges,
            "qos": self.qos,
            "imposed": self.imposed,
            "delivered": self.delivered,
            "sessions": self.sessions,
            "pim": self.pim,
            "sr": self.sr,
            "policies": self.policies,
            "segments": self.segments,
            "trees": self.trees,
            "loopbacks": self.loopbacks,
            "node_sids": self.node_sids,
            "receivers": self.receivers,
        }


def part_of(plan: Plan, name: str) -> Part:
    """Return router `name`'s part in `plan`."""
    router = plan.routers[name]
    segments = tuple(
        (flow.tree, path, path.nodes[name])
        for flow in plan.flows
        if flow.tree is not None
        for path in flow.tree.paths
        if name in path.nodes
    )
    delivered = []
    sessions = []
    for flow in plan.flows:
        clouds = {cloud for cloud in flow.clouds if plan.hosts[cloud].router == name}
        ports = tuple(port for port in router.ports if port.edge and port.peer in clouds)
        if ports:
            delivered.append((flow, ports))
        if flow.bfir == name:
            sessions.append((flow, "ingress"))
        elif ports:
            sessions.append((flow, "egress"))
    loopbacks = _loopbacks(plan, name, segments)
    return Part(
        router=router,
        imposed=tuple(
            flow
            for flow in plan.flows
            if flow.bfir == name
            and flow.transport is Transport.BIER
            and flow.imposition is Imposition.ROUTER
            and plan.mvpn is None
        ),
        # With MVPN edge routers tell each other, and hosts join: nothing is mapped by hand.
        delivered=tuple(
            (flow, ports)
            for flow, ports in delivered
            if not flow.transport.pim and plan.mvpn is None
        ),
        sessions=tuple(sessions),
        receivers={f.delivery: _receivers(plan, f) for f in plan.flows if f.bfir == name},
        pim=_pim_part(plan, plan.pim, router),
        sr=None if router.node_sid is None else plan.sr,
        policies=tuple((f, f.tree) for f in plan.flows if f.tree is not None and f.bfir == name),
        segments=segments,
        loopbacks=loopbacks,
        node_sids={
            peer: sid for peer in loopbacks if (sid := plan.routers[peer].node_sid) is not None
        },
        trees=tuple(
            (flow, flow.tree)
            for flow in plan.flows
            if flow.tree is not None and any(name in path.nodes for path in flow.tree.paths)
        ),
        igp=plan.igp,
        bgp=plan.mvpn.speakers.get(name) if plan.mvpn is not None else None,
        mvpn=plan.mvpn.instances.get(name) if plan.mvpn is not None else None,
        vpn_ports=vpn_ports(plan, router),
        bier_proto=_bier_proto(plan),
        vpn_edges=_vpn_edges(plan, name),
        qos=plan.qos_of(name),
    )


def _bier_proto(plan: Plan) -> int:
    edges = plan.mvpn.instances if plan.mvpn is not None else ()
    return 1 if any(plan.routers[name].platform in PROTO_1 for name in edges) else 2


def _vpn_edges(plan: Plan, name: str) -> tuple[IpAddress, ...]:
    if plan.mvpn is None or name not in plan.mvpn.instances:
        return ()
    others = (plan.routers[other].loopback.ip for other in plan.mvpn.instances if other != name)
    return tuple(sorted(others, key=int))


def _pim_part(plan: Plan, pim: PimPlan | None, router: RouterPlan) -> PimPart | None:
    if pim is None or not router.pim:
        return None
    return PimPart(
        rps=static_rps(pim),
        ssm_ranges=pim.ssm_ranges,
        spt_switchover=pim.spt_switchover,
        ports=pim_ports(plan, router),
    )


def _receivers(plan: Plan, flow: FlowPlan) -> tuple[IpAddress, ...]:
    routers = {plan.hosts[cloud].router for cloud in flow.clouds}
    return tuple(sorted((plan.routers[name].loopback.ip for name in routers), key=int))


def _loopbacks(
    plan: Plan, name: str, segments: tuple[tuple[TreePlan, TreePathPlan, TreeNodePlan], ...]
) -> dict[str, IpAddress]:
    named = {name} | {tree.root for tree, _, _ in segments}
    named |= {branch.router for _, _, node in segments for branch in node.branches}
    # A policy names the leaves of its tree (RFC 9960).
    named |= {leaf for tree, path, _ in segments if tree.root == name for leaf in path.nodes}
    return {router: plan.routers[router].loopback.ip for router in sorted(named)}
