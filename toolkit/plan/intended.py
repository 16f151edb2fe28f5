"""The network state that a plan intends: what every router says when it is configured as planned.

Pure.  This is the yardstick that rendered payloads and running configurations are compared with, so
it says what a reader of the configuration would, and nothing more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from toolkit.inventory.model import Igp, Imposition, Transport
from toolkit.plan.intended_sr import policies_of, routing_of, segments_of, tree_flows_of
from toolkit.plan.members import members_of
from toolkit.plan.model import FlowPlan, Plan, PortPlan, RouterPlan
from toolkit.plan.mvpn import with_mvpn
from toolkit.plan.pim import with_pim
from toolkit.state.model import (
    BierEncapsulation,
    EgressFlow,
    IngressFlow,
    Interface,
    IsisInterface,
    NetworkState,
    OspfInterface,
    QosClass,
    RouterState,
    Session,
    Source,
    SubDomain,
)


def intended_state(plan: Plan) -> NetworkState:
    """Return the state of all routers, in the order of the plan."""
    ingress: defaultdict[str, list[FlowPlan]] = defaultdict(list)
    egress: defaultdict[str, list[FlowPlan]] = defaultdict(list)
    for flow in plan.flows:
        ingress[flow.bfir].append(flow)
        for router in dict.fromkeys(plan.hosts[cloud].router for cloud in flow.clouds):
            egress[router].append(flow)
    return NetworkState(
        source=Source.PLAN,
        routers={
            name: _whole(plan, router, ingress[name], egress[name])
            for name, router in plan.routers.items()
        },
        cables=plan.cables,
        hosts=frozenset(plan.hosts),
        members=members_of(plan),
    )


def intended_router(plan: Plan, name: str) -> RouterState:
    """Return the state of one router."""
    ingress = [flow for flow in plan.flows if flow.bfir == name]
    here = {host.name for host in plan.hosts.values() if host.router == name}
    egress = [flow for flow in plan.flows if not here.isdisjoint(flow.clouds)]
    return _whole(plan, plan.routers[name], ingress, egress)


def _whole(
    plan: Plan, router: RouterPlan, ingress: Iterable[FlowPlan], egress: Iterable[FlowPlan]
) -> RouterState:
    ingress, egress = list(ingress), list(egress)
    state = with_pim(plan, router, _router(plan, router, ingress, egress))
    return with_mvpn(plan, router, state)


def _router(
    plan: Plan, router: RouterPlan, ingress: Iterable[FlowPlan], egress: Iterable[FlowPlan]
) -> RouterState:
    isis = plan.igp is Igp.ISIS
    held = plan.qos_of(router.name)
    return RouterState(
        name=router.name,
        system_id=router.system_id if isis else "",
        areas=(router.area,) if isis else (),
        router_id="" if isis else router.router_id,
        interfaces={
            router.loopback_name: Interface(
                name=router.loopback_name,
                addresses=(router.loopback,),
                isis=IsisInterface(passive=True) if isis else None,
                ospf=None if isis else OspfInterface(passive=True, area=router.ospf_area),
            ),
            **{port.name: _interface(router, port, isis=isis) for port in router.ports},
        },
        sub_domains=tuple(
            SubDomain(
                sub_domain_id=sub_domain.sub_domain_id,
                bfr_prefix=router.loopback.network,
                bfr_id=sub_domain.bfr_id,
                encapsulations=(
                    BierEncapsulation(
                        kind=sub_domain.encapsulation.value,
                        bsl=sub_domain.bsl,
                        base=sub_domain.bift_id_base,
                        max_si=sub_domain.max_si,
                    ),
                ),
            )
            for sub_domain in router.sub_domains
        ),
        bier=router.bier,
        ingress_flows=tuple(
            IngressFlow(
                source=flow.source_address,
                group=flow.group,
                sub_domain_id=flow.sub_domain_id,
                bsl=flow.bsl,
                sets=dict(sorted(flow.bit_strings().items())),
            )
            for flow in ingress
            if flow.transport is Transport.BIER
            and flow.imposition is Imposition.ROUTER
            and plan.mvpn is None
        ),
        egress_flows=tuple(
            EgressFlow(
                source=flow.source_address,
                group=flow.group,
                interfaces=_towards(router, frozenset(flow.clouds)),
            )
            for flow in egress
            if not flow.transport.pim and plan.mvpn is None
        ),
        sessions=_sessions(ingress, egress),
        sr=routing_of(plan, router),
        replication_segments=segments_of(plan, router.name),
        p2mp_policies=policies_of(plan, ingress),
        tree_flows=tree_flows_of(plan, ingress),
        qos=None if held is None else QosClass(dscp=held.dscp),
    )


def _towards(router: RouterPlan, clouds: frozenset[str]) -> tuple[str, ...]:
    """Return the edge ports behind which `clouds` are, in the order of the ports."""
    return tuple(port.name for port in router.ports if port.edge and port.peer in clouds)


def _interface(router: RouterPlan, port: PortPlan, *, isis: bool) -> Interface:
    cost = OspfInterface(cost=port.metric, passive=port.edge, area=router.ospf_area)
    return Interface(
        name=port.name,
        addresses=(port.address,),
        mtu=port.mtu,
        isis=IsisInterface(metric=port.metric, passive=port.edge) if isis else None,
        ospf=None if isis else cost,
        bier=router.bfr and not port.edge,
        accept_host_bier=port.accept_host_bier,
        protection=port.protection,
        mpls=router.node_sid is not None and not port.edge,
    )


def _sessions(ingress: Iterable[FlowPlan], egress: Iterable[FlowPlan]) -> tuple[Session, ...]:
    """Return one session a delivery, in the order of TSIs.

    A router has a delivery once (llmsync-delivery, list session); where it both starts and ends on
    one router, it is the ingress.
    """
    roles = {flow.delivery: (flow, "egress") for flow in egress}
    roles |= {flow.delivery: (flow, "ingress") for flow in ingress}
    return tuple(
        Session(
            name=flow.delivery,
            tsi=flow.tsi,
            source=flow.source_address,
            group=flow.group,
            role=role,
        )
        for flow, role in sorted(roles.values(), key=lambda entry: entry[0].tsi)
    )
