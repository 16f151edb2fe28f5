"""Which features of the grid an inventory asks of each router, and which of them it cannot have.

Pure.  Decided from the inventory, so that what a platform refuses is said together with everything
else that is wrong; `toolkit.render.cells` says the same of the finished plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.errors import Problem
from toolkit.inventory.model import (
    BierTunnel,
    Igp,
    Imposition,
    Inventory,
    Router,
    Transport,
)
from toolkit.plan.mvpn import signalled, speaking
from toolkit.plan.places import place_of
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import FEATURES, Refusal
from toolkit.plan.ports import attached_hosts
from toolkit.plan.transports import in_use


def needed_features(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Return router -> the features that it needs a template for, in the order of `FEATURES`."""
    used = in_use(inventory)
    bier, pim = Transport.BIER in used, any(transport.pim for transport in used)
    sr = Transport.SR_P2MP in used or (bier and inventory.bier.tunnel is BierTunnel.SR)
    hosting = {host.router for host in attached_hosts(inventory)}
    mapped, ends = _deliveries(inventory)
    speakers = speaking(inventory)
    features = {}
    for name, router in inventory.routers.items():
        needed = {
            "interfaces": True,
            "isis": inventory.igp is Igp.ISIS,
            "ospf": inventory.igp is Igp.OSPF,
            "bier": bier and router.bier,
            "pim": pim and router.pim,
            "sr": sr,
            "overlay": name in mapped,
            "mvpn": name in speakers,
            "edge": name in hosting and router.edge_protection,
            "qos": inventory.qos.dscp is not None and router.qos,
            "delivery": name in ends,
        }
        unneeded = PLATFORMS[router.platform].unneeded
        features[name] = tuple(f for f in FEATURES if needed[f] and f not in unneeded)
    return features


def _deliveries(inventory: Inventory) -> tuple[set[str], set[str]]:
    """Return the routers that map flows by hand, and those that deliveries start or end at."""
    mapped: set[str] = set()
    ends: set[str] = set()
    static = not signalled(inventory)
    for delivery in inventory.deliveries.values():
        bfir = inventory.repositories[delivery.source].router
        edges = {inventory.clouds[name].router for name in delivery.to}
        ends |= {bfir, *edges}
        if static and not delivery.transport.pim:
            mapped |= edges
        by_router = delivery.imposition is Imposition.ROUTER
        bier = delivery.transport is Transport.BIER and by_router
        if static and (bier or delivery.transport is Transport.SR_P2MP):
            mapped.add(bfir)
    return mapped, ends


def variants(inventory: Inventory) -> tuple[str, ...]:
    """Return what a cell may be refused for, beside the feature itself (`bier/ospf`)."""
    ipv6 = inventory.pools.loopbacks.version == 6
    return (
        inventory.igp.value,
        inventory.overlay.signalling.value,
        *(("ipv6",) if ipv6 else ()),
        *(("ospfv3",) if ipv6 and inventory.igp is Igp.OSPF else ()),
        *sorted(transport.value for transport in in_use(inventory)),
    )


def refusals(inventory: Inventory) -> Iterator[tuple[Router, str, Refusal]]:
    """Yield each router, with the cell that its platform cannot have and why."""
    ways = variants(inventory)
    for name, features in needed_features(inventory).items():
        router = inventory.routers[name]
        refused = PLATFORMS[router.platform].refused
        for feature in features:
            for cell in (feature, *(f"{feature}/{way}" for way in ways)):
                if cell in refused:
                    yield router, cell, refused[cell]


def check_grid(inventory: Inventory) -> Iterator[Problem]:
    """Name each router, with the feature that its platform cannot have, why, and the way out."""
    for router, cell, refusal in refusals(inventory):
        bier = PLATFORMS[router.platform].bier
        if cell == "bier" and (bier is None or not bier.encapsulations):
            continue  # said by `check_platforms`
        feature, _, way = cell.partition("/")
        what = f"{feature} with {way}" if way else feature
        yield Problem(
            place_of(router),
            f"{router.name} ({router.platform}) cannot do {what}: {refusal.why}",
            refusal.remedy,
        )
