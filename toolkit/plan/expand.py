"""From what is declared to everything that follows: the one step that decides.

Pure.  `make_plan` first checks everything and raises PlanError with all problems, then builds a
plan that needs no further decision.  The same inventory and lock always give the same plan,
whatever the order of the lines that declared it; a plan made with the lock it returned is the same
plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from toolkit.errors import PlanError, Problem
from toolkit.inventory.dscp import name_of
from toolkit.inventory.model import BierTunnel, Imposition, Inventory, Router, Transport
from toolkit.plan.addresses import Addresses, router_id, system_id
from toolkit.plan.bfr_ids import allocate_bfr_ids, edges
from toolkit.plan.bift_ids import bift_id_base
from toolkit.plan.capabilities import BIER, check_platforms, domain_limit
from toolkit.plan.edge import edge_ports
from toolkit.plan.flows import check_flows, check_mtus, plan_flows
from toolkit.plan.grid import check_grid
from toolkit.plan.ids import allocate
from toolkit.plan.lock import EMPTY_LOCK, check_lock
from toolkit.plan.model import Lock, Plan, PortPlan, QosPlan, RouterPlan, SubDomainPlan
from toolkit.plan.mvpn import check_mvpn, check_vpn_group, plan_mvpn
from toolkit.plan.pim import check_pim, lock_rp, plan_pim
from toolkit.plan.places import place_of
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import BSLS
from toolkit.plan.ports import attached_hosts, check_names_of_ports, check_ports, wire
from toolkit.plan.replication import (
    NO_REPLICATION,
    ReplicationPlan,
    plan_node_sids,
    plan_replication,
)
from toolkit.plan.settings import check_settings
from toolkit.plan.transports import in_use
from toolkit.state.model import PLAIN_BIER, BierRouting


def make_plan(inventory: Inventory, lock: Lock = EMPTY_LOCK) -> tuple[Plan, Lock]:
    """Return the plan of `inventory`, and `lock` with every identifier that is new.

    Raises PlanError with every problem found.
    """
    addresses = Addresses(inventory.pools)
    used = in_use(inventory)
    problems = [
        *check_lock(lock),
        *_check_names(inventory),
        *addresses.check(),
        *(check_platforms(inventory) if Transport.BIER in used else ()),
        *check_mtus(inventory),
        *check_flows(inventory),
        *_check_imposition(inventory),
        *check_pim(inventory),
        *check_settings(inventory),
        *check_mvpn(inventory),
        *check_ports(inventory),
        *check_grid(inventory),
    ]
    grown = _allocate(inventory, lock, addresses, problems)
    grown = lock_rp(inventory, grown)
    problems += _check_pools(inventory, grown, addresses)
    sr = NO_REPLICATION
    if Transport.SR_P2MP in used:
        grown, sr = plan_replication(inventory, grown, problems)
    elif Transport.BIER in used and inventory.bier.tunnel is BierTunnel.SR:
        sr = plan_node_sids(inventory, grown, problems)
    problems += check_vpn_group(inventory, addresses.groups, grown.deliveries)
    if problems:
        raise PlanError(sorted(set(problems)))
    wiring = wire(inventory, grown.links, grown.hosts, addresses)
    if problems := list(check_names_of_ports(inventory, wiring)):
        raise PlanError(sorted(problems))
    flows = plan_flows(
        inventory, wiring.hosts, grown.bfr_ids, grown.deliveries, addresses, sr.trees
    )
    ports = edge_ports(inventory, wiring.ports, flows)
    routers = _routers(inventory, grown, addresses, ports, sr)
    plan = Plan(
        name=inventory.name,
        routers=routers,
        hosts=wiring.hosts,
        cables=wiring.cables,
        flows=flows,
        policies=inventory.policies,
        pim=plan_pim(inventory, routers, grown),
        sr=sr.blocks,
        igp=inventory.igp,
        mvpn=plan_mvpn(inventory, routers, flows, addresses.groups),
        qos=_qos(inventory.qos.dscp),
    )
    return plan, grown


def _qos(dscp: int | None) -> QosPlan | None:
    return None if dscp is None else QosPlan(name=name_of(dscp), dscp=dscp)


def _allocate(
    inventory: Inventory,
    lock: Lock,
    addresses: Addresses,
    problems: list[Problem],
) -> Lock:
    declared = {int(r.loopback) for r in inventory.routers.values() if r.loopback is not None}
    bfr_ids = dict(lock.bfr_ids)
    if inventory.bier.bsl in BSLS and Transport.BIER in in_use(inventory):
        limit = domain_limit(inventory)
        bfr_ids = allocate_bfr_ids(bfr_ids, edges(inventory), inventory.bier.bsl, limit, problems)
    return Lock(
        bfr_ids=bfr_ids,
        # A number whose loopback somebody declared for himself is nobody else's.
        routers=allocate(
            lock.routers, inventory.routers, lambda i: addresses.loopbacks.number(i) in declared
        ),
        links=allocate(lock.links, (link.name for link in inventory.links)),
        hosts=allocate(lock.hosts, (*inventory.repositories, *inventory.clouds)),
        deliveries=allocate(lock.deliveries, inventory.deliveries),
        trees=lock.trees,
        instances=lock.instances,
        digests=lock.digests,
        rps=lock.rps,
    )


def _check_names(inventory: Inventory) -> Iterator[Problem]:
    """Routers and hosts share one name space: cables, reports and `--break` speak of nodes."""
    names = Counter(link.name for link in inventory.links)
    for link in inventory.links:
        if names[link.name] > 1:
            what = f"{link.name} is the name of {names[link.name]} links"
            yield Problem(place_of(link), what, "give each link a name of its own")
    for host in attached_hosts(inventory):
        both = host.name in inventory.repositories and host.name in inventory.clouds
        if both or host.name in inventory.routers:
            what = f"{host.name} is the name of two nodes"
            yield Problem(place_of(host), what, "give each router, repository and cloud its own")


def _check_imposition(inventory: Inventory) -> Iterator[Problem]:
    """Host imposition needs an edge router that can be told to accept it."""
    for delivery in inventory.deliveries.values():
        router = inventory.routers[inventory.repositories[delivery.source].router]
        can = BIER.get(router.platform)
        if (
            delivery.transport is Transport.BIER
            and delivery.imposition is Imposition.HOST
            and router.bier
            and can is not None
            and not can.host_imposition
        ):
            yield Problem(
                place_of(delivery),
                f"{router.name} ({router.platform}) has no way to accept BIER packets from a host",
                "set `imposition: router`",
            )


def _check_pools(inventory: Inventory, lock: Lock, addresses: Addresses) -> Iterator[Problem]:
    routers = inventory.routers.values()
    hosts = (*inventory.repositories, *inventory.clouds)
    pooled = {r.name: lock.routers[r.name] for r in routers if r.loopback is None}
    yield from addresses.loopbacks.check(pooled)
    yield from addresses.links.check({link.name: lock.links[link.name] for link in inventory.links})
    yield from addresses.hosts.check({name: lock.hosts[name] for name in hosts})
    yield from addresses.groups.check({n: lock.deliveries[n] for n in inventory.deliveries})
    yield from addresses.asm_groups.check(
        {
            n: lock.deliveries[n]
            for n, delivery in inventory.deliveries.items()
            if delivery.transport is Transport.PIM_SM
        }
    )
    yield from addresses.check_loopbacks(inventory.routers, lock.routers)


def _routers(
    inventory: Inventory,
    lock: Lock,
    addresses: Addresses,
    ports: Mapping[str, tuple[PortPlan, ...]],
    sr: ReplicationPlan,
) -> dict[str, RouterPlan]:
    used = in_use(inventory)
    bier = Transport.BIER in used
    edge = edges(inventory).names if bier else frozenset()
    bsl = inventory.bier.bsl
    max_si = max(((lock.bfr_ids[name] - 1) // bsl for name in edge), default=0)
    return {
        router.name: RouterPlan(
            name=router.name,
            platform=router.platform,
            domain=router.domain,
            region=router.region,
            loopback=addresses.loopback(router, lock.routers[router.name]),
            system_id=system_id(lock.routers[router.name]),
            area=inventory.domains[router.domain].area,
            router_id=router_id(
                addresses.loopback(router, lock.routers[router.name]), lock.routers[router.name]
            ),
            loopback_name=PLATFORMS[router.platform].loopback,
            ports=ports[router.name],
            bfr=router.bier and bier,
            pim=router.pim and any(transport.pim for transport in used),
            sub_domains=_sub_domains(
                inventory,
                router,
                lock,
                lock.bfr_ids[router.name] if router.name in edge else None,
                max_si,
            )
            if bier
            else (),
            bier=_bier(inventory, router) if router.bier and bier else PLAIN_BIER,
            node_sid=sr.node_sids.get(router.name),
            qos=router.qos,
        )
        for router in inventory.routers.values()
    }


def _bier(inventory: Inventory, router: Router) -> BierRouting:
    asked = inventory.bier
    return BierRouting(
        maximum_paths=asked.maximum_paths,
        fast_reroute=asked.fast_reroute.value,
        tunnel=asked.tunnel.value if asked.tunnel in BIER[router.platform].tunnels else "none",
    )


def _sub_domains(
    inventory: Inventory, router: Router, lock: Lock, bfr_id: int | None, max_si: int
) -> tuple[SubDomainPlan, ...]:
    if not router.bier:
        return ()
    settings = inventory.bier
    return (
        SubDomainPlan(
            sub_domain_id=settings.sub_domain,
            bfr_id=bfr_id,
            bsl=settings.bsl,
            encapsulation=settings.encapsulation,
            bift_id_base=bift_id_base(settings, BIER[router.platform], lock.routers[router.name]),
            max_si=max_si,
        ),
    )
