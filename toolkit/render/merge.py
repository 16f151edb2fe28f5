"""Pieces of one configuration into one: what templates of several features wrote of one device.

Pure.  Each template writes whole paths from the top, so `router` or `configuration` stands in many
of them.  YANG's XML has an entry's keys first (RFC 7950 section 7.8.5), which is all that is needed
to see whether two elements of one name are the same node: they are, unless they begin with leaves
of the same names and other values.  (So a leaf-list that an element begins with is one template's.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from toolkit.netconf.tree import Node, QName


def merge(pieces: Iterable[Node]) -> tuple[Node, ...]:
    """Return top-level elements, each once, in the order in which they first stood."""
    return _merged(list(pieces))


def _merged(nodes: Sequence[Node]) -> tuple[Node, ...]:
    kept: list[Node] = []
    # Which elements have one name, by how they begin: lists of thousands of entries are common.
    places: dict[QName, _Beginnings] = {}
    for node in nodes:
        first, value = _beginning(node)
        known = places.setdefault(node.name, {})
        candidates = _candidates(known, first, value)
        found = next((index for index in candidates if _same(kept[index], node)), None)
        if found is None:
            known.setdefault(first, {}).setdefault(value, []).append(len(kept))
            kept.append(node)
        elif node.children:
            both = (*kept[found].children, *node.children)
            kept[found] = replace(kept[found], children=both)
    return tuple(
        replace(node, children=_merged(node.children)) if node.children else node for node in kept
    )


_Beginnings = dict[QName | None, dict[str, list[int]]]
"""Name of the first child -> its value -> elements that begin with it."""


def _beginning(node: Node) -> tuple[QName | None, str]:
    """Return name and value of the leaf that an element begins with; a leaf's own value."""
    first = node.children[0] if node.children else None
    # White space is what a template leaves between the tags of an empty container.
    return (None, node.value) if first is None else (first.name, first.value.strip())


def _candidates(known: _Beginnings, first: QName | None, value: str) -> Iterator[int]:
    """Yield what could be the same: what begins alike, or with a child of another name."""
    yield from known.get(first, {}).get(value, ())
    for other, values in known.items():
        if other != first:
            yield from (index for indices in values.values() for index in indices)


def _same(first: Node, second: Node) -> bool:
    if not first.children and not second.children:
        return first.value == second.value  # two leaves; with two values, a leaf-list
    for one, other in zip(first.children, second.children, strict=False):
        if one.name != other.name or one.children or other.children:
            break
        if one.value != other.value:
            return False
    return True
