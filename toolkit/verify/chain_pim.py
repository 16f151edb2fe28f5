"""The way of a cloud's join, router by router, to the source or the RP; and where it stops.

RFC 7761 sections 4.5.6 (RPF neighbors) and 4.8 (source-specific groups), RFC 4604.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.inventory.model import Transport
from toolkit.pim.domain import Domain
from toolkit.pim.router import PimRouter
from toolkit.pim.surroundings import Rpf
from toolkit.plan.model import FlowPlan, HostPlan
from toolkit.planes.pim import membership_gap
from toolkit.state.model import End, IpAddress
from toolkit.verify import places
from toolkit.verify.ground import Ground, Loss


@dataclass(frozen=True, slots=True)
class Chain:
    routers: tuple[str, ...]
    """From the cloud's router up; of PIM-SM to the RP, then those up to the source."""
    stop: Loss | None
    """Where and why the join goes no further."""

    def concerns(self, loss: Loss, cloud: str) -> bool:
        """Say whether what was lost there was on its way to the cloud."""
        if (loss.to and loss.to in self.routers) or loss.to == cloud:
            return loss.router in self.routers
        return not loss.to


def chain_of(ground: Ground, domain: Domain, flow: FlowPlan, cloud: str) -> Chain:
    """Return the way of the join of `cloud`."""
    host = ground.plan.hosts[cloud]
    source = None if flow.transport is Transport.PIM_SM else flow.source_address
    stop = _at_edge(ground, domain, flow, host, source)
    if stop is not None:
        return Chain((host.router,), stop)
    hub = ground.plan.hosts[flow.source]
    first = hub.router, hub.router_port
    routers, stop = way_up(domain, flow, host.router, source, first)
    if source is None and stop is None:
        # the shared tree stands: does the source send to its root?
        stop = _sends_to(ground, domain, flow, routers[-1])
        # whoever is on the source's tree matters too
        routers += way_up(domain, flow, host.router, flow.source_address, first)[0]
        routers += way_up(domain, flow, routers[-1], flow.source_address, first)[0]
    return Chain(tuple(dict.fromkeys(routers)), stop)


def _loss(kind: str, router: str, text: str, at: str = places.PIM) -> Loss:
    return Loss(router, "dropped", text, (), kind=kind, at=at if kind else "")


def _at_edge(
    ground: Ground, domain: Domain, flow: FlowPlan, host: HostPlan, source: IpAddress | None
) -> Loss | None:
    """Return why the cloud's own router does not take its join."""
    name, port_name = host.router, host.router_port
    router = domain.router(name)
    if router is None:
        if ground.plane(name) is None:
            return _loss("", name, f"{name} is down")
        return _loss("pim-missing", name, f"{name} runs no PIM")
    port = router.around.ports.get(port_name)
    if port is None or ground.plan.hosts[host.name].port == "":
        return _loss("", name, f"{name} {port_name} is down")
    if not port.pim:
        text = f"{name} runs no PIM on {port_name}, so {host.name} has no designated router"
        return _loss("pim-interface-missing", name, text, places.pim_interface(port_name))
    gap = membership_gap(port, source)
    protocol = "IGMP" if flow.group.version == 4 else "MLD"
    if gap == "missing":
        text = f"{name} runs no {protocol} on {port_name}, so {host.name} cannot join {flow.group}"
        return _loss("membership-missing", name, text, places.membership(port_name))
    if gap:
        text = (
            f"{protocol}v{port.membership} on {name} {port_name} cannot name a source, and "
            f"{host.name} joins ({flow.source_address}, {flow.group})"
        )
        return _loss("membership-version", name, text, places.membership(port_name))
    return _range(router, flow, source)


def _range(router: PimRouter, flow: FlowPlan, source: IpAddress | None) -> Loss | None:
    if source is None and router.around.is_ssm(flow.group):
        name = router.around.router
        text = f"{name} has {flow.group} in an SSM range, so it takes no join of any source"
        return _loss("group-in-ssm-range", name, text, places.SSM_RANGES)
    return None


