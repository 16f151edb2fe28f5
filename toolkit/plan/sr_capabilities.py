"""What each platform can do for SR-P2MP, and whether the label blocks that are asked for fit.

Pure.  RFC 9524 (replication segments), RFC 9960 (P2MP policies), RFC 8660 section 2 (SRGB, SRLB).
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Encapsulation, Inventory, Transport, TreeMetric
from toolkit.plan.capabilities import BIER, bfrs
from toolkit.plan.places import place_of
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.transports import in_use

SR_P2MP = frozenset(platform for platform, facts in PLATFORMS.items() if facts.replication)
"""Platforms with replication segments.  Nokia: nokia-conf-router-p2mp-sr-tree; Cisco: Tree-SID,
Cisco-IOS-XR-infra-xtc-cfg; ietf and frr by our own module.  Junos and VRP have none."""
NO_REPLICATION = (
    "set `replication: false` on it: trees then cross it by a node SID and replicate elsewhere"
)
TREE_IDS = range(8193, 16287)
"""What Nokia's tree-id takes (nokia-conf-router-p2mp-sr-tree); the others take any 32 bits."""
SLOTS = 4
"""Replication SIDs of one tree: two candidate paths, each with the instance in use and its heir."""


def check_replication(inventory: Inventory) -> Iterator[Problem]:
    """Name routers that cannot replicate, and label blocks that meet others."""
    for router in inventory.routers.values():
        if "sr" in PLATFORMS[router.platform].refused:
            continue  # not even node SIDs: said by `check_grid`
        if router.replication and router.platform not in SR_P2MP:
            yield Problem(
                place_of(router),
                f"platform {router.platform} has no SR-P2MP, but {router.name} is to replicate",
                NO_REPLICATION,
            )
    yield from _check_names(inventory)
    yield from _check_own_trees(inventory)
    yield from check_blocks(inventory)


def _check_names(inventory: Inventory) -> Iterator[Problem]:
    """Name deliveries whose names are too long for the policy at the root of their tree."""
    for delivery in inventory.deliveries.values():
        root = inventory.routers[inventory.repositories[delivery.source].router]
        longest = PLATFORMS[root.platform].longest_tree
        if delivery.transport is Transport.SR_P2MP and 0 < longest < len(delivery.name):
            what = f"{delivery.name} has more than {longest} characters, which is what the name of"
            what += f" a P2MP policy has room for on {root.name} ({root.platform})"
            yield Problem(place_of(delivery), what, "give the delivery a shorter name")


def _check_own_trees(inventory: Inventory) -> Iterator[Problem]:
    """Name routers that place trees themselves, where others are told theirs."""
    if Transport.SR_P2MP not in in_use(inventory):
        return
    replicating = [r for r in inventory.routers.values() if r.replication and r.platform in SR_P2MP]
    told = next((r for r in replicating if not PLATFORMS[r.platform].own_trees), None)
    for router in replicating:
        if told is not None and PLATFORMS[router.platform].own_trees:
            yield Problem(
                place_of(router),
                f"{router.name} ({router.platform}) computes its trees itself, and cannot share "
                f"one with {told.name} ({told.platform}), whose segments the plan places",
                NO_REPLICATION,
            )
    owner = next((r for r in replicating if PLATFORMS[r.platform].own_trees), None)
    for delivery in inventory.deliveries.values():
        tree = delivery.tree
        asked = tree.exclude_any or tree.include_any or tree.include_all
        other = tree.metric is not TreeMetric.IGP or asked
        if owner is not None and delivery.transport is Transport.SR_P2MP and other:
            yield Problem(
                place_of(delivery),
                f"{delivery.name} asks for a tree that is not the shortest by the IGP, and "
                f"{owner.name} ({owner.platform}) computes no other",
                "leave metric and affinities out of its `tree`",
            )


def check_blocks(inventory: Inventory) -> Iterator[Problem]:
    """Name blocks that meet each other or those that BIFT-ids come from."""
    srgb, srlb = inventory.sr.srgb, inventory.sr.srlb
    if srgb.lower <= srlb.upper and srlb.lower <= srgb.upper:
        what = f"the SRLB {srlb} overlaps the SRGB {srgb}"
        yield Problem(Place(path="sr.srlb"), what, "move one of them")
    mpls = inventory.bier.encapsulation is Encapsulation.MPLS
    if Transport.BIER not in in_use(inventory) or not mpls:
        return
    for name, block in (("srgb", srgb), ("srlb", srlb)):
        for platform in sorted({router.platform for router in bfrs(inventory)} & BIER.keys()):
            labels = BIER[platform].labels
            if block.lower < labels.stop and labels.start <= block.upper:
                yield Problem(
                    Place(path=f"sr.{name}"),
                    f"{block} overlaps {labels.start}-{labels.stop - 1}, where BIFT-ids on "
                    f"{platform} come from",
                    "move the block",
                )
