"""Router interfaces and cables: what is connected to what, with which address.

Pure.  The first address of a link prefix belongs to the link's `a`; on a host prefix the router has
the first usable address and the host the second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Cloud, Inventory, Repository
from toolkit.plan.addresses import Addresses
from toolkit.plan.ids import name_order
from toolkit.plan.model import HostPlan, PortPlan
from toolkit.plan.port_names import port_names
from toolkit.plan.transports import imposing
from toolkit.state.model import Cable, End

EDGE_METRIC = 10
"""Of passive interfaces: the YANG default, and the same everywhere, since every edge is one hop."""
HOST_PORT = "eth0"

Host = Repository | Cloud


def attached_hosts(inventory: Inventory) -> tuple[Host, ...]:
    """Return repositories and clouds, in declared order."""
    return (*inventory.repositories.values(), *inventory.clouds.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Ports of every router, hosts, and the cables between all of them."""

    ports: Mapping[str, tuple[PortPlan, ...]]
    hosts: Mapping[str, HostPlan]
    cables: tuple[Cable, ...]


def wire(
    inventory: Inventory,
    link_indices: Mapping[str, int],
    host_indices: Mapping[str, int],
    addresses: Addresses,
) -> Wiring:
    """Return all ports, hosts and cables; the indices are those of the lock."""
    links = {link.name: link for link in inventory.links}
    ports: defaultdict[str, list[PortPlan]] = defaultdict(list)
    cables: list[Cable] = []
    names = port_names(links, link_indices)
    for name in sorted(links, key=name_order):
        link, index = links[name], link_indices[name]
        ends = End(link.a, names[name][0]), End(link.b, names[name][1])
        own = addresses.links.interface(index, 0), addresses.links.interface(index, 1)
        for here, there in ((0, 1), (1, 0)):
            ports[ends[here].node].append(
                PortPlan(
                    name=ends[here].port,
                    address=own[here],
                    peer=ends[there].node,
                    peer_port=ends[there].port,
                    peer_address=own[there],
                    edge=False,
                    link=name,
                    metric=link.metric,
                    mtu=link.mtu,
                    capacity=link.capacity,
                    delay=link.delay,
                )
            )
        cables.append(Cable(ends[0], ends[1], name))
    hosts: dict[str, HostPlan] = {}
    senders = imposing(inventory)
    for host in attached_hosts(inventory):
        index = host_indices[host.name]
        port = _edge_port(host, index, addresses, accept=host.name in senders)
        ports[host.router].append(port)
        hosts[host.name] = _host(inventory, host, port)
        cables.append(Cable(End(host.router, port.name), End(host.name, HOST_PORT), host.name))
    return Wiring(
        ports={
            name: tuple(sorted(ports[name], key=lambda p: (p.edge, name_order(p.name))))
            for name in inventory.routers
        },
        hosts=hosts,
        cables=tuple(sorted(cables, key=lambda c: (c.b.node in hosts, name_order(c.link)))),
    )


def _edge_port(host: Host, index: int, addresses: Addresses, *, accept: bool) -> PortPlan:
    return PortPlan(
        name=f"host-{host.name}",
        address=addresses.hosts.interface(index, 1),
        peer=host.name,
        peer_port=HOST_PORT,
        peer_address=addresses.hosts.interface(index, 2),
        edge=True,
        link=host.name,
        metric=EDGE_METRIC,
        mtu=host.mtu,
        capacity=host.capacity,
        delay=host.delay,
        accept_host_bier=accept,
    )


def _host(inventory: Inventory, host: Host, port: PortPlan) -> HostPlan:
    router = inventory.routers[host.router]
    region, gpus, kind = router.region, 0, "repository"
    if isinstance(host, Cloud):
        region, gpus, kind = host.region or region, host.gpus, "cloud"
    return HostPlan(
        name=host.name,
        kind=kind,
        router=host.router,
        router_port=port.name,
        port=HOST_PORT,
        address=port.peer_address,
        gateway=port.address.ip,
        region=region,
        capacity=host.capacity,
        delay=host.delay,
        mtu=host.mtu,
        gpus=gpus,
    )
