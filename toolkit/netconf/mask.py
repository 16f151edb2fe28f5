"""What a filter selects of a datastore, and the cut that it makes.  Pure.

Several parts of a filter that touch the same data add up to one output (RFC 6241 section 6.3)
before anything is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolkit.netconf.schema import Kind, SchemaNode
from toolkit.netconf.tree import Node


@dataclass(slots=True)
class Mask:
    """What is selected of one node: all of it, or some of its children."""

    whole: bool = False
    children: dict[int, Mask] = field(default_factory=dict)
    """Masks of the selected children, by position."""

    def add(self, other: Mask) -> None:
        self.whole = self.whole or other.whole
        for position, mask in other.children.items():
            self.children.setdefault(position, Mask()).add(mask)

    def add_path(self, path: Iterable[int]) -> None:
        """Select all of the node that is found by these positions."""
        mask = self
        for position in path:
            mask = mask.children.setdefault(position, Mask())
        mask.whole = True


WHOLE = Mask(whole=True)


def cut(node: Node, mask: Mask, schema: SchemaNode | None, *, depth: int = 0) -> Node:
    """Return what `mask` leaves of `node`; the keys of list entries come along.

    `depth` is how many levels of a node that is selected whole are kept, 0 all (RFC 8526,
    max-depth).
    """
    if mask.whole:
        return _shallow(node, depth, schema) if depth else node
    keep = dict(mask.children)
    if schema is not None and schema.kind is Kind.LIST and keep:
        for position, child in enumerate(node.children):
            if _is_key(schema, child):
                keep.setdefault(position, WHOLE)
    children = (
        cut(
            node.children[n],
            keep[n],
            schema.children.get(node.children[n].name) if schema else None,
            depth=depth,
        )
        for n in sorted(keep)
    )
    return node.with_children(children)


def _shallow(node: Node, depth: int, schema: SchemaNode | None) -> Node:
    """Keep `depth` levels, `node` itself being the first; an entry keeps its keys."""
    if depth == 1:
        return node.with_children(c for c in node.children if schema and _is_key(schema, c))
    return node.with_children(
        _shallow(child, depth - 1, schema.children.get(child.name) if schema else None)
        for child in node.children
    )


def _is_key(schema: SchemaNode, child: Node) -> bool:
    return child.name.local in schema.keys and child.name.namespace == schema.name.namespace
