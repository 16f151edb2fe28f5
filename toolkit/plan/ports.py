"""Router interfaces and cables: what is connected to what, with which address.

Pure.  The first address of a link prefix belongs to the link's `a`; on a host prefix the router has
the first usable address and the host the second.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.errors import Problem
from toolkit.inventory.model import Cloud, Inventory, Repository
from toolkit.plan.addresses import Addresses
from toolkit.plan.ids import name_order
from toolkit.plan.model import HostPlan, PortPlan
from toolkit.plan.places import place_of
from toolkit.plan.platforms import PLATFORMS
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
    names = link_ports(inventory, link_indices)
    for name in sorted(links, key=name_order):
        link, index = links[name], link_indices[name]
        declared = link.a_port, link.b_port
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
                    hardware=declared[here] if ends[here].port != declared[here] else "",
                )
            )
        cables.append(Cable(ends[0], ends[1], name))
    hosts: dict[str, HostPlan] = {}
    senders = imposing(inventory)
    for host in attached_hosts(inventory):
        index = host_indices[host.name]
        logical = PLATFORMS[inventory.routers[host.router].platform].logical_ports
        port = _edge_port(host, index, addresses, accept=host.name in senders, own_name=logical)
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


def link_ports(inventory: Inventory, link_indices: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Return link name -> names of its interfaces at `a` and at `b`.

    Those that the inventory declares, where the platform's interfaces have no names of their own.
    """
    links = {link.name: link for link in inventory.links}
    planned = port_names(links, link_indices)

    def name(router: str, given: str, otherwise: str) -> str:
        own = PLATFORMS[inventory.routers[router].platform].logical_ports
        return otherwise if own else given or otherwise

    return {
        key: (
            name(link.a, link.a_port, planned[key][0]),
            name(link.b, link.b_port, planned[key][1]),
        )
        for key, link in links.items()
    }


def _edge_port(
    host: Host, index: int, addresses: Addresses, *, accept: bool, own_name: bool
) -> PortPlan:
    planned = f"host-{host.name}"
    name = planned if own_name else host.router_port or planned
    return PortPlan(
        name=name,
        hardware=host.router_port if name != host.router_port else "",
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


def check_ports(inventory: Inventory) -> Iterator[Problem]:
    """Name ports that the platform cannot have, or that two cables would share."""
    ends = [
        (router, port, key, item)
        for item, router, port, key in (
            *((link, link.a, link.a_port, "a_port") for link in inventory.links),
            *((link, link.b, link.b_port, "b_port") for link in inventory.links),
            *((h, h.router, h.router_port, "router_port") for h in attached_hosts(inventory)),
        )
        if router in inventory.routers
    ]
    taken: dict[tuple[str, str], str] = {}
    for router, port, key, item in ends:
        facts = PLATFORMS[inventory.routers[router].platform]
        name = f"{router} ({inventory.routers[router].platform})"
        if facts.port_pattern and not re.fullmatch(facts.port_pattern, port):
            what = f"{port!r} is no port of {name}" if port else f"which port of {name} is not said"
            yield Problem(place_of(item), what, f"{key}: a name such as {facts.port_example}")
        elif port:
            other = taken.setdefault((router, port), item.name)
            if other != item.name:
                what = f"port {port} of {router} is also that of {other}"
                yield Problem(place_of(item), what, f"give each a {key} of its own")


def check_names_of_ports(inventory: Inventory, wiring: Wiring) -> Iterator[Problem]:
    """Name ports whose names another interface of the router has, or that are too long for it."""
    for name, ports in wiring.ports.items():
        router = inventory.routers[name]
        facts = PLATFORMS[router.platform]
        taken = {facts.loopback: "the loopback"}
        for port in ports:
            if 0 < facts.longest_port < len(port.name):
                what = f"{port.name} has more than {facts.longest_port} characters, which is what"
                what += f" {name} ({router.platform}) takes as the name of an interface"
                yield Problem(place_of(router), what, f"give {port.peer} a shorter name")
            other = taken.setdefault(port.name, f"the port of {port.link}")
            if other != f"the port of {port.link}":
                what = f"{port.name} of {name} is the port of {port.link}, and {other}"
                yield Problem(place_of(router), what, "give the port another name")


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
