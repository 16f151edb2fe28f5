"""A reference router's edge protection and class of service.  Pure.  llmsync-edge, RFC 7951."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from toolkit.state.model import EdgeProtection, QosClass

_Node = Mapping[str, Any]


def read_protection(tree: _Node) -> dict[str, EdgeProtection]:
    """Return what protected interfaces accept, by name; sources by address."""
    edge: _Node = tree.get("llmsync-edge:edge", {})
    entries: Iterable[_Node] = edge.get("interface", ())
    return {entry["name"]: _protection(entry) for entry in entries}


def _protection(entry: _Node) -> EdgeProtection:
    sources = sorted(map(ip_address, entry.get("source", ())), key=lambda a: (a.version, int(a)))
    sets: Iterable[_Node] = entry.get("set", ())
    bits = {bound["si"]: int(bound["bit-string"], 16) for bound in sets}
    return EdgeProtection(sources=tuple(sources), bit_strings=dict(sorted(bits.items())))


def read_qos(tree: _Node) -> QosClass | None:
    """Return the class of deliveries; None: the router is told nothing."""
    qos: _Node | None = tree.get("llmsync-edge:qos")
    return None if qos is None else QosClass(dscp=qos["dscp"])
