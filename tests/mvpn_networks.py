"""Networks whose overlay is BGP MVPN, made by hand from networks with a static one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from verify_networks import inventory, planned

from toolkit.inventory.model import Imposition, Inventory, Transport
from toolkit.plan.addresses import router_id
from toolkit.plan.model import MvpnPlan, Plan
from toolkit.plan.transports import over
from toolkit.state.model import BgpSpeaker, Interface, Member, Mvpn, NetworkState

AS = 64512
TARGET = f"{AS}:1"
TUNNELS = {
    Transport.BIER: "bier",
    Transport.SR_P2MP: "sr-p2mp",
    Transport.PIM_SSM: "pim-ssm",
}


def signalled(
    of: Inventory, transport: Transport = Transport.BIER, reflectors: Collection[str] = ()
) -> tuple[Plan, NetworkState]:
    """Return the plan and the state of an inventory with MVPN instead of static flows."""
    declared = over(of, transport)
    imposed = {n: replace(d, imposition=Imposition.ROUTER) for n, d in declared.deliveries.items()}
    return with_mvpn(*planned(replace(declared, deliveries=imposed)), reflectors)


def network(links: Any, transport: Transport = Transport.BIER, **options: Any) -> Any:
    reflectors = options.pop("reflectors", ())
    return signalled(inventory(links, **options), transport, reflectors)


def with_mvpn(
    plan: Plan, state: NetworkState, reflectors: Collection[str] = ()
) -> tuple[Plan, NetworkState]:
    """Return the same network with a VPN of all edge routers."""
    edges = sorted({host.router for host in plan.hosts.values()})
    speaking = sorted({*edges, *reflectors})
    loopback = {name: plan.routers[name].loopback.ip for name in speaking}
    speakers = {}
    for name in speaking:
        reflects = name in reflectors
        others = reflectors if reflectors and not reflects else speaking
        speakers[name] = BgpSpeaker(
            as_number=AS,
            router_id=router_id(plan.routers[name].loopback, 1 + speaking.index(name)),
            neighbors=tuple(sorted((loopback[n] for n in others if n != name), key=int)),
            clients=tuple(sorted((loopback[n] for n in edges if n not in reflectors), key=int))
            if reflects
            else (),
        )
    tunnel = TUNNELS[plan.flows[0].transport]
    instances = {
        name: Mvpn(
            name="models",
            rd=f"{plan.routers[name].loopback.ip}:1",
            route_target=TARGET,
            tunnel=tunnel,
            interfaces=tuple(p.name for p in plan.routers[name].ports if p.edge),
            sub_domain_id=plan.flows[0].sub_domain_id if tunnel == "bier" else None,
            policies=tuple(f.delivery for f in plan.flows if f.tree and f.bfir == name),
            group=None,
        )
        for name in edges
    }
    clouds = {(h.router, h.router_port) for h in plan.hosts.values() if h.kind == "cloud"}

    def turned(router: str, interface: Interface) -> Interface:
        if router not in instances or interface.name not in instances[router].interfaces:
            return interface
        version = {4: 3, 6: 2}[interface.addresses[0].version]
        member = version if (router, interface.name) in clouds else None
        return replace(interface, isis=None, pim=False, membership=member)

    routers = {
        name: replace(
            router,
            interfaces={n: turned(name, i) for n, i in router.interfaces.items()},
            ingress_flows=(),
            egress_flows=(),
            bgp=speakers.get(name),
            mvpns=(instances[name],) if name in instances else (),
        )
        for name, router in state.routers.items()
    }
    members = frozenset(
        Member(cloud, flow.group, flow.source_address)
        for flow in plan.flows
        for cloud in flow.clouds
    )
    vpn = MvpnPlan(
        vpn="models",
        as_number=AS,
        route_target=TARGET,
        speakers=speakers,
        instances=instances,
    )
    # Room for the label of the VPN, or for GRE.
    more = 24 if tunnel == "pim-ssm" else 4
    flows = tuple(replace(flow, payload=flow.payload - more) for flow in plan.flows)
    return replace(plan, mvpn=vpn, flows=flows), replace(state, routers=routers, members=members)


def change_vpn(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the VPN of one router replaced."""
    router = state.routers[name]
    changed = replace(router, mvpns=(replace(router.mvpns[0], **fields),))
    return replace(state, routers={**state.routers, name: changed})


def change_bgp(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the BGP speaker of one router replaced."""
    router = state.routers[name]
    assert router.bgp is not None
    changed = replace(router, bgp=replace(router.bgp, **fields))
    return replace(state, routers={**state.routers, name: changed})
