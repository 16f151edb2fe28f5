"""PIM throughout the network: where it runs, where hosts may join, and the rendezvous point.

Pure.  RFC 7761 section 3.7 (static RP), RFC 4607 (SSM), RFC 3376 and RFC 3810 (hosts).  Law: the
RP follows from the inventory, whatever the order of its lines, until the lock holds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from toolkit.errors import Place, Problem
from toolkit.igp.graph import MAX_METRIC, Edge, Graph
from toolkit.igp.spf import UNREACHABLE, shortest_paths
from toolkit.inventory.model import (
    Delivery,
    Inventory,
    IpNetwork,
    Pools,
    SptSwitchover,
    Transport,
)
from toolkit.plan.ids import name_order
from toolkit.plan.model import Lock, PimPlan, Plan, PortPlan, RouterPlan
from toolkit.plan.places import place_of
from toolkit.state.model import PimRouting, RouterState, StaticRp

MEMBERSHIP = {4: 3, 6: 2}
"""Address family -> version by which hosts join: IGMPv3, MLDv2 (source-specific)."""


def check_pim(inventory: Inventory) -> Iterator[Problem]:
    """Name what stands in the way of deliveries over PIM."""
    deliveries = [d for d in inventory.deliveries.values() if d.transport.pim]
    for delivery in deliveries:
        yield from _without_pim(inventory, delivery)
    used = {d.transport for d in deliveries}
    ranges, pools = inventory.pim.ssm_ranges, inventory.pools
    if Transport.PIM_SSM in used and not any(_inside(pools.groups, r) for r in ranges):
        yield Problem(
            Place(path="pim.ssm_ranges"),
            f"pools.groups {pools.groups} is in none of them, so PIM-SSM cannot use its groups",
            "add a range that holds it, or take pools.groups from one of them",
        )
    if Transport.PIM_SM in used:
        yield from _any_source(ranges, pools)
        yield from _check_rp(inventory)


def _without_pim(inventory: Inventory, delivery: Delivery) -> Iterator[Problem]:
    for name in (delivery.source, *delivery.to):
        host = inventory.repositories.get(name) or inventory.clouds[name]
        if not inventory.routers[host.router].pim:
            yield Problem(
                place_of(host),
                f"{name} is part of {delivery.name}, but its router {host.router} runs no PIM",
                f"attach it to a router that does, or leave it out of {delivery.name}",
            )


def _any_source(ranges: tuple[IpNetwork, ...], pools: Pools) -> Iterator[Problem]:
    for held in ranges:
        if _overlap(pools.any_source, held):
            yield Problem(
                Place(path="pools.asm_groups"),
                f"{pools.any_source} overlaps {held} of pim.ssm_ranges, whose groups have source "
                "trees only",
                "give any-source groups a range of their own",
            )


def _check_rp(inventory: Inventory) -> Iterator[Problem]:
    name = inventory.pim.rp
    if not name:
        if not any(router.pim for router in inventory.routers.values()):
            what = "no router runs PIM, so none can be the RP"
            yield Problem(Place(path="pim.rp"), what, "remove 'pim: false' from one")
    elif name not in inventory.routers:
        what = f"{name} is to be the RP, and there is no such router"
        yield Problem(Place(path="pim.rp"), what, "name a router")
    elif not inventory.routers[name].pim:
        what = f"{name} is to be the RP, and runs no PIM"
        yield Problem(Place(path="pim.rp"), what, f"choose another, or let {name} run PIM")


def _inside(inner: IpNetwork, outer: IpNetwork) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and inner.network_address in outer
    )


def _overlap(one: IpNetwork, other: IpNetwork) -> bool:
    return _inside(one, other) or _inside(other, one)


def lock_rp(inventory: Inventory, lock: Lock) -> Lock:
    """Return `lock` with the planned rendezvous point, where a delivery needs one.

    One that was planned before stays while it runs PIM: to move it is to configure every router.
    """
    used = {delivery.transport for delivery in inventory.deliveries.values()}
    if Transport.PIM_SM not in used or inventory.pim.rp:
        return lock
    if not any(router.pim for router in inventory.routers.values()):
        return lock  # said by `check_pim`
    held = [n for n in lock.rps if n in inventory.routers and inventory.routers[n].pim]
    return lock if held else replace(lock, rps={nearest_rp(inventory): 1})


def plan_pim(inventory: Inventory, routers: Mapping[str, RouterPlan], lock: Lock) -> PimPlan | None:
    """Return the settings of PIM; None where no delivery goes over it.

    `check_pim` has nothing to say, and the lock is that of `lock_rp`.
    """
    used = {delivery.transport for delivery in inventory.deliveries.values()}
    if not any(transport.pim for transport in used):
        return None
    version = inventory.pools.loopbacks.version
    rp = ""
    if Transport.PIM_SM in used:
        rp = inventory.pim.rp or next(n for n in lock.rps if n in routers and routers[n].pim)
    return PimPlan(
        rp=rp,
        rp_address=routers[rp].loopback.ip if rp else None,
        groups=inventory.pools.any_source,
        ssm_ranges=tuple(
            sorted(
                {r for r in inventory.pim.ssm_ranges if r.version == version},
                key=lambda r: (int(r.network_address), r.prefixlen),
            )
        ),
        spt_switchover=inventory.pim.spt_switchover is SptSwitchover.IMMEDIATE,
    )


def nearest_rp(inventory: Inventory) -> str:
    """Return the PIM router from which the clouds of PIM-SM deliveries are nearest.

    Least sum of IGP metrics to their routers; ties by name, the way people count.
    """
    graph = Graph.of(
        inventory.routers,
        (
            Edge(a, b, link.metric, link.name)
            for link in inventory.links
            if link.metric < MAX_METRIC
            for a, b in ((link.a, link.b), (link.b, link.a))
        ),
    )
    ends = [
        inventory.clouds[cloud].router
        for delivery in inventory.deliveries.values()
        if delivery.transport is Transport.PIM_SM
        for cloud in delivery.to
    ]
    total = dict.fromkeys((r.name for r in inventory.routers.values() if r.pim), 0)
    out_of_reach = len(inventory.routers) * MAX_METRIC
    paths = {end: shortest_paths(graph, end).distance for end in set(ends)}
    for end in ends:
        for name in total:
            # metrics are the same both ways, so this is also the distance from there
            metric = paths[end][graph.index[name]]
            total[name] += out_of_reach if metric == UNREACHABLE else metric
    return min(total, key=lambda name: (total[name], name_order(name)))


def pim_ports(plan: Plan, router: RouterPlan) -> tuple[tuple[PortPlan, int | None], ...]:
    """Return the ports that PIM runs on, each with the version by which hosts join there.

    Towards a router without PIM there is none, nor in a VPN: its PIM is not the core's.  A cloud
    may join, a repository may not.
    """
    if not router.pim:
        return ()
    ports: list[tuple[PortPlan, int | None]] = []
    for port in router.ports:
        if not port.edge:
            if plan.routers[port.peer].pim:
                ports.append((port, None))
        elif port.vpn:
            continue
        elif plan.hosts[port.peer].kind == "cloud":
            ports.append((port, MEMBERSHIP[port.address.version]))
        else:
            ports.append((port, None))
    return tuple(ports)


def static_rps(pim: PimPlan) -> tuple[StaticRp, ...]:
    """Return the rendezvous points that every router is told of."""
    if pim.rp_address is None:
        return ()
    return (StaticRp(address=pim.rp_address, groups=pim.groups),)


def with_pim(plan: Plan, router: RouterPlan, state: RouterState) -> RouterState:
    """Return the intended state of a router with its part in PIM."""
    if plan.pim is None or not router.pim:
        return state
    interfaces = dict(state.interfaces)
    for port, version in pim_ports(plan, router):
        interfaces[port.name] = replace(interfaces[port.name], pim=True, membership=version)
    return replace(
        state,
        interfaces=interfaces,
        pim=PimRouting(
            rps=static_rps(plan.pim),
            ssm_ranges=plan.pim.ssm_ranges,
            spt_switchover=plan.pim.spt_switchover,
        ),
    )
