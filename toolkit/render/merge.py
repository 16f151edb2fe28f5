"""Pieces of one configuration into one: what templates of several features wrote of one device.

Pure.  Each template writes whole paths from the top, so `router` or `configuration` stands in many
of them.  YANG's XML has an entry's keys first (RFC 7950 section 7.8.5), which is all that is needed
to see whether two elements of one name are the same node: they are, unless they begin with leaves
of the same names and other values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from toolkit.netconf.tree import Node


def merge(pieces: Iterable[Node]) -> tuple[Node, ...]:
    """Return top-level elements, each once, in the order in which they first stood."""
    return _merged(list(pieces))


def _merged(nodes: Sequence[Node]) -> tuple[Node, ...]:
    kept: list[Node] = []
    places: dict[object, list[int]] = {}
    for node in nodes:
        found = None
        for index in places.setdefault(node.name, []):
            if _same(kept[index], node):
                found = index
                break
        if found is None:
            places[node.name].append(len(kept))
            kept.append(node)
        elif node.children:
            both = (*kept[found].children, *node.children)
            kept[found] = replace(kept[found], children=both)
    return tuple(
        replace(node, children=_merged(node.children)) if node.children else node for node in kept
    )


def _same(first: Node, second: Node) -> bool:
    if not first.children and not second.children:
        return first.value == second.value  # two leaves; with two values, a leaf-list
    for one, other in zip(first.children, second.children, strict=False):
        if one.name != other.name or one.children or other.children:
            break
        if one.value != other.value:
            return False
    return True
