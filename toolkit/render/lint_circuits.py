"""Circuits of the IGP that are of another type than their neighbors' are.  Pure.

Every cable of a plan has two ends, and rendered circuits are point-to-point.  One that has become a
broadcast circuit, as most systems make it unless told otherwise, forms no adjacency with them.
"""

from __future__ import annotations

from toolkit.render.remark import Remark


def broadcast(path: str, remedy: str, *, ospf: bool = False) -> Remark:
    """Return the remark about a circuit, at its data path, that is not point-to-point."""
    return Remark(
        path=path,
        what="it is no point-to-point circuit: with a neighbor whose circuit is one, it forms no"
        " adjacency",
        remedy=f"{remedy}, or see that the neighbor's is of the same type",
        source="RFC 2328 section 10.6" if ospf else "RFC 5303 section 3.2; ISO 10589 section 8.4",
        error=False,
    )
