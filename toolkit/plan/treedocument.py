"""P2MP trees of a plan as a document: names, numbers and strings, ready for JSON.  Pure."""

from __future__ import annotations

from toolkit.plan.model import SrPlan, TreePathPlan, TreePlan

Document = dict[str, object]


def blocks_document(sr: SrPlan) -> Document:
    """Return the label blocks of all routers."""
    return {"srgb": str(sr.srgb), "srlb": str(sr.srlb)}


def tree_document(tree: TreePlan) -> Document:
    """Return a P2MP policy with its candidate paths and their segments."""
    return {
        "root": tree.root,
        "tree_id": tree.tree_id,
        "paths": [_path(path) for path in tree.paths],
    }


def _path(path: TreePathPlan) -> Document:
    return {
        "name": path.name,
        "preference": path.preference,
        "instance_id": path.instance_id,
        "links": list(path.links),
        "shared": list(path.shared),
        "segments": [
            {
                "router": node.router,
                "sid": node.sid,
                "leaf": node.leaf,
                "branches": [
                    {"router": b.router, "sid": b.sid, "port": b.port} for b in node.branches
                ],
            }
            for node in path.nodes.values()
        ],
    }