def way_up(
    domain: Domain,
    flow: FlowPlan,
    start: str,
    source: IpAddress | None,
    first: tuple[str, str] = ("", ""),
) -> tuple[list[str], Loss | None]:
    """Follow RPF neighbors from `start` to the source (it is at `first`), without one to the RP."""
    routers = [start]
    rp: IpAddress | None = None
    while True:
        name = routers[-1]
        router = domain.router(name)
        if router is None:
            return routers, _loss("pim-missing", name, f"{name} runs no PIM")
        root: IpAddress | None = source
        if root is None:
            stop = _range(router, flow, source) or _agrees(router, flow, rp, routers)
            if stop is not None:
                return routers, stop
            root = rp = router.around.rp(flow.group)
        if root is None:
            text = f"{name} knows no RP for {flow.group}"
            return routers, _loss("rp-missing", name, text, places.STATIC_RPS)
        rpf = router.around.rpf(root)
        if source is not None and (rpf.ours or rpf.connected):
            if (name, rpf.interface) == first:
                return routers, None
            where = f"on {rpf.interface}" if rpf.interface else "in itself"
            text = f"{name} looks for the source {source} {where}, where it is not"
            return routers, _loss("rpf-failure", name, text)
        if rpf.ours:
            return routers, None
        port = router.around.upstream(rpf)
        if port is None:
            return routers, _no_neighbor(router, rpf, root, source)
        routers.append(port.neighbor)
        if port.neighbor in routers[:-1]:
            text = f"the joins for {root} loop at {port.neighbor}"
            return routers, _loss("rpf-failure", port.neighbor, text)


def _agrees(
    router: PimRouter, flow: FlowPlan, rp: IpAddress | None, routers: list[str]
) -> Loss | None:
    """RFC 7761 section 4.5.1: a join for another RP than ours is not taken."""
    name, own = router.around.router, router.around.rp(flow.group)
    if rp is None or own == rp:
        return None
    has = "knows no RP" if own is None else f"has the RP {own}"
    text = f"{name} {has} for {flow.group}, and {routers[-2]} joins towards {rp}"
    return _loss("rp-disagreement", name, text, places.STATIC_RPS)


def _sends_to(ground: Ground, domain: Domain, flow: FlowPlan, root: str) -> Loss | None:
    """Return why Registers of the source's designated router do not come to this RP."""
    hub = ground.plan.hosts[flow.source]
    router = domain.router(hub.router)
    port = None if router is None else router.around.ports.get(hub.router_port)
    if router is None or port is None or not port.pim:
        return None  # it takes no packets at all
    rp = router.around.rp(flow.group)
    if rp is None:
        text = f"{hub.router} knows no RP for {flow.group}, so it registers nothing"
        missing = _loss("rp-missing", hub.router, text, places.STATIC_RPS)
        return _range(router, flow, None) or missing
    end = ground.paths.path(End(hub.router, ""), rp).arrived
    there = domain.router(root)
    own = None if there is None else there.around.rp(flow.group)
    if end is None or (end.node == root and own == rp):
        return None
    text = f"{root} is the RP {own} of {flow.group}, and {hub.router} registers with {rp}"
    return _loss("rp-disagreement", hub.router, text, places.STATIC_RPS)


def _no_neighbor(router: PimRouter, rpf: Rpf, root: IpAddress, source: IpAddress | None) -> Loss:
    name = router.around.router
    what = f"the RP {root}" if source is None else f"the source {root}"
    if not rpf.interface:
        text = f"{name} has no route to {what}"
        if source is None:
            return _loss("rp-unreachable", name, text, places.STATIC_RPS)
        return _loss("rpf-failure", name, text)
    if not rpf.router:
        text = f"{name} looks for {what} on {rpf.interface}, where it is not"
        return _loss("rp-unreachable", name, text, places.STATIC_RPS)
    port = router.around.ports.get(rpf.interface)
    if port is None or not port.pim:
        text = f"{name} runs no PIM on {rpf.interface}, its way to {what}"
    else:
        text = f"{rpf.router}, the next router from {name} to {what}, is no PIM neighbor"
    return _loss("pim-neighbor-missing", name, text, places.pim_interface(rpf.interface))
