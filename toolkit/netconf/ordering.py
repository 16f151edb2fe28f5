"""Where an entry goes in a list that its user orders.  RFC 7950 sections 7.7.9 and 7.8.6.  Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from toolkit.netconf.names import YANG_NS
from toolkit.netconf.schema import Identity, Kind, SchemaNode
from toolkit.netconf.tree import Node, QName

_PREDICATE: Final = re.compile(r"""\[\s*(?:[\w.-]+:)?([\w.-]+)\s*=\s*('[^']*'|"[^"]*")\s*\]""")


class Placement(StrEnum):
    """Values of the `insert` attribute."""

    FIRST = "first"
    LAST = "last"
    BEFORE = "before"
    AFTER = "after"
    STAY = ""
    """No attribute: an existing entry stays where it is, a new one goes last."""


def place(
    schema: SchemaNode,
    slots: dict[Identity, Node],
    identity: Identity,
    node: Node,
    placement: Placement,
) -> str:
    """Move the entry `identity` of `slots` to where `node`'s attributes say.

    Returns what is wrong with them; empty when the entry was moved.
    """
    target: Identity | None = None
    if placement in (Placement.BEFORE, Placement.AFTER):
        attribute = "value" if schema.kind is Kind.LEAF_LIST else "key"
        text = node.attribute(QName(YANG_NS, attribute))
        if text is None:
            return f"insert={placement.value!r} needs the attribute {attribute}"
        target = _target(schema, text, node)
        if target is None or target == identity or target not in slots:
            return f"{attribute}={text!r} names no other entry"
    moved = slots.pop(identity)
    order = list(slots.items())
    own = [n for n, (_, sibling) in enumerate(order) if sibling.name == node.name]
    match placement:
        case Placement.FIRST:
            index = own[0] if own else len(order)
        case Placement.BEFORE | Placement.AFTER:
            index = next(n for n, (key, _) in enumerate(order) if key == target)
            index += placement is Placement.AFTER
        case _:
            index = own[-1] + 1 if own else len(order)
    order.insert(index, (identity, moved))
    slots.clear()
    slots.update(order)
    return ""


def _target(schema: SchemaNode, text: str, node: Node) -> Identity | None:
    """Return the identity of the entry that a `key` or `value` attribute names."""
    if schema.kind is Kind.LEAF_LIST:
        return schema.identity(Node(schema.name, text, prefixes=node.prefixes))
    keys = tuple(
        Node(QName(schema.name.namespace, key), value[1:-1], prefixes=node.prefixes)
        for key, value in _PREDICATE.findall(text)
    )
    return schema.identity(Node(schema.name, children=keys))
