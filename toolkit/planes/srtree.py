"""How a router shows its labels and trees: the config false nodes of llmsync-sr as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.bier.snapshot import counters_tree
from toolkit.planes.jsonvalue import Json
from toolkit.planes.replication import Replication
from toolkit.srp2mp.table import Hop, Segment
from toolkit.state.model import IpAddress, P2mpPolicy

DROPPED = "dropped-"
_SR, _SR_DROPPED = "sr-", "dropped-sr-"


def among_others(counters: Mapping[str, int]) -> dict[str, int]:
    """Return the counters of a replication engine with names for beside those of others."""
    return {
        f"{_SR_DROPPED}{name.removeprefix(DROPPED)}"
        if name.startswith(DROPPED)
        else f"{_SR}{name}": count
        for name, count in counters.items()
    }


def split(counters: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the counters of a router's replication engine, and those of all else."""
    ours: dict[str, int] = {}
    others: dict[str, int] = {}
    for name, count in counters.items():
        if name.startswith(_SR):
            ours[name.removeprefix(_SR)] = count
        elif name.startswith(_SR_DROPPED):
            ours[f"{DROPPED}{name.removeprefix(_SR_DROPPED)}"] = count
        else:
            others[name] = count
    return ours, others


def sr_tree(
    replication: Replication, counters: Mapping[str, int] | None, *, alone: bool
) -> dict[str, Json]:
    """Return the state of llmsync-sr.

    `counters`: those of the router, as `among_others` names them; `alone`: no other module shows
    the rest of the drops, so they stand here.
    """
    state = replication.domain.state.routers[replication.router]
    tree: dict[str, Json] = {}
    if state.sr is not None:
        tree["llmsync-sr:segment-routing"] = {
            "lfib-entry": [_hop(label, hop) for label, hop in replication.node_hops()]
        }
    p2mp: dict[str, Json] = {}
    if replication.segments:
        p2mp["replication-entry"] = [_segment(s) for s in replication.segments.values()]
    policies: list[Json] = []
    for policy in state.p2mp_policies:
        path = replication.active(policy) if replication.policy(*_key(policy)) else None
        if path is not None:
            policies.append(
                {
                    "root": str(policy.root),
                    "tree-id": policy.tree_id,
                    "active-candidate-path": path.name,
                }
            )
    if policies:
        p2mp["policy"] = policies
    if counters is not None and state.sr is not None:
        ours, others = split(counters)
        if alone:
            ours |= {name: n for name, n in others.items() if name.startswith(DROPPED)}
        p2mp["counters"] = counters_tree(ours)
    if p2mp:
        tree["llmsync-sr:p2mp"] = p2mp
    return tree


def _key(policy: P2mpPolicy) -> tuple[IpAddress, int]:
    return policy.root, policy.tree_id


def _hop(label: int, hop: Hop) -> Json:
    tree: dict[str, Json] = {"label": label, "prefix": hop.prefix, "out-interface": hop.port}
    if hop.label is not None:
        tree["out-label"] = hop.label
    return tree


def _segment(segment: Segment) -> Json:
    return {
        "replication-sid": segment.sid,
        "root": segment.root,
        "tree-id": segment.tree_id,
        "instance-id": segment.instance_id,
        "leaf": segment.leaf,
        "branch": [
            {"node": b.node, "out-interface": b.port, "out-label": list(b.labels)}
            for b in segment.branches
        ],
    }
