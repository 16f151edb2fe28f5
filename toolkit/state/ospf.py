"""A reference router's OSPF configuration as network state.  Pure.  llmsync-ospf, RFC 7951."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.state.model import OspfInterface

_Node = Mapping[str, Any]
_PLAIN = OspfInterface()
"""Its values are the defaults of the module."""


def read_router_id(tree: _Node) -> str:
    """Return the OSPF router-id; empty: the router runs no OSPF."""
    ospf: _Node = tree.get("llmsync-ospf:ospf", {})
    identifier: str = ospf.get("router-id", "")
    return identifier


def read_ospf(tree: _Node) -> dict[str, OspfInterface]:
    """Return what OSPF says of interfaces, by name."""
    ospf: _Node = tree.get("llmsync-ospf:ospf", {})
    entries: Iterable[_Node] = ospf.get("interface", ())
    return {
        entry["name"]: OspfInterface(
            cost=entry.get("cost", _PLAIN.cost),
            passive=entry.get("passive", _PLAIN.passive),
            area=entry.get("area", _PLAIN.area),
        )
        for entry in entries
    }
