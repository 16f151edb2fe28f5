"""What a label means to a router: a replication segment, or the next hop of a node SID.

RFC 9524 section 2 (replication), RFC 8660 section 2 (node SIDs).  Values only; they follow from
configuration and routes (`toolkit.planes.replication`).  Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Branch(NamedTuple):
    """A copy to a downstream node."""

    node: str
    """Address of the downstream node."""
    neighbor: str
    """Router at the other end of `port`: the node itself, or the first on the way to it."""
    port: str
    labels: tuple[int, ...]
    """Outermost first: the node SID, where the neighbor is not the node, and the replication
    SID."""


class Cause(StrEnum):
    """Why there is no way to a node."""

    NODE_SID_CLASH = "node-sid-clash"
    NODE_SID_MISSING = "node-sid-missing"
    """It advertises none, or the next hop has no label for it."""
    NO_MPLS = "no-mpls"
    """The way out carries no labels."""
    UNREACHABLE = "unreachable"


class Lost(NamedTuple):
    """A downstream node that no copy can be sent to."""

    node: str
    cause: Cause
    why: str
    """For people."""
    port: str = ""
    """NO_MPLS: the interface."""


class Segment(NamedTuple):
    """A replication segment that is installed."""

    root: str
    tree_id: int
    instance_id: int
    sid: int
    leaf: bool
    branches: tuple[Branch, ...]
    lost: tuple[Lost, ...] = ()


class Hop(NamedTuple):
    """The next hop of a node SID."""

    prefix: str
    neighbor: str
    port: str
    label: int | None
    """None: the neighbor owns the node SID, and we take the label off (PHP)."""


Entry = Segment | Hop
