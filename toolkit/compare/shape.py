"""The shape of P2MP trees as configured, whatever instances and labels they have.

Pure.  The planner changes a tree by make before break, a new instance on every router of it.  A
controller that changed an instance in place would configure only the routers where the shape
differs: this says how many those are.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.state.model import IpAddress, NetworkState

Shape = Mapping[tuple[IpAddress, int, str, str], object]
"""(root, tree-id, candidate path, router) -> downstream nodes, and whether it is a leaf."""


def shape(state: NetworkState) -> Shape:
    """Return the trees of all policies of a network."""
    names = {
        (policy.root, policy.tree_id, path.instance_id): path.name
        for router in state.routers.values()
        for policy in router.p2mp_policies
        for path in policy.candidate_paths
    }
    return {
        (segment.root, segment.tree_id, names[key], name): (
            frozenset((branch.node, branch.interface) for branch in segment.downstream),
            segment.leaf,
        )
        for name, router in state.routers.items()
        for segment in router.replication_segments
        if (key := (segment.root, segment.tree_id, segment.instance_id)) in names
    }


def reshaped(before: NetworkState, after: NetworkState) -> frozenset[str]:
    """Return the routers on which the shape of any tree differs."""
    one, other = shape(before), shape(after)
    return frozenset(key[3] for key in one.keys() | other.keys() if one.get(key) != other.get(key))
