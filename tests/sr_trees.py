"""A router's state as the RFC 7951 tree that `toolkit.state` reads: its P2MP trees and overlay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toolkit.state.model import NetworkState, RouterState
from toolkit.state.reference import read_router


def tree_of(router: RouterState) -> dict[str, Any]:
    """Return interfaces, overlay, label blocks and P2MP trees of a router."""
    tree: dict[str, Any] = {
        "ietf-interfaces:interfaces": {"interface": [{"name": n} for n in router.interfaces]}
    }
    if router.egress_flows:
        tree["llmsync-overlay:overlay"] = {
            "egress-flow": [
                {"source": str(f.source), "group": str(f.group), "interface": [*f.interfaces]}
                for f in router.egress_flows
            ]
        }
    if router.sr is not None:
        tree["llmsync-sr:segment-routing"] = {
            "srgb": {"lower": router.sr.srgb.lower, "upper": router.sr.srgb.upper},
            "srlb": {"lower": router.sr.srlb.lower, "upper": router.sr.srlb.upper},
            "node-sid": [{"prefix": str(s.prefix), "index": s.index} for s in router.sr.node_sids],
            "interface": [{"name": n} for n, i in router.interfaces.items() if i.mpls],
        }
    p2mp: dict[str, Any] = {}
    if router.p2mp_policies:
        p2mp["policy"] = [
            {
                "root": str(p.root), "tree-id": p.tree_id, "name": p.name,
                "candidate-path": [
                    {"name": c.name, "preference": c.preference, "instance-id": c.instance_id}
                    for c in p.candidate_paths
                ],
            }
            for p in router.p2mp_policies
        ]  # fmt: skip
    if router.replication_segments:
        p2mp["replication-segment"] = [
            {
                "root": str(s.root), "tree-id": s.tree_id, "instance-id": s.instance_id,
                "replication-sid": s.sid, "leaf": s.leaf,
                "downstream": [
                    {"node": str(d.node), "replication-sid": d.sid}
                    | ({"interface": d.interface} if d.interface else {})
                    for d in s.downstream
                ],
            }
            for s in router.replication_segments
        ]  # fmt: skip
    if router.tree_flows:
        p2mp["flow"] = [
            {"source": str(f.source), "group": str(f.group), "root": str(f.root),
             "tree-id": f.tree_id}
            for f in router.tree_flows
        ]  # fmt: skip
    return tree | ({"llmsync-sr:p2mp": p2mp} if p2mp else {})


def with_trees(state: NetworkState, trees: dict[str, dict[str, Any]]) -> NetworkState:
    """Return `state` with the trees and overlays of these configurations."""
    routers = {}
    for name, router in state.routers.items():
        read = read_router(name, trees[name])
        routers[name] = replace(
            router,
            egress_flows=read.egress_flows,
            sr=read.sr,
            replication_segments=read.replication_segments,
            p2mp_policies=read.p2mp_policies,
            tree_flows=read.tree_flows,
        )
    return replace(state, routers=routers)
