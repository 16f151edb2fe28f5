"""An inventory as a graph: nodes, links, and which links are bridges.

Pure.  What `llmsync inventory graph` shows in every format; nothing of it is planned, so that an
inventory which cannot be planned yet can be looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from toolkit.igp.bridges import components, find_bridges
from toolkit.inventory.model import Inventory, Link
from toolkit.report.network import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredNetwork:
    """Routers, then repositories, then clouds, each in declared order."""

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    access: tuple[tuple[str, str], ...]
    """(host, router)."""
    bridges: frozenset[str]
    """Names of links without a way around them."""

    @property
    def routers(self) -> tuple[Node, ...]:
        """The nodes that are routers."""
        return tuple(node for node in self.nodes if node.kind == "router")

    @property
    def hosts(self) -> tuple[Node, ...]:
        """The nodes that are repositories or clouds."""
        return tuple(node for node in self.nodes if node.kind != "router")


def declared_network(inventory: Inventory) -> DeclaredNetwork:
    """Return the graph of an inventory."""
    routers = [
        Node(name=router.name, kind="router", region=router.region, bfr=router.bier)
        for router in inventory.routers.values()
    ]
    region = {router.name: router.region for router in routers}
    sources = [
        Node(name=host.name, kind="repository", region=region[host.router], router=host.router)
        for host in inventory.repositories.values()
    ]
    clouds = [
        Node(
            name=cloud.name, kind="cloud", router=cloud.router, gpus=cloud.gpus,
            region=cloud.region or region[cloud.router],
        )
        for cloud in inventory.clouds.values()
    ]  # fmt: skip
    hosts = (*sources, *clouds)
    return DeclaredNetwork(
        name=inventory.name,
        nodes=(*routers, *hosts),
        links=inventory.links,
        access=tuple((host.name, host.router) for host in hosts),
        bridges=_bridges(inventory),
    )


def _bridges(inventory: Inventory) -> frozenset[str]:
    index = {name: number for number, name in enumerate(inventory.routers)}
    edges = [(index[link.a], index[link.b]) for link in inventory.links]
    return frozenset(
        inventory.links[bridge.edge].name
        for part in components(len(index), edges)
        for bridge in find_bridges(len(index), edges, part[0]).bridges
    )


def telling_regions(network: DeclaredNetwork) -> bool:
    """Tell whether frames around regions would order the picture and not clutter it."""
    regions = Counter(node.region for node in network.routers)
    unnamed = regions.pop("", 0)
    return 2 <= len(regions) <= 6 and not unnamed and min(regions.values()) >= 2
