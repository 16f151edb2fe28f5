"""Subtree filtering.  RFC 6241 section 6.  Pure.

A filter is laid over the data; what it selects is kept as a mask.
"""

from __future__ import annotations

from enum import Enum

from toolkit.netconf.mask import WHOLE, Mask, cut
from toolkit.netconf.schema import SchemaTree
from toolkit.netconf.tree import Node


class _Role(Enum):
    """What a filter node does (sections 6.2.3 to 6.2.5)."""

    CONTAINMENT = "has child elements"
    SELECTION = "is empty"
    CONTENT_MATCH = "has a value"


def select(
    data: Node, criteria: Node | None, schema: SchemaTree | None = None, *, depth: int = 0
) -> Node:
    """Return the selected part of the datastore `data`; its children are the top-level nodes.

    `criteria` is the <filter> element; None selects everything, an empty one nothing (section
    6.4.2). With `schema`, the keys of a list entry of which a part is selected come along, as
    section 6.2.5 allows.  `depth` is that of `mask.cut`.
    """
    if criteria is None and not depth:
        return data
    mask = Mask()
    if criteria is None:
        for position in range(len(data.children)):
            mask.add_path((position,))
    else:
        for part in criteria.children:
            _lay(data, part, mask)
    return cut(data, mask, schema.top if schema is not None else None, depth=depth)


def _role(node: Node) -> _Role:
    if node.children:
        return _Role.CONTAINMENT
    return _Role.CONTENT_MATCH if node.text else _Role.SELECTION


def _named_alike(part: Node, node: Node) -> bool:
    """Section 6.2.1: a filter node without a namespace stands for every namespace."""
    return part.name.local == node.name.local and part.name.namespace in ("", node.name.namespace)


def _attributes_match(part: Node, node: Node) -> bool:
    """Section 6.2.2: every attribute of the filter node must be there and equal."""
    return all(node.attribute(key) == value for key, value in part.attributes)


def _lay(data: Node, part: Node, mask: Mask) -> None:
    """Add to `mask`, the mask of `data`, what `part` selects among `data`'s children."""
    for position, child in enumerate(data.children):
        if _named_alike(part, child) and _attributes_match(part, child):
            selected = _selected(child, part)
            if selected is not None:
                mask.children.setdefault(position, Mask()).add(selected)


def _selected(node: Node, part: Node) -> Mask | None:
    """Return what filter node `part` selects of `node`, which it names; None for nothing."""
    role = _role(part)
    if role is _Role.SELECTION:
        return WHOLE
    if role is _Role.CONTENT_MATCH:
        return WHOLE if _same_value(part, node) else None
    mask = Mask()
    matches = [p for p in part.children if _role(p) is _Role.CONTENT_MATCH]
    for match in matches:  # all of them must hold
        found = [n for n, child in enumerate(node.children) if _matches(match, child)]
        if not found:
            return None
        mask.children.update((position, Mask(whole=True)) for position in found)
    others = [p for p in part.children if _role(p) is not _Role.CONTENT_MATCH]
    if matches and not others:
        return WHOLE
    for other in others:
        _lay(node, other, mask)
    return mask if mask.children else None


def _matches(match: Node, child: Node) -> bool:
    return (
        _named_alike(match, child)
        and not child.children
        and _attributes_match(match, child)
        and _same_value(match, child)
    )


def _same_value(part: Node, node: Node) -> bool:
    return part.text == node.text or part.meaning() == node.meaning()
